//! What one would take instead of p2p-crypto.

use blake2::{Blake2b256, Digest};
use crypto_box::SalsaBox;
use crypto_box::aead::AeadInPlace;

#[cfg(feature = "peers")]
pub use libsodium::{Libsodium, LibsodiumWithoutAvx512};

/// Something that seals and opens in place under a nonce of the caller's.
pub trait SecretBox {
    /// Encrypts, and gives the tag.
    fn seal(&self, nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16];

    /// Decrypts if the tag is right, and says whether it is.
    fn open(&self, nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> bool;
}

/// crypto_box 0.9, with a key agreed on beforehand.
pub struct CryptoBox(SalsaBox);

impl std::fmt::Debug for CryptoBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CryptoBox(redacted)")
    }
}

impl CryptoBox {
    /// Between the owners of two secret keys.
    #[must_use]
    pub fn new(here: [u8; 32], there: [u8; 32]) -> Self {
        let there = crypto_box::SecretKey::from(there).public_key();
        Self(SalsaBox::new(&there, &here.into()))
    }
}

impl SecretBox for CryptoBox {
    fn seal(&self, nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16] {
        let sealed = self.0.encrypt_in_place_detached(nonce.into(), b"", data);
        sealed.expect("there is no associated data to refuse").into()
    }

    fn open(&self, nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> bool {
        self.0
            .decrypt_in_place_detached(nonce.into(), b"", data, tag.into())
            .is_ok()
    }
}

/// Tries `attempts` stamps from a start on with the crate blake2, one after the other, and counts those whose hash has
/// so small a most significant word.
#[must_use]
pub fn try_stamps(public_key: &[u8; 32], start: u64, attempts: u64, greatest: u64) -> usize {
    let mut input = [0; 56];
    input[..32].copy_from_slice(public_key);
    let passes = |counter: u64| {
        input[48..].copy_from_slice(&counter.to_be_bytes());
        let digest: [u8; 32] = Blake2b256::digest(input).into();
        digest
            .last_chunk()
            .is_some_and(|word| u64::from_le_bytes(*word) <= greatest)
    };
    (start..start + attempts).map(passes).filter(|passes| *passes).count()
}

#[cfg(feature = "peers")]
#[allow(unsafe_code)]
mod libsodium {
    use std::ptr;

    use super::SecretBox;

    /// libsodium as it comes, with the instructions that it finds.
    #[derive(Debug)]
    pub struct Libsodium {
        key: [u8; 32],
    }

    impl Libsodium {
        /// With this channel key.
        ///
        /// # Panics
        /// If libsodium does not start.
        #[must_use]
        pub fn new(key: [u8; 32]) -> Self {
            // SAFETY: it may be called at any time and by any number of threads.
            assert!(unsafe { libsodium_sys::sodium_init() } >= 0, "libsodium starts");
            Self { key }
        }
    }

    impl SecretBox for Libsodium {
        fn seal(&self, nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16] {
            let (mut tag, place) = ([0; 16], data.as_mut_ptr());
            // SAFETY: input and output may be the same, and all lengths are those that the function asks for.
            unsafe {
                libsodium_sys::crypto_secretbox_detached(
                    place,
                    tag.as_mut_ptr(),
                    place,
                    data.len() as u64,
                    nonce.as_ptr(),
                    self.key.as_ptr(),
                );
            }
            tag
        }

        fn open(&self, nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> bool {
            let place = data.as_mut_ptr();
            // SAFETY: as above.
            let result = unsafe {
                libsodium_sys::crypto_secretbox_open_detached(
                    place,
                    place,
                    tag.as_ptr(),
                    data.len() as u64,
                    nonce.as_ptr(),
                    self.key.as_ptr(),
                )
            };
            result == 0
        }
    }

    type XorKeystream = unsafe extern "C" fn(*mut u8, *const u8, u64, *const u8, u64, *const u8) -> i32;

    /// What libsodium chooses between; the first function is not used here.
    #[repr(C)]
    struct Salsa20 {
        stream: unsafe extern "C" fn(),
        xor: XorKeystream,
    }

