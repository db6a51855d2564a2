//! The shared vocabulary of the shop, and the ports its services stand on.
//!
//! | module | what it owns |
//! |---|---|
//! | [`id`], [`money`], [`order`] | the values business data is made of |
//! | [`fact`] | every fact a service may announce, by name |
//! | [`message`] | the envelope of facts and commands: metadata in CloudEvents terms |
//! | [`outcome`] | what a service answers: done, declined by the business, or a failure |
//! | [`service`] | the shape of a service: commands in, outcome out, and its policy |
//! | [`store`] | the port to a service's table, with an in-memory adapter |
//! | [`desk`] | idempotency: each command takes effect once; what is kept of it, and said again |
//! | [`lock`] | asking a third party, in the shop's terms |
//! | [`patience`] | how long a step is tried before it is given up |
//! | [`sweep`] | what a service looks after by the clock |
//! | [`time`] | the clock port |
//! | [`verbatim`] | values that documents keep as they were said |
//! | [`trace`] | the trace context that messages carry |
//!
//! Nothing here knows which coordination style is running, how a message
//! travelled, or that a cloud exists.

pub mod desk;
pub mod environment;
pub mod fact;
pub mod id;
pub mod lock;
pub mod message;
pub mod money;
pub mod order;
pub mod outcome;
pub mod patience;
pub mod service;
mod services;
pub mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod trace;
pub mod verbatim;
mod vocabulary;

pub use desk::{Decision, Desk};
pub use duet_idempotency::store;
pub use environment::Environment;
pub use fact::Fact;
pub use id::{CustomerId, OrderId, Sku};
pub use message::{CommandMessage, Event, Metadata, Received};
pub use money::Money;
pub use outcome::{Answer, CalledOff, Failure, Handled, Refusal, Reply, Timer};
pub use service::{Context, Ending, Request, Service};
pub use services::{LISTENERS, SERVICES};
pub use time::{Clock, SystemClock, Timestamp};
pub use vocabulary::{ParseError, Vocabulary};

#[cfg(feature = "schema")]
#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use {serde, serde_json};
