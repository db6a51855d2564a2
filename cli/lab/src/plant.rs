//! Mistakes, planted to see whether the checks find them.
//!
//! Each is one that somebody made somewhere, or could. They live behind the
//! ports and in the definitions of a world that asks for one; the services know
//! nothing of them, and no check is written for any.

use crate::definitions::{Definitions, Mapping, Queue, Target};
use crate::fifo::is_fifo;
use crate::template::Files;
use duet_pattern::Pattern;

/// In which variants a mistake can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In every one.
    Everywhere,
    /// Where a workflow drives orders, whose engine keeps its executions.
    Workflows,
    /// Where Express executions do.
    Express,
    /// Where facts travel from service to service.
    Facts,
    /// Where they may overtake each other.
    Overtaken,
    /// Where they travel by the rules of a bus.
    Rules,
    /// Where they travel by subscriptions to topics.
    Topics,
    /// Where they travel by a FIFO topic.
    FifoTopics,
}

macro_rules! plants {
    ($($plant:ident, $name:literal, $reach:ident, $about:literal;)+) => {
        /// A planted mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Plant { $(#[doc = $about] $plant,)+ }

        impl Plant {
            /// Every mistake.
            pub const ALL: &'static [Self] = &[$(Self::$plant),+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$plant => $name,)+ }
            }

            /// In which variants it can show.
            #[must_use]
            pub fn reach(self) -> Reach {
                match self { $(Self::$plant => Reach::$reach,)+ }
            }

            /// What is wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$plant => $about,)+ }
            }
        }
    };
}

