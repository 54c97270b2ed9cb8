use std::slice;

/// Where the bytes are that keystream is added to.
pub(crate) enum Source<'a> {
    /// Where the sum goes.
    InPlace,
    /// In other places, one after the other.
    Pieces {
        current: &'a [u8],
        rest: slice::Iter<'a, &'a [u8]>,
    },
}

impl<'a> Source<'a> {
    pub(crate) fn pieces(pieces: &'a [&'a [u8]]) -> Self {
        Self::Pieces {
            current: &[],
            rest: pieces.iter(),
        }
    }

    /// The next `N` bytes if they lie in a row elsewhere. Otherwise they are in `out` afterwards.
    #[inline]
    pub(super) fn next<const N: usize>(&mut self, out: &mut [u8; N]) -> Option<&'a [u8; N]> {
        if let Self::Pieces { current, .. } = self {
            if let Some((next, behind)) = current.split_first_chunk() {
                *current = behind;
                return Some(next);
            }
            self.fill(out);
        }
        None
    }

    /// Puts the next bytes into `out`, if they are not there already.
    pub(super) fn fill(&mut self, mut out: &mut [u8]) {
        let Self::Pieces { current, rest } = self else {
            return;
        };
        while !out.is_empty() {
            while current.is_empty() {
                *current = rest.next().expect("the pieces are as long as where they go");
            }
            let (next, behind) = current.split_at(current.len().min(out.len()));
            let (filled, left) = out.split_at_mut(next.len());
            filled.copy_from_slice(next);
            (*current, out) = (behind, left);
        }
    }
}
