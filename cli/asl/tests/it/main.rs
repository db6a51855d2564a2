//! The engine seen from outside: definitions in, events and outcomes out.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside test functions may take the shortcuts tests may"
)]

mod activities;
mod cases;
mod chaos;
mod data;
mod datasets;
mod distributed;
mod failures;
mod fuzz;
mod history;
mod intrinsics;
mod jsonata;
mod jsonpath;
mod mapruns;
mod maps;
mod mocks;
mod nested;
mod project;
mod refusals;
mod releases;
mod single;
mod suite;
mod testing;
mod timing;
mod validation;
mod wild;
mod world;
