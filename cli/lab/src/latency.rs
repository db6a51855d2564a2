//! How long what goes wrong lasts, in milliseconds: least and most. These are
//! choices. How long things take where nothing goes wrong is
//! [`profile`](crate::profile)'s.

/// A span of milliseconds.
pub(crate) type Span = (i64, i64);

/// How long a read of several documents takes that is torn.
pub(crate) const TEAR: Span = (50, 2_000);
/// How late the end of an execution is told.
pub(crate) const LATE_END: Span = (120_000, 3_600_000);
/// How long an execution runs until it is stopped, or its time is over.
pub(crate) const CUT_SHORT: Span = (1, 700);
/// … at times.
pub(crate) const CUT_LATE: Span = (700, 120_000);
/// Before what a bus refused is put on it again.
pub(crate) const AGAIN: Span = (0, 100);
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
/// … where nobody gives up for days: less than whoever places orders waits for their
/// customer.
pub(crate) const UNAVAILABLE_LONG_ENOUGH: Span = (600_000, 3_600_000);
