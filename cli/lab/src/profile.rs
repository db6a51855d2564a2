//! How long things take: profiles, as data, with a source for each row.
//!
//! A row of a profile is one of three. A *measured* row gives quantiles that
//! somebody published. An *assumed* row stands where nobody did: two sets of
//! quantiles, and each world draws a place between them. A *span* is a uniform
//! choice that no measurement stands behind; only the profile for tests has
//! these. What has no row takes no time of its own, for another row has it in it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use duet_asl::Millis;
use serde::{Deserialize, Serialize};

use crate::host::within;
use crate::latency::Span;
use crate::random::{digest, mix};

/// Something that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hop {
    /// A read of a table.
    StoreRead,
    /// A write of one document.
    StoreWrite,
    /// A transaction; its size is how many documents it writes.
    StoreTransaction,
    /// A call of a payment provider or carrier.
    ThirdParty,
    /// SendMessage, until it answers.
    CallQueue,
    /// PutEvents, until it answers.
    CallBus,
    /// SendTaskSuccess, and what else a function asks the workflow engine.
    CallEngine,
    /// Publish, until it answers.
    CallTopic,
    /// CreateSchedule and DeleteSchedule.
    CallScheduler,
    /// From the bus, once PutEvents has answered, to the target's queue.
    BusToQueue,
    /// From a topic, once PublishBatch has answered, to the subscription's queue.
    TopicToQueue,
    /// From a FIFO topic, once PublishBatch has answered, to the subscription's FIFO queue.
    FifoTopicToQueue,
    /// From a queue to the function behind its mapping.
    QueueToFunction,
    /// From a FIFO queue to the function behind its mapping.
    FifoQueueToFunction,
    /// From StartExecution of a Standard machine to the first task's function.
    StartToFunction,
    /// … of an Express machine.
    ExpressStartToFunction,
    /// … from StartSyncExecution.
    ExpressSyncStartToFunction,
    /// From the end of a task to the next one's function; its size is the
    /// payload in bytes.
    StepToStep,
    /// From the end of a retrier's wait to the function.
    StepAgain,
    /// From the end of a task that failed to the first one after its Catch.
    IntoCompensation,
    /// A state on the way that is no task.
    ThroughState,
    /// From the first to the last start of branches; its size is their number.
    BranchSpread,
    /// From a caller to a function, by hand or by a schedule.
    Invoke,
    /// From the workflow engine to a function, where no other row has it in it.
    InvokeTask,
    /// From a mapping to its function, where no other row has it in it.
    InvokeBatch,
    /// The start of a new instance.
    ColdStart,
    /// What a function computes by itself.
    Compute,
}

impl Hop {
    const COUNT: usize = Self::Compute as usize + 1;

    /// What an order waits for meanwhile.
    #[must_use]
    pub fn waits_for(self) -> WaitsFor {
        match self {
            Self::StoreRead | Self::StoreWrite | Self::StoreTransaction => WaitsFor::Store,
            Self::ThirdParty => WaitsFor::ThirdParty,
            Self::CallBus | Self::BusToQueue | Self::TopicToQueue | Self::FifoTopicToQueue => {
                WaitsFor::Bus
            }
            Self::CallQueue
            | Self::QueueToFunction
            | Self::FifoQueueToFunction
            | Self::InvokeBatch => WaitsFor::Queue,
            Self::CallEngine
            | Self::StartToFunction
            | Self::ExpressStartToFunction
            | Self::ExpressSyncStartToFunction
            | Self::StepToStep
            | Self::StepAgain
            | Self::IntoCompensation
            | Self::ThroughState
            | Self::BranchSpread
            | Self::InvokeTask => WaitsFor::Engine,
            Self::CallTopic | Self::CallScheduler | Self::Invoke => WaitsFor::Other,
            Self::ColdStart => WaitsFor::ColdStart,
            Self::Compute => WaitsFor::Compute,
        }
    }
}

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// The workflow engine.
    Engine,
    /// The bus, or the topics.
    Bus,
    /// A queue and its mapping.
    Queue,
    /// The tables.
    Store,
    /// The payment provider or the carrier.
    ThirdParty,
    /// The functions' own work.
    Compute,
    /// New instances.
    ColdStart,
    /// What is none of these: a topic, a scheduler, the wait before another try.
    Other,
}

