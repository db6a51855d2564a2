//! Names that one JSON object has twice, which a parsed value does not show.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// A name that is there twice.
pub(super) struct Duplicate {
    /// The place of the object.
    pub(super) at: String,
    pub(super) name: String,
}

/// All names of `text` that their object has twice; nothing when it is no JSON.
pub(super) fn duplicates(text: &str) -> Vec<Duplicate> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Place {
        at: String::new(),
        found: &mut found,
    };
    match seed.deserialize(&mut reader) {
        Ok(()) => found,
        Err(_) => Vec::new(),
    }
}

struct Place<'f> {
    at: String,
    found: &'f mut Vec<Duplicate>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items
            .next_element_seed(Place {
                at: format!("{}[{index}]", self.at),
                found: self.found,
            })?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                self.found.push(Duplicate {
                    at: self.at.clone(),
                    name,
                });
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            members.next_value_seed(Place {
                at: format!("{}/{name}", self.at),
                found: self.found,
            })?;
            names.insert(name);
        }
        Ok(())
    }
}
