//! Random machines under random events: whatever happens, the books must balance.

use crate::world::{CALLBACK, FUNCTION, LAMBDA, machine};
use duet_asl::{
    Effect, Execution, ExecutionOptions, HistoryEvent, MapRunReport, Millis, Status, TaskCall,
    TaskError, TaskId,
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

struct Maker {
    random: fastrand::Rng,
    names: usize,
    jsonata: bool,
}

impl Maker {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("N{}", self.names)
    }

    /// A chain of states; failures may be caught into its last one.
    fn flow(&mut self, depth: usize) -> Value {
        let names: Vec<String> = (0..self.random.usize(1..4)).map(|_| self.name()).collect();
        let last = self.name();
        let mut states = Map::new();
        for (i, name) in names.iter().enumerate() {
            let next = names.get(i + 1).unwrap_or(&last).clone();
            let state = self.state(depth, &next, &last);
            states.insert(name.clone(), state);
        }
        let end = match self.random.u8(0..5) {
            0 => json!({"Type": "Fail", "Error": "Deliberate"}),
            1 => json!({"Type": "Succeed"}),
            _ => json!({"Type": "Pass", "End": true}),
        };
        states.insert(last, end);
        json!({"StartAt": names[0], "States": states})
    }

    fn state(&mut self, depth: usize, next: &str, last: &str) -> Value {
        let kinds = if depth < 2 { 9 } else { 6 };
        let mut state = match self.random.u8(0..kinds) {
            0 => {
                let variable = format!("v{depth}_{}", self.names);
                json!({"Type": "Pass", "Assign": {variable: 1}})
            }
            1 => json!({"Type": "Wait", "Seconds": self.random.u8(0..20)}),
            2 if self.jsonata => {
                return json!({"Type": "Choice", "Default": next,
                    "Choices": [{"Condition": "{% $states.input.absent = 1 %}", "Next": last}]});
            }
            2 => {
                return json!({"Type": "Choice", "Default": next,
                    "Choices": [{"Variable": "$.q", "IsPresent": true, "Next": last}]});
            }
            3 => json!({"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 30}),
            4 => json!({"Type": "Task", "Resource": LAMBDA}),
            5 => {
                json!({"Type": "Task", "Resource": CALLBACK, "TimeoutSeconds": 60, "HeartbeatSeconds": 15})
            }
            6 | 7 => {
                let branches: Vec<Value> = (0..self.random.usize(1..4))
                    .map(|_| self.flow(depth + 1))
                    .collect();
                json!({"Type": "Parallel", "Branches": branches})
            }
            _ => {
                let limit = self.random.u8(0..3);
                let items = if self.jsonata {
                    json!({"Items": [1, 2, 3]})
                } else {
                    json!({"ItemsPath": "$$.Execution.Input.items"})
                };
                let mut map = json!({"Type": "Map", "MaxConcurrency": limit, "ItemProcessor": self.flow(depth + 1)});
                map.as_object_mut()
                    .unwrap()
                    .extend(items.as_object().unwrap().clone());
                if self.random.bool() {
                    map["ItemProcessor"]["ProcessorConfig"] =
                        json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
                    map["ToleratedFailurePercentage"] = json!(self.random.u8(0..101));
                    if self.random.bool() {
                        map["ItemBatcher"] = json!({"MaxItemsPerBatch": self.random.u8(1..4)});
                    }
                }
                map
            }
        };
        state["Next"] = json!(next);
        if matches!(state["Type"].as_str(), Some("Task" | "Parallel" | "Map")) {
            if self.random.bool() {
                state["Retry"] = json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": self.random.u8(0..3), "JitterStrategy": "FULL"}]);
            }
            if self.random.bool() {
                state["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": last}]);
            }
        }
        state
    }
}

/// The histories of child executions, theirs too.
fn descend(runs: &[MapRunReport], all: &mut Vec<Vec<HistoryEvent>>) {
    for child in runs.iter().flat_map(|run| &run.executions) {
        all.push(child.history.clone());
        descend(&child.map_runs, all);
    }
}

/// The tasks of an execution that wait for an answer.
#[derive(Default)]
struct Waiting {
    open: Vec<TaskCall>,
    /// Those of them that may also be answered by a token.
    tokens: Vec<TaskCall>,
    /// Every task there was.
    known: HashSet<TaskId>,
}

impl Waiting {
    fn begin(&mut self, call: TaskCall) {
        assert!(self.known.insert(call.id), "an id is used once");
        if call.token.is_some() {
            self.tokens.push(call.clone());
        }
        self.open.push(call);
    }

    fn cancel(&mut self, id: TaskId) {
        self.open.retain(|c| c.id != id);
        self.tokens.retain(|c| c.id != id);
    }

    /// Uses the token of a task.
    fn use_token(&mut self, run: &mut Execution, random: &mut fastrand::Rng, now: Millis) {
        let call = self.tokens.swap_remove(random.usize(..self.tokens.len()));
        let token = call.token.unwrap();
        match random.u8(0..3) {
            0 => run.heartbeat(&token, now).unwrap(),
            1 => run
                .task_token_failure(&token, TaskError::new("E", "c"), now)
                .unwrap(),
            _ => run
                .task_token_success(&token, json!({"t": 1}), now)
                .unwrap(),
        }
        self.open.retain(|c| c.id != call.id);
    }

