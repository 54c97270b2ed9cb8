//! How configuration files write what has no form of its own there: sizes and times with units, numbers that are checked.

use std::{fmt::Display, time::Duration};

use p2p_crypto::Difficulty;
use p2p_framing::ChunkSize;
use p2p_io_scheduler::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ChainName;

/// Numbers of bytes, as in `"64 KiB"`.
pub(crate) mod size {
    use super::{ByteSize, Deserialize, Deserializer, Serialize, Serializer, custom};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        ByteSize::from(*bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        ByteSize::deserialize(deserializer)?.try_into().map_err(custom)
    }
}

pub(crate) mod chunk_size {
    use super::{ChunkSize, Deserializer, Serializer, custom, size};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(chunk_size: &ChunkSize, serializer: S) -> Result<S::Ok, S::Error> {
        size::serialize(&chunk_size.bytes(), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChunkSize, D::Error> {
        ChunkSize::new(size::deserialize(deserializer)?).map_err(custom)
    }
}

/// Times, as in `"5s"`.
pub(crate) mod duration {
    use std::fmt;

    use super::{Deserializer, Duration, Serializer, de};

    const EXPECTED: &str = "a time such as \"5s\" or \"1m 30s\"";

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(Time)
    }

    struct Time;

    impl de::Visitor<'_> for Time {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(EXPECTED)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text).map_err(|error| E::custom(format_args!("{error}; write {EXPECTED}")))
        }
    }
}

pub(crate) mod difficulty {
    use super::{Deserialize, Deserializer, Difficulty, Serializer, custom};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(difficulty: &Difficulty, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(difficulty.value())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Difficulty, D::Error> {
        Difficulty::try_from(f64::deserialize(deserializer)?).map_err(custom)
    }
}

/// A text. A name that is none can not be written.
impl Serialize for ChainName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.as_bytes()) {
            Ok(name) => serializer.serialize_str(name),
            Err(_) => Err(serde::ser::Error::custom(format_args!(
                "the chain name \"{self}\" is no text"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for ChainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

fn custom<E: de::Error>(error: impl Display) -> E {
    E::custom(error)
}
