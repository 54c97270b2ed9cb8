//! For the fuzzer alone, which agrees on the same few keys millions of times: shared points are computed once.

use std::{cell::RefCell, collections::HashMap};

use zeroize::Zeroizing;

use super::agreement;

/// How many are kept: more than are in use at a time. Those of keys that the fuzzer made up come once.
const KEPT: usize = 1024;

/// A secret and a public key.
type Keys = ([u8; 32], [u8; 32]);

thread_local! {
    static POINTS: RefCell<HashMap<Keys, [u8; 32]>> = RefCell::default();
}

pub(crate) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    POINTS.with_borrow_mut(|points| {
        if points.len() >= KEPT {
            points.clear();
        }
        let compute = || *agreement::shared_point(secret, public);
        Zeroizing::new(*points.entry((*secret, *public)).or_insert_with(compute))
    })
}
