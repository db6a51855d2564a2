//! The order system in one process: the services' own code, under the deployed
//! definitions, on virtual time, from a seed.
//!
//! | module | what it owns |
//! |---|---|
//! | [`definitions`], [`deployed`] | what the templates and state machines deploy: what the lab models, and the rest |
//! | [`template`] | CloudFormation's template language |
//! | [`lab`] | the agenda: what happens when |
//! | [`lambda`], [`sqs`], [`bus`], [`sns`], [`scheduler`], [`workflow`] | functions, queues, buses, topics, schedules, executions, as AWS runs them |
//! | [`express`] | what is different about Express executions, and their log group |
//! | [`ask`] | what workflows ask of services by themselves |
//! | [`update`], [`switch`], [`declared`] | the same templates with other parameters, while everything runs |
//! | [`operate`] | what people do: send, look at what died, send it back |
//! | [`host`], [`ports`], [`services`] | the services' code and what lies behind its ports |
//! | [`fault`] | what can go wrong, by name |
//! | [`plant`] | mistakes, planted to try the checks |
//! | [`probe`] | a function to measure all this with |
//! | [`wire`] | the text as which things travel |
//! | [`meter`] | what an order uses |
//! | [`profile`], [`latency`] | how long things take, and how long what goes wrong lasts |
//! | [`random`] | what a seed decides |
//!
//! No business rule is here, and no number that a template states.
//!
//! Not modelled yet, and so refused or absent: content-based deduplication and
//! high-throughput FIFO queues ([`definitions`] refuses them), subscriptions of anything but queues, rules whose target is not a queue (they fail as a missing target does),
//! maximum batching windows, tables' time-to-live, and the account's quotas but for concurrency.

mod ask;
mod bus;
mod declared;
mod definitions;
mod deployed;
mod express;
mod fault;
mod fifo;
mod host;
mod indexes;
mod lab;
mod lambda;
mod latency;
mod meter;
mod operate;
mod plant;
mod ports;
mod probe;
mod profile;
mod random;
mod schedule;
mod scheduler;
mod services;
mod sns;
mod sqs;
mod switch;
mod template;
mod update;
mod wire;
mod workflow;

pub use bus::ReplayError;
pub use definitions::{
    Archive, Bus, Definitions, Function, Index, Machine, Mapping, Queue, Registered, Rule,
    Schedule, Subscription, Target, bundled,
};
pub use deployed::{Deployed, Nested, deployed, stacks};
pub use duet_asl::Status;
pub use express::{Answer, LogLevel, LogRecord, Waiting};
pub use fault::{Blow, Fault, FaultRule, Strike};
pub use host::Wait;
pub use lab::{Config, Heard, Lab, Lost, Moment, Writer};
pub use meter::{Meter, Used};
pub use operate::{DeadLetter, SendError};
pub use plant::{Plant, Reach};
pub use ports::Table;
pub use probe::Stamp;
pub use profile::{FAST, Hop, PROFILES, Profile, Quantiles, Row, Time, WaitsFor};
pub use scheduler::Scheduled;
pub use template::{DefinitionError, Files};
pub use update::{Rollout, Update, UpdateError};
pub use workflow::{ActivityError, Standing, Started, WorkflowError, word};
