//! What a running function shares with the world around it.
//!
//! Functions run one at a time, from one port call to the next. While one runs,
//! its [`Frame`] lies here: who it is, its random numbers, its clock. What it
//! wants of the world comes out of here when it stops: a pause, its death, or
//! things to send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use duet_asl::Millis;
use duet_core::{Clock, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

use crate::fault::{Aim, Fault, Faults};
use crate::fifo::Place;
use crate::lab::Writer;
use crate::latency::Span;
use crate::meter::{Meter, Meters, Owner};
use crate::plant::Plant;
use crate::profile::{Hop, Pace, WaitsFor};
use crate::random::mix;
use crate::scheduler::{Kept, Name};

/// One run of a function over one message or task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    /// Tells this run from every other one of its world, in every replay.
    pub(crate) ident: u64,
    /// How many port calls it has made.
    pub(crate) calls: u64,
    /// Whose order it is about.
    pub(crate) owner: Owner,
    /// Whose work the same invocation does: it lives and dies together.
    pub(crate) company: Arc<[Owner]>,
    /// The service.
    pub(crate) service: Arc<str>,
    /// The state or rule that led here.
    pub(crate) step: Arc<str>,
    /// How far off its clock is.
    pub(crate) skew: Millis,
}

impl Frame {
    /// A run by itself: nobody else's work is in its invocation.
    pub(crate) fn alone(ident: u64, owner: Owner, service: Arc<str>, step: Arc<str>) -> Self {
        Self {
            ident,
            calls: 0,
            owner,
            company: [owner].into(),
            service,
            step,
            skew: 0,
        }
    }
}

/// Something a function sends.
#[derive(Debug)]
pub(crate) enum Out {
    /// Entries for a bus.
    Publish { bus: String, entries: Vec<Entry> },
    /// Messages for a topic.
    Notify { topic: String, entries: Vec<Entry> },
    /// A message for a queue, in seconds.
    Send {
        queue: String,
        body: String,
        seconds: u32,
        ident: u64,
        owner: Owner,
    },
    /// A message for the dead-letter queue of `queue`, and why.
    Bury {
        queue: String,
        body: String,
        why: String,
        place: Option<Place>,
        ident: u64,
        owner: Owner,
        step: Arc<str>,
    },
    /// A schedule, made meanwhile.
    Schedule(Name),
    /// An answer that starts a machine.
    Start(duet_edge::door::Start),
    /// The answer to a task token.
    Answer {
        token: String,
        value: serde_json::Value,
    },
}

/// An entry for a bus or a topic: a fact, and what it is known by.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) source: String,
    pub(crate) detail_type: String,
    pub(crate) detail: Box<RawValue>,
    pub(crate) ident: u64,
    pub(crate) owner: Owner,
    /// What it is known by, and its group, where it is kept in order.
    pub(crate) in_order: Option<InOrder>,
}

/// What a FIFO topic is told of a fact.
#[derive(Debug, Clone)]
pub(crate) struct InOrder {
    /// The fact's id.
    pub(crate) fact: Arc<str>,
    pub(crate) group: Arc<str>,
    pub(crate) deduplication: Arc<str>,
}

/// What an order or customer waited for, and from when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub(crate) owner: Owner,
    /// For what.
    pub waits_for: WaitsFor,
    /// From when, in milliseconds of the lab's clock.
    pub from: Millis,
    /// Until when.
    pub until: Millis,
}

/// The shared state.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) now: Millis,
    pub(crate) frame: Frame,
    /// When the running function wants to go on.
    pub(crate) pause: Option<Millis>,
    /// Whether its process is to die here.
    pub(crate) dies: bool,
    pub(crate) out: Vec<Out>,
    pub(crate) faults: Faults,
    pub(crate) meters: Meters,
    pub(crate) notices: u64,
    pub(crate) schedules: Kept,
    /// The names of queues that were deleted.
    pub(crate) no_queues: FxHashSet<String>,
    pub(crate) plant: Option<Plant>,
    /// The executions there are, by ARN, and when those ended that do not run:
    /// what a workflow engine tells whoever asks.
    pub(crate) executions: FxHashMap<Arc<str>, Option<Millis>>,
    /// What the functions logged, if that is kept.
    pub(crate) lines: Option<Vec<String>>,
    /// How long things take.
    pub(crate) pace: Pace,
    /// What orders waited for, if that is kept.
    pub(crate) waits: Option<Vec<Wait>>,
    /// What is said in place of what the services say, if anything.
    pub(crate) writer: Option<Writer>,
}

impl Inner {
    /// The running function waits until `due`, or for something sooner.
    fn wait_for(&mut self, due: Millis) -> Poll<()> {
        self.pause = Some(self.pause.map_or(due, |sooner| sooner.min(due)));
        Poll::Pending
    }

    /// What the running function's use is counted on.
    pub(crate) fn meter(&mut self) -> &mut Meter {
        self.meters.of(self.frame.owner)
    }

