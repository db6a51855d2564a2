//! The shape of a service: one command in, one outcome out.

use std::future::Future;

use crate::{Event, Fact, Failure, Handled, Metadata, ParseError, Received, Timestamp, Vocabulary};

/// What comes with a command besides its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The envelope of the message that carried or caused the command.
    pub message: Metadata,
    /// Where an answer that comes later is to go; stored and handed back as it is.
    pub reply_to: Option<String>,
    /// The mark of the order or customer the message begins or tells of: whether
    /// it waits for a clearance. `None` from whoever knew no marks yet; then the
    /// service's own environment says.
    pub clearance: Option<bool>,
    /// The name of the execution that asks, where a workflow asks and says so.
    pub execution: Option<String>,
    /// Patience is spent ([`crate::patience`]): if this fails once more, give
    /// up for good rather than fail, where there is a fact for that.
    pub last_attempt: bool,
    /// When whoever runs the service stops it: locks taken now expire then.
    pub deadline: Timestamp,
    /// The message is a replay of an old one. Nothing may leave the service.
    pub replay: bool,
}

impl Context {
    /// Whether what the message begins or tells of waits for a clearance:
    /// its mark, or `otherwise` where the message has none.
    #[must_use]
    pub fn awaits_clearance(&self, otherwise: bool) -> bool {
        self.clearance.unwrap_or(otherwise)
    }
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

/// What a service makes of a fact that it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction<C> {
    /// The fact calls for this.
    Command(C),
    /// The service listens to facts of this name, and this one calls for nothing.
    /// A carrier that looks at names alone brings such facts, too.
    Nothing,
    /// The service does not listen to facts of this name: whatever sends them here
    /// is set up wrongly.
    NoPolicy,
}

impl<C> Reaction<C> {
    /// The command that is called for, if any.
    pub fn command(self) -> Option<C> {
        match self {
            Self::Command(command) => Some(command),
            Self::Nothing | Self::NoPolicy => None,
        }
    }
}

/// A business service. It never publishes and never knows the style it runs
/// under; whoever calls it renders the outcome.
pub trait Service: Clone + Send + Sync + 'static {
    /// The service's name: `order`, `payment`, …
    const NAME: &'static str;

    /// What each of its commands may announce: the service's half of the event
    /// table.
    const SAYS: &'static [(&'static str, &'static [&'static str])];

    /// The commands whose effect another of its commands undoes, and that one: the
    /// saga's steps and their compensations.
    const UNDOES: &'static [(&'static str, &'static str)] = &[];

    /// The commands with which a flow begins. They come from outside, so they
    /// are read strictly, and they enter by the variant's own door only.
    const BEGINS: &'static [&'static str] = &[];

    /// Further commands that come from outside, and are read strictly.
    const DOORS: &'static [&'static str] = &[];

    /// Those of its doors by which a person decides: they have a function of their
    /// own, so that who may decide may ask for nothing else.
    const VERDICTS: &'static [&'static str] = &[];

    /// Whether its timers are its own in every variant, also where a workflow has
    /// the orders' clock.
    const OWNS_CLOCK: bool = false;

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

    /// The service's policy in a choreography: what a fact makes it do. It is to
    /// choreography what the workflow is to orchestration.
    ///
    /// # Errors
    /// [`ParseError`] of whoever needs to read the fact: unknown, or its data
    /// does not fit.
    fn policy(received: &Received<'_>) -> Result<Reaction<Self::Command>, ParseError>;

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

/// What the policy of `S` makes of an event of the shop's own, if anything.
#[must_use]
pub fn reaction<S: Service>(event: &Event) -> Option<S::Command> {
    let data = serde_json::value::to_raw_value(&event.fact).ok()?;
    let metadata = Metadata {
        kind: event.fact.name().to_owned(),
        ..event.metadata.clone()
    };
    let received = Received {
        metadata: &metadata,
        data: &data,
    };
    S::policy(&received).ok()?.command()
}