/// Milliseconds at four quantiles; what a source does not give is left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// One in ten takes less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p10: Option<f64>,
    /// Half take less.
    pub p50: f64,
    /// Nine in ten take less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// All but one in a hundred take less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

impl Quantiles {
    /// The shares and their milliseconds, from the least on.
    #[must_use]
    pub fn known(&self) -> Vec<(f64, f64)> {
        let all = [
            (0.1, self.p10),
            (0.5, Some(self.p50)),
            (0.9, self.p90),
            (0.99, self.p99),
        ];
        all.into_iter()
            .filter_map(|(share, ms)| ms.map(|ms| (share, ms)))
            .collect()
    }
}

/// What a row says of its hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Time {
    /// Somebody measured it.
    Measured {
        /// Milliseconds.
        ms: Quantiles,
        /// Who published it.
        source: String,
        /// When it was measured or published.
        date: String,
        /// The AWS region, where that is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// How many times, where that is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u32>,
        /// From where to where.
        how: String,
    },
    /// Nobody did: it lies between these.
    Assumed {
        /// The shortest that is taken for possible.
        low: Quantiles,
        /// The longest.
        high: Quantiles,
        /// Why these.
        why: String,
    },
    /// A uniform choice, least and most.
    Chosen {
        /// Milliseconds.
        span: Span,
        /// Why these.
        why: String,
    },
}

/// A row of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What takes the time.
    pub hop: Hop,
    /// Of what size, where that matters: see [`Hop`]. Between two rows of a hop
    /// the time grows with the size, in a straight line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// How long.
    #[serde(flatten)]
    pub time: Time,
}

/// How long everything takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub about: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// The profile for tests.
pub const FAST: &str = "fast";

const FILES: [&str; 3] = [
    include_str!("../profiles/fast.json"),
    include_str!("../profiles/aws-2022.json"),
    include_str!("../profiles/aws-2024.json"),
];

/// Every profile there is; the one for tests is first.
pub static PROFILES: LazyLock<Vec<Arc<Profile>>> = LazyLock::new(|| {
    let read = |text: &&str| {
        let profile: Profile = serde_json::from_str(text).expect("a profile in this crate is read");
        Arc::new(profile)
    };
    FILES.iter().map(read).collect()
});

impl Profile {
    /// The profile called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Arc<Self>> {
        PROFILES.iter().find(|it| it.name == name).cloned()
    }

    /// The profile for tests.
    #[must_use]
    pub fn fast() -> Arc<Self> {
        PROFILES[0].clone()
    }

    /// Whether its times are of AWS, or at least meant to be.
    #[must_use]
    pub fn is_of_aws(&self) -> bool {
        let chosen = |row: &Row| matches!(row.time, Time::Chosen { .. });
        !self.rows.iter().any(chosen)
    }

    /// The rows that are assumed.
    pub fn assumed(&self) -> impl Iterator<Item = &Row> {
        let assumed = |row: &&Row| matches!(row.time, Time::Assumed { .. });
        self.rows.iter().filter(assumed)
    }

    /// How long things take in one world: where each assumption lies between its
    /// ends is drawn from `draw`.
    pub(crate) fn pace(&self, draw: u64) -> Pace {
        let mut ready: [Option<Ready>; Hop::COUNT] = [const { None }; Hop::COUNT];
        let mut curves: BTreeMap<Hop, Vec<(f64, Curve)>> = BTreeMap::new();
        for row in &self.rows {
            let size = f64::from(row.size.unwrap_or_default());
            let curve = match &row.time {
                Time::Chosen { span, .. } => {
                    ready[row.hop as usize] = Some(Ready::Span(*span));
                    continue;
                }
                Time::Measured { ms, .. } => Curve::through(ms),
                Time::Assumed { low, high, .. } => {
                    let name = serde_json::to_string(&row.hop).unwrap_or_default();
                    let place = share(mix(draw, digest(&name)));
                    Curve::between(&Curve::through(low), &Curve::through(high), place)
                }
            };
            curves.entry(row.hop).or_default().push((size, curve));
        }
        for (hop, mut of) in curves {
            of.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            ready[hop as usize] = Some(Ready::Curves(of));
        }
        Pace { ready }
    }
}

