//! All that can go wrong with a delivery, one thing at a time.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::stage::Trouble;
use super::{Delivery, PATIENCE, RUN_SECONDS, Stage, finish};
use crate::store::{Body, Browse, Memory};

/// Rounds of redelivery before a message counts as stuck.
const ROUNDS: usize = 20;
/// How many findings are told; more seldom say more.
const TOLD: usize = 5;

/// What went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsed {
    /// In how many situations.
    pub situations: usize,
}

/// What broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// In how many situations it was tried.
    pub situations: usize,
    /// Where it broke, and how.
    pub findings: Vec<Finding>,
}

/// A situation that ended otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What happened: `Deposit dies after its commit (call 2 of the table) and comes
    /// again`.
    pub situation: String,
    /// What is otherwise.
    pub what: String,
}

impl Display for Rehearsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} situations, all with the same end", self.situations)
    }
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, of) = (self.findings.len(), self.situations);
        write!(f, "{found} of {of} situations end otherwise")?;
        for Finding { situation, what } in self.findings.iter().take(TOLD) {
            write!(f, "\n- {situation}:\n  {what}")?;
        }
        match found.saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Broken {}

/// Rehearses the handler that `build` makes over a [`Stage`], for a message of each
/// of the `messages`, delivered in that order. `build` is called for each situation:
///
/// - each message comes twice;
/// - a delivery dies between any two steps (before a commit; between commit and
///   publication), and the message comes again;
/// - a commit conflicts, though nobody interfered;
/// - the table does not answer a call, which was done or was not;
/// - a repeat reads the documents that were written, and misses the record;
/// - a delivery is overtaken, at any of its steps, by another of the same message or
///   by another message.
///
/// The handler acknowledges with `Ok`; with `Err` the message comes again. Every
/// situation has to end as if each message had come once, one after another: with the
/// same answers, also to repeats, and the same documents, in the table and outside.
/// Where two messages overtake each other, either order will do. A handler that keeps
/// the time of day in a document ends differently each time: let it keep what the
/// message says.
///
/// # Errors
/// [`Broken`], which says in which situations it ended otherwise, and how.
pub fn rehearse<H, F, O, E>(
    messages: &[&str],
    build: impl Fn(&Stage) -> H,
) -> Result<Rehearsed, Broken>
where
    H: Fn(Delivery) -> F,
    F: Future<Output = Result<O, E>> + 'static,
    O: PartialEq + Debug,
    E: Display,
{
    let fresh = || World::new(messages, &build);
    let all: Vec<usize> = (0..messages.len()).collect();
    let mut report = Report {
        situations: 1,
        findings: Vec::new(),
    };
    let mut world = fresh();
    let lengths: Result<Vec<_>, _> = all.iter().map(|&m| world.measure(m)).collect();
    let (lengths, plain) = match lengths.and_then(|it| Ok((it, world.finale()?))) {
        Ok(undisturbed) => undisturbed,
        // There is nothing to compare with.
        Err(what) => {
            report.found("each message comes twice".to_owned(), what);
            return report.result();
        }
    };
    let twice = plain.unequal(messages);
    if let Some(what) = twice.or_else(|| plain.difference(&plain, messages)) {
        report.found("each message comes twice".to_owned(), what);
    }
    for (message, length) in lengths.iter().enumerate() {
        let before = || {
            let mut world = fresh();
            world.serially(&all[..message]);
            world
        };
        for step in 1..length.steps {
            report.compare(messages, &[&plain], before(), |world| {
                world.killed(message, step)
            });
        }
        for trouble in length.troubles() {
            report.compare(messages, &[&plain], before(), |world| {
                world.troubled(message, trouble)
            });
        }
    }
    for (first, length) in lengths.iter().enumerate() {
        for &second in &all {
            let before = &all[..first.min(second)];
            let serially = |order: [usize; 2]| {
                let mut world = fresh();
                world.serially(before);
                world.serially(&order);
                world.finale()
            };
            let orders = [serially([first, second]), serially([second, first])];
            let mut ends: Vec<_> = orders.iter().flatten().collect();
            if ends.is_empty() {
                ends.push(&plain);
            }
            for step in 1..length.steps {
                let mut world = fresh();
                world.serially(before);
                report.compare(messages, &ends, world, |world| {
                    world.overtaken(first, step, second)
                });
            }
        }
    }
    report.result()
}

struct Report {
    situations: usize,
    findings: Vec<Finding>,
}

impl Report {
    fn found(&mut self, situation: String, what: String) {
        self.findings.push(Finding { situation, what });
    }

