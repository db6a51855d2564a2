//! What the types of this crate are made with.

#![allow(unused_macros, dead_code)]

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Why a value is refused: the field, the rule, and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub(crate) String);

impl Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// An event as EventBridge hands it over. Members that are not named are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// What happened.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// Who says so.
    pub source: String,
    /// What is said of it.
    pub detail: Value,
    /// The others: `id`, `time`, `account`, `region`, `resources`, `version`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The members of an object.
pub(crate) fn members<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(from)? {
        Value::Object(members) => Ok(members),
        other => Err(D::Error::custom(format!("{other} is no object"))),
    }
}

fn typed<T: DeserializeOwned, E: Error>(name: &str, value: Value) -> Result<T, E> {
    serde_json::from_value(value).map_err(|why| E::custom(format!("{name}: {why}")))
}

/// A member that is always there.
pub(crate) fn required<T: DeserializeOwned, E: Error>(
    members: &mut Map<String, Value>,
    name: &str,
) -> Result<T, E> {
    match members.remove(name) {
        Some(value) => typed(name, value),
        None => Err(E::custom(format!("{name}: is missing"))),
    }
}

/// A member that may be missing.
pub(crate) fn optional<T: DeserializeOwned, E: Error>(
    members: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, E> {
    let value = members.remove(name);
    value.map(|value| typed(name, value)).transpose()
}

/// All members that are left.
pub(crate) fn others<T: DeserializeOwned, E: Error>(
    members: Map<String, Value>,
) -> Result<BTreeMap<String, T>, E> {
    let each = members.into_iter().map(|(name, value)| {
        let value = typed(&name, value)?;
        Ok((name, value))
    });
    each.collect()
}

/// Writes members into a map.
pub(crate) mod write {
    use serde::Serialize;
    use serde::ser::SerializeMap;

    pub(crate) fn required<M: SerializeMap, T: Serialize>(
        map: &mut M,
        name: &str,
        value: &T,
    ) -> Result<(), M::Error> {
        map.serialize_entry(name, value)
    }

    pub(crate) fn optional<M: SerializeMap, T: Serialize>(
        map: &mut M,
        name: &str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        }
    }
}

/// Whether the length of `text` is as it should be.
pub(crate) fn length(text: &str, least: usize, most: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    match length {
        _ if length < least => Err(format!("{text:?} has fewer than {least} characters")),
        _ if length > most => Err(format!("{text:?} has more than {most} characters")),
        _ => Ok(()),
    }
    .map_err(Invalid)
}

/// Whether `value` is in the range, and a multiple.
pub(crate) fn whole(value: i128, least: i128, most: i128, of: i128) -> Result<(), Invalid> {
    match value {
        _ if value < least => Err(format!("{value} is less than {least}")),
        _ if value > most => Err(format!("{value} is greater than {most}")),
        _ if of > 1 && value % of != 0 => Err(format!("{value} is no multiple of {of}")),
        _ => Ok(()),
    }
    .map_err(Invalid)
}

/// An end of a range, and whether it is itself outside.
pub(crate) type End = Option<(f64, bool)>;

/// Whether `value` is in the range.
pub(crate) fn real(value: &serde_json::Number, low: End, high: End) -> Result<(), Invalid> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let above = |(end, out): (f64, bool)| if out { number > end } else { number >= end };
    let below = |(end, out): (f64, bool)| if out { number < end } else { number <= end };
    match (low, high) {
        (Some(low), _) if !above(low) => Err(format!("{value} is below the least, {}", low.0)),
        (_, Some(high)) if !below(high) => Err(format!("{value} is above the most, {}", high.0)),
        _ => Ok(()),
    }
    .map_err(Invalid)
}

/// A tagged object without its tag, and the tag.
pub(crate) fn untagged<E: Error>(value: &Value, tag: &str) -> Result<(String, Value), E> {
    let mut members = match value {
        Value::Object(members) => members.clone(),
        other => return Err(E::custom(format!("{other} is no object"))),
    };
    let kind = required::<String, E>(&mut members, tag)?;
    Ok((kind, members.into()))
}

/// Writes an object with its tag.
pub(crate) fn tagged<T: Serialize, S: Serializer>(
    to: S,
    tag: &str,
    kind: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let value = serde_json::to_value(value).map_err(serde::ser::Error::custom)?;
    let mut members = match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert(tag.to_owned(), kind.into());
    members.serialize(to)
}

macro_rules! field {
    (required $type:ty) => { $type };
    (optional $type:ty) => { Option<$type> };
}

