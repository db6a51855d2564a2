//! What an operator's commands need of a target: dead letters, failed executions,
//! services taken out of order.

use std::collections::BTreeMap;
use std::future::Future;

use duet_core::Timestamp;
use duet_core::id::{further_execution, of_execution};

use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

/// A message of a dead-letter queue, held: nobody else sees it for a while.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its id.
    pub id: String,
    /// The dead-letter queue's URL.
    pub queue: String,
    /// Its text. May be personal data.
    pub body: String,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
    /// What a bus says about a message it could not deliver: `ERROR_CODE`,
    /// `ERROR_MESSAGE`, `RULE_ARN`, `TARGET_ARN`, … (EventBridge user guide,
    /// "Using dead-letter queues"); what a service says of one that nobody will
    /// ever handle ([`duet_edge::wires::REASON`], [`duet_edge::wires::QUEUE`]). Empty for one that a queue put away.
    pub attributes: BTreeMap<String, String>,
    /// What the target takes it by.
    pub(crate) receipt: String,
    /// The message group that it is in, where its queue keeps an order.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the lab needs none"))]
    pub(crate) group: Option<String>,
    /// All attributes, as they came.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the lab needs none"))]
    pub(crate) carried: BTreeMap<String, Attribute>,
}

/// What the name of a queue's dead-letter queue ends with, before [`IN_ORDER`].
const DEAD: &str = "-dlq";

/// What the name of a FIFO queue ends with (API_CreateQueue, `QueueName`).
const IN_ORDER: &str = ".fifo";

/// The name (or URL) of the queue whose dead letters lie in the one called `dead`, by
/// this shop's names for them; `None` where `dead` is no such name.
#[must_use]
pub fn home_of(dead: &str) -> Option<String> {
    match dead.strip_suffix(IN_ORDER) {
        Some(plain) => Some(format!("{}{IN_ORDER}", plain.strip_suffix(DEAD)?)),
        None => dead.strip_suffix(DEAD).map(str::to_owned),
    }
}

/// Whether the queue with this name or URL keeps an order.
#[cfg(feature = "aws")]
pub(crate) fn is_in_order(queue: &str) -> bool {
    queue.ends_with(IN_ORDER)
}

/// The last part of a queue's name: the service that reads it, or what it is for.
#[must_use]
pub fn last_part(queue: &str) -> &str {
    let plain = queue.strip_suffix(IN_ORDER).unwrap_or(queue);
    plain.rsplit('-').next().unwrap_or(plain)
}

/// An attribute of a message, as SQS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its type, such as `String` or `Number.int`.
    pub(crate) kind: String,
    /// Its value, where that is text.
    pub(crate) text: Option<String>,
    /// Its value, where that is bytes.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// An execution that did not succeed.
#[derive(Debug, Clone)]
pub struct FailedExecution {
    /// Its ARN.
    pub arn: String,
    /// Its name: the order's or customer's id.
    pub name: String,
    /// The machine's name.
    pub machine: String,
    /// The variant.
    pub variant: &'static str,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The error it failed with.
    pub error: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether the target would redrive it; `None` where it does not say.
    pub redrivable: Option<bool>,
}

/// An execution that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningExecution {
    /// Its name.
    pub name: String,
    /// The machine's name.
    pub machine: String,
}

impl FailedExecution {
    /// The order or customer it was about. One that was started in its place
    /// has a name of its own, see [`Self::next`].
    #[must_use]
    pub fn subject(&self) -> &str {
        of_execution(&self.name)
    }

    /// The name of the `n`-th execution about the same order or customer.
    #[must_use]
    pub fn next(&self, n: u32) -> String {
        further_execution(self.subject(), n)
    }
}

/// Why nothing was started: an execution in the place of the failed one runs.
pub(crate) fn under_way(name: &str) -> Problem {
    Problem::failed(format!(
        "execution {name} was started in its place, and runs"
    ))
}

/// What became of taking an execution up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// It runs again.
    Yes,
    /// The target cannot do that at all.
    Unsupported,
    /// The target will not, and says why.
    Refused(String),
}

/// A target an operator can work on.
pub trait Operate: World {
    /// The URLs of every dead-letter queue, as the stack itself says.
    fn dead_letter_queues(&self) -> Vec<String>;

    /// The URLs of the stack's queues that a letter may go back to, by name: each
    /// is the [home](home_of) of a dead-letter queue.
    fn homes(&self) -> BTreeMap<String, String> {
        let urls = self.dead_letter_queues().into_iter();
        let homes = urls.filter_map(|url| home_of(&url));
        homes
            .filter_map(|url| Some((url.rsplit('/').next()?.to_owned(), url)))
            .collect()
    }

    /// Everything in the dead-letter queue `queue`, held for `seconds`.
    fn hold(&self, queue: &str, seconds: i32) -> impl Future<Output = Outcome<Vec<Held>>> + Send;

    /// Lets go of held messages, which are seen again at once.
    fn release(&self, held: &[Held]) -> impl Future<Output = Outcome<()>> + Send;

    /// Sends a held message with its own attributes to the queue called `home`,
    /// and removes it from the dead-letter queue once it is there. Gives the id that
    /// it has in its home. A queue that is none of [`Self::homes`] is refused, and
    /// the message stays.
    fn forward(&self, held: &Held, home: &str) -> impl Future<Output = Outcome<String>> + Send;

    /// Removes a held message for good.
    fn discard(&self, held: &Held) -> impl Future<Output = Outcome<()>> + Send;

    /// Every execution that did not succeed. Its error, and whether it would be
    /// redriven, may be missing until somebody asks for it, see [`Self::explained`].
    fn failed_executions(&self) -> impl Future<Output = Outcome<Vec<FailedExecution>>> + Send;

    /// `failed`, with its error and whether it would be redriven, where the target
    /// says so only of one at a time.
    fn explained(
        &self,
        failed: FailedExecution,
    ) -> impl Future<Output = Outcome<FailedExecution>> + Send {
        async { Ok(failed) }
    }

    /// Every execution that has not ended.
    fn running_executions(&self) -> impl Future<Output = Outcome<Vec<RunningExecution>>> + Send;

    /// How many messages the stack's queue with this name has to hand out or in
    /// somebody's hands, about; `None` when there is no such queue.
    fn messages(&self, queue: &str) -> impl Future<Output = Outcome<Option<u64>>> + Send;

    /// Takes an execution up again where it failed.
    fn redrive(&self, arn: &str) -> impl Future<Output = Outcome<Redriven>> + Send;

    /// Starts a new execution with the input that `failed` had, and gives its
    /// name: [`FailedExecution::next`], the first that is free.
    fn start_again(&self, failed: &FailedExecution)
    -> impl Future<Output = Outcome<String>> + Send;

    /// Takes `service` out of order, for every variant, or brings it back. What
    /// is in order already is left as it is.
    fn outage(&self, service: TableOf, down: bool) -> impl Future<Output = Outcome<()>> + Send;
}
