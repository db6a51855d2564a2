//! Whether an order may have ended as it did: as its fault-free twin, or by a
//! race that has a name.
//!
//! A *good* order is one whose fault-free twin is confirmed; one that ends
//! otherwise is *lost*. It may be lost only for a reason that a fault explains,
//! and that fault must have struck the order itself, its batch, or, where the
//! reason is about them, a rival for the same goods or customer. What the faults
//! did is in the trace ([`Blow`]); the link is looked for there and told.

use std::collections::BTreeSet;

use duet_core::order::Reason;
use duet_fraud::rules::NEW_ACCOUNT_SECONDS;
use duet_lab::{Blow, Fault};
use duet_order::domain::{Compensation, Fate, Order};

use crate::ops::faulty::Ending;
use crate::shop::scenario::{Expected, Person};
use crate::shop::variant::Variant;
use crate::simulate::script::Script;

/// A tolerated race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Race {
    /// Its name.
    pub(super) name: &'static str,
    /// Under which variants it can happen.
    under: Under,
}

/// Which variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    /// Every one.
    Each,
    /// Those with state machines.
    Machines,
    /// Those whose engine keeps executions, which have the orders' clock.
    Engine,
    /// Those where each service has it.
    OwnClock,
}

impl Under {
    fn takes_in(self, variant: &Variant) -> bool {
        match self {
            Self::Each => true,
            Self::Machines => variant.has_machines,
            Self::Engine => variant.keeps_executions,
            Self::OwnClock => !variant.keeps_executions,
        }
    }
}

const fn under_each(name: &'static str) -> Race {
    under(Under::Each, name)
}

const fn under(under: Under, name: &'static str) -> Race {
    Race { name, under }
}

/// The provider did not answer the charge until the order's patience was spent.
const PAYMENT: Race = under_each("payment-gave-up");
/// A try of the charge came so late that the provider spoke again.
const SPOKE: Race = under_each("provider-spoke-again");
/// The carrier did not answer the booking until the order's patience was spent.
const CARRIER: Race = under_each("carrier-gave-up");
/// A step before the pivot could not be done until its patience was spent.
const STEP: Race = under(Under::Machines, "step-gave-up");
/// The order's deadline came before the fact it waited for.
const DEADLINE: Race = under(Under::OwnClock, "deadline");
/// A person's word came too late, or not at all.
const REVIEW: Race = under_each("review-unheard");
/// The orders of one customer were screened in another order than they were
/// placed, or fewer of them.
const VELOCITY: Race = under_each("velocity-order");
/// Somebody stopped the execution.
const STOPPED: Race = under(Under::Engine, "execution-stopped");
/// The execution's own time was over.
const OVERRUN: Race = under(Under::Engine, "execution-timed-out");
/// An order that is rejected in any case is rejected for the other reason first.
const EITHER: Race = under_each("either-failure");
/// Which of several orders got the last piece.
const LAST_PIECE: Race = under_each("last-piece");
/// Which of a customer's orders placed at once were cleared.
const AT_ONCE: Race = under_each("velocity-at-once");

/// Fraud detection was listening when the order was placed, or another that it
/// would have been seen in the light of, so nobody looked.
const UNSCREENED: Race = under_each("unscreened");

/// It was placed only when an operator had it submitted, taken up or sent back again, and
/// its customer's account was new no longer.
const GROWN: Race = under_each("account-grown");

/// Every tolerated race. Nothing else is tolerated.
const RACES: &[Race] = &[
    PAYMENT, SPOKE, CARRIER, STEP, DEADLINE, REVIEW, VELOCITY, STOPPED, OVERRUN, EITHER,
    LAST_PIECE, AT_ONCE, UNSCREENED, GROWN,
];

/// The races that can happen under `variant`.
pub(super) fn races(variant: &Variant) -> impl Iterator<Item = &'static str> {
    let here = move |race: &&Race| race.under.takes_in(variant);
    RACES.iter().filter(here).map(|race| race.name)
}

/// An order that has ended, and what can explain its end.
pub(super) struct Case<'a> {
    pub(super) script: &'a Script,
    pub(super) variant: &'static Variant,
    /// The number of its wave.
    pub(super) wave: usize,
    pub(super) order: &'a Order,
    /// What struck the work for it.
    pub(super) blows: &'a [Blow],
    /// What struck the work for the other orders of its script.
    pub(super) rivals: &'a [Blow],
    /// What cut its execution short, if that was the execution's end.
    pub(super) cut: Option<Fault>,
    /// Whether it was placed, or another order or a customer of its script came,
    /// while nobody was screened.
    pub(super) unscreened: bool,
    /// How long a step is tried at least before it is given up, where the
    /// deployment says, and how long one try may take, in milliseconds.
    pub(super) patience: Option<(i64, i64)>,
}

