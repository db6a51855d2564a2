//! Load, decide, save. A screening reads and writes two documents in one
//! versioned transaction: of two orders of one customer that arrive at once,
//! one is decided again, with the other in its history.

use duet_core::desk::{self, Found, Ticket, attempts};
use duet_core::service::Reaction;
use duet_core::store::{Expect, Item, Key, Store, Write};
use duet_core::{
    Clock, Context, Decision, Desk, Environment, Failure, Handled, OrderId, ParseError, Received,
    Request, Service, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Command, DecideReview, Verdict};
use crate::domain::{self, Both};
use crate::history;
use crate::review::{self, Review};

/// The fraud service over its table.
#[derive(Debug, Clone)]
pub struct Frauds<S, C> {
    desk: Desk<S, C>,
    review_seconds: u32,
    awaits_clearance: bool,
}

impl<S: Store, C: Clock> Frauds<S, C> {
    /// The service over `store`. A review that nobody decided closes by itself
    /// after `review_seconds`. What does not wait for a clearance is not
    /// screened; where nobody says, it waits if `awaits_clearance`.
    pub fn new(store: S, clock: C, review_seconds: u32, awaits_clearance: bool) -> Self {
        Self {
            desk: Desk::new("fraud", store, clock),
            review_seconds,
            awaits_clearance,
        }
    }
}

/// Where it is kept how fraud stands on order `id`: a [`Review`].
pub fn review_key(id: impl ToString) -> Key {
    Key::new(id, "review")
}

/// Where customer `id` is remembered: a [`history::History`].
pub fn history_key(id: impl ToString) -> Key {
    Key::new(id, "history")
}

/// Where an e-mail address is remembered: a [`history::EmailUse`]. The
/// partition is no id of anything else, for ids have no `#`.
#[must_use]
pub fn email_key(email: &str) -> Key {
    Key::new(format!("email#{}", history::digest(email)), "use")
}

impl<S: Store, C: Clock> Frauds<S, C> {
    /// Handles a command about two documents.
    async fn once_over<A, B>(
        &self,
        ticket: &Ticket,
        context: &Context,
        keys: [Key; 2],
        decide: impl Fn(Both<A, B>, Timestamp) -> Result<Decision<Both<A, B>>, Failure> + Send + Sync,
    ) -> Result<Handled, Failure>
    where
        A: Serialize + DeserializeOwned,
        B: Serialize + DeserializeOwned,
    {
        let once = self.desk.once(context);
        once.over(ticket, &keys, |items| {
            let mut items = items.iter().map(Option::as_ref);
            let (first, second) = (items.next().flatten(), items.next().flatten());
            let documents = (read(first)?, read(second)?);
            let decision = decide(documents, self.desk.clock.now())?;
            let (a, b) = decision
                .state
                .as_ref()
                .map_or((None, None), |(a, b)| (a.as_ref(), b.as_ref()));
            let [first_key, second_key] = &keys;
            let writes = [put(first_key, a, first), put(second_key, b, second)];
            Ok((writes.into_iter().flatten().collect(), decision))
        })
        .await
    }

    /// Handles a reviewer's word: over the review, and what is remembered of the
    /// customer whose order it is about, who is known only once the review is read.
    async fn decide(
        &self,
        ticket: &Ticket,
        context: &Context,
        command: &DecideReview,
    ) -> Result<Handled, Failure> {
        let review_key = review_key(&command.order);
        let key = std::slice::from_ref(&review_key);
        let once = self.desk.once(context);
        for _ in attempts() {
            let item = match once.find(ticket, key).await? {
                Found::Repeat(handled) => return Ok(handled),
                Found::Fresh(mut items) => items.pop().flatten(),
            };
            let review = same_variant(read(item.as_ref())?, &context.message.variant)?;
            // Only an approval is remembered, and whose order it is never changes.
            let customer = review
                .as_ref()
                .and_then(|review: &Review| review.customer.as_ref());
            let approved = customer.filter(|_| command.verdict == Verdict::Approve);
            let keys: Vec<Key> = approved.map(history_key).into_iter().collect();
            let known = self.desk.store.load(&keys).await?.pop().flatten();
            let documents = (review, read(known.as_ref())?);
            let decision = review::decide(documents, command, self.desk.clock.now())?;
            let (review, history) = decision
                .state
                .as_ref()
                .map_or((None, None), |(a, b)| (a.as_ref(), b.as_ref()));
            let first = put(&review_key, review, item.as_ref());
            let second = keys
                .first()
                .and_then(|key| put(key, history, known.as_ref()));
            let writes = first.into_iter().chain(second).collect();
            if let Some(handled) = once.settle(ticket, writes, decision).await? {
                return Ok(handled);
            }
        }
        Err(desk::Error::Contended.into())
    }

