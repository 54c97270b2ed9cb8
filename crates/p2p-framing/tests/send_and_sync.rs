//! Every public type may move between threads and be shared by them.

use p2p_framing::{encoding::*, *};

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn every_public_type_is_send_and_sync() {
    shared::<ChunkCodec>();
    shared::<ChunkCodecError>();
    shared::<ChunkError>();
    shared::<ChunkOpener>();
    shared::<ChunkSealer>();
    shared::<ChunkSize>();
    shared::<ClearFrame>();
    shared::<ClearFrameCodec>();
    shared::<ClearFrameError>();
    shared::<ClearFrameTooLarge>();
    shared::<ControlEncoding<TaggedPayloadEncoding>>();
    shared::<ControlMessage<TaggedPayload>>();
    shared::<DecodeError>();
    shared::<EncodeError>();
    shared::<InvalidChunkSize>();
    shared::<InvalidPoint>();
    shared::<OpenedChunk<'static>>();
    shared::<Point>();
    shared::<PointList>();
    shared::<RawEncoding>();
    shared::<SealError>();
    shared::<Swap>();
    shared::<TaggedPayload>();
    shared::<TaggedPayloadEncoding>();
    shared::<TooManyPoints>();
    shared::<WireReader<'static>>();
    #[cfg(feature = "bincode")]
    shared::<BincodeEncoding<std::cell::Cell<u8>>>();
    #[cfg(feature = "postcard")]
    shared::<PostcardEncoding<std::cell::Cell<u8>>>();
}
