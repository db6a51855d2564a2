//! Tests of the whole system, one binary.
//!
//! | module | what it can catch |
//! |---|---|
//! | `tidy` | names that resolve to nothing; architecture rules broken |
//! | `contracts` | generated files that are out of date |
//! | `templates` | templates and state machines that AWS would refuse |
//! | `grants` | a permission that nobody needs, or that somebody lacks |
//! | `cli` | help, errors, exit codes, JSON shapes |
//! | `changes` | a prediction of what a change touches that no patch bears out |
//! | `compare` | a comparison that does not add up; documents that say other figures |
//! | `aws` | a request to the wrong account or endpoint; a deletion nobody asked for |
//! | `terminal` | somebody's text that steers the terminal it is shown on |
//! | `runtime` | binaries that do not answer as Lambda functions |
//! | `orchestration`, `choreography` | one style's own machinery, on the emulator |
//! | `lab` | a lab that does not last from one command to the next |
//! | `parity` | a scenario that ends differently under another variant |
//! | `agreement` | a scenario that ends differently in the lab than on real wires |
//! | `review`, `repair`, `dlq`, `tools`, `replay` | a person's or an operator's command that harms, or does nothing |
//! | `people` | a policy that lacks what its commands ask for, or grants more |
//! | `sweeps` | what is left to nobody, or kept for too long |
//! | `telemetry` | personal data in what the system tells of itself; steps nobody tells of |
//! | `faults` | killed processes and repeated messages that change an outcome |
//!
//! All of them stand on `harness`, and those that place orders on `shop`.
//! Those from `orchestration` on, but for `lab`, share one emulator, which is brought up by the first that
//! needs it and ends with this process.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without stops it, in its helpers too"
)]

mod agreement;
mod aws;
mod changes;
mod choreography;
mod cli;
mod compare;
mod contracts;
mod dlq;
mod faults;
mod grants;
mod harness;
mod lab;
mod orchestration;
mod parity;
mod people;
mod repair;
mod replay;
mod review;
mod runtime;
mod shop;
mod sweeps;
mod telemetry;
mod templates;
mod terminal;
mod tidy;
mod tools;
