use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Identity, InvalidPeerId, InvalidPublicKey, InvalidStamp, PeerId, PublicKey, SecretKey};

/// The JSON of an identity file, as `octez-node identity generate` writes it. Octez: `P2p_identity.encoding`.
impl Identity {
    /// Reads an identity from the JSON of an identity file.
    ///
    /// The field `peer_id` may be missing, and fields of other names are passed over. The stamp is not judged:
    /// [`check_difficulty`](Self::check_difficulty) does that.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity`]: the text is no identity, or its parts do not belong together. No error tells the secret.
    pub fn from_json(json: &str) -> Result<Self, InvalidIdentity> {
        // What the parser has to say may quote the text, secret and all; only the place is passed on.
        let fields: FieldsRead<'_> = serde_json::from_str(json).map_err(|error| InvalidIdentity::Json {
            line: error.line(),
            column: error.column(),
        })?;

        let public_key: PublicKey = parse("public_key", fields.public_key, InvalidIdentity::PublicKey)?;
        if fields.peer_id.is_some() {
            let stated: PeerId = parse("peer_id", fields.peer_id, InvalidIdentity::PeerId)?;
            let actual = public_key.peer_id();
            if stated != actual {
                return Err(InvalidIdentity::PeerIdMismatch { stated, actual });
            }
        }
        let secret_key = parse_secret_key(fields.secret_key)?;
        let stamp = parse(
            "proof_of_work_stamp",
            fields.proof_of_work_stamp,
            InvalidIdentity::Stamp,
        )?;

        let identity = Self::new(secret_key, stamp);
        let actual = identity.public_key();
        if actual == public_key {
            Ok(identity)
        } else {
            Err(InvalidIdentity::PublicKeyMismatch { actual })
        }
    }

    /// The JSON of an identity file: indented by two spaces, without a line feed at its end.
    ///
    /// It contains the secret key, and is wiped from memory when dropped.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut digits = Zeroizing::new([0; 2 * SecretKey::SIZE]);
        hex::encode_to_slice(self.secret_key().expose_bytes(), digits.as_mut_slice()).expect("two digits a byte");
        let fields = FieldsWritten {
            peer_id: &self.peer_id().to_string(),
            public_key: &self.public_key().to_string(),
            secret_key: std::str::from_utf8(digits.as_slice()).expect("hexadecimal digits are text"),
            proof_of_work_stamp: &self.stamp().to_string(),
        };
        let mut json = Vec::with_capacity(JSON_ROOM);
        serde_json::to_writer_pretty(&mut json, &fields).expect("writing texts to memory can not fail");
        Zeroizing::new(String::from_utf8(json).expect("JSON is text"))
    }
}

/// More bytes than the JSON of an identity has. A buffer that grew would leave copies of the secret behind, unwiped.
const JSON_ROOM: usize = 512;

#[derive(Serialize)]
struct FieldsWritten<'a> {
    peer_id: &'a str,
    public_key: &'a str,
    secret_key: &'a str,
    proof_of_work_stamp: &'a str,
}

/// The values as they stand in the text, not yet parsed: so an error can name the field and the secret is not copied.
#[derive(Deserialize)]
struct FieldsRead<'a> {
    #[serde(borrow)]
    peer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    public_key: Option<&'a RawValue>,
    #[serde(borrow)]
    secret_key: Option<&'a RawValue>,
    #[serde(borrow)]
    proof_of_work_stamp: Option<&'a RawValue>,
}

fn parse<T: FromStr>(
    name: &'static str,
    value: Option<&RawValue>,
    invalid: impl FnOnce(T::Err) -> InvalidIdentity,
) -> Result<T, InvalidIdentity> {
    text(name, value)?.parse().map_err(invalid)
}

fn parse_secret_key(value: Option<&RawValue>) -> Result<SecretKey, InvalidIdentity> {
    let digits = text("secret_key", value)?;
    let mut bytes = Zeroizing::new([0; SecretKey::SIZE]);
    hex::decode_to_slice(digits.as_bytes(), bytes.as_mut_slice()).map_err(|_| InvalidIdentity::SecretKey)?;
    Ok(SecretKey::from_bytes(*bytes))
}

fn text(name: &'static str, value: Option<&RawValue>) -> Result<Zeroizing<String>, InvalidIdentity> {
    let value = value.ok_or(InvalidIdentity::MissingField { name })?;
    serde_json::from_str(value.get())
        .map(Zeroizing::new)
        .map_err(|_| InvalidIdentity::FieldIsNotText { name })
}

/// Why a text is not the JSON of an [`Identity`]. No variant holds anything of the secret key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidIdentity {
    /// The bytes are not UTF-8.
    #[error("an identity is JSON, and this is not even text")]
    NotUtf8,
    /// The text is not a JSON object, or a field stands in it twice.
    #[error("line {line}, column {column}: not the JSON object of an identity")]
    Json {
        /// Line of the mistake, the first being 1.
        line: usize,
        /// Column of the mistake, the first being 1.
        column: usize,
    },
    /// A field is missing or null.
    #[error("the field {name} is missing")]
    MissingField {
        /// Name of the field.
        name: &'static str,
    },
    /// The value of a field is something other than a string.
    #[error("the field {name} is not a string")]
    FieldIsNotText {
        /// Name of the field.
        name: &'static str,
    },
    /// The field `peer_id` holds no peer id.
    #[error("the field peer_id is wrong")]
    PeerId(#[source] InvalidPeerId),
    /// The field `public_key` holds no public key.
    #[error("the field public_key is wrong")]
    PublicKey(#[source] InvalidPublicKey),
    /// The field `secret_key` holds no secret key. More is not told: it may be a secret with a typing mistake.
    #[error("the field secret_key is wrong: a secret key has 64 hexadecimal digits")]
    SecretKey,
    /// The field `proof_of_work_stamp` holds no stamp.
    #[error("the field proof_of_work_stamp is wrong")]
    Stamp(#[source] InvalidStamp),
    /// The peer id is not that of the public key. Octez: `Identity_mismatch`.
    #[error("the peer id {stated} does not belong to the public key, whose peer id is {actual}")]
    PeerIdMismatch {
        /// The id in the field `peer_id`.
        stated: PeerId,
        /// The id of the public key.
        actual: PeerId,
    },
    /// The public key is not that of the secret key. Octez: `Identity_keys_mismatch`.
    ///
    /// The key that stands in the file is not told: somebody who mixed up the two fields has the secret there.
    #[error("the public key does not belong to the secret key, whose public key is {actual}")]
    PublicKeyMismatch {
        /// The public key of the secret key.
        actual: PublicKey,
    },
}

#[cfg(test)]
mod tests;