/// How long things take in one world.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    ready: [Option<Ready>; Hop::COUNT],
}

impl Default for Pace {
    fn default() -> Self {
        PROFILES[0].pace(0)
    }
}

impl Pace {
    /// Whether `hop` takes any time of its own.
    pub(crate) fn knows(&self, hop: Hop) -> bool {
        self.ready[hop as usize].is_some()
    }

    /// How long `hop` takes, of `size`, for what `drawn` decides.
    pub(crate) fn time(&self, hop: Hop, size: u64, drawn: u64) -> Millis {
        match &self.ready[hop as usize] {
            None => 0,
            Some(Ready::Span(span)) => within(*span, drawn),
            Some(Ready::Curves(curves)) => {
                let share = share(mix(drawn, 0x5ba3));
                let ms = interpolated(curves, size as f64, share);
                // The clock ticks in milliseconds: on average nothing is lost.
                let up = self::share(mix(drawn, 0x0dd5)) < ms.fract();
                ms.trunc() as Millis + Millis::from(up)
            }
        }
    }
}

/// A row, ready to be drawn from.
#[derive(Debug, Clone)]
enum Ready {
    Span(Span),
    /// By size.
    Curves(Vec<(f64, Curve)>),
}

/// `drawn` as a number from 0 to 1.
pub(crate) fn share(drawn: u64) -> f64 {
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

fn interpolated(curves: &[(f64, Curve)], size: f64, share: f64) -> f64 {
    let above = curves.partition_point(|(of, _)| *of < size);
    match (curves.get(above.wrapping_sub(1)), curves.get(above)) {
        (Some((least, low)), Some((most, high))) => {
            let way = (size - least) / (most - least);
            low.at(share) * (1.0 - way) + high.at(share) * way
        }
        (Some((_, only)), None) | (None, Some((_, only))) => only.at(share),
        (None, None) => 0.0,
    }
}

/// A distribution through known quantiles: between two of them the logarithm of
/// the time is a straight line over the logarithm of the odds, and goes on so
/// beyond the outer ones (a log-logistic distribution in pieces). One quantile
/// alone is taken for all.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    /// The log odds of a share, and the logarithm of its milliseconds.
    knots: Vec<(f64, f64)>,
}

/// Beyond one in a thousand no source says anything, and nothing is drawn.
const OUTERMOST: f64 = 0.001;

fn log_odds(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

impl Curve {
    fn through(quantiles: &Quantiles) -> Self {
        let known = quantiles.known().into_iter();
        let knots = known.map(|(share, ms)| (log_odds(share), ms.max(1e-3).ln()));
        Self {
            knots: knots.collect(),
        }
    }

    /// The curve that lies at `place` between `low` (0) and `high` (1).
    fn between(low: &Self, high: &Self, place: f64) -> Self {
        let knots = low.knots.iter().map(|(odds, ln)| {
            let other = high.line(*odds);
            (*odds, ln + (other - ln) * place)
        });
        Self {
            knots: knots.collect(),
        }
    }

    /// The logarithm of the milliseconds at `odds`.
    fn line(&self, odds: f64) -> f64 {
        let Some(last) = self.knots.len().checked_sub(2) else {
            return self.knots.first().map_or(0.0, |(_, ln)| *ln);
        };
        let above = self.knots.partition_point(|(of, _)| *of < odds);
        let (from, to) = {
            let at = above.saturating_sub(1).min(last);
            (self.knots[at], self.knots[at + 1])
        };
        from.1 + (to.1 - from.1) * (odds - from.0) / (to.0 - from.0)
    }

    /// Milliseconds at a share.
    fn at(&self, share: f64) -> f64 {
        let share = share.clamp(OUTERMOST, 1.0 - OUTERMOST);
        self.line(log_odds(share)).exp()
    }
}

#[cfg(test)]
mod tests;
