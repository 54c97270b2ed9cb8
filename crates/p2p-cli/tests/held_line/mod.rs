//! A line between two runs that carries so much, and then holds everything until it is told to go on: a test meets a transfer
//! in its middle, however fast or slow the machine is.

#![allow(dead_code, unreachable_pub)]

use std::{io, sync::mpsc, thread};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime,
    sync::watch,
};

/// How many bytes pass from whoever has dialled before the line holds.
pub const PASSES: usize = 400_000;

/// How much more the one who dialled may be rid of meanwhile, in bytes: what the system holds for both ends of the line.
pub const ON_ITS_WAY: usize = 8_000_000;

/// Asked for on our side, so that little is on its way, in bytes.
const BUFFER: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Holding,
    Open,
    Cut,
}

pub struct HeldLine {
    /// To dial in place of the one behind it.
    pub address: String,
    state: watch::Sender<State>,
}

impl HeldLine {
    /// A line to whoever listens at `target`.
    pub fn to(target: &str) -> Self {
        let (state, watched) = watch::channel(State::Holding);
        let (tell, told) = mpsc::channel();
        let target = target.to_owned();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_recv_buffer_size(BUFFER).unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let listener = socket.listen(16).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let mut ended = watched.clone();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            tokio::spawn(carry(accepted.unwrap().0, target.clone(), watched.clone()));
                        }
                        // Its owner is gone.
                        Err(_) = ended.wait_for(|_| false) => return,
                    }
                }
            });
        });
        Self {
            address: told.recv().unwrap().to_string(),
            state,
        }
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// Ends it for both sides.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }
}

async fn carry(near: TcpStream, target: String, mut state: watch::Receiver<State>) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let mut opened = state.clone();
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        let mut left = PASSES;
        loop {
            if left == 0 {
                let _ = opened.wait_for(|state| *state == State::Open).await;
                left = usize::MAX;
            }
            let most = left.min(bytes.len());
            let count = near_in.read(&mut bytes[..most]).await?;
            if count == 0 {
                return far_out.shutdown().await;
            }
            far_out.write_all(&bytes[..count]).await?;
            left -= count;
        }
    };
    tokio::select! {
        // After its own end the one who dialled still waits for that of the other.
        Err(error) = there => Err(error),
        back = tokio::io::copy(&mut far_in, &mut near_out) => back.map(drop),
        _ = state.wait_for(|state| *state == State::Cut) => Ok(()),
    }
}