/// What a rejection for some reason can be laid to.
struct Blame {
    race: Race,
    /// The services that a fault must have struck; any that decide an order if empty.
    services: &'static [&'static str],
    /// Whether rivals count.
    rivals: bool,
    /// Whether it comes of trying for as long as patience lasts.
    patience: bool,
}

impl Case<'_> {
    /// How it is judged.
    pub(super) fn judge(&self) -> Ending {
        let twin = self.script.twin(self.wave);
        let (reason, detail) = match &self.order.fate {
            Fate::Undecided => return Ending::Wrong("it is not decided".to_owned()),
            Fate::Confirmed => return self.confirmed(twin),
            Fate::Rejected { reason, detail } => (*reason, detail.as_deref()),
        };
        if self.order.compensation != Compensation::Done || !self.order.owed.is_empty() {
            return Ending::Wrong(format!(
                "its compensation is {:?}, owed {:?}",
                self.order.compensation, self.order.owed
            ));
        }
        let own = self.order.placed.clearance;
        if own == Some(false) && is_of_fraud(reason) {
            return Ending::Wrong(format!(
                "it is rejected for {reason}, and was not to be screened"
            ));
        }
        let is =
            |of: Reason, word: Option<&str>| of == reason && (word.is_none() || word == detail);
        let good = match twin {
            Expected::Rejected(of, word) | Expected::NeedsAttention(of, word) if is(of, word) => {
                return Ending::Twin;
            }
            // Less is known of it, so it is looked at where it was to be blocked.
            Expected::Rejected(of, _)
                if is_of_fraud(of) && is_of_fraud(reason) && self.was_unscreened() =>
            {
                let why = "fraud detection was listening when its customer came".to_owned();
                return Ending::Raced(UNSCREENED.name, why);
            }
            Expected::Rejected(of, _)
                if is_of_fraud(of) && is_of_fraud(reason) && self.account_grew() =>
            {
                return Ending::Raced(GROWN.name, OLD.to_owned());
            }
            Expected::Contested {
                reason: of,
                detail: word,
                ..
            } if is(of, word) => {
                let race = match of {
                    Reason::StockUnavailable => LAST_PIECE,
                    _ => AT_ONCE,
                };
                return Ending::Raced(race.name, "others were first".to_owned());
            }
            Expected::Rejected(..) | Expected::NeedsAttention(..) => false,
            _ => true,
        };
        let why = match self.explained(reason, detail) {
            Ok((race, why)) if good => return Ending::Raced(race.name, why),
            Ok((race, why)) => {
                return Ending::Raced(EITHER.name, format!("{}: {why}", race.name));
            }
            Err(why) => why,
        };
        let detail = detail.map_or(String::new(), |detail| format!(", {detail}"));
        Ending::Wrong(format!("it is rejected for {reason}{detail}: {why}"))
    }

    /// Whether it was not screened, or not in the light of all that was to be
    /// seen: other orders of its customer, and who that is.
    fn was_unscreened(&self) -> bool {
        let light = self.script.is_of_one_customer() || !self.script.plan.customers.is_empty();
        self.unscreened && (light || self.order.placed.clearance == Some(false))
    }

    /// Whether the first fault struck the work for it a day or more before it was placed,
    /// and its customer is one whose account's age counts.
    fn account_grew(&self) -> bool {
        let first = self.blows.iter().map(|blow| blow.from).min();
        let day = i64::from(NEW_ACCOUNT_SECONDS) * 1_000;
        let placed = self.order.placed.placed_at.as_millisecond();
        !self.script.plan.customers.is_empty() && first.is_some_and(|first| placed - first >= day)
    }

    /// What cut its execution short at some time.
    fn was_cut(&self) -> Option<Fault> {
        let mut kinds = self.blows.iter().map(|blow| blow.kind);
        kinds.find(|kind| matches!(kind, Fault::Abort | Fault::ExecutionTimeout))
    }

    /// That its execution was cut short and went on only later, if so.
    fn resumed(&self) -> Option<String> {
        let why = "its execution was cut short, and taken up again later";
        self.was_cut().map(|_| why.to_owned())
    }

    /// That the word of its execution's end parked it when the execution had been
    /// taken up again, if so: an order that waits for a person does not hear of that.
    fn parked_late(&self) -> Option<(Race, String)> {
        let race = match self.was_cut()? {
            Fault::Abort => STOPPED,
            _ => OVERRUN,
        };
        let why = "its execution was cut short, and taken up again before the word of that came";
        Some((race, why.to_owned()))
    }

    fn confirmed(&self, twin: Expected) -> Ending {
        let (Expected::Rejected(reason, _) | Expected::NeedsAttention(reason, _)) = twin else {
            return Ending::Twin;
        };
        if is_of_fraud(reason) && self.was_unscreened() {
            let why = "fraud detection was listening, and screened nobody".to_owned();
            return Ending::Raced(UNSCREENED.name, why);
        }
        if is_of_fraud(reason) && self.account_grew() {
            return Ending::Raced(GROWN.name, OLD.to_owned());
        }
        // An order that is screened before the ones placed before it is not the
        // n-th yet; neither is one whose predecessors did not come so far.
        if reason == Reason::FraudConfirmed && self.script.is_of_one_customer() {
            let blame = Blame {
                race: VELOCITY,
                services: &[],
                rivals: true,
                patience: false,
            };
            if let Ok(why) = self.link(&blame) {
                return Ending::Raced(VELOCITY.name, why);
            }
        }
        // What is seen again only after its visibility timeout may find the
        // provider speaking.
        if reason == Reason::PaymentUnavailable && self.script.has_silence() {
            if let Some(why) = self.resumed() {
                return Ending::Raced(SPOKE.name, why);
            }
            let blame = Blame {
                race: SPOKE,
                services: &["payment"],
                rivals: false,
                patience: false,
            };
            if let Ok(why) = self.link(&blame) {
                return Ending::Raced(SPOKE.name, why);
            }
        }
        Ending::Wrong(format!("it is confirmed, not rejected for {reason}"))
    }

    /// The race that a rejection for `reason` comes of, and what explains it; or
    /// why nothing does.
    fn explained(&self, reason: Reason, detail: Option<&str>) -> Result<(Race, String), String> {
        let blame = match reason {
            Reason::PaymentUnavailable => gave_up(PAYMENT, &["payment"]),
            Reason::DeliveryFailed if detail == Some("CarrierUnavailable") => {
                gave_up(CARRIER, &["delivery"])
            }
            Reason::TimedOut => {
                let (machines, kept) = (self.variant.has_machines, self.variant.keeps_executions);
                let detail = detail.unwrap_or_default();
                // What an execution leaves that is over at once, its order's clock ends.
                let at_once = Blame {
                    patience: false,
                    ..gave_up(DEADLINE, &[])
                };
                match machines {
                    true if !kept && detail.ends_with("DeliveryScheduled") => at_once,
                    // The order's own clock is told of a review before it is opened.
                    true if !kept && detail == "NoFraudDetected" => {
                        gave_up(STEP, &["fraud", "order"])
                    }
                    true => gave_up(STEP, sayers(detail)),
                    false => gave_up(DEADLINE, &[]),
                }
            }
            Reason::ReviewTimedOut if matches!(self.script.plan.person, Some(Person::Says(_))) => {
                // The person has gone by then.
                if let Some(why) = self.resumed() {
                    return Ok((REVIEW, why));
                }
                Blame {
                    race: REVIEW,
                    services: &["fraud", "order"],
                    rivals: false,
                    patience: false,
                }
            }
            Reason::FraudConfirmed if self.script.is_of_one_customer() => Blame {
                race: VELOCITY,
                services: &[],
                rivals: true,
                patience: false,
            },
            Reason::Abandoned => {
                let race = match self.cut {
                    Some(Fault::Abort) => STOPPED,
                    Some(Fault::ExecutionTimeout) => OVERRUN,
                    _ => {
                        let late = self.parked_late();
                        return late.ok_or_else(|| "no fault ended its execution".to_owned());
                    }
                };
                return Ok((race, "its execution was cut short and is over".to_owned()));
            }
            _ => return Err("no fault leads to that".to_owned()),
        };
        Ok((blame.race, self.link(&blame)?))
    }

    /// What links the order to the faults that `blame` allows, in words; or why
    /// nothing does.
    fn link(&self, blame: &Blame) -> Result<String, String> {
        let rivals = self.rivals.iter().filter(|_| blame.rivals);
        let guilty: Vec<&Blow> = self
            .blows
            .iter()
            .chain(rivals)
            .filter(|blow| can_cost_an_order(blow.kind))
            .filter(|blow| match blame.services {
                [] => !["notification", "journal", "customer"].contains(&&*blow.service),
                some => some.contains(&&*blow.service),
            })
            .collect();
        let (Some(from), Some(until)) = (
            guilty.iter().map(|blow| blow.from).min(),
            guilty.iter().map(|blow| blow.until).max(),
        ) else {
            return Err("no fault struck it there".to_owned());
        };
        let kinds: BTreeSet<&str> = guilty.iter().map(|blow| blow.kind.name()).collect();
        let services: BTreeSet<&str> = guilty.iter().map(|blow| &*blow.service).collect();
        let list = |words: BTreeSet<&str>| Vec::from_iter(words).join(", ");
        let lasted = (until - from) as f64 / 1_000.0;
        let link = format!(
            "struck {} times in {lasted:.1} s at {}: {}",
            guilty.len(),
            list(services),
            list(kinds)
        );
        // A third party that is silent by itself spends patience, too.
        let waits = blame.patience && !self.script.has_silence();
        match self.patience.filter(|_| waits) {
            // A try that was under way when the fault struck began before it, and
            // one that ends it may hang until it is stopped.
            Some((patience, a_try)) => {
                let hung = guilty.iter().any(|blow| may_hang(blow.kind));
                let spent = until - from + if hung { 2 * a_try } else { 0 };
                match spent < patience {
                    true => Err(format!(
                        "{link}; that is shorter than the patience of {} s",
                        patience / 1_000
                    )),
                    false => Ok(link),
                }
            }
            None => Ok(link),
        }
    }
}

