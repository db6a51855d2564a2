//! What can go wrong, by name.
//!
//! Whether a fault strikes is a pure function of the seed, the kind, and what
//! it would strike (an attempt at a step, a delivery of a message). So taking
//! one fault away leaves the others where they were, and a schedule can be made
//! smaller one fault at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use duet_asl::Millis;
use rustc_hash::FxHashSet;

use crate::meter::Owner;
use crate::random::mix;

macro_rules! faults {
    ($($kind:ident, $name:literal, $touches:literal, $about:literal;)+) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $(#[doc = $about] $kind,)+ }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Its name, as on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// What it does.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)+ }
            }

            /// What it can touch: what its rate is a share of.
            #[must_use]
            pub fn touches(self) -> &'static str {
                match self { $(Self::$kind => $touches,)+ }
            }
        }
    };
}

faults! {
    Duplicate, "duplicate", "messages put on a queue", "a message is put on its queue twice";
    Delay, "delay", "messages put on a queue", "a message arrives seconds to minutes late";
    Reorder, "reorder", "messages put on a queue", "a message lets later ones pass";
    Drop, "drop", "messages received", "a received message reaches no function and returns when its visibility timeout is over";
    CrashBeforeCommit, "crash-before-commit", "commits", "the process dies before it writes";
    CrashAfterCommit, "crash-after-commit", "commits", "the process dies after it wrote, before it answered or acknowledged";
    Timeout, "timeout", "calls of a store", "a call hangs until the function's timeout ends it";
    Throttle, "throttle", "invocations", "the function may not start: concurrency is used up";
    ColdStart, "cold-start", "invocations", "the instance is new and takes seconds to start";
    PartialBatch, "partial-batch", "messages handled", "a message that was handled is reported as failed and returns";
    Poison, "poison", "messages put on a queue", "a message nobody can parse arrives beside a good one";
    TargetUnavailable, "target-unavailable", "deliveries of a rule or subscription", "the queue does not take the event or message, and it is tried again";
    Subscription, "subscription", "deliveries of a subscription", "SNS may not send the message to the queue: it goes to the subscription's dead letters, or is lost";
    PutEvents, "put-events", "entries put on a bus or a topic", "the bus or topic answers 200 and refuses an entry";
    StoreConflict, "store-conflict", "commits", "a transaction is cancelled although nobody interfered";
    StoreFault, "store-fault", "calls of a store", "the table does not answer";
    StaleRead, "stale-read", "documents read together", "a read of several documents shows some as they were before their last update";
    ClockSkew, "clock-skew", "invocations", "the instance's clock is up to three seconds off";
    LostCallback, "lost-callback", "answers to task tokens", "the answer is taken and never heard of again";
    Slow, "slow", "calls of a third party", "the third party takes seconds, perhaps more than there are";
    Silent, "silent", "calls of a third party", "the third party does not answer; it may have done what was asked";
    Compensation, "compensation", "calls that undo something", "the third party cannot undo it now";
    TopicFault, "topic", "notices published", "the topic does not take a notice";
    DoubleSubmission, "double-submission", "submissions", "the same thing is submitted twice, at once";
    Replay, "replay", "worlds with an archive", "the archive is replayed while timers run and orders are under way";
    Outage, "outage", "invocations", "every function of one service fails for a while";
    ShortPoll, "short-poll", "messages received", "a receive sees a part of the queue: this message is overlooked until the next look";
    TornRead, "torn-read", "reads of several documents", "a read of several documents is no snapshot: the record is read first, the rest up to two seconds later";
    Abort, "abort", "executions started", "somebody stops the execution while it runs (StopExecution)";
    ExecutionTimeout, "execution-timeout", "executions started", "the execution's own time is over while it runs";
    EndTwice, "end-twice", "ends of failed executions", "the end of an execution is told twice";
    EndLate, "end-late", "ends of failed executions", "the end of an execution is told minutes to an hour late";
    EndNever, "end-never", "ends of failed executions", "nobody is told of the end of an execution: telling is best effort";
    Update, "update", "worlds that screen orders", "the stack is updated in place, twice, while orders are under way: fraud detection is turned to listening, and on again";
    Scheduler, "scheduler", "calls of the scheduler, and schedules that are due", "the scheduler does not answer, and may have done what was asked; the queue of a schedule that is due does not take its message, which is tried again";
    BlockedGroup, "blocked-group", "deliveries of a FIFO topic", "the queue does not take the message for a while, and what comes after it in its group waits behind it";
    ExpressTwice, "express-twice", "Express executions started asynchronously", "the execution runs twice, and at the same time";
    ExpressTimeout, "express-timeout", "Express executions started", "the five minutes of the execution are over while it runs";
    HalfNotStarted, "half-not-started", "Express executions started by an execution or a service", "the start is answered, and nothing runs";
}

