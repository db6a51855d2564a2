//! How long things take, in milliseconds: least and most.
//!
//! AWS promises none of these. They are choices, of the size people measure in
//! one region; only the cold start has a source (hello world in Rust, 820
//! samples: p50 13.9 ms, p99 43.7 ms; maxday/lambda-perf, April to August 2026).
//! What matters is that they overlap, so that a seed can bring things about in
//! any order.

/// A span of milliseconds.
pub(crate) type Span = (i64, i64);

/// A read or a transaction of a table.
pub(crate) const STORE: Span = (1, 6);
/// How long a read of several documents takes that is torn.
pub(crate) const TEAR: Span = (50, 2_000);
/// How late the end of an execution is told.
pub(crate) const LATE_END: Span = (120_000, 3_600_000);
/// How long an execution runs until it is stopped, or its time is over.
pub(crate) const CUT_SHORT: Span = (1, 700);
/// … at times.
pub(crate) const CUT_LATE: Span = (700, 120_000);
/// A call of a payment provider or carrier.
pub(crate) const THIRD_PARTY: Span = (20, 90);
/// PutEvents, SendMessage, SendTaskSuccess, Publish.
pub(crate) const CALL: Span = (3, 12);
/// Before what a bus refused is put on it again.
pub(crate) const AGAIN: Span = (0, 100);
/// From the bus to a target.
pub(crate) const DELIVERY: Span = (10, 90);
/// Until a poller sees a visible message.
pub(crate) const POLL: Span = (1, 25);
/// From a caller to a function.
pub(crate) const INVOKE: Span = (2, 12);
/// The start of a new instance.
pub(crate) const COLD_START: Span = (12, 45);
/// A slow start of a new instance.
pub(crate) const SLOW_START: Span = (800, 6_000);
/// From the beginning of an update to each resource's switch.
pub(crate) const UPDATE: Span = (1_000, 600_000);
/// How long a function that was changed has warm instances with its old
/// environment. AWS makes new ones for invocations after the change; those that
/// are at work go on.
pub(crate) const WARM: Span = (0, 300_000);
/// From a schedule's time to its invocation (EventBridge Scheduler user guide,
/// "Schedule types": 60 second precision).
pub(crate) const SCHEDULE_DUE: Span = (0, 59_999);
/// Until a schedule that is done with is deleted: "shortly after", AWS says.
pub(crate) const SCHEDULE_DELETED: Span = (1_000, 60_000);
/// How much a delayed message is late.
pub(crate) const LATE: Span = (2_000, 180_000);
/// How long a message lets later ones pass.
pub(crate) const OVERTAKEN: Span = (100, 3_000);
/// How long a slow third party takes.
pub(crate) const SLUGGISH: Span = (1_500, 15_000);
/// How long a queue does not take an event.
pub(crate) const UNAVAILABLE: Span = (500, 60_000);
/// … and when it is out of reach.
pub(crate) const UNAVAILABLE_LONG: Span = (600_000, 9_000_000);
