//! EventBridge event patterns and target inputs, with AWS's semantics and refusals.
//!
//! | module | owns |
//! |---|---|
//! | [`pattern`](Pattern) | a parsed pattern: its alternatives, the fields it uses, whether one event matches |
//! | [`matcher`](Matcher) | many patterns compiled together: one walk over the event, then only the rules that can match |
//! | [`explain`](mod@explain) | why an event does not match: which field, what was wanted, what was there |
//! | [`transform`](InputTransformer) | what a target receives: `Input`, `InputPath`, `InputTransformer` |
//! | [`testing`] | asserting in tests that an event matches |
//! | [`dialect`](Dialect) | what a service that shares the language may differ in (the seam for SNS filter policies) |
//!
//! The crate must not know the bus, rules, targets, clocks or the AWS SDK: JSON comes in, an answer goes out.
//!
//! # Sources
//!
//! AWS publishes the engine behind EventBridge's patterns as *Event Ruler* (Apache-2.0); its README and behaviour,
//! the EventBridge user guide, and publicly recorded answers of the live service are what this crate follows. What
//! surprises people, and holds here as it does there:
//!
//! - A field is its dotted path. `{"detail": {"state": ..}}` and `{"detail.state": ..}` are one field, in patterns and in events.
//! - Only leaves have values. An object is no leaf, and `[]` holds none, so `exists: true` fails on both.
//! - `anything-but` holds for every value that is not listed, also of another type and also `null`, but not for a missing field.
//! - A pattern's numbers lie within ±5,000,000,000 and have at most six decimals; an event's numbers beyond that are still
//!   above or below them. The guide does not say so; Event Ruler's newer versions compare any double.
//! - A string that is an IP address matches other spellings of that address.
//! - Fields that lie in one array must match in the same element of it. `exists: false` looks only at the elements that the
//!   fields before it (in the order of their paths) have settled on.
//! - `$or` needs at least two objects, none with a field named like an operator; else it is a field called `$or`.
//!
//! - A rule whose wildcards are too complex is refused, counted as Event Ruler does; EventBridge's limit is not published,
//!   and chosen between what it was seen to take and to refuse.
//! - Ignoring case, a pattern's character stands for its lower and its upper form, and for nothing else.
//!
//! # Why an own matcher
//!
//! `quamina` is a fine automaton, but it has neither `$or` nor nested `anything-but`, merges array elements by other rules,
//! and agreed with about two thirds of the cases recorded from AWS. Rewriting patterns until it agreed would have cost more
//! code than evaluating them: a rule here is a list of field tests, tried when a value passes the tests of one of them, of
//! which exact values, beginnings and ends of texts are looked up. So the rate hardly depends on how many rules there are,
//! and is above quamina's on rules of every kind (`cargo bench -p duet-pattern --bench quamina`).
//!
//! ```
//! use duet_pattern::{Matcher, Pattern};
//! use serde_json::json;
//!
//! let mut rules = Matcher::new();
//! rules.add("big-orders", &Pattern::parse(r#"{"detail-type": ["NewOrder"], "detail": {"total": [{"numeric": [">", 100]}]}}"#)?);
//! rules.add("anything", &Pattern::parse(r#"{"source": [{"prefix": ""}]}"#)?);
//!
//! let event = json!({"source": "duet.order", "detail-type": "NewOrder", "detail": {"total": 250}});
//! assert_eq!(rules.matches(&event), [&"big-orders", &"anything"]);
//! # Ok::<(), duet_pattern::PatternError>(())
//! ```

mod address;
mod complexity;
mod dialect;
mod error;
mod event;
pub mod explain;
mod expression;
mod fold;
mod index;
mod json;
mod matcher;
mod number;
mod operator;
mod parse;
mod path;
mod pattern;
mod search;
pub mod testing;
mod transform;
mod wildcard;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use dialect::{Dialect, Duplicates};
pub use error::{PatternError, TransformError};
pub use explain::{Explanation, explain};
pub use matcher::Matcher;
pub use path::InputPath;
pub use pattern::Pattern;
pub use transform::{InputTransformer, RuleContext, TargetInput};
