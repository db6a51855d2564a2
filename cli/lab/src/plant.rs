//! Mistakes, planted to see whether the checks find them.
//!
//! Each is one that somebody made somewhere, or could. They live behind the
//! ports and in the definitions of a world that asks for one; the services know
//! nothing of them, and no check is written for any.

use crate::definitions::Definitions;
use crate::template::Files;
use duet_pattern::Pattern;

macro_rules! plants {
    ($($plant:ident, $name:literal, $about:literal;)+) => {
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

            /// What is wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$plant => $about,)+ }
            }
        }
    };
}

plants! {
    NoDeduplication, "no-deduplication", "what was handled before is handled again, as if new";
    LostUpdate, "lost-update", "a document is written whatever happened to it since it was read";
    BlindStock, "blind-stock", "stock is taken without a look at whether there is any";
    DoubleCount, "double-count", "counters are changed twice";
    RecordLater, "record-later", "the record of a command is written after the state it guards, not with it";
    ConflictIsDone, "conflict-is-done", "a transaction that was refused counts as done";
    CommitLies, "commit-lies", "some writes are answered and never made";
    NoTombstone, "no-tombstone", "a compensation that comes first leaves nothing behind for what comes late";
    JoinForgets, "join-forgets", "a join forgets the fact that came before the others";
    RefundAgain, "refund-again", "a refund that is repeated pays again";
    VoidSkipped, "void-skipped", "a refund does not ask the provider what it holds";
    CancelSkipped, "cancel-skipped", "a cancellation does not ask the carrier";
    KeyPerAttempt, "key-per-attempt", "each attempt at a charge has a key of its own";
    NoticePerDelivery, "notice-per-delivery", "each delivery of a notice is a notice";
    AcknowledgeFirst, "acknowledge-first", "a message is deleted before it is handled";
    AcknowledgeAnyway, "acknowledge-anyway", "a message that failed is deleted all the same";
    IgnoredEntries, "ignored-entries", "nobody reads the results of PutEvents";
    NoTimers, "no-timers", "timers are never sent";
    RuleWithoutDlq, "rule-without-dlq", "what a rule cannot deliver is dropped";
    QueueWithoutDlq, "queue-without-dlq", "what cannot be handled comes back for ever";
    ShortDlq, "short-dlq", "dead letters are kept for a minute";
    RetryWithoutLimit, "retry-without-limit", "a workflow's step is retried for ever";
    OnlyBusinessErrors, "only-business-errors", "a workflow catches refusals and nothing else";
    NoRejection, "no-rejection", "a workflow compensates without rejecting the order";
    RefundLeftOut, "refund-left-out", "a workflow does not refund";
    HalfCharged, "half-charged", "a workflow charges half";
    WrongNotice, "wrong-notice", "a workflow confirms what it rejected";
    NeverShipped, "never-shipped", "a workflow confirms and does not ship";
    RefundUnheard, "refund-unheard", "payment does not hear of rejections";
    Misspelt, "misspelt", "a rule listens for a name that nobody says";
    NoClearance, "no-clearance", "delivery does not wait for the fraud check";
    NobodyParks, "nobody-parks", "what a failed execution leaves is not parked";
    ReviewUnheard, "review-unheard", "the order does not wait longer for a review";
    NoPermission, "no-permission", "a queue does not let its rules send";
    WholeBatch, "whole-batch", "the answer to a batch does not say which messages failed";
    EndlessPatience, "endless-patience", "a service never gives up before its queue does";
}

/// The state machine of orders.
const ORDER: &str = "infra/orchestration/order.asl.json";

impl Plant {
    /// Plants it in the files that are deployed, if it is one of those.
    pub fn plant_in_files(self, files: &mut Files) {
        let Some(text) = files.get_mut(ORDER) else {
            return;
        };
        let mut replace = |from: &str, to: &str| *text = text.replace(from, to);
        match self {
            Self::RetryWithoutLimit => {
                replace(", \"PatienceSpent\"]", "]");
                replace("\"MaxAttempts\": 30", "\"MaxAttempts\": 99999999");
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
            Self::NeverShipped => replace(
                "],\n      \"Next\": \"ShipStock\"",
                "],\n      \"Next\": \"NotifyConfirmed\"",
            ),
            _ => {}
        }
    }

    /// Plants it in what is deployed, if it is one of those.
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
            Self::RefundUnheard => all
                .rules
                .retain(|rule| !rule.name.ends_with("payment-OrderRejected")),
            Self::ReviewUnheard => all
                .rules
                .retain(|rule| !rule.name.ends_with("order-PossibleFraud")),
            Self::NobodyParks => all.rules.retain(|rule| rule.bus != 0),
            Self::Misspelt => {
                for rule in all
                    .rules
                    .iter_mut()
                    .filter(|rule| rule.name.ends_with("order-DeliveryScheduled"))
                {
                    let pattern =
                        r#"{"source": ["duet.delivery"], "detail-type": ["DeliverySchedule"]}"#;
                    if let Ok(pattern) = Pattern::parse(pattern) {
                        rule.pattern = pattern;
                    }
                }
            }
            Self::NoPermission => {
                all.queues
                    .iter_mut()
                    .filter(|queue| queue.name.ends_with("-payment"))
                    .for_each(|queue| queue.sources.clear());
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

fn set(all: &mut Definitions, variable: &str, value: &str) {
    for function in &mut all.functions {
        if let Some(there) = function.environment.get_mut(variable) {
            *there = value.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            (Plant::BlindStock, false),
        ] {
            let mut files = bundled();
            plant.plant_in_files(&mut files);
            assert_eq!(files != bundled(), changes, "{}", plant.name());
        }
    }

    #[test]
    fn each_mistake_can_be_deployed_and_has_a_name_of_its_own() {
        let mut names: Vec<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        names.dedup();
        assert!(names.len() >= 25);
        for plant in Plant::ALL {
            let mut files = bundled();
            plant.plant_in_files(&mut files);
            let read = Definitions::read(files, "duet", &BTreeMap::new());
            assert!(read.is_ok(), "{}: {}", plant.name(), read.unwrap_err());
        }
    }
}
