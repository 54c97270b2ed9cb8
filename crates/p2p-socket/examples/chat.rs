//! A chat room: what one guest says is encoded once and goes to all the others. One that does not read holds nobody up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, PeerId, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    ChainName, Config, Connection, ConnectionOptions, DisconnectionReason, Drain, NetworkVersion, Sender, TrySendError,
    authenticate,
};
use tokio::net::{TcpListener, TcpStream};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn config() -> Config {
    let version = NetworkVersion::current(ChainName::from("CHAT"));
    Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
}

async fn connect(stream: TcpStream, role: Role, config: &Config) -> Result<Connection<Bytes, ()>, Error> {
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    let peer = authenticate(stream, role, remote, config, ()).await?;
    Ok(peer
        .accept(RawEncoding::default(), ConnectionOptions::default())
        .await?)
}

#[derive(Default)]
struct Room {
    guests: Mutex<HashMap<PeerId, Sender<Bytes>>>,
}

impl Room {
    async fn open(self: Arc<Self>, listener: TcpListener) -> Result<(), Error> {
        let config = config();
        loop {
            let (stream, address) = listener.accept().await?;
            let (room, config) = (self.clone(), config.clone());
            tokio::spawn(async move {
                if let Err(error) = room.receive_guest(stream, &config).await {
                    println!("{address}: {error}");
                }
            });
        }
    }

    async fn receive_guest(&self, stream: TcpStream, config: &Config) -> Result<(), Error> {
        let mut guest = connect(stream, Role::Responder, config).await?;
        let name = guest.info().peer_id;
        self.guests().insert(name, guest.sender());
        guest.send("welcome".into()).await?;
        while let Ok(received) = guest.recv().await {
            let said = String::from_utf8_lossy(&received.message);
            self.tell_others(name, format!("{name}: {said}").into())?;
        }
        self.guests().remove(&name);
        Ok(())
    }

    fn tell_others(&self, speaker: PeerId, message: Bytes) -> Result<(), Error> {
        let guests = self.guests();
        let Some(encoded) = guests.get(&speaker).map(|sender| sender.encode(message)) else {
            return Ok(());
        };
        let encoded = encoded?;
        for (name, sender) in guests.iter().filter(|(name, _)| **name != speaker) {
            // A closed connection leaves by itself; a full queue is that of a guest who does not listen.
            if let Err(TrySendError::Full(_)) = sender.try_send_encoded(&encoded) {
                println!("{name} does not listen and misses something");
            }
        }
        Ok(())
    }

    fn guests(&self) -> std::sync::MutexGuard<'_, HashMap<PeerId, Sender<Bytes>>> {
        self.guests.lock().expect("nobody panics with the list of guests")
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let room = tokio::spawn(Arc::<Room>::default().open(listener));

    let mut guests = Vec::new();
    for _ in 0..4 {
        let mut guest = connect(TcpStream::connect(address).await?, Role::Initiator, &config()).await?;
        assert_eq!(guest.recv().await?.message, "welcome");
        guests.push(guest);
    }
    for (number, guest) in guests.iter().enumerate() {
        guest.send(format!("hello from guest {number}").into()).await?;
    }
    for (number, guest) in guests.iter_mut().enumerate() {
        for _ in 0..3 {
            let heard = String::from_utf8(guest.recv().await?.message.to_vec())?;
            println!("guest {number} hears {heard}");
            assert!(!heard.ends_with(&format!("guest {number}")), "nobody hears himself");
        }
    }
    for guest in guests {
        guest
            .close(DisconnectionReason::user("good night"), Drain::Discard)
            .await?;
    }
    room.abort();
    Ok(())
}