    /// Answers the call of a task.
    fn answer(&mut self, run: &mut Execution, random: &mut fastrand::Rng, now: Millis) {
        let call = self.open.swap_remove(random.usize(..self.open.len()));
        let result = match random.u8(0..12) {
            0 | 1 => Err(TaskError::new("E", "c")),
            2 => Err(TaskError::new("States.Timeout", "")),
            3 if random.u8(0..4) == 0 => Err(TaskError::new("States.Runtime", "")),
            _ => Ok(json!({"r": 1})),
        };
        if result.is_err() {
            self.tokens.retain(|c| c.id != call.id);
        }
        run.complete_task(call.id, result, now).unwrap();
    }
}

/// Runs one random machine; gives its history, and those of its child executions.
fn live(seed: u64) -> Vec<Vec<HistoryEvent>> {
    let mut maker = Maker {
        random: fastrand::Rng::with_seed(seed),
        names: 0,
        jsonata: seed.is_multiple_of(2),
    };
    let mut definition = maker.flow(0);
    definition["QueryLanguage"] = json!(if maker.jsonata { "JSONata" } else { "JSONPath" });
    if seed.is_multiple_of(5) {
        definition["TimeoutSeconds"] = json!(90);
    }
    let machine = machine(&definition);
    let options = ExecutionOptions {
        seed,
        ..ExecutionOptions::default()
    };
    let mut random = maker.random;
    let mut now = 0;
    let mut run = Execution::start(&machine, json!({"items": [1, 2, 3]}), &options, now);
    let mut waiting = Waiting::default();
    let mut redrives = 0;
    for _ in 0..2_000 {
        for effect in run.take_effects() {
            match effect {
                Effect::Invoke(call) => waiting.begin(call),
                Effect::Cancel(id) => waiting.cancel(id),
                Effect::WakeAt(at) => assert!(at >= now),
                Effect::Ended(status) => assert_eq!(status, run.status()),
            }
        }
        if run.status() != Status::Running {
            assert!(run.next_wake().is_none());
            if run.status() == Status::Succeeded || redrives == 3 {
                break;
            }
            redrives += 1;
            waiting.open.clear();
            waiting.tokens.clear();
            now += 1_000;
            run.redrive(now).unwrap();
            continue;
        }
        match random.u8(0..20) {
            0 => run.stop(None, None, now),
            1..4 if !waiting.tokens.is_empty() => waiting.use_token(&mut run, &mut random, now),
            4..14 if !waiting.open.is_empty() => waiting.answer(&mut run, &mut random, now),
            14 => {
                now += 500;
                run.advance(now);
            }
            _ => {
                // A running execution always has its deadline before it.
                now = run.next_wake().expect("a deadline at least");
                run.advance(now);
            }
        }
    }
    assert_ne!(run.status(), Status::Running, "seed {seed}");
    let runs = run.map_runs();
    for run in &runs {
        assert_ne!(run.status, Status::Running, "seed {seed}");
        let counts = run.execution_counts;
        let parts = [
            counts.pending,
            counts.succeeded,
            counts.failed,
            counts.timed_out,
            counts.aborted,
        ];
        assert_eq!(parts.iter().sum::<u64>(), counts.total, "seed {seed}");
    }
    let mut all = vec![run.history().to_vec()];
    descend(&runs, &mut all);
    all
}

#[test]
fn histories_stay_sound() {
    let mut seen = HashSet::new();
    let lives = (0..3_000).flat_map(|seed| live(seed).into_iter().map(move |it| (seed, it)));
    for (seed, history) in lives {
        // States entered and not left: never negative, and none when all went well.
        let mut inside = 0_i64;
        for (i, event) in history.iter().enumerate() {
            assert_eq!(event.id, i as u64 + 1, "seed {seed}");
            assert!(event.previous_event_id < event.id, "seed {seed}");
            assert!(
                i == 0 || event.timestamp >= history[i - 1].timestamp,
                "seed {seed}"
            );
            let kind = event.event_type();
            inside += i64::from(kind.ends_with("StateEntered"))
                - i64::from(kind.ends_with("StateExited"));
            assert!(inside >= 0, "seed {seed}");
            seen.insert(kind.into_owned());
        }
        let last = history.last().unwrap().event_type();
        assert!(last.starts_with("Execution"), "seed {seed}: {last}");
        let cut = history
            .iter()
            .any(|e| e.event_type().ends_with("Aborted") || e.event_type().ends_with("Failed"));
        assert!(
            last != "ExecutionSucceeded" || cut || inside == 0,
            "seed {seed}"
        );
    }
    // The chaos reaches what it is meant to reach.
    for kind in [
        "ExecutionSucceeded",
        "ExecutionFailed",
        "ExecutionTimedOut",
        "ExecutionAborted",
        "ExecutionRedriven",
        "TaskTimedOut",
        "LambdaFunctionTimedOut",
        "TaskSubmitted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapRunFailed",
        "MapRunAborted",
        "MapRunRedriven",
        "MapIterationAborted",
        "MapIterationFailed",
        "ParallelStateFailed",
        "ParallelStateAborted",
        "MapStateAborted",
        "WaitStateAborted",
        "TaskStateAborted",
    ] {
        assert!(seen.contains(kind), "{kind} never happened");
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..200 {
        let story = |seed| serde_json::to_string(&live(seed)).unwrap();
        assert_eq!(story(seed), story(seed));
    }
}

#[test]
fn executions_may_move_between_threads() {
    fn movable<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    movable::<Execution>();
    shared::<duet_asl::StateMachine>();
}