    unsafe extern "C" {
        /// libsodium's Salsa20 for processors with AVX2 and without AVX-512.
        static crypto_stream_salsa20_xmm6int_avx2_implementation: Salsa20;
    }

    /// libsodium as it would be on a processor without AVX-512: its `crypto_secretbox` step by step, with the Salsa20 that
    /// it would choose there. Its Poly1305 is the same on both.
    #[derive(Debug)]
    pub struct LibsodiumWithoutAvx512(Libsodium);

    impl LibsodiumWithoutAvx512 {
        /// With this channel key. The processor must have AVX2.
        #[must_use]
        pub fn new(key: [u8; 32]) -> Self {
            Self(Libsodium::new(key))
        }

        /// The subkey, and the first block of keystream with the beginning of the data added.
        fn head(&self, nonce: &[u8; 24], data: &[u8]) -> ([u8; 32], [u8; 64]) {
            let (mut subkey, mut head) = ([0; 32], [0; 64]);
            let front = data.len().min(32);
            head[32..32 + front].copy_from_slice(&data[..front]);
            // SAFETY: a nonce of 24 bytes, a key and an output of 32; the constant may be null.
            unsafe {
                let key = self.0.key.as_ptr();
                libsodium_sys::crypto_core_hsalsa20(subkey.as_mut_ptr(), nonce.as_ptr(), key, ptr::null());
            }
            xor(&mut head, nonce, 0, &subkey);
            (subkey, head)
        }

        /// The data behind the first block.
        fn rest(subkey: &[u8; 32], nonce: &[u8; 24], head: &[u8; 64], data: &mut [u8]) {
            let (front, rest) = data.split_at_mut(data.len().min(32));
            front.copy_from_slice(&head[32..32 + front.len()]);
            if !rest.is_empty() {
                xor(rest, nonce, 1, subkey);
            }
        }
    }

    fn xor(data: &mut [u8], nonce: &[u8; 24], block: u64, subkey: &[u8; 32]) {
        let place = data.as_mut_ptr();
        // SAFETY: the processor has AVX2; the rest of the nonce is 8 bytes long, the key 32, and input and output may be the
        // same.
        unsafe {
            let xor = crypto_stream_salsa20_xmm6int_avx2_implementation.xor;
            xor(
                place,
                place,
                data.len() as u64,
                nonce[16..].as_ptr(),
                block,
                subkey.as_ptr(),
            );
        }
    }

    impl SecretBox for LibsodiumWithoutAvx512 {
        fn seal(&self, nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16] {
            let (subkey, head) = self.head(nonce, data);
            Self::rest(&subkey, nonce, &head, data);
            let mut tag = [0; 16];
            // SAFETY: a tag of 16 bytes and a key of 32.
            unsafe {
                libsodium_sys::crypto_onetimeauth(tag.as_mut_ptr(), data.as_ptr(), data.len() as u64, head.as_ptr());
            }
            tag
        }

        fn open(&self, nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> bool {
            let (subkey, head) = self.head(nonce, data);
            // SAFETY: a tag of 16 bytes and a key of 32.
            let result = unsafe {
                libsodium_sys::crypto_onetimeauth_verify(tag.as_ptr(), data.as_ptr(), data.len() as u64, head.as_ptr())
            };
            if result != 0 {
                return false;
            }
            Self::rest(&subkey, nonce, &head, data);
            true
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn with_and_without_avx512_is_the_same() {
            if !std::arch::is_x86_feature_detected!("avx2") {
                return;
            }
            let (with, without) = (Libsodium::new([5; 32]), LibsodiumWithoutAvx512::new([5; 32]));
            for length in [0, 1, 31, 32, 33, 64, 100, 5000] {
                let (mut left, mut right) = (vec![3; length], vec![3; length]);
                let tag = with.seal(&[7; 24], &mut left);
                assert_eq!(without.seal(&[7; 24], &mut right), tag, "{length}");
                assert_eq!(left, right, "{length}");
                assert!(without.open(&[7; 24], &mut right, &tag), "{length}");
                assert_eq!(right, vec![3; length]);
                assert!(!without.open(&[8; 24], &mut right, &tag), "{length}");
            }
        }
    }
}
