//! Peers without a network: how to test what is built on connections, deadlines included, in no time.
//!
//! tokio's clock is paused. It moves on by itself whenever everybody waits, so a minute passes in an instant.

use std::time::Duration;

use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    AuthenticateError, ChainName, Config, ConnectionOptions, Direction, DisconnectionReason, Drain, NetworkVersion,
    authenticate,
};
use tokio::time::{Instant, timeout};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = || {
        let version = NetworkVersion::current(ChainName::from("TEST"));
        Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
    };
    let address = "192.0.2.1:9732".parse()?;

    // A remote that says nothing is given up at the deadline, to the millisecond.
    let (stream, _silent) = tokio::io::duplex(1024);
    let start = Instant::now();
    let refused = authenticate(stream, Role::Responder, address, &config(), ()).await;
    assert!(matches!(refused, Err(AuthenticateError::Timeout { .. })));
    println!("gave up a silent remote after {:?}", start.elapsed());
    assert_eq!(start.elapsed(), Config::DEFAULT_HANDSHAKE_TIMEOUT);

    // Two that do talk, through a pipe that holds 64 bytes.
    let (left, right) = tokio::io::duplex(64);
    let (alice, bob) = (config(), config());
    let (left, right) = tokio::try_join!(
        authenticate(left, Role::Initiator, address, &alice, ()),
        authenticate(right, Role::Responder, address, &bob, ()),
    )?;
    let (left, mut right) = tokio::try_join!(
        left.accept(RawEncoding::default(), ConnectionOptions::default()),
        right.accept(RawEncoding::default(), ConnectionOptions::default()),
    )?;
    left.send("ping".into()).await?;
    assert_eq!(right.recv().await?.message, "ping");

    // A program's own rule: who says nothing for a minute is dismissed.
    let start = Instant::now();
    let idle = timeout(Duration::from_secs(60), right.recv()).await;
    assert!(idle.is_err());
    println!("no message within {:?}", start.elapsed());
    let dismissed = right.close(DisconnectionReason::user("idle"), Drain::Flush(Duration::from_secs(1)));
    let (dismissed, ()) = tokio::join!(dismissed, left.closed());
    dismissed?;
    assert_eq!(
        left.closing_reason(),
        Some(DisconnectionReason::ClosedByPeer(Direction::Receiving))
    );
    Ok(())
}
