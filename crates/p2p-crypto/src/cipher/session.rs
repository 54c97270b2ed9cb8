#[cfg(all(feature = "fast", target_arch = "x86_64"))]
use crate::box_kernel::{Kernels, Source, Subkey};
use crate::{ChannelKey, InstructionSet, Nonce, Piece, cipher};

/// XSalsa20-Poly1305 under one key and nonces of which each follows the one before.
pub(crate) struct SessionCipher {
    key: ChannelKey,
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    kernels: Option<Kernels>,
    /// In a box of its own, as the key is.
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    kept: Box<KeptSubkey>,
}

/// What HSalsa20 made of the beginning of the last nonce. Nearly every nonce has the same.
#[cfg(all(feature = "fast", target_arch = "x86_64"))]
#[derive(Default)]
struct KeptSubkey {
    beginning: Option<[u8; 16]>,
    subkey: Subkey,
}

impl SessionCipher {
    #[cfg_attr(not(all(feature = "fast", target_arch = "x86_64")), expect(unused_variables))]
    pub(crate) fn new(key: ChannelKey, set: InstructionSet) -> Self {
        Self {
            key,
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            kernels: Kernels::of(set),
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            kept: Box::default(),
        }
    }

    /// The same with other instructions.
    pub(crate) fn with_instruction_set(self, set: InstructionSet) -> Self {
        Self::new(self.key, set)
    }

    /// Encrypts `data` in place and gives its tag.
    pub(crate) fn seal(&mut self, nonce: &Nonce, data: &mut [u8]) -> [u8; 16] {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        if let Some((kernels, subkey, nonce_end)) = self.vectorised(nonce) {
            return kernels.seal(subkey, nonce_end, data);
        }
        cipher::seal(self.key.expose_bytes(), nonce.as_bytes(), data)
    }

    /// Decrypts `data` in place, if `tag` is its tag.
    pub(crate) fn open(&mut self, nonce: &Nonce, data: &mut [u8], tag: &[u8; 16]) -> Result<(), cipher::Forged> {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        if let Some((kernels, subkey, nonce_end)) = self.vectorised(nonce) {
            let authentic = kernels.open(subkey, nonce_end, data, tag);
            return authentic.then_some(()).ok_or(cipher::Forged);
        }
        cipher::open(self.key.expose_bytes(), nonce.as_bytes(), data, tag)
    }

    /// Encrypts the `pieces` into `sealed`, which is as long as all of them, and gives the tag.
    pub(crate) fn seal_gathered(&mut self, nonce: &Nonce, pieces: &[&[u8]], sealed: &mut [u8]) -> [u8; 16] {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        if let Some((kernels, subkey, nonce_end)) = self.vectorised(nonce) {
            return kernels.seal_from(subkey, nonce_end, Source::pieces(pieces), sealed);
        }
        let mut rest = &mut sealed[..];
        for piece in pieces {
            let (place, behind) = rest.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = behind;
        }
        self.seal(nonce, sealed)
    }

    /// Decrypts `sealed` into `data`, which is as long, if `tag` is its tag.
    pub(crate) fn open_into(
        &mut self,
        nonce: &Nonce,
        sealed: &[u8],
        tag: &[u8; 16],
        data: &mut [u8],
    ) -> Result<(), cipher::Forged> {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        if let Some((kernels, subkey, nonce_end)) = self.vectorised(nonce) {
            let authentic = kernels.open_into(subkey, nonce_end, sealed, tag, data);
            return authentic.then_some(()).ok_or(cipher::Forged);
        }
        data.copy_from_slice(sealed);
        self.open(nonce, data, tag)
    }

    /// Seals the pieces under consecutive nonces from `first` on.
    pub(crate) fn seal_batch(&mut self, first: Nonce, pieces: &mut [Piece<'_>]) {
        let mut nonce = first;
        for run in runs(first, pieces) {
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            if let Some((kernels, subkey, nonce_end)) = self.vectorised(&nonce) {
                kernels.seal_batch(subkey, nonce_end, run);
                nonce = nonce.plus(run.len() as u64);
                continue;
            }
            for piece in run {
                *piece.tag = self.seal(&nonce, piece.data);
                nonce = nonce.incremented();
            }
        }
    }

    /// Opens the pieces under consecutive nonces from `first` on, up to the first whose tag is wrong, and returns how
    /// many it opened.
    pub(crate) fn open_batch(&mut self, first: Nonce, pieces: &mut [Piece<'_>]) -> usize {
        let (mut nonce, mut opened) = (first, 0);
        for run in runs(first, pieces) {
            let count = run.len();
            let opened_here = self.open_run(&nonce, run);
            opened += opened_here;
            if opened_here < count {
                break;
            }
            nonce = nonce.plus(count as u64);
        }
        opened
    }

    fn open_run(&mut self, first: &Nonce, run: &mut [Piece<'_>]) -> usize {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        if let Some((kernels, subkey, nonce_end)) = self.vectorised(first) {
            return kernels.open_batch(subkey, nonce_end, run);
        }
        let mut nonce = *first;
        let opens = |piece: &mut Piece<'_>| {
            let opened = self.open(&nonce, piece.data, piece.tag);
            nonce = nonce.incremented();
            opened.is_ok()
        };
        run.iter_mut().map(opens).take_while(|opened| *opened).count()
    }

    /// What the kernels need for `nonce`, if there are kernels.
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    fn vectorised(&mut self, nonce: &Nonce) -> Option<(Kernels, &Subkey, u64)> {
        let kernels = self.kernels?;
        let (beginning, end) = nonce.parts();
        if self.kept.beginning != Some(beginning) {
            self.kept
                .subkey
                .set(&cipher::hsalsa20(self.key.expose_bytes(), &beginning));
            self.kept.beginning = Some(beginning);
        }
        Some((kernels, &self.kept.subkey, end))
    }
}

/// The pieces in runs whose nonces, from `first` on, begin with the same 16 bytes: one run, and two very rarely.
fn runs<'a, 'b>(first: Nonce, pieces: &'a mut [Piece<'b>]) -> impl Iterator<Item = &'a mut [Piece<'b>]> {
    let (_, end) = first.parts();
    let in_first = usize::try_from(u64::MAX - end).map_or(usize::MAX, |left| left.saturating_add(1));
    let (first, second) = pieces.split_at_mut(pieces.len().min(in_first));
    [first, second].into_iter().filter(|run| !run.is_empty())
}
