//! A flow of control within an execution.

use crate::env::{MapItem, Variables};
use crate::model::StateId;
use crate::{Data, Millis};
use std::sync::Arc;

/// One flow of control: where it is and what it does there.
#[derive(Debug)]
pub(super) struct Thread {
    /// The thread that waits for this one, and for which of its branches.
    pub(super) parent: Option<(usize, usize)>,
    pub(super) variables: Vec<(Arc<str>, Data)>,
    /// The Map item it works on, inherited by threads within.
    pub(super) item: Option<Arc<MapItem>>,
    /// The chain's last event, which the next one follows.
    pub(super) last_event: u64,
    /// The last event recorded here at all, which an ending follows.
    pub(super) tail_event: u64,
    pub(super) state: StateId,
    pub(super) input: Data,
    pub(super) entered_event: u64,
    pub(super) entered_at: Millis,
    /// Attempts made per retrier of the current state.
    pub(super) attempts: Vec<u32>,
    pub(super) retries: u32,
    pub(super) activity: Activity,
    pub(super) activity_id: u64,
}

/// What a thread is doing.
#[derive(Debug)]
pub(super) enum Activity {
    /// About to enter its state.
    Enter,
    /// About to do its state's work (again).
    Attempt,
    Task(RunningTask),
    /// In a Wait state.
    Waiting,
    /// Between two attempts.
    Backoff,
    /// In a Parallel or inline Map state.
    Join(Box<Join>),
    /// In a distributed Map, with its Map Run.
    Run(usize),
    /// Failed or cut short; a redrive starts the state again.
    Halted,
}

impl Activity {
    /// Whether an alarm or an answer may still concern it.
    pub(super) fn is_pending(&self) -> bool {
        matches!(
            self,
            Activity::Task(_) | Activity::Waiting | Activity::Backoff
        )
    }
}

/// A task that was called.
#[derive(Debug)]
pub(super) struct RunningTask {
    pub(super) token: Option<Arc<str>>,
    pub(super) heartbeat: Option<u64>,
    /// When the silence has lasted too long.
    pub(super) silent_at: Option<Millis>,
    /// The run of the execution it waits for, if that is here.
    pub(super) nested: Option<usize>,
    /// What a worker finds who takes it, while none has: of an activity.
    pub(super) offered: Option<Box<Offer>>,
}

/// A task of an activity that waits for a worker.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) input: Data,
    pub(super) timeout: Option<u64>,
    pub(super) heartbeat: Option<u64>,
}

/// The branches of a Parallel, or the iterations of a Map.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) slots: Vec<Slot>,
    /// Items not started yet begin here; branches all start at once.
    pub(super) next: usize,
    pub(super) running: usize,
    /// A Map's items.
    pub(super) items: Option<Vec<Arc<MapItem>>>,
    /// The latest last event of the branches that are done.
    pub(super) last_event: u64,
}

/// One branch or iteration.
#[derive(Debug)]
pub(super) enum Slot {
    Pending,
    Running(usize),
    Done(Data),
}

impl Thread {
    pub(super) fn new(state: StateId, input: Data, follows: u64) -> Self {
        Thread {
            parent: None,
            variables: Vec::new(),
            item: None,
            last_event: follows,
            tail_event: follows,
            state,
            input,
            entered_event: 0,
            entered_at: 0,
            attempts: Vec::new(),
            retries: 0,
            activity: Activity::Enter,
            activity_id: 0,
        }
    }

    /// Sends the thread to `state`.
    pub(super) fn go(&mut self, state: StateId, input: Data) {
        self.state = state;
        self.input = input;
        self.attempts.clear();
        self.retries = 0;
        self.activity = Activity::Enter;
    }

    pub(super) fn assign(&mut self, values: &[(Arc<str>, Data)]) {
        for (name, value) in values {
            match self.variables.iter_mut().find(|(n, _)| n == name) {
                Some((_, old)) => *old = value.clone(),
                None => self.variables.push((name.clone(), value.clone())),
            }
        }
    }
}

/// The variables a thread sees: its own, then those of the threads around it.
pub(super) struct Scopes<'a> {
    pub(super) threads: &'a [Option<Thread>],
    pub(super) at: usize,
}

impl Variables for Scopes<'_> {
    fn get(&self, name: &str) -> Option<&Data> {
        let mut at = Some(self.at);
        while let Some(thread) = at.and_then(|at| self.threads[at].as_ref()) {
            if let Some((_, value)) = thread.variables.iter().find(|(n, _)| **n == *name) {
                return Some(value);
            }
            at = thread.parent.map(|(p, _)| p);
        }
        None
    }
}
