//! Load, decide, ask the carrier where it takes that, save.

use duet_core::service::Reaction;
use duet_core::store::{Key, Store};
use duet_core::{
    Clock, Desk, Environment, Failure, Handled, ParseError, Received, Request, Service,
};

use crate::command::Command;
use crate::domain::{self, Book};
use crate::ports::Carrier;

/// The delivery service over its table and the carrier.
#[derive(Debug, Clone)]
pub struct Deliveries<S, C, P> {
    desk: Desk<S, C>,
    carrier: P,
    awaits_clearance: bool,
}

impl<S: Store, C: Clock, P: Carrier> Deliveries<S, C, P> {
    /// The service over `store` and `carrier`. Where nobody says whether an order
    /// waits for the fraud service's clearance, it does if `awaits_clearance`.
    pub fn new(store: S, clock: C, carrier: P, awaits_clearance: bool) -> Self {
        Self {
            desk: Desk::new("delivery", store, clock),
            carrier,
            awaits_clearance,
        }
    }
}

/// Where the delivery of order `id` is kept.
pub fn key(id: impl ToString) -> Key {
    Key::new(id, "delivery")
}

/// The delivery service, as its environment says, over `carrier`.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment, P: Carrier>(
    env: &E,
    carrier: P,
) -> Result<Deliveries<E::Table, E::Clock, P>, E::Error> {
    let awaits_clearance = env.setting("DUET_AWAITS_CLEARANCE")?;
    let table = env.table("DUET_TABLE")?;
    Ok(Deliveries::new(
        table,
        env.clock(),
        carrier,
        awaits_clearance,
    ))
}

impl<S: Store, C: Clock, P: Carrier> Service for Deliveries<S, C, P> {
    const NAME: &'static str = "delivery";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        ("ScheduleDelivery", &["DeliveryScheduled", "DeliveryFailed"]),
        ("CancelDelivery", &["DeliveryCancelled"]),
        ("NoteOrder", &["DeliveryScheduled", "DeliveryFailed"]),
        ("NotePayment", &["DeliveryScheduled", "DeliveryFailed"]),
        ("NoteClearance", &["DeliveryScheduled", "DeliveryFailed"]),
    ];
    const UNDOES: &'static [(&'static str, &'static str)] =
        &[("ScheduleDelivery", "CancelDelivery")];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let order = command.order();
        let ticket = self.desk.ticket(&context, &command, order.as_str(), "");
        let (once, key) = (self.desk.once(&context), key(order));
        match &command {
            Command::CancelDelivery(_) => {
                let begin = |state| {
                    let now = self.desk.clock.now();
                    domain::cancel(state, order, &context, now)
                };
                let ask = |key: String| async move { self.carrier.cancel(&key).await };
                let end = |delivery, _, answer| domain::cancelled(delivery, order, answer);
                once.ask(&ticket, &key, begin, ask, end).await
            }
            Command::ScheduleDelivery(_)
            | Command::NoteOrder(_)
            | Command::NotePayment(_)
            | Command::NoteClearance(_) => {
                let begin = |state| {
                    let now = self.desk.clock.now();
                    domain::book(state, &command, self.awaits_clearance, &context, now)
                };
                let ask = |Book { key, ship_to }: Book| async move {
                    self.carrier.book(&key, &ship_to).await
                };
                let end = |delivery, _, answer| domain::booked(delivery, order, answer, &context);
                once.ask(&ticket, &key, begin, ask, end).await
            }
        }
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }
}
