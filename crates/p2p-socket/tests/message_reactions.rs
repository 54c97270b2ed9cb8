//! What a remote gets that misbehaves after the handshake: every scenario that was recorded against the reference, in
//! both roles.

mod common;
#[path = "common/scenario.rs"]
mod scenario;

use common::adversary::raw;
use p2p_socket::ConnectionError;
use scenario::{Ended, case, check};

#[tokio::test(start_paused = true)]
async fn messages() {
    check(&[
        case!("a good one, then a corrupted one", Established, |adversary| {
                let mut bytes = adversary.seal_message(b"abc");
                bytes.extend(adversary.seal_corrupted(&raw(b"def")));
                bytes
            }, Wait,
            Ended(sizes, ConnectionError::Decipher) if *sizes == [3]),
        case!("with the next nonce", Established, |adversary| {
                adversary.seal_message(b"skipped");
                adversary.seal_message(b"abc")
            }, Wait,
            Ended(sizes, ConnectionError::Decipher) if sizes.is_empty()),
        case!("the same chunk twice", Established, |adversary| adversary.seal_message(b"abc").repeat(2), Wait,
            Ended(sizes, ConnectionError::Decipher) if *sizes == [3]),
        case!("complete chunk of an incomplete message", Established, |adversary| adversary.seal(&raw(b"abcde")[..7]),
            Close,
            Ended(sizes, ConnectionError::Truncated { received: 7 }) if sizes.is_empty()),
        case!("closes within a chunk", Established, |adversary| adversary.seal_message(b"abcde")[..20].to_vec(), Close,
            Ended(sizes, ConnectionError::Truncated { received: 20 }) if sizes.is_empty()),
        case!("half-closes after a message", Established, |adversary| adversary.seal_message(b"abc"), HalfClose,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [3]),
        case!("in one-byte chunks", Established, |adversary| {
                raw(b"abcde").iter().flat_map(|byte| adversary.seal(&[*byte])).collect()
            }, CloseLater,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [5]),
        case!("seven in one chunk", Established, |adversary| adversary.seal(&raw(b"abcde").repeat(7)), CloseLater,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [5; 7]),
        case!("across chunk borders", Established, |adversary| {
                let stream = [raw(b"abcde"), raw(b"f"), raw(b"gh")].concat();
                [&stream[..3], &stream[3..11], &stream[11..]].into_iter().flat_map(|piece| adversary.seal(piece)).collect()
            }, CloseLater,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [5, 1, 2]),
        case!("empty chunks around one", Established, |adversary| {
                let message = raw(b"a");
                [&[][..], &message[..2], &[], &[], &message[2..], &[]]
                    .into_iter()
                    .flat_map(|piece| adversary.seal(piece))
                    .collect()
            }, CloseLater,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [1]),
        case!("ciphertext of 65535", Established, |adversary| adversary.seal_message(&[7; 65_515]), CloseLater,
            Ended(sizes, ConnectionError::ClosedByPeer) if *sizes == [65_515]),
        case!("size of a gigabyte", Established, |adversary| adversary.seal(&[0x40, 0, 0, 0]), Wait,
            Ended(sizes, ConnectionError::MessageTooLarge { size: 0x4000_0000, .. }) if sizes.is_empty()),
        case!("a good one, then a size with the top bit", Established, |adversary| {
                let mut bytes = adversary.seal_message(b"a");
                bytes.extend(adversary.seal(&[0xff; 4]));
                bytes
            }, Wait,
            Ended(sizes, ConnectionError::MessageTooLarge { size: 0xffff_ffff, .. }) if *sizes == [1]),
        case!("both in one chunk", Established, |adversary| {
                let stream = [&raw(b"a")[..], &[0xff; 4]].concat();
                adversary.seal(&stream)
            }, Wait,
            Ended(sizes, ConnectionError::MessageTooLarge { size: 0xffff_ffff, .. }) if *sizes == [1]),
    ])
    .await;
}