impl Fault {
    /// The share of what it can touch that it strikes unless told otherwise.
    #[must_use]
    pub fn rate(self) -> f64 {
        match self {
            // Strike one thing per world, so they need a larger share of worlds.
            Self::Replay => 0.3,
            Self::Update => 0.3,
            Self::Outage => 0.1,
            Self::DoubleSubmission | Self::LostCallback => 0.1,
            // Not every execution runs still when it is to be cut short.
            Self::Abort | Self::ExecutionTimeout | Self::ExpressTimeout => 0.05,
            Self::HalfNotStarted => 0.1,
            // Nobody takes a permission away by chance: no more than is needed to see
            // that nothing is lost by it.
            Self::Subscription => 0.005,
            // Few executions fail.
            Self::EndTwice | Self::EndLate | Self::EndNever => 0.15,
            _ => 0.04,
        }
    }
}

impl Fault {
    /// Whether it can begin in a world that runs. The others strike once, at the
    /// beginning of a world, or what the driver of a world does.
    #[must_use]
    pub fn can_begin_later(self) -> bool {
        !matches!(
            self,
            Self::Outage | Self::Replay | Self::Update | Self::DoubleSubmission | Self::StaleRead
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Faults to inject: a kind, where, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// The kind.
    pub kind: Fault,
    /// A service, or a step (a state, a rule or a command); everywhere if absent.
    pub place: Option<String>,
    /// The share of what it can touch, from 0 to 1.
    pub rate: f64,
    /// How long an outage lasts, in seconds; drawn if absent. No other kind has
    /// a length of its own.
    pub seconds: Option<u32>,
}

impl fmt::Display for FaultRule {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(place) = &self.place {
            write!(f, "@{place}")?;
        }
        if let Some(seconds) = self.seconds {
            write!(f, ":{seconds}s")?;
        }
        write!(f, ":{}", self.rate)
    }
}

impl From<Fault> for FaultRule {
    fn from(kind: Fault) -> Self {
        Self {
            kind,
            place: None,
            rate: kind.rate(),
            seconds: None,
        }
    }
}

impl FaultRule {
    /// Every kind at its usual rate.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Fault::ALL.iter().map(|kind| (*kind).into()).collect()
    }
}

impl FromStr for FaultRule {
    type Err = String;

    /// Reads `KIND[@service|step][:SECONDSs][:rate]`. An outage whose length is
    /// given comes in every world unless a rate says otherwise.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let (mut seconds, mut rate) = (None, None);
        for part in parts {
            let length = part.strip_suffix('s').and_then(|n| n.parse::<u32>().ok());
            let share = part
                .parse::<f64>()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share));
            match (length, share) {
                (Some(length), _) if seconds.is_none() && rate.is_none() => seconds = Some(length),
                (None, Some(share)) if rate.is_none() => rate = Some(share),
                (None, None) => {
                    return Err(format!(
                        "{part:?} is no rate between 0 and 1, and no length in seconds such as 30s"
                    ));
                }
                _ => return Err(format!("{part:?} is one rate or length too many")),
            }
        }
        let (name, place) = match name.split_once('@') {
            Some((name, place)) if !place.is_empty() => (name, Some(place.to_owned())),
            Some(_) => return Err(format!("{text:?} names no service or step after @")),
            None => (name, None),
        };
        let kind = Fault::ALL
            .iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Fault::ALL.iter().map(|kind| kind.name()).collect();
                format!("there is no fault {name:?}; there are {}", names.join(", "))
            })?;
        if seconds.is_some() && *kind != Fault::Outage {
            return Err(format!("a length is an outage's; {name} has none"));
        }
        let usual = match seconds {
            Some(_) => 1.0,
            None => kind.rate(),
        };
        Ok(Self {
            kind: *kind,
            place,
            rate: rate.unwrap_or(usual),
            seconds,
        })
    }
}

