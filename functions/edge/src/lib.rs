//! Where a service meets its wires.
//!
//! A service answers with one vocabulary ([`duet_core::outcome`]); this crate
//! renders it for whoever called.
//!
//! | module | what it owns |
//! |---|---|
//! | [`task`] | a workflow task: command in, reply or named error out |
//! | [`intake`] | a batch: how it is taken apart, what runs side by side, how it is answered; one module per transport |
//! | [`queue`] | one message of it: policy, publication, timers, acknowledgement |
//! | [`sweep`] | by the clock: what nobody drives any more |
//! | [`records`] | by the clock: what kept outcomes said and do not say again |
//! | [`door`] | where an answer goes that comes late: a waiting task, or a machine to start |
//! | [`carry`] | handing facts to a carrier: split, every result read, repeated |
//! | [`timers`] | what a service tells itself for later: on its queue, or by a schedule |
//! | [`wires`] | the port to whatever carries facts, timers and late answers |
//! | [`log`] | one line per step, without personal data; its metrics |
//! | [`panics`] | what may be told of a bug |
//! | `sdk` | a failed call: what of it may be told, and what is to become of it; how long one may take (feature `dynamodb`) |
//! | `dynamo` | the store port over DynamoDB (feature `dynamodb`) |
//! | `lambda` | the entries on the Lambda runtime (feature `lambda`) |
//!
//! `task`, `intake`, `queue`, `sweep` and `records` are pure: a simulated world runs the same code over
//! its own wires. No business rule lives here.

pub mod carry;
pub mod door;
#[cfg(feature = "dynamodb")]
pub mod dynamo;
pub mod intake;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod log;
pub mod panics;
pub mod queue;
mod reading;
pub mod records;
#[cfg(feature = "dynamodb")]
pub mod sdk;
pub mod sweep;
pub mod task;
#[cfg(test)]
mod tests;
pub mod timers;
pub mod wires;