plants! {
    NoDeduplication, "no-deduplication", Everywhere, "what was handled before is handled again, as if new";
    LostUpdate, "lost-update", Everywhere, "a document is written whatever happened to it since it was read";
    BlindStock, "blind-stock", Everywhere, "stock is taken without a look at whether there is any";
    DoubleCount, "double-count", Everywhere, "counters are changed twice";
    RecordLater, "record-later", Everywhere, "the record of a command is written after the state it guards, not with it";
    ConflictIsDone, "conflict-is-done", Everywhere, "a transaction that was refused counts as done";
    CommitLies, "commit-lies", Everywhere, "some writes are answered and never made";
    NoTombstone, "no-tombstone", Overtaken, "a compensation that comes first leaves nothing behind for what comes late";
    JoinForgets, "join-forgets", Overtaken, "a join forgets the fact that came before the others";
    RefundAgain, "refund-again", Everywhere, "a refund that is repeated pays again";
    VoidSkipped, "void-skipped", Everywhere, "a refund does not ask the provider what it holds";
    CancelSkipped, "cancel-skipped", Facts, "a cancellation does not ask the carrier";
    KeyPerAttempt, "key-per-attempt", Everywhere, "each attempt at a charge has a key of its own";
    NoticePerDelivery, "notice-per-delivery", Everywhere, "each delivery of a notice is a notice";
    AcknowledgeFirst, "acknowledge-first", Facts, "a message is deleted before it is handled";
    AcknowledgeAnyway, "acknowledge-anyway", Facts, "a message that failed is deleted all the same";
    IgnoredEntries, "ignored-entries", Facts, "nobody reads the results of PutEvents";
    NoTimers, "no-timers", Facts, "timers are never sent";
    RuleWithoutDlq, "rule-without-dlq", Rules, "what a rule cannot deliver is dropped";
    SubscriptionWithoutDlq, "subscription-without-dlq", Topics, "what a subscription cannot deliver is dropped";
    OneGraveyard, "one-graveyard", Topics, "the dead letters of all subscriptions go to one service's queue, and come back to that service";
    WrongAttribute, "wrong-attribute", Topics, "a filter policy asks for an attribute that no message has";
    ConstantGroup, "constant-group", FifoTopics, "all facts are of one group";
    NoDeduplicationId, "no-deduplication-id", FifoTopics, "each time that a fact is published it has another deduplication id";
    BatchOfTen, "batch-of-ten", FifoTopics, "a function takes ten messages of a FIFO queue at once, and those behind one that fails have been received with it";
    GoesOnAfterFailure, "goes-on-after-failure", FifoTopics, "in such a batch, what comes after a message that failed is handled all the same";
    Wrapped, "wrapped", Topics, "a subscription without raw delivery: the fact comes in an envelope that nobody opens";
    QueueWithoutDlq, "queue-without-dlq", Facts, "what cannot be handled comes back for ever";
    ShortDlq, "short-dlq", Facts, "dead letters are kept for a minute";
    RetryWithoutLimit, "retry-without-limit", Workflows, "a workflow's step is retried for ever";
    OnlyBusinessErrors, "only-business-errors", Workflows, "a workflow catches refusals and nothing else";
    NoRejection, "no-rejection", Workflows, "a workflow compensates without rejecting the order";
    RefundLeftOut, "refund-left-out", Workflows, "a workflow does not refund";
    HalfCharged, "half-charged", Workflows, "a workflow charges half";
    WrongNotice, "wrong-notice", Workflows, "a workflow confirms what it rejected";
    NeverShipped, "never-shipped", Workflows, "a workflow confirms and does not ship";
    RefundUnheard, "refund-unheard", Facts, "payment does not hear of rejections";
    Misspelt, "misspelt", Facts, "a rule or filter listens for a name that nobody says";
    NoClearance, "no-clearance", Facts, "delivery does not wait for the fraud check";
    NobodyParks, "nobody-parks", Workflows, "what a failed execution leaves is not parked";
    ReviewUnheard, "review-unheard", Facts, "the order does not wait longer for a review";
    NoPermission, "no-permission", Facts, "a queue does not let its rules send";
    WholeBatch, "whole-batch", Facts, "the answer to a batch does not say which messages failed";
    EndlessPatience, "endless-patience", Facts, "a service never gives up before its queue does";
    CatchLosesInput, "catch-loses-input", Workflows, "a Catch puts the error where the compensation looks for the order";
    BranchStays, "branch-stays", Workflows, "one branch of a Parallel fails, and what the other did stays";
    HearsItself, "hears-itself", Rules, "a rule hears what its own service says";
    TwoRulesOneQueue, "two-rules-one-queue", Rules, "two services' rules deliver into one queue, whose reader knows one of them";
    FewReceives, "few-receives", Facts, "a queue gives a message up after its first receive";
    LockEndsWithRun, "lock-ends-with-run", Everywhere, "a lock and what it says end with the invocation that took it";
    KeyPerDelivery, "key-per-delivery", Everywhere, "the key of a record changes with each delivery";
    UpdateAtOnce, "update-at-once", Everywhere, "fraud detection is turned off and on again in one step each, under a shop that runs";
    HalfTrustsInput, "half-trusts-input", Express, "what undoes an order whose card was declined is started by what was wanted, and nobody asks the order";
    StepWithoutIdempotency, "step-without-idempotency", Express, "a workflow that runs twice tells the customer twice: each time under a record of its own";
    HalfNotFollowed, "half-not-followed", Express, "the order's own clock does not start what should have followed";
    VerdictNotStarted, "verdict-not-started", Express, "a verdict is kept for a task that waits, and none does";
    UnsaidEnd, "unsaid-end", Express, "the word that what follows a confirmation is done leaves out the notice";
    WaitsBeforeItListens, "waits-before-it-listens", Facts, "what the fraud service listens by is made in the same update that has orders wait for its word";
}

/// The state machine of orders.
const ORDER: &str = "infra/orchestration/order.asl.json";
/// The Express machine of orders.
const EXPRESS_ORDER: &str = "infra/express/order.asl.json";
/// The templates of those that hear each other's facts.
const HEARERS: [&str; 3] = [
    "infra/choreography/template.yaml",
    "infra/fifo/template.yaml",
    "infra/topics/template.yaml",
];

