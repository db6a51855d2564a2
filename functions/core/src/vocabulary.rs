//! Closed sets of named messages: the facts, and each service's commands.
//!
//! On the wire a message is a name beside its data (`metadata.type` and `data`,
//! or `command` and `data`). [`vocabulary!`] writes the enum, the
//! names and the conversions from one list, so that a name stands in one place.

use serde::{Deserializer, Serialize};
use serde_json::Value;

use crate::store::mismatch;

/// A closed set of named messages. A message serialises as its data, without
/// its name.
pub trait Vocabulary: Serialize + Clone + Send + Sync {
    /// Every name of the set, in the order of its definition.
    const NAMES: &'static [&'static str];

    /// This message's name on the wire.
    fn name(&self) -> &'static str;

    /// This message's data.
    fn data(&self) -> Value {
        // Plain data: maps with string keys and no failing serialiser.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads the message called `name` from its data: a tree of values or raw
    /// JSON.
    ///
    /// # Errors
    /// [`ParseError`] when the set has no such name or the data does not fit it.
    fn parse<'de, D>(name: &str, data: D) -> Result<Self, ParseError>
    where
        D: Deserializer<'de, Error = serde_json::Error>;

    /// As [`Vocabulary::parse`], and nothing else may be in the data: for what
    /// comes in from outside, where a field that is passed over is a mistake
    /// nobody hears of.
    ///
    /// # Errors
    /// [`ParseError`], also for a field that the message does not have.
    fn parse_strictly<'de, D>(name: &str, data: D) -> Result<Self, ParseError>
    where
        D: Deserializer<'de, Error = serde_json::Error>,
    {
        let mut strange = None;
        let parsed = Self::parse(
            name,
            serde_ignored::Deserializer::new(data, &mut |path: serde_ignored::Path<'_>| {
                strange.get_or_insert_with(|| parent(&path));
            }),
        )?;
        match strange {
            None => Ok(parsed),
            Some(place) => Err(ParseError::Data {
                name: parsed.name(),
                problem: format!("unknown field in {place}"),
            }),
        }
    }
}

/// Where an ignored field lies, without its own name: that came from outside.
fn parent(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => "data".to_owned(),
        Path::Map { parent, .. } => place(parent),
        Path::Seq { parent, .. }
        | Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => self::parent(parent),
    }
}

/// A path below the data: `data.lines[0]`. Its names are those of known fields.
fn place(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => "data".to_owned(),
        Path::Seq { parent, index } => format!("{}[{index}]", place(parent)),
        Path::Map { parent, key } => format!("{}.{key}", place(parent)),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => place(parent),
    }
}

/// Why a name and its data are no message of a [`Vocabulary`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The set has no message of that name.
    #[error("unknown message name; expected one of {}", expected.join(", "))]
    UnknownName {
        /// The names the set has.
        expected: &'static [&'static str],
    },
    /// The data does not fit the message of that name.
    #[error("data does not fit {name}: {problem}")]
    Data {
        /// The message's name.
        name: &'static str,
        /// What did not fit, without the offending value (it may be personal).
        problem: String,
    },
}

impl ParseError {
    /// Wraps a decoding error, without what it quotes.
    #[must_use]
    pub fn data(name: &'static str, error: &serde_json::Error) -> Self {
        let problem = mismatch(error);
        Self::Data { name, problem }
    }
}

/// Defines a [`Vocabulary`]: an enum whose variants each carry the struct of
/// the same name.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$meta:meta])* $vis:vis enum $set:ident { $($(#[$doc:meta])* $name:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $set { $($(#[$doc])* $name($name),)+ }

        impl $crate::Vocabulary for $set {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            fn parse<'de, D>(name: &str, data: D) -> Result<Self, $crate::ParseError>
            where
                D: $crate::serde::Deserializer<'de, Error = $crate::serde_json::Error>,
            {
                match name {
                    $(stringify!($name) => <$name as $crate::serde::Deserialize>::deserialize(data)
                        .map(Self::$name)
                        .map_err(|e| $crate::ParseError::data(stringify!($name), &e)),)+
                    _ => Err($crate::ParseError::UnknownName {
                        expected: <Self as $crate::Vocabulary>::NAMES,
                    }),
                }
            }
        }

        impl $crate::serde::Serialize for $set {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match self { $(Self::$name(data) => data.serialize(serializer),)+ }
            }
        }

        $(impl From<$name> for $set {
            fn from(data: $name) -> Self { Self::$name(data) }
        })+

        #[cfg(feature = "schema")]
        impl $set {
            /// The JSON Schema of each message's data, by name.
            #[allow(dead_code, reason = "a vocabulary that only a test has is not published")]
            #[must_use]
            $vis fn schemas() -> Vec<(&'static str, $crate::schemars::Schema)> {
                vec![$((stringify!($name), $crate::schemars::schema_for!($name))),+]
            }
        }
    };
}
