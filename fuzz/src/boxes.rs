//! Pieces of any length, sealed and opened with any instructions: one by one in place, out of scattered parts and into
//! another place, and all together. What was changed does not open, and nothing behind it does.

use std::mem;

use p2p_crypto::{Nonce, OpenBatchError, OpenError, Opener, Piece, Sealer, TAG_SIZE, Tag};

use crate::{
    adversary::flip,
    script::{Script, session},
};

/// How many pieces there are at most: more than are sealed together.
const PIECES: usize = 80;

/// One sealed piece.
#[derive(Clone, Default, PartialEq)]
struct Sealed {
    data: Vec<u8>,
    tag: [u8; TAG_SIZE],
}

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (key, mut first) = session(data);
    if script.byte() % 4 == 3 {
        // The last eight bytes are about to overflow into those that are part of another subkey.
        let mut bytes = *first.as_bytes();
        bytes[16..].copy_from_slice(&u64::from(script.byte() % 64).wrapping_neg().to_be_bytes());
        first = Nonce::from_bytes(bytes);
    }
    let (mut plaintexts, mut left) = (Vec::new(), script.budget());
    for _ in 0..script.count(PIECES) {
        let piece = script.filled(left);
        left -= piece.len();
        plaintexts.push(piece);
    }
    let mut sealer = || Sealer::new(key.clone(), first).with_instruction_set(script.instruction_set());
    let (in_place, gathered, together) = (sealer(), sealer(), sealer());
    let honest = seal_in_place(in_place, &plaintexts);
    assert!(seal_gathered(gathered, &plaintexts, &mut script) == honest);
    assert!(seal_together(together, &plaintexts) == honest);

    let mut sealed = honest.clone();
    tamper(&mut sealed, &mut script);
    let intact = sealed.iter().zip(&honest).take_while(|(left, right)| left == right);
    let intact = intact.count();
    let mut opener = || Opener::new(key.clone(), first).with_instruction_set(script.instruction_set());
    let (in_place, into, together) = (opener(), opener(), opener());
    open_in_place(in_place, &sealed, &plaintexts, intact);
    open_into(into, &sealed, &plaintexts, intact);
    open_together(together, &sealed, &plaintexts, intact);
}

fn seal_in_place(mut sealer: Sealer, plaintexts: &[&[u8]]) -> Vec<Sealed> {
    let seal = |plaintext: &&[u8]| {
        let mut data = plaintext.to_vec();
        let tag = *sealer.seal(&mut data).expect("nonces").as_bytes();
        Sealed { data, tag }
    };
    plaintexts.iter().map(seal).collect()
}

fn seal_gathered(mut sealer: Sealer, plaintexts: &[&[u8]], script: &mut Script<'_>) -> Vec<Sealed> {
    let seal = |plaintext: &&[u8]| {
        let (mut parts, mut rest) = (Vec::new(), *plaintext);
        for _ in 0..script.byte() % 8 {
            let (part, behind) = rest.split_at(script.length(rest.len()));
            parts.push(part);
            rest = behind;
        }
        parts.push(rest);
        let mut data = vec![0; plaintext.len()];
        let tag = *sealer.seal_gathered(&parts, &mut data).expect("nonces").as_bytes();
        Sealed { data, tag }
    };
    plaintexts.iter().map(seal).collect()
}

fn seal_together(mut sealer: Sealer, plaintexts: &[&[u8]]) -> Vec<Sealed> {
    let unsealed = |plaintext: &&[u8]| Sealed {
        data: plaintext.to_vec(),
        tag: [0; TAG_SIZE],
    };
    let mut sealed: Vec<_> = plaintexts.iter().map(unsealed).collect();
    sealer.seal_batch(&mut pieces(&mut sealed)).expect("nonces");
    sealed
}

fn pieces(sealed: &mut [Sealed]) -> Vec<Piece<'_>> {
    sealed
        .iter_mut()
        .map(|Sealed { data, tag }| Piece { data, tag })
        .collect()
}

/// Flips a bit, removes, repeats or exchanges pieces, or leaves all as it is.
fn tamper(sealed: &mut Vec<Sealed>, script: &mut Script<'_>) {
    let what = script.byte() % 8;
    let (place, other) = (script.below(sealed.len()), script.below(sealed.len()));
    match what {
        0 => {}
        1 => sealed.swap(place, other),
        2 => drop(sealed.remove(place)),
        3 => sealed.insert(other, sealed[place].clone()),
        4 => {
            let tag = sealed[place].tag;
            sealed[place].tag = mem::replace(&mut sealed[other].tag, tag);
        }
        5 => flip(&mut sealed[place].tag, script),
        6 => {
            let length = script.length(sealed[place].data.len());
            sealed[place].data.truncate(length);
        }
        _ => flip(&mut sealed[place].data, script),
    }
}

/// What opening must give for the piece at `place`.
fn expected(place: usize, intact: usize) -> Result<(), OpenError> {
    match place {
        _ if place < intact => Ok(()),
        _ if place == intact => Err(OpenError::Forged),
        _ => Err(OpenError::AfterFailure),
    }
}

/// The pieces in front of the first that was changed are open, all others as they were.
fn check(opened: &[Sealed], sealed: &[Sealed], plaintexts: &[&[u8]], intact: usize) {
    for (place, (opened, sealed)) in opened.iter().zip(sealed).enumerate() {
        let data = if place < intact {
            plaintexts[place]
        } else {
            &sealed.data[..]
        };
        assert!(
            opened.data == data && opened.tag == sealed.tag,
            "piece {place} of {intact} intact ones"
        );
    }
}

fn open_in_place(mut opener: Opener, sealed: &[Sealed], plaintexts: &[&[u8]], intact: usize) {
    let mut opened = sealed.to_vec();
    for (place, piece) in opened.iter_mut().enumerate() {
        let result = opener.open(&mut piece.data, &Tag::from_bytes(piece.tag));
        assert_eq!(result, expected(place, intact));
    }
    check(&opened, sealed, plaintexts, intact);
}

fn open_into(mut opener: Opener, sealed: &[Sealed], plaintexts: &[&[u8]], intact: usize) {
    for (place, piece) in sealed.iter().enumerate() {
        let mut data = vec![0; piece.data.len()];
        let result = opener.open_into(&piece.data, &Tag::from_bytes(piece.tag), &mut data);
        assert_eq!(result, expected(place, intact));
        match plaintexts.get(place) {
            Some(plaintext) if result.is_ok() => assert!(data == *plaintext),
            // A few bytes may be the same by chance.
            Some(plaintext) => assert!(data.len() < TAG_SIZE || !plaintext.starts_with(&data)),
            None => {}
        }
    }
}

fn open_together(mut opener: Opener, sealed: &[Sealed], plaintexts: &[&[u8]], intact: usize) {
    let mut opened = sealed.to_vec();
    let result = opener.open_batch(&mut pieces(&mut opened));
    let error = OpenError::Forged;
    let failed = (intact < sealed.len()).then_some(OpenBatchError { opened: intact, error });
    assert_eq!(result.err(), failed);
    if failed.is_some() {
        let (opened, error) = (0, OpenError::AfterFailure);
        let result = opener.open_batch(&mut pieces(&mut sealed.to_vec()));
        assert_eq!(result, Err(OpenBatchError { opened, error }));
    }
    check(&opened, sealed, plaintexts, intact);
}
