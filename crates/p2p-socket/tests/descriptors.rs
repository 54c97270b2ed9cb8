//! On real sockets every descriptor is closed, however its connection ended. Alone in its program, or it would count
//! those of other tests.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{bye, message};
use p2p_socket::Drain;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

#[tokio::test]
async fn every_descriptor_is_closed() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let before = open();
    // The descriptors do not wait for whoever still holds an ended connection.
    let mut kept = Vec::new();
    for how in 0..12 {
        let (left, right) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (left, right) = common::authenticated(left.unwrap(), right.unwrap().0).await;
        let (left, right) = tokio::join!(common::accepted(left), common::accepted(right));
        let (left, right) = (left.unwrap(), right.unwrap());
        left.send(message(how, 100_000)).await.unwrap();
        match how % 4 {
            0 => continue,
            1 => {
                left.close(bye(), Drain::Discard).await.unwrap();
                right.closed().await;
            }
            2 => {
                let (closed, _) = tokio::join!(left.close(bye(), Drain::Flush(common::PATIENCE)), right.closed());
                closed.unwrap();
            }
            _ => left.cancellation().cancel(),
        }
        kept.push((left, right));
    }
    // For ever, if one is left.
    while open() > before {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(open(), before);
}
