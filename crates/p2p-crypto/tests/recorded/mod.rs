//! Access to the recorded vectors.

use serde_json::Value;

/// The bytes that a hexadecimal field of a vector stands for.
pub(crate) fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(vector, field)).unwrap_or_else(|error| panic!("{field} of {vector}: {error}"))
}

/// The same, for a field of a fixed size.
pub(crate) fn array<const SIZE: usize>(vector: &Value, field: &str) -> [u8; SIZE] {
    bytes(vector, field)
        .try_into()
        .unwrap_or_else(|_| panic!("{field} of {vector} is not {SIZE} bytes long"))
}

pub(crate) fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {vector}"))
}

/// The vectors of one section, of which there must be exactly `count`.
pub(crate) fn section<'a>(file: &'a Value, name: &str, count: usize) -> &'a [Value] {
    let vectors = file[name].as_array().unwrap_or_else(|| panic!("no section {name}"));
    assert_eq!(vectors.len(), count, "vectors in section {name}");
    vectors
}
