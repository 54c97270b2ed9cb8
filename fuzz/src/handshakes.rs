//! The handshake against a remote that knows its keys and sends anything in any step.

use std::{
    fmt::Debug,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Difficulty, Identity, Nonce, Opener, Role, Sealer, SecretKey, SessionNonces, Stamp};
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize, PointList};
use p2p_socket::{
    Ack, ChainName, ConnectionMessage, NetworkVersion, NodeMetadata, RejectionMotive,
    handshake::{Established, Hello, LocalPeer, Progress, Step},
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

pub(crate) fn version() -> NetworkVersion {
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
    sealer: ChunkSealer,
    opener: ChunkOpener,
    /// The end of a frame of which the beginning has been sent.
    late: BytesMut,
    /// What the frames carry, `None` for one that is not authentic.
    bodies: Vec<Option<Vec<u8>>>,
}

impl Remote<'_> {
    /// Sends something more. `false` when the script has ended.
    fn feed(&mut self, input: &mut BytesMut) -> bool {
        if self.late.is_empty() {
            if self.script.is_empty() {
                return false;
            }
            self.make_frame();
        }
        let first = match self.script.byte() {
            0 => self.late.len(),
            count => usize::from(count).min(self.late.len()),
        };
        input.extend_from_slice(&self.late.split_to(first));
        true
    }

    /// Sealed as it should be, sealed and changed, or not sealed at all; short as it should be, or long.
    fn make_frame(&mut self) {
        let (how, bytes) = (self.script.byte(), self.script.bytes());
        if how % 8 == 7 {
            if !bytes.is_empty() {
                self.bodies.push(None);
            }
            return self.late.extend_from_slice(bytes);
        }
        let mut body = bytes.to_vec();
        if how & 8 > 0 {
            body.extend_from_slice(
                self.script
                    .filled(self.sealer.chunk_size().max_plaintext() - bytes.len()),
            );
        }
        self.sealer
            .seal_one(&body, &mut self.late)
            .expect("no more than a chunk carries");
        if how % 8 == 6 {
            let place = self.script.below(self.late.len());
            self.late[place] ^= 1 << (how >> 5);
        }
        self.bodies.push((how % 8 != 6).then_some(body));
    }

    /// Whether so many frames are authentic and the last carries something that `is_right`.
    fn has_sent(&self, frames: usize, is_right: impl FnOnce(&[u8]) -> bool) -> bool {
        let sent = self.bodies.iter().take(frames).flatten();
        sent.clone().count() == frames && sent.last().is_some_and(|body| is_right(body))
    }

    /// What we send must be one chunk that opens, and is returned.
    fn open(&mut self, output: &Bytes) -> Vec<u8> {
        let mut output = output.to_vec();
        let opened = self.opener.open_first(&mut output).expect("our own chunk is authentic");
        let opened = opened.expect("it is whole");
        let (plaintext, size) = (opened.plaintext.to_vec(), opened.wire_size);
        assert_eq!(size, output.len());
        plaintext
    }
}

