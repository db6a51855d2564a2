//! Parallel branches and Map iterations: starting, joining, cutting, reviving.

use super::io::{View, within_limit};
use super::states::Progress;
use super::thread::{Activity, Join, Slot, Thread};
use super::{Effect, Execution, Status, TaskId};
use crate::env::MapItem;
use crate::failure::Failure;
use crate::history::Detail;
use crate::model::{Items, Kind, Language, MapState, State, StateId};
use crate::template::Template;
use crate::{Data, path};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// Iterations of an inline Map that run at once, at most (AWS's quota).
const MAX_CONCURRENCY: usize = 40;

impl Execution {
    pub(super) fn fork(
        &mut self,
        thread: usize,
        state: &State,
        branches: &[StateId],
    ) -> Result<Progress, Failure> {
        let effective = self.effective(thread, state)?;
        let arguments = self.arguments(thread, state, &effective, None)?;
        let started = self.record(thread, || Detail::State {
            kind: "Parallel",
            what: "Started",
        });
        let mut slots = Vec::with_capacity(branches.len());
        for (i, start) in branches.iter().enumerate() {
            let mut branch = Thread::new(*start, arguments.clone(), started);
            branch.parent = Some((thread, i));
            branch.item = self.thread(thread).item.clone();
            slots.push(Slot::Running(self.spawn(branch)));
        }
        let running = slots.len();
        self.begin(
            thread,
            Activity::Join(Box::new(Join {
                slots,
                next: running,
                running,
                items: None,
                last_event: started,
            })),
        );
        if running == 0 {
            return self.joined(thread);
        }
        Ok(Progress::Blocked)
    }

    pub(super) fn iterate(
        &mut self,
        thread: usize,
        state: &State,
        map: &MapState,
    ) -> Result<Progress, Failure> {
        if let Some(distributed) = &map.distributed {
            return self.distribute(thread, state, map, distributed);
        }
        let effective = self.effective(thread, state)?;
        let items = self.items(thread, state.language, map, &effective)?;
        let limit = match &map.max_concurrency {
            None => 0,
            Some(n) => self.number(thread, n, &effective, "MaxConcurrency", 0..=u64::MAX)?,
        };
        let limit = match usize::try_from(limit).unwrap_or(usize::MAX) {
            0 => MAX_CONCURRENCY,
            n => n.min(MAX_CONCURRENCY),
        };
        let length = items.len();
        let started = self.record(thread, || Detail::MapStarted { length });
        self.begin(
            thread,
            Activity::Join(Box::new(Join {
                slots: items.iter().map(|_| Slot::Pending).collect(),
                next: 0,
                running: 0,
                items: Some(items),
                last_event: started,
            })),
        );
        if length == 0 {
            return self.joined(thread);
        }
        for _ in 0..limit.min(length) {
            if let Err(failure) = self.start_iteration(thread, started) {
                self.cut_branches(thread, None);
                return Err(failure);
            }
        }
        Ok(Progress::Blocked)
    }

