//! A list has at most 100 points, in either direction.

use bytes::BytesMut;
use p2p_framing::{DecodeError, Point, PointList, TooManyPoints};

fn points(count: usize) -> Vec<Point> {
    (0..count)
        .map(|i| format!("10.0.{}.{}:9732", i / 200, i % 200).parse().unwrap())
        .collect()
}

fn encoded(points: &[Point]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for point in points {
        point.encode(&mut bytes);
    }
    bytes
}

#[test]
fn a_hundred_fit_and_no_more_can_be_built() {
    for count in [0, 1, 99, 100] {
        assert_eq!(PointList::new(points(count)).unwrap().as_slice(), points(count));
    }
    assert_eq!(PointList::new(points(101)), Err(TooManyPoints));
}

#[test]
fn a_hundred_are_read_and_no_more() {
    for count in [0, 1, 99, 100] {
        assert_eq!(
            PointList::decode(&encoded(&points(count))).unwrap().into_vec(),
            points(count)
        );
    }
    for count in [101, 3000] {
        assert!(matches!(
            PointList::decode(&encoded(&points(count))),
            Err(DecodeError::TooManyPoints(_))
        ));
    }
}

#[test]
fn a_list_that_is_cut_anywhere_but_between_points_is_refused() {
    let bytes = encoded(&points(3));
    let size = bytes.len() / 3;
    for end in 0..bytes.len() {
        assert_eq!(
            PointList::decode(&bytes[..end]).is_ok(),
            end % size == 0,
            "cut at {end}"
        );
    }
}
