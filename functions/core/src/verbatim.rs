//! Values that a document keeps as they were said.

use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value with the text of it: what this code does not know of the value stays
/// in the text, and is there when the document is written again. It is kept as
/// that text. One that an earlier version kept as an object is read, too.
#[derive(Debug, Clone)]
pub struct Verbatim<T> {
    text: String,
    value: T,
}

impl<T: Serialize> Verbatim<T> {
    /// `value`, in the words it is said in from now on.
    pub fn new(value: T) -> Self {
        // Plain data: it has a text.
        let text = serde_json::to_string(&value).unwrap_or_default();
        Self { text, value }
    }
}

impl<T> Verbatim<T> {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T> Deref for Verbatim<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Verbatim<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Serialize for Verbatim<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: DeserializeOwned + Serialize> Deserialize<'de> for Verbatim<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kept<T>(std::marker::PhantomData<T>);

        impl<'de, T: DeserializeOwned + Serialize> Visitor<'de> for Kept<T> {
            type Value = Verbatim<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value, or the text of one")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let value = serde_json::from_str(text).map_err(E::custom)?;
                let text = text.to_owned();
                Ok(Verbatim { text, value })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Verbatim::new)
            }
        }
        deserializer.deserialize_any(Kept(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Pair {
        a: u32,
        #[serde(default)]
        b: u32,
    }

    fn read(kept: serde_json::Value) -> Result<Verbatim<Pair>, serde_json::Error> {
        serde_json::from_value(kept)
    }

    #[test]
    fn what_is_kept_is_written_again_as_it_was() {
        for text in [
            r#"{"a":1,"b":2}"#,
            r#"{"b":2,"a":1,"c":{"d":[3]}}"#,
            r#"{"a":1}"#,
        ] {
            let kept = read(json!(text)).unwrap();
            assert_eq!((kept.a, kept.text()), (1, text));
            assert_eq!(serde_json::to_value(&kept).unwrap(), json!(text));
        }
    }

    #[test]
    fn an_object_is_read_as_earlier_versions_kept_it() {
        let kept = read(json!({ "b": 2, "a": 1 })).unwrap();
        assert_eq!(kept, Verbatim::new(Pair { a: 1, b: 2 }));
        assert!(read(json!("{}")).is_err() && read(json!(7)).is_err());
    }
}