/// Plays the whole handshake as far as the remote lets it come.
fn play(role: Role, data: &[u8]) -> Option<Established<NodeMetadata>> {
    let mut script = Script::new(data);
    let now = Instant::now();
    let deadline = now + TIMEOUT;
    let (nonce, address) = (Nonce::from_bytes(derived(data)), ([10, 0, 0, 1], 9732).into());
    let (hello, sent) = Hello::start(local(&OURS), role, address, nonce, deadline).expect("a short chain name");
    let mut input = BytesMut::new();
    // Most remotes get through the first step, or nothing else would ever be reached.
    let how = script.byte();
    let (made_up, replayed) = (how % 8 == 7, how % 8 == 6);
    let received = if made_up {
        Bytes::copy_from_slice(script.bytes())
    } else {
        let message = ConnectionMessage {
            port: Some(9732),
            public_key: if replayed { &OURS } else { &THEIRS }.public_key(),
            proof_of_work_stamp: THEIRS.stamp(),
            message_nonce: nonce,
            version: version(),
        };
        Bytes::copy_from_slice(message.encode().expect("a short chain name").as_wire())
    };
    // In two reads, of which each may be empty.
    let (first, second) = received.split_at(received.len().min(usize::from(how / 8) * 8));
    let mut second = Some(second);
    input.extend_from_slice(first);
    let (metadata, output) = receive(hello, &mut input, now, |input| {
        second.take().map(|read| input.extend_from_slice(read)).is_some()
    })?;
    if made_up || replayed {
        // It may well decode, but the remote does not have the secret of its key.
        let mut noise = Some(script.bytes());
        let peer = receive(metadata, &mut input, now, |input| {
            noise.take().map(|noise| input.extend_from_slice(noise)).is_some()
        });
        assert!(peer.is_none());
        return None;
    }
    let role_of_remote = match role {
        Role::Initiator => Role::Responder,
        Role::Responder => Role::Initiator,
    };
    let nonces = SessionNonces::derive(role_of_remote, &received, &sent);
    let mut remote = Remote {
        script,
        sealer: ChunkSealer::new(Sealer::new(CHANNEL_KEY.clone(), nonces.sealing), ChunkSize::MAX),
        opener: ChunkOpener::new(Opener::new(CHANNEL_KEY.clone(), nonces.opening)),
        late: BytesMut::new(),
        bodies: Vec::new(),
    };
    assert_eq!(remote.open(&output), [0, 0]);
    let peer = receive(metadata, &mut input, now, |input| remote.feed(input));
    assert_eq!(peer.is_some(), remote.has_sent(1, |metadata| metadata.len() == 2));
    let peer = peer?;
    assert_eq!(peer.info().peer_id, THEIRS.peer_id());
    if remote.script.byte() % 8 == 7 {
        let (motive, points) = (RejectionMotive::TooManyConnections, PointList::default());
        let nack = Ack::nack(peer.info().announced_version.p2p_version, motive, points.clone());
        let output = peer.nack(motive, points).expect("nonces");
        assert_eq!(Ack::decode(&remote.open(&output)).ok(), Some(nack));
        return None;
    }
    let (acks, output) = peer.accept(deadline).expect("nonces");
    assert_eq!(Ack::decode(&remote.open(&output)).ok(), Some(Ack::Ack));
    let established = receive(acks, &mut input, now, |input| remote.feed(input));
    assert_eq!(established.is_some(), remote.has_sent(2, |ack| ack == [0]));
    let mut established = established?;
    check_session(&mut established.sealer, &mut remote.opener);
    // What else the remote has sealed is not read here, and what it sends then would not be the next chunk.
    if input.is_empty() && remote.late.is_empty() {
        check_session(&mut remote.sealer, &mut established.opener);
    }
    Some(established)
}

/// What one side of a session seals, the other one opens.
pub(crate) fn check_session(sealer: &mut ChunkSealer, opener: &mut ChunkOpener) {
    let mut wire = BytesMut::new();
    sealer.seal_one(b"the same session", &mut wire).expect("nonces");
    let opened = opener.open_first(&mut wire).expect("the same keys");
    assert_eq!(opened.expect("a whole chunk").plaintext, b"the same session");
}

/// Takes a step with what `feed` adds to the input, until it gives up. `None` if it fails, or waits for more and then fails
/// at its deadline.
pub(crate) fn receive<S: Step>(
    mut step: S,
    input: &mut BytesMut,
    now: Instant,
    mut feed: impl FnMut(&mut BytesMut) -> bool,
) -> Option<S::Next>
where
    S::Error: Debug,
{
    loop {
        let before = input.len();
        match step.receive(input, now) {
            Ok(Progress::Done(next)) => return Some(next),
            Ok(Progress::NeedMore(same)) => step = same,
            Err(error) => {
                // That would take our own secret key.
                assert!(!format!("{error:?}").starts_with("Myself"));
                return None;
            }
        }
        assert!(input.len() <= before);
        // Whoever keeps so much has enough for any step.
        assert!(input.len() < step.max_input(), "a step that never ends");
        if !feed(input) {
            // At the deadline it is over in any case.
            let deadline = step.deadline();
            assert!(step.receive(input, deadline).is_err());
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata and an ack, which is what the seed `accepts` has.
    const HONEST: &[u8] = &[0, 0, 2, 0, 0, 0, 0, 0, 1, 0];

    #[test]
    fn an_honest_remote_gets_through_the_whole_handshake_in_both_roles() {
        for role in [Role::Initiator, Role::Responder] {
            let established = play(role, HONEST).expect("nothing is wrong with the remote");
            assert_eq!(established.info.peer_id, THEIRS.peer_id());
        }
    }
}