    /// Handles a command about a review.
    async fn about(
        &self,
        ticket: &Ticket,
        context: &Context,
        order: &OrderId,
        decide: impl Fn(Option<Review>, Timestamp) -> Result<Decision<Review>, Failure> + Send + Sync,
    ) -> Result<Handled, Failure> {
        let variant = &context.message.variant;
        self.desk
            .once(context)
            .run(ticket, &review_key(order), |review| {
                decide(same_variant(review, variant)?, self.desk.clock.now())
            })
            .await
    }
}

fn read<T: DeserializeOwned>(item: Option<&Item>) -> Result<Option<T>, Failure> {
    Ok(item.map(Item::read).transpose()?)
}

fn put<T: Serialize>(key: &Key, document: Option<&T>, was: Option<&Item>) -> Option<Write> {
    document.map(|document| Write::put(key.clone(), document, Expect::unchanged(was)))
}

/// A review of another variant is not this message's to touch.
fn same_variant(review: Option<Review>, variant: &str) -> Result<Option<Review>, Failure> {
    match review {
        Some(review) if review.variant != variant => {
            Err(Failure::invalid("the order runs under another variant"))
        }
        review => Ok(review),
    }
}

impl Command {
    /// The order or customer the command is about.
    fn subject(&self) -> &str {
        match self {
            Self::ScreenOrder(c) => c.order.as_str(),
            Self::ScreenCustomer(c) => c.customer.as_str(),
            Self::OpenReview(c) => c.order.as_str(),
            Self::DecideReview(c) => c.order.as_str(),
            Self::CloseReview(c) => c.order.as_str(),
        }
    }

    /// What tells apart the repetitions of one command that each take effect.
    /// A reviewer who says something else is another reviewer, to be told how
    /// the review ended; the very same words are the same word again.
    fn part(&self) -> String {
        match self {
            Self::DecideReview(DecideReview {
                verdict, note, by, ..
            }) => {
                let words = [note, by].into_iter().flatten();
                words.fold(format!("{verdict:?}"), |part, word| {
                    format!("{part}#{}", history::sha256(word))
                })
            }
            Self::CloseReview(c) => format!("{:?}", c.cause),
            _ => String::new(),
        }
    }
}

/// The fraud service, as its environment says.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment>(env: &E) -> Result<Frauds<E::Table, E::Clock>, E::Error> {
    Ok(Frauds::new(
        env.table("DUET_TABLE")?,
        env.clock(),
        env.setting("DUET_REVIEW_SECONDS")?,
        env.setting("DUET_AWAITS_CLEARANCE")?,
    ))
}

impl<S: Store, C: Clock> Service for Frauds<S, C> {
    const NAME: &'static str = "fraud";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "ScreenOrder",
            &["NoFraudDetected", "PossibleFraud", "FraudConfirmed"],
        ),
        ("ScreenCustomer", &["NoFraudDetected", "PossibleFraud"]),
        ("OpenReview", &[]),
        ("DecideReview", &["NoFraudDetected", "FraudConfirmed"]),
        ("CloseReview", &["ReviewTimedOut"]),
    ];
    const DOORS: &'static [&'static str] = &["DecideReview"];

    const VERDICTS: &'static [&'static str] = Self::DOORS;

    /// A review's clock is fraud's in every variant.
    const OWNS_CLOCK: bool = true;
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let ticket = self
            .desk
            .ticket(&context, &command, command.subject(), &command.part());
        let variant = context.message.variant.as_str();
        let awaited = context.awaits_clearance(self.awaits_clearance);
        match &command {
            Command::ScreenOrder(_) | Command::ScreenCustomer(_) if !awaited => {
                Ok(domain::unscreened())
            }
            Command::ScreenOrder(c) => {
                let keys = [review_key(&c.order), history_key(&c.customer)];
                self.once_over(&ticket, &context, keys, |(review, history), now| {
                    let review = same_variant(review, variant)?;
                    let documents = (review, history);
                    domain::screen_order(documents, c, variant, now, self.review_seconds)
                })
                .await
            }
            Command::ScreenCustomer(c) => {
                let keys = [history_key(&c.customer), email_key(&c.email)];
                self.once_over(&ticket, &context, keys, |documents, _| {
                    domain::screen_customer(documents, c)
                })
                .await
            }
            Command::OpenReview(c) => {
                let reply_to = context.reply_to.as_deref();
                self.about(&ticket, &context, &c.order, |review, _| {
                    review::open(review, reply_to)
                })
                .await
            }
            Command::DecideReview(c) => self.decide(&ticket, &context, c).await,
            Command::CloseReview(c) => {
                self.about(&ticket, &context, &c.order, |review, now| {
                    review::close(review, c, variant, now)
                })
                .await
            }
        }
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }
}