macro_rules! object {
    ($(#[$doc:meta])* $name:ident, others $others:ty {
        $($(#[$about:meta])* $field:ident $json:literal $kind:ident $type:ty;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: field!($kind $type),)*
            /// Members that the schema does not name: kept as they came.
            pub extra: std::collections::BTreeMap<String, $others>,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[allow(unused_mut)]
                let mut members = crate::support::members(from)?;
                Ok(Self {
                    $($field: crate::support::$kind(&mut members, $json)?,)*
                    extra: crate::support::others(members)?,
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut map = serde::Serializer::serialize_map(to, None)?;
                $(crate::support::write::$kind(&mut map, $json, &self.$field)?;)*
                for (name, value) in &self.extra {
                    serde::ser::SerializeMap::serialize_entry(&mut map, name, value)?;
                }
                serde::ser::SerializeMap::end(map)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, closed {
        $($(#[$about:meta])* $field:ident $json:literal $kind:ident $type:ty;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: field!($kind $type),)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[allow(unused_mut)]
                let mut members = crate::support::members(from)?;
                let read = Self {
                    $($field: crate::support::$kind(&mut members, $json)?,)*
                };
                match members.keys().next() {
                    None => Ok(read),
                    Some(name) => Err(serde::de::Error::custom(format!("{name}: no such member"))),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                #[allow(unused_mut)]
                let mut map = serde::Serializer::serialize_map(to, None)?;
                $(crate::support::write::$kind(&mut map, $json, &self.$field)?;)*
                serde::ser::SerializeMap::end(map)
            }
        }
    };
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $least:literal, $most:expr $(, $pattern:literal)? $(; $check:path)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// `text`, if it is valid.
            ///
            /// # Errors
            /// The rule that it breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, crate::support::Invalid> {
                let text = text.into();
                crate::support::length(&text, $least, $most)?;
                $({
                    static PATTERN: std::sync::OnceLock<regex::Regex> = std::sync::OnceLock::new();
                    crate::pattern::fits(&text, $pattern, &PATTERN)?;
                })?
                $($check(&text)?;)?
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! whole {
    ($(#[$doc:meta])* $name:ident($type:ty), $least:expr, $most:expr, $of:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name($type);

        impl $name {
            /// `value`, if it is valid.
            ///
            /// # Errors
            /// The rule that it breaks.
            pub fn new(value: $type) -> Result<Self, crate::support::Invalid> {
                crate::support::whole(i128::from(value), $least, $most, $of)?;
                Ok(Self(value))
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> $type {
                self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <$type as serde::Deserialize>::deserialize(from)?;
                Self::new(value).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! real {
    ($(#[$doc:meta])* $name:ident, $low:expr, $high:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(serde_json::Number);

        impl $name {
            /// `value`, if it is valid.
            ///
            /// # Errors
            /// The rule that it breaks.
            pub fn new(value: serde_json::Number) -> Result<Self, crate::support::Invalid> {
                crate::support::real(&value, $low, $high)?;
                Ok(Self(value))
            }

            /// The number, as it was written.
            #[must_use]
            pub fn get(&self) -> &serde_json::Number {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <serde_json::Number as serde::Deserialize>::deserialize(from)?;
                Self::new(value).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$about:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant,)*
            /// A word that the schema does not list: kept as it came.
            Unknown(String),
        }

        impl $name {
            /// The word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(from)?;
                Ok(Self::from(word.as_str()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}

macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident($type:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $type);
    };
}

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident by $tag:literal {
        $($(#[$about:meta])* $variant:ident($type:ty) = $word:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant(Box<$type>),)*
            /// A kind that the schema does not list: kept as it came.
            Unknown(serde_json::Value),
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(from)?;
                let (kind, rest) = crate::support::untagged(&value, $tag)?;
                match kind.as_str() {
                    $($word => serde_json::from_value(rest)
                        .map(Self::$variant)
                        .map_err(serde::de::Error::custom),)*
                    _ => Ok(Self::Unknown(value)),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(it) => crate::support::tagged(to, $tag, $word, it),)*
                    Self::Unknown(value) => value.serialize(to),
                }
            }
        }
    };
}

macro_rules! either {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$about:meta])* $variant:ident($type:ty),)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$about])* $variant(Box<$type>),)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(from)?;
                $(if let Ok(it) = serde_json::from_value(value.clone()) {
                    return Ok(Self::$variant(it));
                })*
                Err(serde::de::Error::custom(format!(
                    "{value} fits none of {}",
                    [$(stringify!($variant)),*].join(", ")
                )))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(it) => it.serialize(to),)*
                }
            }
        }
    };
}

macro_rules! events {
    ($(#[$doc:meta])* within $within:expr, {
        $($(#[$about:meta])* $variant:ident($type:ty) = $source:tt, $detail_type:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$about])* $variant(Box<$type>),)*
            /// An event that no schema describes: kept as it came.
            Unknown(serde_json::Value),
        }

        impl Event {
            /// The event called `detail_type` that `source` says, with what it says.
            /// Of several that are called so it is the first that fits.
            ///
            /// # Errors
            /// The field, the rule that it breaks, and its value.
            pub fn of(
                source: &str,
                detail_type: &str,
                said: serde_json::Value,
            ) -> Result<Self, crate::support::Invalid> {
                let mut refused = None;
                $(if matches!((source, detail_type), ($source, $detail_type)) {
                    match serde_json::from_value(said.clone()) {
                        Ok(it) => return Ok(Self::$variant(it)),
                        Err(why) => {
                            refused.get_or_insert_with(|| crate::support::Invalid(why.to_string()));
                        }
                    }
                })*
                refused.map_or(Ok(Self::Unknown(said)), Err)
            }
        }

        impl serde::Serialize for Event {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(it) => it.serialize(to),)*
                    Self::Unknown(value) => value.serialize(to),
                }
            }
        }

        impl crate::support::Envelope {
            /// The event in the envelope.
            ///
            /// # Errors
            /// The field, the rule that it breaks, and its value.
            pub fn event(&self) -> Result<Event, crate::support::Invalid> {
                let within: Option<&str> = $within;
                let said = within.map_or(&self.detail, |name| &self.detail[name]);
                Event::of(&self.source, &self.detail_type, said.clone())
            }
        }
    };
}