/// Whether a try that a fault of this kind strikes may take long; one that dies or is
/// refused is over.
fn may_hang(kind: Fault) -> bool {
    !matches!(
        kind,
        Fault::CrashBeforeCommit
            | Fault::CrashAfterCommit
            | Fault::Throttle
            | Fault::StoreConflict
            | Fault::StoreFault
            | Fault::PutEvents
    )
}

/// What an old account explains.
const OLD: &str = "it was struck a day before it was placed, and no account is new for longer";

/// Whether only the fraud service's word leads to a rejection for `reason`.
fn is_of_fraud(reason: Reason) -> bool {
    matches!(reason, Reason::FraudConfirmed | Reason::ReviewTimedOut)
}

fn gave_up(race: Race, services: &'static [&'static str]) -> Blame {
    Blame {
        race,
        services,
        rivals: false,
        patience: true,
    }
}

/// The services whose work a step waited for, by the fact it names.
fn sayers(detail: &str) -> &'static [&'static str] {
    match detail {
        "NoFraudDetected, StockReserved" => &["fraud", "inventory"],
        "NoFraudDetected" => &["fraud"],
        "StockReserved" => &["inventory"],
        "PaymentCaptured" => &["payment"],
        "DeliveryScheduled" => &["delivery"],
        "OrderConfirmed" => &["order"],
        _ => &["nobody"],
    }
}