    /// Plays a situation, and holds its end against those that will do.
    fn compare<'a, H, F, O, E>(
        &mut self,
        messages: &[&str],
        ends: &[&End<O>],
        mut world: World<'a, H, O>,
        play: impl FnOnce(&mut World<'a, H, O>) -> String,
    ) where
        H: Fn(Delivery) -> F,
        F: Future<Output = Result<O, E>> + 'static,
        O: PartialEq + Debug,
        E: Display,
    {
        self.situations += 1;
        let situation = play(&mut world);
        let end = match world.finale() {
            Ok(end) => end,
            Err(what) => return self.found(situation, what),
        };
        let otherwise = end.unequal(messages).or_else(|| {
            let differences = ends.iter().map(|other| end.difference(other, messages));
            let mut differences: Vec<_> = differences.collect();
            if differences.iter().any(Option::is_none) {
                return None;
            }
            differences.drain(..).next().flatten()
        });
        if let Some(what) = otherwise {
            self.found(situation, what);
        }
    }

    fn result(self) -> Result<Rehearsed, Broken> {
        let Self {
            situations,
            findings,
        } = self;
        if findings.is_empty() {
            Ok(Rehearsed { situations })
        } else {
            Err(Broken {
                situations,
                findings,
            })
        }
    }
}

/// How long the undisturbed delivery of a message is.
struct Length {
    steps: usize,
    calls: usize,
    commits: usize,
}

impl Length {
    fn troubles(&self) -> impl Iterator<Item = Trouble> + use<> {
        let conflicts = (1..=self.commits).map(Trouble::Conflict);
        let silences = (1..=self.calls).map(Trouble::Silence);
        let unheard = (1..=self.calls).map(Trouble::Unheard);
        let all = conflicts.chain(silences).chain(unheard);
        all.chain([Trouble::Torn])
    }
}

/// How a situation ended.
struct End<O> {
    told: Vec<Vec<O>>,
    /// The documents once each message is acknowledged.
    once: Documents,
    /// The documents once each has come again.
    left: Documents,
}

type Documents = BTreeMap<String, Body>;

impl<O: PartialEq + Debug> End<O> {
    /// Which message's repeat was told something else, and what.
    fn unequal(&self, messages: &[&str]) -> Option<String> {
        let mut all = self.told.iter().zip(messages);
        all.find_map(|(told, message)| {
            let (first, rest) = told.split_first()?;
            let other = rest.iter().find(|other| *other != first)?;
            Some(format!(
                "{message} is told {first:?} first, and {other:?} when it comes again"
            ))
        })
    }

    /// What is otherwise than in `other`, before any message came again there.
    fn difference(&self, other: &Self, messages: &[&str]) -> Option<String> {
        let mut told = self.told.iter().zip(&other.told).zip(messages);
        let told = told.find_map(|((told, expected), message)| {
            let (told, expected) = (told.first(), expected.first());
            let differs = told != expected;
            let (told, expected) = (told?, expected?);
            differs.then(|| format!("{message} is told {told:?}; undisturbed it is {expected:?}"))
        });
        told.or_else(|| {
            let keys = self.left.keys().chain(other.once.keys());
            let mut keys = keys.map(|key| (key, self.left.get(key), other.once.get(key)));
            let (key, left, expected) = keys.find(|(_, left, expected)| left != expected)?;
            let text = |body: Option<&Body>| body.map_or("missing", Body::text).to_owned();
            let (left, expected) = (text(left), text(expected));
            Some(format!("{key} is {left}; undisturbed it is {expected}"))
        })
    }
}

type Running<O, E> = Pin<Box<dyn Future<Output = Result<O, E>>>>;

struct World<'a, H, O> {
    stage: Stage,
    handle: H,
    messages: &'a [&'a str],
    told: Vec<Vec<O>>,
    error: String,
}

