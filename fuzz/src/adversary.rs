//! What an adversary on the wire can do: flip, drop, repeat, exchange, cut, merge, split, replay and make up.

use bytes::Bytes;

use crate::script::Script;

/// The wire between two honest peers, in the hands of someone who does what a script says.
#[derive(Default)]
pub(crate) struct Adversary {
    /// All that was ever sent, in whatever direction.
    seen: Vec<Bytes>,
}

impl Adversary {
    /// What becomes of `sent`, a part of a stream frame by frame, and whether it is something else.
    pub(crate) fn carry(&mut self, sent: &[Bytes], script: &mut Script<'_>) -> (Bytes, bool) {
        self.seen.extend_from_slice(sent);
        let honest = Bytes::from(sent.concat());
        let changes = script.byte() % 4;
        if changes == 0 {
            return (honest, false);
        }
        let mut frames = sent.to_vec();
        for _ in 0..changes {
            self.change(&mut frames, script);
        }
        let arriving = Bytes::from(frames.concat());
        let changed = arriving != honest;
        (arriving, changed)
    }

    fn change(&self, frames: &mut Vec<Bytes>, script: &mut Script<'_>) {
        let what = script.byte() % 10;
        let place = script.below(frames.len());
        if place == frames.len() {
            return frames.push(self.seen[script.below(self.seen.len())].clone());
        }
        match what {
            0 => {
                let mut changed = frames[place].to_vec();
                flip(&mut changed, script);
                frames[place] = changed.into();
            }
            1 => drop(frames.remove(place)),
            2 => frames.insert(script.below(frames.len() + 1), frames[place].clone()),
            3 => {
                let other = script.below(frames.len());
                frames.swap(place, other);
            }
            // The rest of the frame never comes, what is behind it does.
            4 => {
                let length = script.below(frames[place].len() + 1);
                frames[place].truncate(length);
            }
            // Nothing more comes.
            5 => {
                let length = script.below(frames[place].len() + 1);
                frames[place].truncate(length);
                frames.truncate(place + 1);
            }
            6 if place + 1 < frames.len() => {
                let next = frames.remove(place + 1);
                frames[place] = with_header(&[without_header(&frames[place]), without_header(&next)].concat());
            }
            7 => {
                let content = without_header(&frames[place]);
                let (head, tail) = content.split_at(script.below(content.len() + 1));
                let (head, tail) = (with_header(head), with_header(tail));
                frames.splice(place..=place, [head, tail]);
            }
            8 => frames.insert(place, self.seen[script.below(self.seen.len())].clone()),
            _ => frames.insert(place, Bytes::copy_from_slice(script.bytes())),
        }
    }
}

/// Changes one bit, if there is one.
pub(crate) fn flip(bytes: &mut [u8], script: &mut Script<'_>) {
    let bit = script.below(8 * bytes.len());
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

/// A frame without the length in front of it: clear frames and chunks have the same.
fn without_header(frame: &[u8]) -> &[u8] {
    frame.get(2..).unwrap_or_default()
}

fn with_header(content: &[u8]) -> Bytes {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), content].concat().into()
}