impl Plant {
    /// Plants it in the files that are deployed, if it is one of those.
    pub fn plant_in_files(self, files: &mut Files) {
        if self == Self::WaitsBeforeItListens {
            for file in HEARERS {
                if let Some(text) = files.get_mut(file) {
                    *text = text.replace(
                        "WithFraud: !Not [!Equals [!Ref Fraud, \"off\"]]",
                        "WithFraud: !Equals [!Ref Fraud, \"on\"]",
                    );
                }
            }
            return;
        }
        let machine = match self.reach() {
            Reach::Express => EXPRESS_ORDER,
            _ => ORDER,
        };
        let Some(text) = files.get_mut(machine) else {
            return;
        };
        let mut replace = |from: &str, to: &str| *text = text.replace(from, to);
        match self {
            Self::RetryWithoutLimit => {
                replace(", \"PatienceSpent\"]", "]");
                replace("\"MaxAttempts\": 30", "\"MaxAttempts\": 99999999");
            }
            Self::CatchLosesInput => replace(
                "{ \"ErrorEquals\": [\"StockUnavailable\"], \"Assign\": { ",
                "{ \"ErrorEquals\": [\"StockUnavailable\"], \"Assign\": { \"placed\": \"{% $states.errorOutput %}\", ",
            ),
            Self::BranchStays => {
                // Whoever is suspected is rejected; that its branch was not alone is forgotten.
                replace(
                    "      \"Next\": \"ReleaseStock\"\n    },\n    \"ReleaseStock\"",
                    "      \"Next\": \"WhatFailed\"\n    },\n    \"WhatFailed\": { \"Type\": \"Choice\", \"Choices\": [{ \"Condition\": \"{% $reason = 'FraudConfirmed' %}\", \"Assign\": { \"undone\": \"{% $append($undone, ['stock']) %}\" }, \"Next\": \"NotifyRejected\" }], \"Default\": \"ReleaseStock\" },\n    \"ReleaseStock\"",
                );
            }
            Self::OnlyBusinessErrors => {
                replace("\"States.ALL\"], \"Assign\"", "\"Nothing\"], \"Assign\"");
                replace("\"States.ALL\"], \"Next\"", "\"Nothing\"], \"Next\"");
            }
            Self::NoRejection => replace(
                "{ \"reason\": \"PaymentDeclined\" }, \"Next\": \"RejectOrder\"",
                "{ \"reason\": \"PaymentDeclined\" }, \"Next\": \"CancelDelivery\"",
            ),
            Self::RefundLeftOut => replace(
                "['delivery']) %}\" },\n      \"Next\": \"RefundPayment\"",
                "['delivery', 'payment']) %}\" },\n      \"Next\": \"ReleaseStock\"",
            ),
            Self::HalfCharged => replace(
                "\"amount\": \"{% $placed.total %}\"",
                "\"amount\": \"{% $merge([$placed.total, { 'amount': $floor($placed.total.amount / 2) }]) %}\"",
            ),
            Self::WrongNotice => replace(
                "\"kind\": \"OrderRejected\"",
                "\"kind\": \"OrderConfirmed\"",
            ),
            Self::HalfTrustsInput => replace(
                "{ \"reason\": \"PaymentDeclined\" }, \"Next\": \"RejectOrder\"",
                "{ \"decision\": \"Rejected\" }, \"Next\": \"StartWhatFollows\"",
            ),
            Self::UnsaidEnd => replace(
                "\"parts\": [\"shipment\", \"notice\"]",
                "\"parts\": [\"shipment\"]",
            ),
            Self::NeverShipped => replace(
                "],\n      \"Next\": \"ShipStock\"",
                "],\n      \"Next\": \"NotifyConfirmed\"",
            ),
            _ => {}
        }
    }