impl<'a, H, F, O, E> World<'a, H, O>
where
    H: Fn(Delivery) -> F,
    F: Future<Output = Result<O, E>> + 'static,
    O: PartialEq + Debug,
    E: Display,
{
    fn new(messages: &'a [&'a str], build: &impl Fn(&Stage) -> H) -> Self {
        let stage = Stage::default();
        Self {
            handle: build(&stage),
            stage,
            messages,
            told: messages.iter().map(|_| Vec::new()).collect(),
            error: String::new(),
        }
    }

    fn deliver(&self, message: usize) -> Running<O, E> {
        Box::pin((self.handle)(Delivery {
            message,
            id: format!("{}-{message}", self.messages[message]),
            until: self.stage.clock.deadline(),
            last: false,
        }))
    }

    /// Takes a delivery on to its next pause; whether that was its end.
    fn step(&mut self, message: usize, run: &mut Running<O, E>) -> bool {
        let mut waker = Context::from_waker(Waker::noop());
        match run.as_mut().poll(&mut waker) {
            Poll::Pending => return false,
            Poll::Ready(Ok(outcome)) => self.told[message].push(outcome),
            Poll::Ready(Err(error)) => self.error = error.to_string(),
        }
        true
    }

    /// Takes a delivery to its end, in how many steps.
    fn finish(&mut self, message: usize, mut run: Running<O, E>) -> usize {
        let ends = (1..=PATIENCE).find(|_| self.step(message, &mut run));
        ends.unwrap_or_else(|| {
            "it waits for what nobody drives here".clone_into(&mut self.error);
            PATIENCE
        })
    }

    /// Delivers a message and takes it to its end, in how many steps.
    fn whole(&mut self, message: usize) -> usize {
        let run = self.deliver(message);
        self.finish(message, run)
    }

    /// Delivers messages one after another. One that waits for a later one comes again
    /// in the finale.
    fn serially(&mut self, order: &[usize]) {
        for &message in order {
            let _ = self.until_told(message, 1);
        }
    }

    /// Delivers a message until it has been told `least` outcomes, in how many steps.
    fn until_told(&mut self, message: usize, least: usize) -> Result<usize, String> {
        let mut steps = 0;
        for _ in 0..ROUNDS {
            if self.told[message].len() >= least {
                break;
            }
            steps += self.whole(message);
            self.wait_unless_told(message, least);
        }
        if self.told[message].len() < least {
            let name = self.messages[message];
            return Err(format!("{name} is never acknowledged: {}", self.error));
        }
        Ok(steps)
    }

    /// Lets whoever holds a lock run out of time, before the message comes again.
    fn wait_unless_told(&self, message: usize, least: usize) {
        if self.told[message].len() < least {
            self.stage.clock.advance(RUN_SECONDS + 1);
        }
    }

    fn measure(&mut self, message: usize) -> Result<Length, String> {
        self.stage.table.begin(Trouble::Nothing);
        let steps = self.until_told(message, 1)?;
        let (calls, commits) = self.stage.table.counted();
        Ok(Length {
            steps,
            calls,
            commits,
        })
    }

    /// Delivers a message, and again until it is acknowledged, for so many `steps` in
    /// all; the delivery that is under way then.
    fn lead(&mut self, message: usize, steps: usize) -> Option<Running<O, E>> {
        self.stage.table.begin(Trouble::Nothing);
        let mut run = None;
        for _ in 0..steps {
            let mut delivery = match run.take() {
                Some(delivery) => delivery,
                None => self.deliver(message),
            };
            if self.step(message, &mut delivery) {
                self.wait_unless_told(message, 1);
            } else {
                run = Some(delivery);
            }
        }
        run
    }

    fn killed(&mut self, message: usize, step: usize) -> String {
        let name = self.messages[message];
        drop(self.lead(message, step));
        let place = self.stage.table.place();
        format!("{name} dies {place} and comes again")
    }

    fn troubled(&mut self, message: usize, trouble: Trouble) -> String {
        let name = self.messages[message];
        self.stage.table.begin(trouble);
        // What is wrong with it then, the finale says.
        let _ = self.until_told(message, 1);
        if trouble == Trouble::Torn {
            self.whole(message);
        }
        match trouble {
            Trouble::Nothing => format!("{name} comes"),
            Trouble::Conflict(n) => format!("{name} meets a conflict at its commit {n}"),
            Trouble::Silence(n) => {
                format!("{name} gets no answer to call {n}, which was not done, and comes again")
            }
            Trouble::Unheard(n) => {
                format!("{name} gets no answer to call {n}, which was done, and comes again")
            }
            Trouble::Torn => format!("{name} comes again and misses its record"),
        }
    }

    fn overtaken(&mut self, message: usize, step: usize, by: usize) -> String {
        let name = self.messages[message];
        let run = self.lead(message, step);
        let place = self.stage.table.place();
        self.whole(by);
        if let Some(run) = run {
            self.finish(message, run);
        }
        let other = if by == message {
            "another delivery of it"
        } else {
            self.messages[by]
        };
        format!("{name} is overtaken {place} by {other}")
    }

    /// Delivers each message until it is acknowledged, and then once more.
    fn finale(mut self) -> Result<End<O>, String> {
        self.stage.table.begin(Trouble::Nothing);
        for message in 0..self.messages.len() {
            self.until_told(message, 1)?;
        }
        let once = self.documents();
        for message in 0..self.messages.len() {
            self.until_told(message, self.told[message].len() + 1)?;
        }
        let left = self.documents();
        let told = self.told;
        Ok(End { told, once, left })
    }

    fn documents(&self) -> Documents {
        let mut all = contents("", self.stage.table.memory());
        all.extend(contents("outside ", &self.stage.outside));
        all
    }
}

fn contents(place: &str, memory: &Memory) -> Documents {
    let items = finish(memory.everything()).unwrap_or_default();
    let named = items.into_iter().map(|item| {
        let key = format!("{place}{}/{}", item.key.pk, item.key.sk);
        (key, item.body)
    });
    named.collect()
}
