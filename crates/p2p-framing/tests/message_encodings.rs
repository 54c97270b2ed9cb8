//! Messages delimit themselves, are bounded, and allocate nothing for what has only been declared.

use bytes::{Bytes, BytesMut};
use p2p_crypto::PeerId;
use p2p_framing::{
    DecodeError, EncodeError, Point, PointList,
    encoding::{
        ControlEncoding, ControlMessage, RawEncoding, Swap, TaggedPayload, TaggedPayloadEncoding, encode_sharing,
    },
};
use serde_json::Value;
use tokio_util::codec::{Decoder, Encoder};

type Control = ControlMessage<TaggedPayload>;

fn control() -> ControlEncoding<TaggedPayloadEncoding> {
    ControlEncoding::new(TaggedPayloadEncoding)
}

fn encoded(message: Control) -> Vec<u8> {
    let mut out = BytesMut::new();
    control().encode(message, &mut out).unwrap();
    out.to_vec()
}

fn decoded(bytes: &[u8]) -> Result<Option<Control>, DecodeError> {
    control().decode(&mut BytesMut::from(bytes))
}

fn swap() -> Swap {
    Swap {
        point: "1.2.3.4:9732".parse().unwrap(),
        peer_id: PeerId::from_bytes([7; 16]),
    }
}

fn all_kinds() -> Vec<Control> {
    let points: Vec<Point> = ["1.2.3.4:9732", "[::1]:1"].map(|point| point.parse().unwrap()).to_vec();
    vec![
        ControlMessage::Disconnect,
        ControlMessage::Bootstrap,
        ControlMessage::Advertise(PointList::default()),
        ControlMessage::Advertise(PointList::new(points).unwrap()),
        ControlMessage::SwapRequest(swap()),
        ControlMessage::SwapAck(swap()),
        ControlMessage::Application(TaggedPayload {
            tag: 0x10,
            payload: Bytes::new(),
        }),
        ControlMessage::Application(TaggedPayload {
            tag: 0xffff,
            payload: Bytes::from_static(b"anything"),
        }),
    ]
}

#[test]
fn recorded_bytes() {
    let recorded: Value = serde_json::from_str(include_str!("vectors/enc_message_bytes.json")).unwrap();
    for case in recorded["encode"].as_array().unwrap() {
        let bytes = hex::decode(case["bytes"].as_str().unwrap()).unwrap();
        let mut out = BytesMut::new();
        let message = RawEncoding::default()
            .decode(&mut BytesMut::from(&bytes[..]))
            .unwrap()
            .unwrap();
        assert_eq!(message.len() as u64, case["size"].as_u64().unwrap());
        RawEncoding::default().encode(message, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
    for case in recorded["decode"].as_array().unwrap() {
        let bytes = hex::decode(case["bytes"].as_str().unwrap()).unwrap();
        let mut input = BytesMut::from(&bytes[..]);
        let result = RawEncoding::default().decode(&mut input);
        match (case["ok"].as_str(), case["error"].as_str()) {
            (Some(ok), _) => assert_eq!(hex::encode(result.unwrap().unwrap()), ok),
            // What has only been declared: the reference waits for up to a gigabyte, we for what is allowed.
            (_, Some("Not_enough_data" | "Invalid_int")) => match result {
                Ok(None) => assert!(bytes.len() < 4 || bytes[..3] == [0, 0, 0]),
                Err(DecodeError::TooLarge { .. }) => assert!(bytes[0] >= 0x3f),
                other => panic!("{other:?} for {case}"),
            },
            (_, Some("Extra_bytes")) => {
                assert_eq!(result.unwrap().unwrap(), Bytes::new());
                assert_eq!(input.len(), 2);
            }
            _ => panic!("{case}"),
        }
    }
}

#[test]
fn control_messages_have_the_tags_of_the_reference() {
    let point = b"\0\0\0\x0c1.2.3.4:9732";
    assert_eq!(encoded(ControlMessage::Disconnect), [0, 0, 0, 2, 0, 1]);
    assert_eq!(encoded(ControlMessage::Bootstrap), [0, 0, 0, 2, 0, 2]);
    let advertised = PointList::new(vec![swap().point]).unwrap();
    assert_eq!(
        encoded(ControlMessage::Advertise(advertised)),
        [&[0, 0, 0, 18, 0, 3], &point[..]].concat()
    );
    assert_eq!(
        encoded(ControlMessage::SwapRequest(swap())),
        [&[0, 0, 0, 34, 0, 4], &point[..], &[7; 16]].concat()
    );
    assert_eq!(
        encoded(ControlMessage::SwapAck(swap())),
        [&[0, 0, 0, 34, 0, 5], &point[..], &[7; 16]].concat()
    );
    let application = TaggedPayload {
        tag: 0x10,
        payload: Bytes::from_static(b"x"),
    };
    assert_eq!(
        encoded(ControlMessage::Application(application)),
        [0, 0, 0, 3, 0, 0x10, b'x']
    );
}

#[test]
fn control_messages_come_back() {
    let stream: Vec<u8> = all_kinds().into_iter().flat_map(encoded).collect();
    let (mut input, mut messages) = (BytesMut::from(&stream[..]), Vec::new());
    while let Some(message) = control().decode(&mut input).unwrap() {
        messages.push(message);
    }
    assert_eq!(messages, all_kinds());
    assert!(input.is_empty());
}

#[test]
fn an_incomplete_message_waits() {
    for bytes in all_kinds().into_iter().map(encoded) {
        for end in 0..bytes.len() {
            assert_eq!(decoded(&bytes[..end]).unwrap(), None);
        }
    }
}

#[test]
fn control_messages_are_consumed_exactly() {
    for bytes in [&[0, 0, 0, 3, 0, 1, 9][..], &[0, 0, 0, 3, 0, 2, 9]] {
        assert!(matches!(decoded(bytes), Err(DecodeError::ExtraBytes { count: 1 })));
    }
    let mut swap = encoded(ControlMessage::SwapAck(swap()));
    swap.push(0);
    swap[3] += 1;
    assert!(matches!(decoded(&swap), Err(DecodeError::ExtraBytes { count: 1 })));
    for size in [0, 1] {
        let bytes = [&[0, 0, 0, size][..], &vec![0; size.into()]].concat();
        assert!(matches!(decoded(&bytes), Err(DecodeError::NotEnoughData)));
    }
}

#[test]
fn tags_without_a_message_are_refused_both_ways() {
    for tag in [0, 6, 0x0f] {
        assert!(
            matches!(decoded(&[0, 0, 0, 2, 0, tag]), Err(DecodeError::UnexpectedTag { tag: t }) if t == u16::from(tag))
        );
        let message = ControlMessage::Application(TaggedPayload {
            tag: tag.into(),
            payload: Bytes::new(),
        });
        let mut out = BytesMut::from(&b"before"[..]);
        assert!(matches!(
            control().encode(message, &mut out),
            Err(EncodeError::ReservedTag { .. })
        ));
        assert_eq!(out, &b"before"[..]);
    }
}

#[test]
fn more_than_a_hundred_points_are_not_advertised_to_us() {
    let mut payload = BytesMut::from(&[0, 3][..]);
    for _ in 0..101 {
        swap().point.encode(&mut payload);
    }
    let bytes = [&u32::try_from(payload.len()).unwrap().to_be_bytes()[..], &payload].concat();
    assert!(matches!(decoded(&bytes), Err(DecodeError::TooManyPoints(_))));
}

#[test]
fn the_maximum_holds_both_ways() {
    let mut encoding = RawEncoding::new(10);
    for size in [0, 1, 10] {
        let mut out = BytesMut::new();
        encoding.encode(&vec![7; size][..], &mut out).unwrap();
        assert_eq!(encoding.decode(&mut out).unwrap().unwrap(), vec![7; size]);
    }
    let mut out = BytesMut::new();
    let error = encoding.encode(&[7; 11][..], &mut out).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { size: 11, maximum: 10 }));
    assert!(out.is_empty());
    let error = encoding.decode(&mut BytesMut::from(&[0, 0, 0, 11][..])).unwrap_err();
    assert!(matches!(
        error,
        DecodeError::TooLarge {
            declared: 11,
            maximum: 10
        }
    ));
}