    /// Plants it in what is deployed, if it is one of those.
    #[expect(clippy::too_many_lines, reason = "a table: one row a mistake")]
    pub fn plant_in_definitions(self, all: &mut Definitions) {
        match self {
            Self::RuleWithoutDlq => {
                all.rules
                    .iter_mut()
                    .flat_map(|rule| &mut rule.targets)
                    .for_each(|target| target.dead_letters = None);
            }
            Self::QueueWithoutDlq => all.queues.iter_mut().for_each(|queue| queue.redrive = None),
            Self::ShortDlq => {
                for dead in all.dead_letter_queues() {
                    all.queues[dead].retention = 60_000;
                }
            }
            Self::SubscriptionWithoutDlq => all
                .subscriptions
                .iter_mut()
                .for_each(|it| it.dead_letters = None),
            Self::OneGraveyard => {
                let queues = &all.queues;
                let dead = |end: &str| queues.iter().position(|it: &Queue| it.name.ends_with(end));
                let (dead, in_order) =
                    (dead("-sns-inventory-dlq"), dead("-fifo-inventory-dlq.fifo"));
                all.subscriptions.iter_mut().for_each(|it| {
                    it.dead_letters = if is_fifo(&it.topic) { in_order } else { dead };
                });
            }
            Self::BatchOfTen | Self::GoesOnAfterFailure => {
                let fifo = |it: &Mapping| is_fifo(&all.queues[it.queue].name);
                let mappings = all.mappings.iter_mut();
                mappings.filter(|it| fifo(it)).for_each(|it| it.batch = 10);
            }
            Self::WrongAttribute => {
                let wrong = r#"{"event-type": ["NewOrder", "OrderRejected", "OrderConfirmed"]}"#;
                filter(all, "OrderToInventory", wrong);
                filter(all, "ToInventory", wrong);
            }
            Self::Wrapped => all
                .subscriptions
                .iter_mut()
                .filter(|it| ["InventoryToPayment", "ToPayment"].contains(&&*it.name))
                .for_each(|it| it.raw = false),
            Self::RefundUnheard => {
                all.rules
                    .retain(|rule| !rule.name.ends_with("payment-OrderRejected"));
                filter(all, "OrderToPayment", r#"{"detail-type": ["NewOrder"]}"#);
                unhear(all, "ToPayment", "OrderRejected");
            }
            Self::ReviewUnheard => {
                all.rules
                    .retain(|rule| !rule.name.ends_with("order-PossibleFraud"));
                let heard = r#"{"detail-type": ["FraudConfirmed", "ReviewTimedOut"]}"#;
                filter(all, "FraudToOrder", heard);
                unhear(all, "ToOrder", "PossibleFraud");
            }
            // Neither the word of an execution's end nor the sweep.
            Self::NobodyParks => {
                all.rules.retain(|rule| rule.bus != 0);
                all.schedules.clear();
            }
            Self::Misspelt => {
                let pattern =
                    r#"{"source": ["duet.delivery"], "detail-type": ["DeliverySchedule"]}"#;
                listen(all, "order-DeliveryScheduled", pattern);
                let misspelt = r#"{"detail-type": ["DeliverySchedule", "DeliveryFailed", "DeliveryCancelled"]}"#;
                filter(all, "DeliveryToOrder", misspelt);
                unhear(all, "ToOrder", "DeliveryScheduled");
            }
            Self::NoPermission => {
                all.queues
                    .iter_mut()
                    .filter(|queue| queue.name.trim_end_matches(".fifo").ends_with("-payment"))
                    .for_each(|queue| queue.sources.clear());
            }
            Self::FewReceives => {
                for (_, most) in all.queues.iter_mut().filter_map(|q| q.redrive.as_mut()) {
                    *most = 1;
                }
            }
            Self::HearsItself => {
                let pattern = r#"{"source": ["duet.order", "duet.inventory"]}"#;
                listen(all, "inventory-NewOrder", pattern);
            }
            Self::TwoRulesOneQueue => {
                let queue_of = |all: &Definitions, end: &str| {
                    let rule = all.rules.iter().find(|rule| rule.name.ends_with(end));
                    rule.and_then(|rule| rule.targets.first())
                        .and_then(|target| target.queue)
                };
                let payment = queue_of(all, "payment-NewOrder");
                if let Some(rule) = all
                    .rules
                    .iter_mut()
                    .find(|rule| rule.name.ends_with("order-DeliveryScheduled"))
                {
                    let arn = rule.arn.clone();
                    if let Some((target, queue)) = rule.targets.first().cloned().zip(payment) {
                        rule.targets.push(Target {
                            id: format!("{}-too", target.id),
                            arn: all.queues[queue].arn.clone(),
                            queue: Some(queue),
                            ..target
                        });
                        all.queues[queue].sources.push(arn);
                    }
                }
            }
            Self::NoClearance => set(all, "DUET_AWAITS_CLEARANCE", "false"),
            Self::EndlessPatience => {
                for function in &mut all.functions {
                    if let Some(carriers) = function.environment.get_mut("DUET_CARRIERS") {
                        *carriers = carriers.replace("\"patience\":", "\"patience\":99");
                    }
                }
            }
            Self::WholeBatch => all
                .mappings
                .iter_mut()
                .for_each(|mapping| mapping.partial = false),
            _ => {}
        }
    }
}

/// Has the rules whose name ends in `rule` listen for `pattern`.
fn listen(all: &mut Definitions, rule: &str, pattern: &str) {
    let rules = all
        .rules
        .iter_mut()
        .filter(|known| known.name.ends_with(rule));
    for rule in rules {
        if let Ok(pattern) = Pattern::parse(pattern) {
            rule.pattern = pattern;
        }
    }
}

/// Has the subscription `name` take what `policy` lets through.
fn filter(all: &mut Definitions, name: &str, policy: &str) {
    let subscriptions = all.subscriptions.iter_mut();
    for subscription in subscriptions.filter(|it| &*it.name == name) {
        subscription.filter = Pattern::parse(policy).ok();
    }
}

/// Has the subscription `name` not let `fact` through any more.
fn unhear(all: &mut Definitions, name: &str, fact: &str) {
    let subscriptions = all.subscriptions.iter_mut();
    for subscription in subscriptions.filter(|it| &*it.name == name) {
        let mut policy = subscription.written.clone();
        if let Some(heard) = policy["detail-type"].as_array_mut() {
            heard.retain(|it| it != fact);
        }
        subscription.filter = Pattern::from_value(&policy).ok();
    }
}

fn set(all: &mut Definitions, variable: &str, value: &str) {
    for function in &mut all.functions {
        if let Some(there) = function.environment.get_mut(variable) {
            *there = value.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::definitions::bundled;

    #[test]
    fn a_mistake_in_a_file_changes_it() {
        for (plant, changes) in [
            (Plant::RetryWithoutLimit, true),
            (Plant::OnlyBusinessErrors, true),
            (Plant::NoRejection, true),
            (Plant::RefundLeftOut, true),
            (Plant::HalfCharged, true),
            (Plant::WrongNotice, true),
            (Plant::NeverShipped, true),
            (Plant::CatchLosesInput, true),
            (Plant::BranchStays, true),
            (Plant::WaitsBeforeItListens, true),
            (Plant::HalfTrustsInput, true),
            (Plant::UnsaidEnd, true),
            (Plant::BlindStock, false),
        ] {
            let mut files = bundled();
            plant.plant_in_files(&mut files);
            assert_eq!(files != bundled(), changes, "{}", plant.name());
        }
    }

    #[test]
    fn each_mistake_can_be_deployed_and_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        assert_eq!(names.len(), Plant::ALL.len());
        for plant in Plant::ALL {
            let mut files = bundled();
            plant.plant_in_files(&mut files);
            let read = Definitions::read(files, "duet", &BTreeMap::new());
            assert!(read.is_ok(), "{}: {}", plant.name(), read.unwrap_err());
        }
    }
}
