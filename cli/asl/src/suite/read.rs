//! Reading what a derive cannot: one or a list, a number or a word.

use super::{Answer, Answers, Times};
use crate::Millis;
use crate::model::MachineType;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt;

/// Tells `null` from nothing.
pub(super) fn given<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// An input that was not given.
pub(super) fn empty() -> Value {
    Value::Object(Map::new())
}

/// `standard` or `express`.
pub(super) fn kind<'de, D: Deserializer<'de>>(d: D) -> Result<Option<MachineType>, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

/// A time as ISO 8601.
pub(super) fn moment<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Millis>, D::Error> {
    let text = String::deserialize(d)?;
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| D::Error::custom("not a time such as 2026-03-14T01:59:00Z"))?;
    Ok(Some(at.as_millisecond()))
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Answers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer (returns, throws or never), or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answers, A::Error> {
                let one = Answer::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Answers {
                    listed: false,
                    answers: vec![one],
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Answers, A::Error> {
                Ok(Answers {
                    listed: true,
                    answers: Vec::deserialize(SeqAccessDeserializer::new(seq))?,
                })
            }
        }
        d.deserialize_any(OneOrMore)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct NumberOrAlways;
        impl Visitor<'_> for NumberOrAlways {
            type Value = Times;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 1 on, or `always`")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Times, E> {
                match u32::try_from(n) {
                    Ok(n) if n > 0 => Ok(Times::Of(n)),
                    _ => Err(E::custom("a number from 1 on, or `always`")),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Times, E> {
                match text {
                    "always" => Ok(Times::Always),
                    _ => Err(E::custom("a number from 1 on, or `always`")),
                }
            }
        }
        d.deserialize_any(NumberOrAlways)
    }
}
