//! Identifiers: short, printable, and checked where they are read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 characters out of A-Z, a-z, 0-9, '_' and '-'")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits { Ok(()) } else { Err(InvalidId) }
}

/// Why a text is no identifier for a new order or customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a new id has 1 to 60 characters out of A-Z, a-z, 0-9, '_' and '-', no two '_' in a row and none at its end"
)]
pub struct UnfitId;

/// The most characters the id of a new order or customer has. Executions are
/// named after it, and a further one has a few characters more.
pub const MAX_NEW_ID: usize = 60;

/// What parts the name of an order's further execution from its id.
const FURTHER: &str = "__";

/// Whether `id` may name a new order or customer: so that `__` and a number
/// behind it name a further execution of it, and of nothing else. Those taken
/// on before the rule keep their ids.
///
/// # Errors
/// [`UnfitId`] when it may not.
pub fn fit_for_new(id: &str) -> Result<(), UnfitId> {
    let fits = id.len() <= MAX_NEW_ID && !id.contains(FURTHER) && !id.ends_with('_');
    if fits { Ok(()) } else { Err(UnfitId) }
}

/// What the execution called `name` is about: an execution is named after its
/// order or customer, a further one after it, `__` and a number, as in `o-1__2`.
/// (Ones that an earlier version started are called `o-1.2`.) Behind the last
/// `__` of an id from before the rule there may be anything; what is no number
/// belongs to the id.
#[must_use]
pub fn of_execution(name: &str) -> &str {
    let further = name.rsplit_once(FURTHER).or_else(|| name.rsplit_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match further {
        Some((id, number)) if !id.is_empty() && is_number(number) => id,
        _ => name,
    }
}

/// The name of the `n`-th execution about the order or customer `id`.
#[must_use]
pub fn further_execution(id: &str, n: u32) -> String {
    format!("{id}{FURTHER}{n}")
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
            }
        }

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// An order, `[A-Za-z0-9_-]{1,64}`; chosen by whoever places it, and the
    /// idempotency key of placing it.
    OrderId
}
id! {
    /// A customer, `[A-Za-z0-9_-]{1,64}`.
    CustomerId
}
id! {
    /// A stock-keeping unit of the catalogue, `[A-Za-z0-9_-]{1,64}`.
    Sku
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_where_they_are_read() {
        for good in ["a", "ord-1", "A_b-9", &"x".repeat(64)] {
            assert_eq!(
                good.parse::<OrderId>().map(String::from),
                Ok(good.to_owned())
            );
        }
        for bad in ["", "a b", "å", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<OrderId>(), Err(InvalidId), "{bad:?}");
        }
        assert!(serde_json::from_str::<OrderId>("\"a b\"").is_err());
    }

    #[test]
    fn a_new_id_leaves_room_for_the_names_of_executions() {
        for good in ["a", "ord-1", "A_b-9", "_a", "a_b_c", &"x".repeat(60)] {
            assert_eq!(fit_for_new(good), Ok(()), "{good}");
        }
        for bad in ["a__b", "__", "a_", "_", &"x".repeat(61)] {
            assert_eq!(fit_for_new(bad), Err(UnfitId), "{bad}");
            assert!(bad.parse::<OrderId>().is_ok(), "{bad} may be in flight");
        }
    }

    #[test]
    fn an_executions_name_is_cut_at_its_last_mark() {
        for (name, id) in [
            ("o-1", "o-1"),
            ("o-1__2", "o-1"),
            ("o-1__10", "o-1"),
            ("o_1__2", "o_1"),
            ("a__b__2", "a__b"),
            ("o-1.2", "o-1"),
            ("o-1_", "o-1_"),
            ("a__b", "a__b"),
            ("__2", "__2"),
            ("", ""),
        ] {
            assert_eq!(of_execution(name), id, "{name}");
        }
        for n in [2, 3, u32::MAX] {
            let name = further_execution("o_1-x", n);
            assert_eq!(of_execution(&name), "o_1-x");
            // Step Functions takes names of up to 80 characters.
            assert!(further_execution(&"x".repeat(MAX_NEW_ID), n).len() <= 80);
        }
    }
}
