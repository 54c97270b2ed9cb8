//! No secret is left in freed memory: a program that makes a connection, ends it, and looks through all that it has ever
//! allocated.

fn main() {
    #[cfg(target_os = "linux")]
    linux::no_secret_is_left();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::File,
        io::{Read, Seek, SeekFrom},
        net::SocketAddr,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use p2p_crypto::{ChannelKey, Difficulty, Identity, InstructionSet, Role, SecretKey, SessionNonces, Stamp};
    use p2p_framing::encoding::RawEncoding;
    use p2p_socket::{
        ChainName, Config, ConnectionOptions, DisconnectionReason, Drain, NetworkVersion, NodeMetadata, authenticate,
    };
    use salsa20::cipher::{KeyIvInit, StreamCipher, consts::U10};
    use tokio::{io::DuplexStream, runtime::Handle};
    use tokio_util::io::InspectWriter;

    /// Whether the ends of a session keep the keys that they derive from the channel key: only vector kernels want them.
    fn keeps_subkeys() -> bool {
        InstructionSet::available().count() > 1
    }

    /// The end of a secret to look for, written so that the looking itself is not found. Of freed memory the allocator
    /// overwrites the beginning with notes of its own.
    struct Needle([u8; 16]);

    impl Needle {
        fn new(secret: &[u8; 32]) -> Self {
            Self(std::array::from_fn(|place| !secret[16 + place]))
        }

        /// How often the secret stands in the memory of this process: the heap and what else belongs to no file, but
        /// not the stack.
        fn count(&self) -> usize {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let mut memory = File::open("/proc/self/mem").unwrap();
            maps.lines()
                .filter_map(writable)
                .map(|(start, end)| self.count_in(&mut memory, start, end))
                .sum()
        }

        fn count_in(&self, memory: &mut File, start: u64, end: u64) -> usize {
            // On the stack, or it would find itself.
            let mut window = [0; 4096];
            let (mut at, mut count) = (start, 0);
            while at < end {
                let size = window.len().min(usize::try_from(end - at).unwrap());
                memory.seek(SeekFrom::Start(at)).unwrap();
                memory.read_exact(&mut window[..size]).unwrap();
                let first = !self.0[0];
                let found = |place: &[u8]| {
                    place[0] == first && place.iter().zip(&self.0).all(|(byte, needle)| *byte == !*needle)
                };
                count += window[..size].windows(16).filter(|place| found(place)).count();
                // The end of a window is looked at again with what follows it.
                at += u64::try_from(size).unwrap() - if at + 4096 < end { 15 } else { 0 };
            }
            count
        }
    }

    /// The range of a line of the map that may be written and belongs to no file, nor to the stack.
    fn writable(line: &str) -> Option<(u64, u64)> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let may_be_written = words.next()?.starts_with("rw");
        let ours = matches!(words.nth(3), None | Some("[heap]"));
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        (may_be_written && ours).then(|| (address(start), address(end)))
    }

    /// The keys of a session that come from its channel key: one for each direction, and those of its first tags.
    fn derived_keys(channel_key: &ChannelKey, sent: &[u8], received: &[u8]) -> Vec<(String, Needle)> {
        let nonces = SessionNonces::derive(Role::Initiator, sent, received);
        let mut keys = Vec::new();
        for (direction, mut nonce) in [("sending", nonces.sealing), ("receiving", nonces.opening)] {
            // Ten double rounds are Salsa20's twenty.
            let beginning = nonce.as_bytes().first_chunk::<16>().unwrap();
            let subkey = salsa20::hsalsa::<U10>(channel_key.expose_bytes().into(), beginning.into());
            keys.push((format!("the subkey for {direction}"), Needle::new(&subkey.into())));
            for chunk in 0..6 {
                let mut tag_key = [0; 32];
                salsa20::XSalsa20::new(channel_key.expose_bytes().into(), nonce.as_bytes().into())
                    .apply_keystream(&mut tag_key);
                keys.push((
                    format!("the key of tag {chunk} when {direction}"),
                    Needle::new(&tag_key),
                ));
                nonce = nonce.incremented();
            }
        }
        keys
    }

    fn config(identity: Identity) -> Config {
        Config::new(identity, NetworkVersion::current(ChainName::from("TEST")))
            .required_difficulty(Difficulty::NONE)
            // Also on a machine that stops for a while.
            .handshake_timeout(Duration::from_secs(300))
    }

    /// The bytes that one side writes.
    type Written = Arc<Mutex<Vec<u8>>>;

    fn recorded(io: DuplexStream) -> (InspectWriter<DuplexStream, impl FnMut(&[u8])>, Written) {
        let written = Written::default();
        let record = written.clone();
        let record = move |bytes: &[u8]| record.lock().unwrap().extend_from_slice(bytes);
        (InspectWriter::new(io, record), written)
    }

    /// The frame that a direction begins with.
    fn connection_message(written: &Written) -> Vec<u8> {
        let written = written.lock().unwrap();
        let length = usize::from(u16::from_be_bytes([written[0], written[1]]));
        written[..2 + length].to_vec()
    }

    /// A message each way between two connections, and their end. `during` is called in between with the connection messages
    /// that the initiator has sent and received.
    async fn talk(left: &Config, right: &Config, during: impl FnOnce(&[u8], &[u8])) {
        let address: SocketAddr = "10.0.0.1:9732".parse().unwrap();
        let (left_io, right_io) = tokio::io::duplex(4096);
        let ((left_io, sent), (right_io, received)) = (recorded(left_io), recorded(right_io));
        let (left, right) = tokio::join!(
            authenticate(left_io, Role::Initiator, address, left, NodeMetadata::default()),
            authenticate(right_io, Role::Responder, address, right, NodeMetadata::default()),
        );
        let (left, right) = tokio::join!(
            left.unwrap()
                .accept(RawEncoding::default(), ConnectionOptions::default()),
            right
                .unwrap()
                .accept(RawEncoding::default(), ConnectionOptions::default()),
        );
        let (mut left, mut right) = (left.unwrap(), right.unwrap());
        left.send("there".into()).await.unwrap();
        right.recv().await.unwrap();
        right.send("back".into()).await.unwrap();
        left.recv().await.unwrap();
        during(&connection_message(&sent), &connection_message(&received));
        left.close(DisconnectionReason::ExplicitRequest, Drain::Discard)
            .await
            .unwrap();
        right.closed().await;
    }

    pub(super) fn no_secret_is_left() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let ours = SecretKey::generate();
        let theirs = SecretKey::generate();
        let secret = Needle::new(ours.expose_bytes());
        let key = ChannelKey::agree(&ours, &theirs.public_key()).unwrap();
        let channel_key = Needle::new(key.expose_bytes());
        // What is looked for is found while it is there, and only then.
        assert_eq!((secret.count(), channel_key.count()), (0, 1));
        let held = Box::new(ours.clone());
        let copies = vec![key.clone(); 3];
        assert_eq!(secret.count(), 1);
        assert!(channel_key.count() >= 4);
        drop((held, copies, key));
        assert_eq!((secret.count(), channel_key.count()), (0, 0));

        let json = Identity::new(ours, Stamp::from_bytes([1; 24])).to_json();
        let identity = Identity::from_json(&json).unwrap();
        drop(json);
        let (left, right) = (
            config(identity),
            config(Identity::new(theirs, Stamp::from_bytes([2; 24]))),
        );
        assert!(secret.count() > 0);
        let mut derived = Vec::new();
        runtime.block_on(async {
            let during = |sent: &[u8], received: &[u8]| {
                let key = ChannelKey::agree(left.identity().secret_key(), &right.identity().public_key()).unwrap();
                derived = derived_keys(&key, sent, received);
                drop(key);
                // The right keys are looked for: both ends have both subkeys now, if they keep them.
                if keeps_subkeys() {
                    let subkeys = derived.iter().filter(|(name, _)| name.contains("subkey"));
                    assert!(subkeys.map(|(_, subkey)| subkey.count()).eq([2, 2]));
                }
            };
            talk(&left, &right, during).await;
            // The tasks of the connections end, too.
            while Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(channel_key.count(), 0, "the channel key outlives its connections");
        for (name, key) in derived {
            assert_eq!(key.count(), 0, "{name} outlives its connections");
        }
        drop((left, right));
        assert_eq!(secret.count(), 0, "the secret key outlives its identity");
        println!("no secret is left");
    }
}
