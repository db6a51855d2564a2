//! What happens when a state fails: retriers first, then catchers, then up.

use super::io::{View, place};
use super::thread::Activity;
use super::{Alarm, Execution};
use crate::Data;
use crate::failure::{Failure, Origin};
use crate::history::Detail;
use crate::model::{Kind, Language, State};
use crate::retry::choose;
use crate::taken::Way;
use serde_json::{Map, Value};
use std::sync::Arc;

impl Execution {
    /// Handles the failure of the thread's current state; says whether the
    /// thread goes on at once.
    pub(super) fn fail(&mut self, thread: usize, failure: Failure) -> bool {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        let failure = self.told(thread, state, failure);
        if failure.is_fatal() {
            let previous = self.thread(thread).tail_event;
            self.fail_execution(previous, &failure);
            return false;
        }
        if let Some(delay) = self.retry(thread, state, &failure) {
            self.drop_branches(thread);
            let activity = self.begin(thread, Activity::Backoff);
            self.set_timer(self.now.saturating_add(delay), activity, Alarm::Wake);
            return false;
        }
        // A Map that fails before it starts, over what is no list, says so too, as AWS was recorded to do.
        let map = matches!(state.kind, Kind::Map(_));
        if match &self.thread(thread).activity {
            Activity::Join(_) | Activity::Run(_) => true,
            Activity::Attempt => map,
            _ => false,
        } {
            let kind = state.kind.name();
            self.record(thread, || Detail::State {
                kind,
                what: "Failed",
            });
        }
        let catchers = &state.recovery.catch;
        let catcher = catchers
            .iter()
            .position(|c| c.errors.iter().any(|name| failure.matches(name)));
        if let Some(catcher) = catcher {
            return match self.caught(thread, state, catcher, &failure) {
                Ok(()) => true,
                // A catcher that fails is not caught again.
                Err(failure) => {
                    let failure = self.told(thread, state, failure);
                    self.unhandled(thread, &failure);
                    false
                }
            };
        }
        self.unhandled(thread, &failure);
        false
    }

    /// Names the state in the cause of what the interpreter found, once.
    pub(super) fn told(&mut self, thread: usize, state: &State, mut failure: Failure) -> Failure {
        let origin = std::mem::replace(&mut failure.origin, Origin::Reported);
        if matches!(
            origin,
            Origin::Reported | Origin::Answer | Origin::Heartbeat
        ) {
            failure.origin = origin;
            return failure;
        }
        let cause: Arc<str> = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
            state.name,
            self.thread(thread).entered_event,
            failure.cause.as_deref().unwrap_or_default()
        )
        .into();
        failure.cause = Some(cause.clone());
        if let Origin::Evaluation(location) = origin {
            let error: Arc<str> = (&*failure.error).into();
            self.record(thread, || Detail::EvaluationFailed {
                state: state.name.clone(),
                error,
                cause: Some(cause),
                location,
            });
        }
        failure
    }

    /// The delay before the next attempt, if there is to be one.
    fn retry(&mut self, thread: usize, state: &State, failure: &Failure) -> Option<i64> {
        let retriers = &state.recovery.retry;
        let chosen = choose(retriers, failure)?;
        let attempts = &mut self.threads[thread].as_mut()?.attempts;
        attempts.resize(retriers.len(), 0);
        let made = attempts[chosen];
        let delay = retriers[chosen].delay(made, &mut self.random.borrow_mut());
        let way = delay.map_or(Way::Exhausted(chosen), |_| Way::Retried(chosen));
        self.take(state, way, None);
        let delay = delay?;
        let t = self.thread_mut(thread);
        t.attempts[chosen] += 1;
        t.retries += 1;
        self.transitions += 1;
        Some(delay)
    }

    pub(super) fn caught(
        &mut self,
        thread: usize,
        state: &State,
        at: usize,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let catcher = &state.recovery.catch[at];
        let mut error = Map::new();
        error.insert("Error".into(), Value::String(failure.error.to_string()));
        error.insert(
            "Cause".into(),
            Value::String(failure.cause.as_deref().unwrap_or_default().to_owned()),
        );
        let error: Data = Arc::new(Value::Object(error));
        let view = match state.language {
            Language::JsonPath => View::of(&error),
            Language::Jsonata => View {
                error_output: Some(&error),
                ..View::default()
            },
        };
        let assigned = self.assigned(thread, catcher.assign.as_ref(), view, &state.name)?;
        let output = match &catcher.output {
            Some(template) => self.fill(thread, template, view)?,
            None => place(
                &catcher.result_path,
                &self.thread(thread).input,
                error.clone(),
            )?,
        };
        super::io::within_limit(&output, &state.name)?;
        self.drop_branches(thread);
        let way = (Way::Caught(at), Some(catcher.next));
        self.leave(thread, state, output, assigned, way);
        Ok(())
    }

    /// Takes the failure to whoever waits for the thread, or ends the execution.
    fn unhandled(&mut self, thread: usize, failure: &Failure) {
        if !matches!(
            self.thread(thread).activity,
            Activity::Join(_) | Activity::Run(_)
        ) {
            self.begin(thread, Activity::Halted);
        }
        match self.thread(thread).parent {
            None => {
                let previous = self.thread(thread).tail_event;
                self.fail_execution(previous, failure);
            }
            Some((parent, slot)) => {
                self.branch_failed(parent, slot, thread);
                if self.fail(parent, failure.clone()) {
                    self.ready.push_back(parent);
                }
            }
        }
    }
}
