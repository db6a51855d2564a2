//! What a document says.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Room for most documents, in bytes.
const LIKELY: usize = 1_024;

/// A JSON object, as text: written once and read once, it needs no tree of
/// values in between, and takes a fraction of the memory while it is kept. Clones
/// share it.
#[derive(Debug, Clone)]
pub struct Body(Arc<str>);

impl Body {
    /// What `document` says; it is to be plain data, a JSON object. What has no JSON
    /// text is `null` here; [`Body::new`] refuses it.
    #[must_use]
    pub fn of(document: &impl Serialize) -> Self {
        Self::new(document).unwrap_or_else(|_| Self("null".into()))
    }

    /// What `document` says.
    ///
    /// # Errors
    /// The encoder's, when it has no JSON text: a map whose keys are no text, for one.
    pub fn new(document: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut text = Vec::with_capacity(LIKELY);
        serde_json::to_writer(&mut text, document)?;
        // The encoder writes UTF-8.
        Ok(Self(String::from_utf8(text).unwrap_or_default().into()))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The tree of values, to look at or to change member by member.
    #[must_use]
    pub fn value(&self) -> Value {
        // It was written by `new`: it is JSON.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The document as a `T`.
    ///
    /// # Errors
    /// The decoder's, when it is none. Its text may quote the document.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// The texts with which serde begins when it quotes what it was given; all of
/// them may end with what was expected (serde, `de::Error`).
const QUOTING: [&str; 4] = [
    "invalid type",
    "invalid value",
    "unknown variant",
    "unknown field",
];

/// Why data did not fit, without the data. Serde quotes the offending value or name
/// in some of its texts; this says the kind of mismatch and what was expected, and
/// nothing that came from outside.
#[must_use]
pub fn mismatch(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // A quoted text may hold these very words: only the last ones are serde's.
    let expected = text
        .rsplit_once(", expected ")
        .map(|(_, expected)| expected);
    let there = text.rsplit_once(", there are no ").map(|(_, kind)| kind);
    for kind in QUOTING {
        if text.starts_with(kind) {
            return match (expected, there) {
                (Some(expected), _) => format!("{kind}, expected {expected}"),
                (None, Some(nothing)) => format!("{kind}, there are no {nothing}"),
                (None, None) => kind.to_owned(),
            };
        }
    }
    // Our own values say what they must be. Others, such as times, quote what they are not.
    if text.contains('"') {
        return "a value is malformed".to_owned();
    }
    text
}

/// The order of members does not matter.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.value() == other.value()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_members_does_not_matter() {
        let body = |text: &str| Body(text.into());
        assert_eq!(body(r#"{"a":1,"b":[1,2]}"#), body(r#"{"b":[1,2],"a":1}"#));
        assert_ne!(body(r#"{"a":1,"b":[1,2]}"#), body(r#"{"a":1,"b":[2,1]}"#));
    }

    #[test]
    fn what_was_said_can_be_read() {
        let body = Body::of(&json!({ "n": 1 }));
        assert_eq!(
            (body.text(), body.value()),
            (r#"{"n":1}"#, json!({ "n": 1 }))
        );
        assert!(body.read::<Vec<u8>>().is_err());
    }
}
