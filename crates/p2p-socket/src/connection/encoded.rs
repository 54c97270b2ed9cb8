use bytes::{Bytes, BytesMut};

/// An encoded message that many can have. Its bytes are not copied before they are sealed.
#[derive(Clone, Debug)]
pub(crate) struct EncodedBytes {
    pub(crate) front: Bytes,
    /// What follows, if the message had it before it was encoded.
    pub(crate) rest: Bytes,
}

impl EncodedBytes {
    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.rest.len()
    }

    /// The same in one piece.
    pub(crate) fn joined(self) -> Self {
        if self.rest.is_empty() {
            return self;
        }
        Self {
            front: [self.front, self.rest].concat().into(),
            rest: Bytes::new(),
        }
    }
}

/// A message on its way into the queue.
#[derive(Debug)]
pub(crate) enum Encoded<'a> {
    /// One that nobody else has: what is in the buffer, and what follows.
    Own(&'a mut BytesMut, Bytes),
    /// One that may go to many.
    Shared(&'a EncodedBytes),
}

impl Encoded<'_> {
    pub(crate) fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).iter().sum()
    }

    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        match self {
            Self::Own(front, rest) => [front, rest],
            Self::Shared(EncodedBytes { front, rest }) => [front, rest],
        }
    }

    pub(crate) fn into_shared(self) -> EncodedBytes {
        match self {
            Self::Own(front, rest) if rest.is_empty() => EncodedBytes {
                front: front.split().freeze(),
                rest,
            },
            // A few bytes, which are not worth the buffer that they are in.
            Self::Own(front, rest) => EncodedBytes {
                front: Bytes::copy_from_slice(front),
                rest,
            },
            Self::Shared(message) => message.clone(),
        }
    }
}
