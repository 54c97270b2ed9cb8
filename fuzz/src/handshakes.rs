//! The handshake against a remote that knows its keys and sends anything in any step.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Difficulty, Identity, Nonce, Opener, Role, Sealer, SecretKey, SessionNonces, Stamp, Tag};
use p2p_socket::{
    ChainName, ConnectionMessage, NetworkVersion, NodeMetadata,
    handshake::{Hello, LocalPeer, Progress, Step},
};

use crate::script::{Script, derived};

const TIMEOUT: Duration = Duration::from_secs(5);

static OURS: LazyLock<Arc<Identity>> = LazyLock::new(|| identity(1));
static THEIRS: LazyLock<Arc<Identity>> = LazyLock::new(|| identity(2));
static CHANNEL_KEY: LazyLock<ChannelKey> =
    LazyLock::new(|| ChannelKey::agree(THEIRS.secret_key(), &OURS.public_key()).expect("an honest key"));

fn identity(seed: u8) -> Arc<Identity> {
    Arc::new(Identity::new(
        SecretKey::from_bytes([seed; 32]),
        Stamp::from_bytes([seed; 24]),
    ))
}

fn version() -> NetworkVersion {
    NetworkVersion::current(ChainName::from("FUZZ"))
}

pub(crate) fn local(identity: &Arc<Identity>) -> LocalPeer<NodeMetadata> {
    LocalPeer {
        identity: identity.clone(),
        announced_version: version(),
        advertised_port: None,
        required_proof_of_work: Difficulty::NONE.target(),
        metadata: NodeMetadata::default(),
    }
}

pub(crate) fn ours() -> &'static Arc<Identity> {
    &OURS
}

pub(crate) fn theirs() -> &'static Arc<Identity> {
    &THEIRS
}

pub(crate) fn initiator(data: &[u8]) {
    play(Role::Initiator, data);
}

pub(crate) fn responder(data: &[u8]) {
    play(Role::Responder, data);
}

/// The remote's part of the session, once both connection messages are known.
struct Remote<'a> {
    script: Script<'a>,
    sealer: Sealer,
    opener: Opener,
}

impl Remote<'_> {
    /// Sealed as it should be, sealed and changed, or not sealed at all.
    fn next(&mut self, input: &mut BytesMut) {
        let (how, bytes) = (self.script.byte(), self.script.bytes());
        if how % 8 == 7 {
            return input.extend_from_slice(bytes);
        }
        let mut body = bytes.to_vec();
        let Ok(tag) = self.sealer.seal(&mut body) else { return };
        let start = input.len();
        let length = u16::try_from(16 + body.len()).unwrap_or(u16::MAX);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(tag.as_bytes());
        input.extend_from_slice(&body);
        if how % 8 == 6 {
            let place = start + self.script.below(input.len() - start);
            if let Some(byte) = input.get_mut(place) {
                *byte ^= 1 << (how >> 5);
            }
        }
    }

    /// What we send must be one chunk that opens.
    fn check(&mut self, output: &Bytes) {
        let (header, rest) = output.split_first_chunk::<2>().expect("a header");
        let (tag, body) = rest.split_first_chunk::<16>().expect("a tag");
        assert_eq!(usize::from(u16::from_be_bytes(*header)), rest.len());
        let mut body = body.to_vec();
        self.opener
            .open(&mut body, &Tag::from_bytes(*tag))
            .expect("our own chunk is authentic");
    }
}

fn play(role: Role, data: &[u8]) {
    let mut script = Script::new(data);
    let now = Instant::now();
    let deadline = now + TIMEOUT;
    let (nonce, address) = (Nonce::from_bytes(derived(data)), ([10, 0, 0, 1], 9732).into());
    let (hello, sent) = Hello::start(local(&OURS), role, address, nonce, deadline).expect("a short chain name");
    let mut input = BytesMut::new();
    // Most remotes get through the first step, or nothing else would ever be reached.
    let made_up = script.byte() % 8 == 7;
    let received = if made_up {
        Bytes::copy_from_slice(script.bytes())
    } else {
        let message = ConnectionMessage {
            port: Some(9732),
            public_key: THEIRS.public_key(),
            proof_of_work_stamp: THEIRS.stamp(),
            message_nonce: nonce,
            version: version(),
        };
        Bytes::copy_from_slice(message.encode().expect("a short chain name").as_wire())
    };
    input.extend_from_slice(&received);
    let Some((metadata, output)) = drive(hello, &mut input, |_| false, now) else {
        return;
    };
    if made_up {
        // It may well decode, but nobody has the secret of its key.
        assert!(drive(metadata, &mut input, |_| false, now).is_none());
        return;
    }
    let role_of_remote = match role {
        Role::Initiator => Role::Responder,
        Role::Responder => Role::Initiator,
    };
    let nonces = SessionNonces::derive(role_of_remote, &received, &sent);
    let mut remote = Remote {
        script,
        sealer: Sealer::new(CHANNEL_KEY.clone(), nonces.sealing),
        opener: Opener::new(CHANNEL_KEY.clone(), nonces.opening),
    };
    remote.check(&output);
    let feed = |remote: &mut Remote<'_>, input: &mut BytesMut| {
        let more = !remote.script.is_empty();
        if more {
            remote.next(input);
        }
        more
    };
    let Some(peer) = drive(metadata, &mut input, |input| feed(&mut remote, input), now) else {
        return;
    };
    assert_eq!(peer.info().peer_id, THEIRS.peer_id());
    let (acks, output) = peer.accept(deadline).expect("nonces");
    remote.check(&output);
    drive(acks, &mut input, |input| feed(&mut remote, input), now);
}

/// Takes a step with what `feed` brings, until it gives up. `None` if it fails, or there is nothing more.
fn drive<S: Step>(
    mut step: S,
    input: &mut BytesMut,
    mut feed: impl FnMut(&mut BytesMut) -> bool,
    now: Instant,
) -> Option<S::Next> {
    loop {
        let before = input.len();
        match step.receive(input, now) {
            Ok(Progress::Done(next)) => return Some(next),
            Ok(Progress::NeedMore(same)) => step = same,
            Err(_) => return None,
        }
        assert!(input.len() <= before);
        // Whoever keeps so much has enough for any step.
        assert!(input.len() < step.max_input(), "a step that never ends");
        if !feed(input) {
            // At the deadline it is over in any case.
            assert!(step.receive(input, now + TIMEOUT).is_err());
            return None;
        }
    }
}
