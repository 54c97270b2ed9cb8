//! No secret is left in freed memory: a program that makes a connection, ends it, and looks through its own heap.

fn main() {
    #[cfg(target_os = "linux")]
    linux::no_secret_is_left_on_the_heap();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::File,
        io::{Read, Seek, SeekFrom},
        net::SocketAddr,
    };

    use p2p_crypto::{ChannelKey, Difficulty, Identity, Role, SecretKey, Stamp};
    use p2p_framing::encoding::RawEncoding;
    use p2p_socket::{
        ChainName, Config, ConnectionOptions, DisconnectionReason, Drain, NetworkVersion, NodeMetadata, authenticate,
    };

    /// A secret to look for, written so that the looking itself is not found.
    struct Needle([u8; 32]);

    impl Needle {
        fn new(secret: &[u8; 32]) -> Self {
            Self(secret.map(|byte| !byte))
        }

        /// How often the secret stands in the heap of this process.
        fn count(&self) -> usize {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let heap = maps.lines().find(|line| line.ends_with("[heap]")).expect("a heap");
            let (start, end) = heap.split_whitespace().next().unwrap().split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            let mut memory = File::open("/proc/self/mem").unwrap();
            // Not on the heap, or it would find itself.
            let mut window = [0; 4096];
            let (mut at, mut count) = (start, 0);
            while at < end {
                let size = window.len().min(usize::try_from(end - at).unwrap());
                memory.seek(SeekFrom::Start(at)).unwrap();
                memory.read_exact(&mut window[..size]).unwrap();
                let found = |place: &[u8]| place.iter().zip(&self.0).all(|(byte, needle)| *byte == !*needle);
                count += window[..size].windows(32).filter(|place| found(place)).count();
                // The end of a window is looked at again with what follows it.
                at += u64::try_from(size).unwrap() - if at + 4096 < end { 31 } else { 0 };
            }
            count
        }
    }

    fn config(identity: Identity) -> Config {
        Config::new(identity, NetworkVersion::current(ChainName::from("TEST"))).required_difficulty(Difficulty::NONE)
    }

    /// A message each way between two connections, and their end.
    async fn talk(left: &Config, right: &Config) {
        let address: SocketAddr = "10.0.0.1:9732".parse().unwrap();
        let (left_io, right_io) = tokio::io::duplex(4096);
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
        left.close(DisconnectionReason::ExplicitRequest, Drain::Discard)
            .await
            .unwrap();
        right.closed().await;
    }

    pub(super) fn no_secret_is_left_on_the_heap() {
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
        runtime.block_on(async {
            talk(&left, &right).await;
            // The tasks of the connections have ended, too.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        });
        assert_eq!(channel_key.count(), 0, "the channel key outlives its connections");
        drop((left, right));
        assert_eq!(secret.count(), 0, "the secret key outlives its identity");
        println!("no secret is left");
    }
}