    /// Whether `kind` strikes the port call that the function is making.
    pub(crate) fn strikes(&mut self, kind: Fault) -> bool {
        if !self.faults.any(kind) {
            return false;
        }
        let Frame {
            ident,
            calls,
            service,
            step,
            owner,
            company,
            ..
        } = &self.frame;
        let alone = [*owner];
        let ends_the_invocation = matches!(
            kind,
            Fault::CrashBeforeCommit | Fault::CrashAfterCommit | Fault::Timeout | Fault::Slow
        );
        let aim = Aim {
            service,
            step,
            ident: mix(*ident, *calls),
            about: if ends_the_invocation { company } else { &alone },
        };
        self.faults.strikes(kind, aim)
    }

    /// Writes down that `owner` waits from `from` until `until`.
    pub(crate) fn waits(&mut self, owner: Owner, waits_for: WaitsFor, from: Millis, until: Millis) {
        if let Some(waits) = &mut self.waits
            && from < until
        {
            waits.push(Wait {
                owner,
                waits_for,
                from,
                until,
            });
        }
    }

    /// A port call of the running function begins: it takes what `time` makes of
    /// a number that is drawn for it. Gives when it is over.
    fn call(&mut self, waits_for: WaitsFor, time: impl FnOnce(&Pace, u64) -> Millis) -> Millis {
        self.frame.calls += 1;
        let drawn = mix(self.frame.ident, self.frame.calls.wrapping_add(0x5eed));
        let took = time(&self.pace, drawn);
        let (from, until) = (self.now, self.now + took);
        self.waits(self.frame.owner, waits_for, from, until);
        let meter = self.meter();
        match waits_for {
            WaitsFor::Store => meter.store_ms += took as u64,
            WaitsFor::ThirdParty => meter.third_party_ms += took as u64,
            _ => {}
        }
        until
    }

    /// A number for the port call that the function is making.
    pub(crate) fn coin(&self) -> bool {
        mix(self.frame.ident, self.frame.calls.wrapping_add(0xc011)) & 1 == 0
    }
}

/// The number of `span` that `drawn` stands for.
pub(crate) fn within((least, most): Span, drawn: u64) -> Millis {
    least + (drawn % (most - least + 1).max(1) as u64) as i64
}

/// Shares [`Inner`] between the world and the ports.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host(Arc<Mutex<Inner>>);

impl Host {
    /// The shared state. Never held across a pause.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this with work half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this world has `plant` in it.
    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.lock().plant == Some(plant)
    }

    /// A call that takes as long as `hop` does.
    pub(crate) async fn call(&self, hop: Hop) {
        self.call_as(hop.waits_for(), hop, 0).await;
    }

    /// A call that takes as long as `hop` of `size`, and counts as `waits_for`.
    pub(crate) async fn call_as(&self, waits_for: WaitsFor, hop: Hop, size: u64) {
        self.takes(waits_for, |pace, drawn| pace.time(hop, size, drawn))
            .await;
    }

    /// A call that takes as long as `span` says.
    pub(crate) async fn lingers(&self, waits_for: WaitsFor, span: Span) {
        self.takes(waits_for, |_, drawn| within(span, drawn)).await;
    }

    async fn takes(&self, waits_for: WaitsFor, time: impl Fn(&Pace, u64) -> Millis) {
        let mut due = None;
        std::future::poll_fn(|_| {
            let mut inner = self.lock();
            match due {
                Some(due) if inner.now >= due => Poll::Ready(()),
                Some(due) => inner.wait_for(due),
                None => {
                    let at = inner.call(waits_for, &time);
                    due = Some(at);
                    inner.wait_for(at)
                }
            }
        })
        .await;
    }

    /// The time until `at`, by the world's clock.
    pub(crate) async fn until(&self, at: Timestamp) {
        let due = at.as_millisecond();
        std::future::poll_fn(|_| {
            let mut inner = self.lock();
            match inner.now >= due {
                true => Poll::Ready(()),
                false => inner.wait_for(due),
            }
        })
        .await;
    }

    /// The end of the process, here and now.
    pub(crate) async fn die(&self) {
        self.lock().dies = true;
        std::future::pending::<()>().await;
    }

    /// A call that is never answered: the function's timeout ends it.
    pub(crate) async fn hang(&self) {
        self.until(Timestamp::MAX).await;
    }
}

/// The clock of a function's instance.
#[derive(Debug, Clone)]
pub(crate) struct InstanceClock(pub(crate) Host);

impl Clock for InstanceClock {
    fn now(&self) -> Timestamp {
        let inner = self.0.lock();
        timestamp(inner.now + inner.frame.skew)
    }
}

/// The clock of whoever is no function: a third party's.
#[derive(Debug, Clone)]
pub(crate) struct WorldClock(pub(crate) Host);

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        timestamp(self.0.lock().now)
    }
}

/// A moment as a timestamp.
pub(crate) fn timestamp(millis: Millis) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
