use super::*;

#[test]
fn debug_shows_the_bytes_in_order() {
    let mut bytes = [0; Nonce::SIZE];
    bytes[0] = 0xab;
    assert_eq!(
        format!("{:?}", Nonce::from_bytes(bytes)),
        format!("Nonce(ab{})", "00".repeat(23))
    );
}

#[test]
fn the_two_roles_mirror_each_other() {
    let initiator = SessionNonces::derive(Role::Initiator, b"initiator", b"responder");
    let responder = SessionNonces::derive(Role::Responder, b"responder", b"initiator");
    assert_eq!(
        (initiator.sealing, initiator.opening),
        (responder.opening, responder.sealing)
    );
    assert_ne!(initiator.sealing, initiator.opening);
}

#[test]
fn the_messages_are_not_interchangeable() {
    let there = SessionNonces::derive(Role::Initiator, b"one", b"two");
    let back = SessionNonces::derive(Role::Initiator, b"two", b"one");
    assert_ne!(there.sealing, back.sealing);
    assert_ne!(there.opening, back.opening);
}

#[test]
fn adding_is_incrementing_so_often() {
    for start in [[0; 24], [0xff; 24], [0x7f; 24]] {
        let mut expected = start;
        for count in 0..1000 {
            assert_eq!(Nonce(start).plus(count), Nonce(expected));
            // Byte by byte, as one does it on paper.
            for byte in expected.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }
    let mut sum = [0; 24];
    sum[15] = 1;
    sum[16..].copy_from_slice(&(u64::MAX - 1).to_be_bytes());
    assert_eq!(Nonce([0; 24]).plus(u64::MAX).plus(u64::MAX), Nonce(sum));
}