/// A fault that struck: its kind, and what tells it from others of its kind.
pub type Strike = (Fault, u64);

/// What a fault did, to whom, where and when: what an end is explained by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blow {
    /// The kind.
    pub kind: Fault,
    /// The service; empty where it is none's.
    pub service: Arc<str>,
    /// The state, rule or command.
    pub step: Arc<str>,
    /// When it struck, in milliseconds.
    pub from: Millis,
    /// Until when it lasted, where that is known; else when it struck.
    pub until: Millis,
    /// The numbers of the orders and customers whose work it struck: of a whole
    /// batch where the whole batch fails.
    pub(crate) owners: Vec<Owner>,
}

/// Where faults of a kind strike: place, rate, length.
type Spot = (Option<String>, f64, Option<u32>);

/// The faults of a world.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    seed: u64,
    rules: Vec<Vec<Spot>>,
    /// Only these may strike.
    only: Option<FxHashSet<Strike>>,
    pub(crate) quiet: bool,
    /// Now, in milliseconds.
    pub(crate) now: Millis,
    chances: BTreeMap<Fault, u64>,
    touched: BTreeMap<Fault, u64>,
    struck: Vec<Strike>,
    blows: Vec<Blow>,
}

/// What a fault would strike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim<'a> {
    /// Which service.
    pub(crate) service: &'a str,
    /// Which state, rule or command.
    pub(crate) step: &'a str,
    /// Which attempt or delivery.
    pub(crate) ident: u64,
    /// Whose work.
    pub(crate) about: &'a [Owner],
}

impl Faults {
    pub(crate) fn new(seed: u64, rules: &[FaultRule], only: Option<FxHashSet<Strike>>) -> Self {
        let mut by_kind = vec![Vec::new(); Fault::ALL.len()];
        for rule in rules {
            by_kind[rule.kind as usize].push((rule.place.clone(), rule.rate, rule.seconds));
        }
        Self {
            seed,
            rules: by_kind,
            only,
            ..Self::default()
        }
    }

    /// From here on these rules hold, and no others. What struck stays known.
    pub(crate) fn replace(&mut self, rules: &[FaultRule]) {
        self.rules = Self::new(self.seed, rules, None).rules;
        self.quiet = false;
    }

    /// Whether any rule is about `kind`.
    pub(crate) fn any(&self, kind: Fault) -> bool {
        self.rules
            .get(kind as usize)
            .is_some_and(|rules| !rules.is_empty())
    }

    /// Whether `kind` strikes here. Counts the chance, and the strike.
    pub(crate) fn strikes(&mut self, kind: Fault, aim: Aim<'_>) -> bool {
        let Some(strikes) = self.draw(kind, aim) else {
            return false;
        };
        self.count(kind, strikes);
        if strikes {
            self.blow(kind, aim);
        }
        strikes
    }

    /// Notes that `kind` struck the work of `aim`.
    pub(crate) fn blow(&mut self, kind: Fault, aim: Aim<'_>) {
        self.blows.push(Blow {
            kind,
            service: aim.service.into(),
            step: aim.step.into(),
            from: self.now,
            until: self.now,
            owners: aim.about.to_vec(),
        });
    }

    /// The latest blow, which was of `kind`, lasts until `until`.
    pub(crate) fn lasts(&mut self, kind: Fault, until: Millis) {
        if let Some(blow) = self.blows.iter_mut().rev().find(|blow| blow.kind == kind) {
            blow.until = until;
        }
    }

    /// Counts one thing that `kind` could touch, and whether it did.
    pub(crate) fn count(&mut self, kind: Fault, touches: bool) {
        if !self.quiet {
            *self.chances.entry(kind).or_default() += 1;
            *self.touched.entry(kind).or_default() += u64::from(touches);
        }
    }

    /// The rules about `kind` that hold here.
    fn here(&self, kind: Fault, aim: Aim<'_>) -> impl Iterator<Item = &Spot> {
        let rules = self.rules.get(kind as usize).map_or(&[][..], Vec::as_slice);
        rules.iter().filter(move |(place, ..)| {
            place
                .as_ref()
                .is_none_or(|place| place == aim.service || place == aim.step)
        })
    }

