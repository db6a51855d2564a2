//! The shape of a service: one command in, one outcome out.

use std::future::Future;

use crate::{Event, Fact, Failure, Handled, Metadata, Timestamp, Vocabulary};

/// What comes with a command besides its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The envelope of the message that carried or caused the command.
    pub message: Metadata,
    /// Where an answer that comes later is to go; stored and handed back as it is.
    pub reply_to: Option<String>,
    /// Patience is spent ([`crate::patience`]): if this fails once more, give
    /// up for good rather than fail, where there is a fact for that.
    pub last_attempt: bool,
    /// When whoever runs the service stops it: locks taken now expire then.
    pub deadline: Timestamp,
    /// The message is a replay of an old one. Nothing may leave the service.
    pub replay: bool,
}

/// A command with its context.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<C> {
    /// What is asked.
    pub command: C,
    /// What came with it.
    pub context: Context,
}

/// How something ended, for whoever counts: what one of a service's facts says
/// about the business as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How, in one word of the vocabulary.
    pub outcome: &'static str,
    /// Why, in another.
    pub reason: Option<String>,
    /// When it began, where that is to be measured.
    pub began: Option<Timestamp>,
}

/// A business service. It never publishes and never knows the style it runs
/// under; whoever calls it renders the outcome.
pub trait Service: Clone + Send + Sync + 'static {
    /// The service's name: `order`, `payment`, …
    const NAME: &'static str;

    /// What each of its commands may announce: the service's half of the event
    /// table.
    const SAYS: &'static [(&'static str, &'static [&'static str])];

    /// The commands it takes.
    type Command: Vocabulary;

    /// Does what the command says, once, however often it is asked.
    ///
    /// # Errors
    /// [`Failure`] when the command took no effect.
    fn handle(
        &self,
        request: Request<Self::Command>,
    ) -> impl Future<Output = Result<Handled, Failure>> + Send;

    /// The service's policy in a choreography: what a fact makes it do, if
    /// anything. It is to choreography what the workflow is to orchestration.
    fn policy(event: &Event) -> Option<Self::Command>;

    /// What to announce when patience is spent and `command` failed once more,
    /// where that gives nothing up: the command is tried on, and others should
    /// know that it is overdue. Whoever calls says it, for the service may be
    /// what fails. Choreography only; a workflow sees for itself.
    fn overdue(command: &Self::Command) -> Option<Fact> {
        let _ = command;
        None
    }

    /// What one of its own facts says to whoever counts how things end, if
    /// anything.
    fn ending(event: &Event) -> Option<Ending> {
        let _ = event;
        None
    }
}