#[test]
fn a_declared_size_allocates_nothing() {
    let mut input = BytesMut::from(&[0, 0x40, 0, 0][..]);
    let capacity = input.capacity();
    assert!(RawEncoding::new(usize::MAX).decode(&mut input).unwrap().is_none());
    assert_eq!(input.capacity(), capacity);
}

#[test]
fn a_long_message_of_bytes_stays_where_it_is_if_it_may() {
    let sizes = [0, 1, 16_383, 16_384, 70_000];
    for (size, may) in sizes.into_iter().flat_map(|size| [(size, true), (size, false)]) {
        let message = Bytes::from(vec![7; size]);
        let (mut whole, mut front) = (BytesMut::from("before"), BytesMut::from("before"));
        RawEncoding::default().encode(message.clone(), &mut whole).unwrap();
        let raw = RawEncoding::default();
        let mut encoding = if may { raw.sharing() } else { raw };
        let rest = encode_sharing(&mut encoding, message.clone(), &mut front).unwrap();
        assert!(
            [&front[..], rest.as_deref().unwrap_or_default()].concat() == whole,
            "{size}"
        );
        let place = rest.map(|rest| rest.as_ptr());
        assert_eq!(place, (may && size >= 16_384).then_some(message.as_ptr()), "{size}");
    }
}

#[test]
fn what_is_not_bytes_is_encoded_whole() {
    let message = || {
        ControlMessage::Application(TaggedPayload {
            tag: 0x10,
            payload: vec![7; 70_000].into(),
        })
    };
    let mut whole = BytesMut::new();
    assert_eq!(encode_sharing(&mut control(), message(), &mut whole).unwrap(), None);
    assert!(whole == encoded(message()));
}

#[test]
fn what_is_too_large_to_encode_is_too_large_to_share() {
    let mut encoding = RawEncoding::new(20_000).sharing();
    let mut front = BytesMut::from("before");
    let result = encode_sharing(&mut encoding, Bytes::from(vec![7; 20_001]), &mut front);
    let (size, maximum) = (20_001, 20_000);
    assert!(matches!(result, Err(EncodeError::TooLarge { size: s, maximum: m }) if (s, m) == (size, maximum)));
    assert_eq!(front, "before");
    let rest = encode_sharing(&mut encoding, Bytes::from(vec![7; 20_000]), &mut front).unwrap();
    assert_eq!((front.len(), rest.unwrap().len()), (6 + 4, 20_000));
}