    /// What a Map runs over. An object counts as its entries, each `{Key, Value}`.
    pub(super) fn items(
        &self,
        thread: usize,
        language: Language,
        map: &MapState,
        effective: &Data,
    ) -> Result<Vec<Arc<MapItem>>, Failure> {
        let source: Cow<'_, Value> = match &map.items {
            Items::Input => Cow::Borrowed(&**effective),
            Items::Template(template) => {
                let filled = self.fill(thread, template, View::default())?;
                Cow::Owned(Arc::unwrap_or_clone(filled))
            }
            Items::Path(path) => self.with_env(thread, View::of(effective), |env| {
                env.value(path)
                    .map(|v| Cow::Owned(v.into_owned()))
                    .ok_or_else(|| {
                        Failure::runtime(format!(
                            "Invalid path '{}' : No results for path",
                            path.source()
                        ))
                    })
            })?,
        };
        let item = |index, value, key| {
            Arc::new(MapItem {
                index,
                value: Arc::new(value),
                key,
            })
        };
        match source.into_owned() {
            Value::Array(values) => Ok(values
                .into_iter()
                .enumerate()
                .map(|(i, v)| item(i, v, None))
                .collect()),
            // In both languages, by today's guide; in 2024 AWS was recorded to refuse objects on JSONPath.
            Value::Object(fields) => Ok(fields
                .into_iter()
                .enumerate()
                .map(|(i, (k, v))| item(i, json!({"Key": k, "Value": v}), Some(k.as_str().into())))
                .collect()),
            other if language == Language::Jsonata => Err(match &map.items {
                Items::Template(Template::Jsonata(expr)) => expr.unexpected("array", &other),
                _ => Failure::evaluation(
                    &"Items".into(),
                    format!("The field 'Items' must be an array or an object, but it is {other}"),
                ),
            }),
            other => Err(Failure::runtime(format!(
                "Reference path '{}' must point to array, but it is {other}",
                match &map.items {
                    Items::Path(path) => path::Path::source(path),
                    _ => "$",
                }
            ))),
        }
    }

    /// Starts the next iteration; its chain follows `follows`.
    fn start_iteration(&mut self, thread: usize, follows: u64) -> Result<(), Failure> {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        let (Kind::Map(map), Activity::Join(join)) =
            (&state.kind, &mut self.thread_mut(thread).activity)
        else {
            return Ok(());
        };
        let index = join.next;
        let Some(item) = join
            .items
            .as_ref()
            .and_then(|items| items.get(index))
            .cloned()
        else {
            return Ok(());
        };
        join.next += 1;
        let input = match &map.selector {
            None => item.value.clone(),
            Some(selector) => {
                let effective = self.effective(thread, state)?;
                let view = View {
                    item: Some(&item),
                    ..View::of(&effective)
                };
                let input = self.fill(thread, selector, view)?;
                within_limit(&input, &state.name)?;
                input
            }
        };
        let name = state.name.clone();
        let id = self.add_event(follows, || Detail::Iteration {
            what: "Started",
            name,
            index,
        });
        let mut iteration = Thread::new(map.start, input, id);
        iteration.parent = Some((thread, index));
        iteration.item = Some(item);
        let at = self.spawn(iteration);
        if let Activity::Join(join) = &mut self.thread_mut(thread).activity {
            join.slots[index] = Slot::Running(at);
            join.running += 1;
        }
        Ok(())
    }

    /// A flow came to its end.
    pub(super) fn finish(&mut self, thread: usize, output: Data) {
        let Some((parent, slot)) = self.thread(thread).parent else {
            let previous = self.thread(thread).last_event;
            if self.status == Status::Running {
                self.output = Some(output.clone());
                self.end(Status::Succeeded, previous, || Detail::ExecutionSucceeded {
                    output,
                });
            }
            return;
        };
        let machine = self.machine.clone();
        let state = machine.state(self.thread(parent).state);
        // The iteration that takes this one's place follows its last event.
        let follows = self.thread(thread).last_event;
        if matches!(state.kind, Kind::Map(_)) {
            self.record(thread, || Detail::Iteration {
                what: "Succeeded",
                name: state.name.clone(),
                index: slot,
            });
        }
        let last = self.thread(thread).last_event;
        self.release(thread);
        let Activity::Join(join) = &mut self.thread_mut(parent).activity else {
            return;
        };
        join.slots[slot] = Slot::Done(output);
        join.running -= 1;
        join.last_event = join.last_event.max(last);
        let more = join.next < join.slots.len();
        let over = join.running == 0 && !more;
        let progress = if more {
            match self.start_iteration(parent, follows) {
                Ok(()) => return,
                Err(failure) => {
                    self.cut_branches(parent, None);
                    Err(failure)
                }
            }
        } else if over {
            self.joined(parent)
        } else {
            return;
        };
        self.resume(parent, state, progress);
    }

    /// All branches are done: their outputs, in order, are the state's result.
    fn joined(&mut self, thread: usize) -> Result<Progress, Failure> {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        let t = self.thread_mut(thread);
        let Activity::Join(join) = std::mem::replace(&mut t.activity, Activity::Halted) else {
            return Ok(Progress::Blocked);
        };
        t.last_event = join.last_event;
        let results: Vec<Value> = join
            .slots
            .into_iter()
            .map(|slot| match slot {
                Slot::Done(data) => Arc::unwrap_or_clone(data),
                Slot::Pending | Slot::Running(_) => Value::Null,
            })
            .collect();
        let kind = state.kind.name();
        self.record_aside(thread, || Detail::State {
            kind,
            what: "Succeeded",
        });
        let effective = self.effective(thread, state)?;
        self.done(thread, state, &effective, Some(Arc::new(results.into())))
    }

    /// Branch `slot` of `parent` failed as `child`: its siblings are cut.
    pub(super) fn branch_failed(&mut self, parent: usize, slot: usize, child: usize) {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(parent).state);
        let last = self.thread(child).last_event;
        let p = self.thread_mut(parent);
        p.last_event = last;
        p.tail_event = last;
        if matches!(state.kind, Kind::Map(_)) {
            self.record_aside(parent, || Detail::Iteration {
                what: "Failed",
                name: state.name.clone(),
                index: slot,
            });
        }
        self.record_aborted(parent, child, &["Task"]);
        self.cut_branches(parent, Some(slot));
    }

    /// Stops every running branch but `except`, and records it.
    fn cut_branches(&mut self, parent: usize, except: Option<usize>) {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(parent).state);
        let Activity::Join(join) = &self.thread(parent).activity else {
            return;
        };
        let running: Vec<(usize, usize)> = join
            .slots
            .iter()
            .enumerate()
            .filter_map(|(i, slot)| match slot {
                Slot::Running(at) if Some(i) != except => Some((i, *at)),
                _ => None,
            })
            .collect();
        for (index, at) in running {
            if matches!(state.kind, Kind::Map(_)) {
                self.record_aside(parent, || Detail::Iteration {
                    what: "Aborted",
                    name: state.name.clone(),
                    index,
                });
            }
            self.record_aborted(parent, at, &["Task", "Wait", "Parallel", "Map"]);
            self.halt_tree(at);
        }
    }

    /// `…StateAborted` for the state `child` is in, if it was entered and is one of `kinds`.
    fn record_aborted(&mut self, parent: usize, child: usize, kinds: &[&str]) {
        let t = self.thread(child);
        let kind = self.machine.state(t.state).kind.name();
        if !matches!(t.activity, Activity::Enter) && kinds.contains(&kind) {
            self.record_aside(parent, || Detail::State {
                kind,
                what: "Aborted",
            });
        }
    }

    /// Stops a thread and all within it.
    fn halt_tree(&mut self, thread: usize) {
        for at in self.running_branches(thread) {
            self.halt_tree(at);
        }
        let run = match self.threads[thread].as_ref().map(|t| &t.activity) {
            Some(Activity::Run(run)) => Some(*run),
            _ => None,
        };
        if run.is_some_and(|run| self.abort(run)) {
            self.record_aside(thread, || Detail::MapRun {
                what: "Aborted",
                arn: None,
                redrives: None,
                failure: None,
            });
        }
        self.halt(thread);
        self.ready.retain(|t| *t != thread);
    }

    /// Stops what a thread is doing; where it is stays known, for a redrive.
    pub(super) fn halt(&mut self, thread: usize) {
        self.call_off(thread);
        let Some(t) = self.threads[thread].as_mut() else {
            return;
        };
        match &t.activity {
            Activity::Task(_) => t.activity = Activity::Halted,
            Activity::Enter | Activity::Join(_) | Activity::Run(_) => {}
            Activity::Attempt | Activity::Waiting | Activity::Backoff | Activity::Halted => {
                t.activity = Activity::Halted;
            }
        }
    }

    /// Says that the answer to a task's call is not wanted any more, if it waits for one.
    pub(super) fn call_off(&mut self, thread: usize) {
        let Some(t) = self.threads[thread].as_ref() else {
            return;
        };
        let Activity::Task(task) = &t.activity else {
            return;
        };
        match task.nested {
            Some(run) => {
                self.abort(run);
            }
            None => self.effects.push(Effect::Cancel(TaskId(t.activity_id))),
        }
    }

    fn running_branches(&self, thread: usize) -> Vec<usize> {
        match self.threads[thread].as_ref().map(|t| &t.activity) {
            Some(Activity::Join(join)) => join
                .slots
                .iter()
                .filter_map(|s| match s {
                    Slot::Running(at) => Some(*at),
                    Slot::Pending | Slot::Done(_) => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Forgets the branches of a state that is retried or caught.
    pub(super) fn drop_branches(&mut self, thread: usize) {
        for at in self.running_branches(thread) {
            self.drop_branches(at);
            self.halt(at);
            self.release(at);
        }
        if matches!(
            self.thread(thread).activity,
            Activity::Join(_) | Activity::Run(_)
        ) {
            self.thread_mut(thread).activity = Activity::Halted;
        }
    }

    fn release(&mut self, thread: usize) {
        self.threads[thread] = None;
        self.free.push(thread);
        self.ready.retain(|t| *t != thread);
    }
}
