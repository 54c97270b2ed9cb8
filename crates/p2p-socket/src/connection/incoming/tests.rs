use super::*;

fn batch(messages: impl IntoIterator<Item = u32>) -> Batch<u32> {
    let mut batch = Batch::new();
    for message in messages {
        let received = Received {
            message,
            encoded_size: 4,
        };
        batch.push(Waiting::new(received, 4));
    }
    batch
}

fn popped(incoming: &Incoming<u32>) -> Option<(u32, bool)> {
    let popped = incoming.pop().ok()?;
    Some((popped.received.message, popped.is_last))
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let incoming = Incoming::new(1 << 20);
    incoming.push(batch([]));
    assert!(incoming.is_empty());
    assert_eq!(popped(&incoming), None);
    incoming.push(batch([1, 2, 3]));
    assert_eq!(popped(&incoming), Some((1, false)));
    incoming.push(batch([4]));
    incoming.push(batch([5, 6]));
    for message in 2..=5 {
        assert_eq!(popped(&incoming), Some((message, false)));
    }
    assert!(!incoming.is_empty());
    assert_eq!(popped(&incoming), Some((6, true)));
    incoming.push(batch([7]));
    incoming.push(batch([8]));
    assert_eq!(popped(&incoming), Some((7, false)));
    assert_eq!(popped(&incoming), Some((8, true)));
    assert!(incoming.is_empty());
}

#[test]
fn what_waits_is_counted_wherever_it_lies() {
    let incoming = Incoming::new(1 << 20);
    let cost = 4 + ConnectionOptions::MESSAGE_OVERHEAD;
    incoming.push(batch([1]));
    assert_eq!(incoming.used(), cost);
    incoming.push(batch([2, 3]));
    assert_eq!(incoming.used(), 3 * cost);
    popped(&incoming);
    assert_eq!(incoming.used(), 2 * cost);
    incoming.abandon();
    assert_eq!((incoming.used(), incoming.is_empty()), (0, true));
    incoming.push(batch([4]));
    assert!(incoming.is_empty());
}