/// Whether a fault of this kind can keep work from being done, or make it late.
/// The others ask too often, tell too often, or strike what comes after the
/// decision.
fn can_cost_an_order(kind: Fault) -> bool {
    match kind {
        Fault::Delay
        | Fault::Reorder
        | Fault::Drop
        | Fault::ShortPoll
        | Fault::CrashBeforeCommit
        | Fault::CrashAfterCommit
        | Fault::Timeout
        | Fault::Throttle
        | Fault::ColdStart
        | Fault::PartialBatch
        | Fault::TargetUnavailable
        | Fault::Subscription
        | Fault::PutEvents
        | Fault::StoreConflict
        | Fault::StoreFault
        | Fault::StaleRead
        | Fault::TornRead
        | Fault::LostCallback
        | Fault::Slow
        | Fault::Silent
        | Fault::Scheduler
        | Fault::BlockedGroup
        | Fault::ExpressTimeout
        | Fault::HalfNotStarted
        | Fault::Outage => true,
        Fault::Duplicate
        | Fault::ExpressTwice
        | Fault::Poison
        | Fault::ClockSkew
        | Fault::Compensation
        | Fault::TopicFault
        | Fault::DoubleSubmission
        | Fault::Replay
        | Fault::Abort
        | Fault::ExecutionTimeout
        | Fault::EndTwice
        | Fault::EndLate
        | Fault::EndNever
        | Fault::Update => false,
    }
}
