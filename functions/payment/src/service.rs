//! Load, decide, ask the provider where it takes that, save.

use duet_core::service::Reaction;
use duet_core::store::{Key, Store};
use duet_core::{
    Clock, Desk, Environment, Failure, Handled, ParseError, Received, Request, Service,
};

use crate::command::Command;
use crate::domain::{self, Capture};
use crate::ports::Provider;

/// The payment service over its table and the provider.
#[derive(Debug, Clone)]
pub struct Payments<S, C, P> {
    desk: Desk<S, C>,
    provider: P,
}

impl<S: Store, C: Clock, P: Provider> Payments<S, C, P> {
    /// The service over `store` and `provider`.
    pub fn new(store: S, clock: C, provider: P) -> Self {
        Self {
            desk: Desk::new("payment", store, clock),
            provider,
        }
    }
}

/// Where the payment of order `id` is kept.
pub fn key(id: impl ToString) -> Key {
    Key::new(id, "payment")
}

/// The payment service, as its environment says, over `provider`.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment, P: Provider>(
    env: &E,
    provider: P,
) -> Result<Payments<E::Table, E::Clock, P>, E::Error> {
    let table = env.table("DUET_TABLE")?;
    Ok(Payments::new(table, env.clock(), provider))
}

impl<S: Store, C: Clock, P: Provider> Service for Payments<S, C, P> {
    const NAME: &'static str = "payment";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "CapturePayment",
            &["PaymentCaptured", "PaymentDeclined", "PaymentUnavailable"],
        ),
        ("RefundPayment", &["PaymentRefunded", "RefundFailed"]),
        (
            "NoteOrder",
            &["PaymentCaptured", "PaymentDeclined", "PaymentUnavailable"],
        ),
        (
            "NoteReservation",
            &["PaymentCaptured", "PaymentDeclined", "PaymentUnavailable"],
        ),
    ];
    const UNDOES: &'static [(&'static str, &'static str)] = &[("CapturePayment", "RefundPayment")];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let order = command.order();
        let ticket = self
            .desk
            .ticket(&context, &command, order.as_str(), &command.part());
        let (once, key) = (self.desk.once(&context), key(order));
        match &command {
            Command::RefundPayment(refund) => {
                let begin = |state| {
                    let now = self.desk.clock.now();
                    domain::refund(state, refund, &context, now)
                };
                let ask = |key: String| async move { self.provider.void(&key).await };
                let end = |payment, _, answer| domain::refunded(payment, refund, answer, &context);
                once.ask(&ticket, &key, begin, ask, end).await
            }
            Command::CapturePayment(_) | Command::NoteOrder(_) | Command::NoteReservation(_) => {
                let begin = |state| {
                    let now = self.desk.clock.now();
                    domain::capture(state, &command, &context, now)
                };
                let ask = |Capture { key, due }: Capture| async move {
                    self.provider.capture(&key, &due.token, due.total).await
                };
                let end = |payment, question: Capture, answer| {
                    domain::captured(payment, order, question.due.total, answer, &context)
                };
                once.ask(&ticket, &key, begin, ask, end).await
            }
        }
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }
}
