//! Put on record, then publish.

use duet_core::fact::Notice as Kind;
use duet_core::service::Reaction;
use duet_core::store::{Key, Store};
use duet_core::{
    Clock, Desk, Environment, Fact, Failure, Handled, ParseError, Received, Request, Service,
};

use crate::command::Command;
use crate::domain;
use crate::ports::{Notice, Publisher};

/// The notification service over its table and its topic.
#[derive(Debug, Clone)]
pub struct Notifications<S, C, P> {
    desk: Desk<S, C>,
    publisher: P,
}

impl<S: Store, C: Clock, P: Publisher> Notifications<S, C, P> {
    /// The service over `store`, telling `publisher`.
    pub fn new(store: S, clock: C, publisher: P) -> Self {
        Self {
            desk: Desk::new("notification", store, clock),
            publisher,
        }
    }
}

/// Where the notice of `kind` about `subject` is kept: a [`domain::Recorded`].
pub fn key(subject: impl ToString, kind: Kind) -> Key {
    Key::new(subject, format!("notice#{kind}"))
}

/// The notification service, as its environment says, over `topic`.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment, P: Publisher>(
    env: &E,
    topic: P,
) -> Result<Notifications<E::Table, E::Clock, P>, E::Error> {
    let table = env.table("DUET_TABLE")?;
    Ok(Notifications::new(table, env.clock(), topic))
}

impl<S: Store, C: Clock, P: Publisher> Service for Notifications<S, C, P> {
    const NAME: &'static str = "notification";
    const SAYS: &'static [(&'static str, &'static [&'static str])] =
        &[("NotifyCustomer", &["CustomerNotified", "NoticeOverdue"])];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let Command::NotifyCustomer(notify) = &command;
        let ticket = self.desk.ticket(
            &context,
            &command,
            &notify.subject,
            &notify.kind.to_string(),
        );
        let key = key(&notify.subject, notify.kind);
        let once = self.desk.once(&context);
        let handled = once
            .run(&ticket, &key, |recorded| {
                domain::decide(recorded, notify, self.desk.clock.now())
            })
            .await?;
        // The first delivery may have died before it published, so a repeat
        // publishes too; but not one that is a replay.
        if !(handled.repeat && context.replay) {
            let notice = Notice {
                id: domain::id(&notify.subject, notify.kind),
                subject: notify.subject.clone(),
                kind: notify.kind,
                variant: context.message.variant,
            };
            self.publisher.publish(&notice).await?;
        }
        Ok(handled)
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }

    fn overdue(command: &Command) -> Option<Fact> {
        crate::policy::overdue(command)
    }
}
