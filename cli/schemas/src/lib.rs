//! JSON Schemas of events and commands: what a change of one breaks, and Rust types
//! for one.
//!
//! | module | owns |
//! |---|---|
//! | [`contract`] | a schema as it is handed in: 2020-12, Draft 4, or OpenAPI 3 as EventBridge's registry exports it |
//! | `keywords`, `node`, `number`, `text` | the normal form: a union of pieces, each of one JSON type |
//! | `accept` | whether a value fits, and one that does |
//! | `subset` | whether all that one schema lets somebody write is what another reads |
//! | [`compatibility`] | BACKWARD, FORWARD, FULL and TRANSITIVE, by contract and consumer |
//! | [`bindings`] | a crate of Rust types for schemas |
//! | [`discover`] | schemas inferred from events |
//! | [`lower`] | the same in the words of an older draft |
//!
//! The crate knows no file, no network, no terminal, and none of the shop's events.

mod accept;
pub mod bindings;
pub mod compatibility;
pub mod contract;
mod difference;
pub mod discover;
mod keywords;
pub mod lower;
mod node;
mod number;
mod subset;
mod text;
