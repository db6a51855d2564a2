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
    /// What `document` says; it is to be plain data, a JSON object.
    #[must_use]
    pub fn of(document: &impl Serialize) -> Self {
        let mut text = Vec::with_capacity(LIKELY);
        // Plain data, maps with string keys: neither of these two fails.
        let _ = serde_json::to_writer(&mut text, document);
        Self(String::from_utf8(text).unwrap_or_default().into())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The tree of values, to look at or to change member by member.
    #[must_use]
    pub fn value(&self) -> Value {
        // It was written by `of`: it is JSON.
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