    /// The length, in seconds, that a rule gives to what `kind` does here.
    pub(crate) fn seconds(&self, kind: Fault, aim: Aim<'_>) -> Option<u32> {
        self.here(kind, aim).find_map(|(.., seconds)| *seconds)
    }

    /// Whether `kind` strikes here, for those who count what it touches
    /// themselves; `None` where it cannot.
    pub(crate) fn draw(&mut self, kind: Fault, aim: Aim<'_>) -> Option<bool> {
        if self.quiet || !self.any(kind) {
            return None;
        }
        let rates = self.here(kind, aim).map(|(_, rate, _)| *rate);
        let rate = rates.reduce(f64::max)?;
        let drawn = mix(mix(self.seed, kind as u64 + 1), aim.ident);
        let strike = (kind, aim.ident);
        // 2^64 times the rate; a rate of 1 saturates.
        let strikes = drawn < (rate * 18_446_744_073_709_551_616.0) as u64
            && self.only.as_ref().is_none_or(|only| only.contains(&strike));
        if strikes {
            self.struck.push(strike);
        }
        Some(strikes)
    }

    /// What each fault did, in order.
    pub(crate) fn blows(&self) -> &[Blow] {
        &self.blows
    }

    /// What struck, in order.
    pub(crate) fn struck(&self) -> &[Strike] {
        &self.struck
    }

    /// How many things each kind touched: as many as it struck, but for what
    /// lasts.
    pub(crate) fn touched(&self) -> &BTreeMap<Fault, u64> {
        &self.touched
    }

    /// How often each kind could have struck.
    pub(crate) fn chances(&self) -> &BTreeMap<Fault, u64> {
        &self.chances
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rules_are_read() {
        let rule: FaultRule = "crash-after-commit@payment:0.5".parse().unwrap();
        assert_eq!(
            (rule.kind, rule.place.as_deref(), rule.rate),
            (Fault::CrashAfterCommit, Some("payment"), 0.5)
        );
        assert_eq!("delay".parse::<FaultRule>().unwrap(), Fault::Delay.into());
        let outage: FaultRule = "outage@payment:30s".parse().unwrap();
        assert_eq!((outage.seconds, outage.rate), (Some(30), 1.0));
        let outage: FaultRule = "outage@payment:30s:0.5".parse().unwrap();
        assert_eq!((outage.seconds, outage.rate), (Some(30), 0.5));
        for wrong in [
            "delays",
            "delay:2",
            "delay@",
            "delay:x",
            "delay:3s",
            "outage:3s:4s",
            "outage:0.1:3s",
            "outage:0.1:0.2",
            "outage:-3s",
        ] {
            assert!(wrong.parse::<FaultRule>().is_err(), "{wrong}");
        }
        let names: BTreeSet<_> = Fault::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }

    #[test]
    fn the_documentation_lists_every_kind() {
        let text = include_str!("../../../docs/lab.md");
        for kind in Fault::ALL {
            let (name, about, touches) = (kind.name(), kind.about(), kind.touches());
            let row = format!(
                "| `{name}` | {about} | {touches} | {} % |",
                (kind.rate() * 1_000.0).round() / 10.0
            );
            assert!(text.contains(&row), "docs/lab.md lacks {row}");
        }
    }

    #[test]
    fn a_rate_is_kept_and_a_place_is_respected() {
        let mut faults = Faults::new(7, &["delay@payment:0.05".parse().unwrap()], None);
        let aim = |service, ident| Aim {
            service,
            step: "",
            ident,
            about: &[],
        };
        let hits = (0..20_000)
            .filter(|n| faults.strikes(Fault::Delay, aim("payment", mix(1, *n))))
            .count();
        assert!((900..1_100).contains(&hits), "{hits}");
        assert!((0..1_000).all(|n| !faults.strikes(Fault::Delay, aim("order", n))));
        assert_eq!(faults.chances()[&Fault::Delay], 20_000);
        faults.quiet = true;
        assert!((0..1_000).all(|n| !faults.strikes(Fault::Delay, aim("payment", n))));
    }
}
