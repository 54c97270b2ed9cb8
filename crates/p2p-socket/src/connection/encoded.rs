use bytes::{Bytes, BytesMut};

/// An encoded message that many can have. Its bytes are not copied before they are sealed.
#[derive(Clone, Debug)]
pub(crate) struct EncodedBytes {
    pub(crate) front: Bytes,
    /// What follows, if the message had it before it was encoded.
    pub(crate) rest: Bytes,
}

impl EncodedBytes {
    /// Of what was written to a buffer, and perhaps what follows.
    pub(crate) fn new(front: &mut BytesMut, rest: Option<Bytes>) -> Self {
        match rest {
            None => front.split().freeze().into(),
            // A few bytes, which are not worth the buffer that they are in.
            Some(rest) => Self {
                front: Bytes::copy_from_slice(front),
                rest,
            },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.rest.len()
    }

    /// The same in one piece.
    pub(crate) fn joined(self) -> Self {
        if self.rest.is_empty() {
            return self;
        }
        Bytes::from([self.front, self.rest].concat()).into()
    }
}

/// A message in one piece.
impl From<Bytes> for EncodedBytes {
    fn from(front: Bytes) -> Self {
        Self {
            front,
            rest: Bytes::new(),
        }
    }
}

/// A message on its way into the queue.
#[derive(Debug)]
pub(crate) enum Encoded<'a> {
    /// One that nobody else has.
    Own(&'a mut BytesMut),
    /// One that may go to many.
    Shared(&'a EncodedBytes),
}

impl Encoded<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Shared(message) => message.len(),
        }
    }

    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        match self {
            Self::Own(bytes) => [bytes, &[]],
            Self::Shared(message) => [&message.front, &message.rest],
        }
    }
}
