//! A world for one execution: it notes calls and answers them by hand.

use duet_asl::{
    DEFAULT_START, Effect, Execution, ExecutionOptions, HistoryEvent, MachineType, Millis,
    RunOptions, RunReport, StateMachine, Status, TaskCall, TaskError, run,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const LAMBDA: &str = "arn:aws:states:::lambda:invoke";
pub(crate) const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";
pub(crate) const CALLBACK: &str = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";

pub(crate) fn machine(definition: &Value) -> Arc<StateMachine> {
    compile(definition, MachineType::Standard)
}

pub(crate) fn compile(definition: &Value, kind: MachineType) -> Arc<StateMachine> {
    Arc::new(
        StateMachine::parse_as(&definition.to_string(), kind).unwrap_or_else(|findings| {
            let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
            panic!("refused:\n{}", all.join("\n"))
        }),
    )
}

/// A machine of one state, `S`.
pub(crate) fn single(language: &str, mut state: Value) -> Value {
    if state["Type"] != "Succeed" && state["Type"] != "Fail" && state["Type"] != "Choice" {
        state["End"] = json!(true);
    }
    json!({"QueryLanguage": language, "StartAt": "S", "States": {"S": state}})
}

/// Leaves out top-level states nothing leads to.
pub(crate) fn trimmed(mut definition: Value) -> Value {
    let text = definition.to_string();
    let start = definition["StartAt"].clone();
    if let Some(states) = definition["States"].as_object_mut() {
        states.retain(|name, _| *name == start || text.contains(&format!("\"Next\":\"{name}\"")));
    }
    definition
}

pub(crate) fn echo(definition: &Value, input: Value) -> RunReport {
    let options = RunOptions {
        task_echo: true,
        ..RunOptions::default()
    };
    run(&machine(definition), input, options).unwrap()
}

/// The output of a run that must succeed.
pub(crate) fn output(definition: &Value, input: Value) -> Value {
    let report = echo(definition, input);
    assert_eq!(report.status, Status::Succeeded, "{report:?}");
    (*report.output.unwrap()).clone()
}

/// The error and cause of a run that must fail.
pub(crate) fn failure(definition: &Value, input: Value) -> (String, String) {
    let report = echo(definition, input);
    assert_eq!(report.status, Status::Failed, "{report:?}");
    (report.error.unwrap(), report.cause.unwrap_or_default())
}

/// A running execution with the calls it has made.
pub(crate) struct World {
    pub(crate) run: Execution,
    pub(crate) now: Millis,
    pub(crate) calls: Vec<TaskCall>,
    pub(crate) cancelled: usize,
}

impl World {
    pub(crate) fn start(definition: &Value, input: Value) -> Self {
        Self::of(&machine(definition), input)
    }

    pub(crate) fn of(machine: &Arc<StateMachine>, input: Value) -> Self {
        Self::around(Execution::start(
            machine,
            input,
            &ExecutionOptions::default(),
            DEFAULT_START,
        ))
    }

    /// Around an execution that has begun.
    pub(crate) fn around(run: Execution) -> Self {
        let mut world = World {
            now: run.started(),
            run,
            calls: Vec::new(),
            cancelled: 0,
        };
        world.collect();
        world
    }

    fn collect(&mut self) {
        for effect in self.run.take_effects() {
            match effect {
                Effect::Invoke(call) => self.calls.push(call),
                Effect::Cancel(_) => self.cancelled += 1,
                Effect::WakeAt(_) | Effect::Ended(_) => {}
            }
        }
    }

    /// Seconds since the start.
    pub(crate) fn clock(&self) -> f64 {
        (self.now - DEFAULT_START) as f64 / 1_000.0
    }

    pub(crate) fn seconds(&mut self, seconds: i64) -> &mut Self {
        self.now += seconds * 1_000;
        self.run.advance(self.now);
        self.collect();
        self
    }

    /// Sleeps until something falls due by itself.
    pub(crate) fn wake(&mut self) -> &mut Self {
        self.now = self.run.next_wake().expect("something falls due");
        self.run.advance(self.now);
        self.collect();
        self
    }

    /// Takes the oldest call.
    pub(crate) fn call(&mut self) -> TaskCall {
        assert!(!self.calls.is_empty(), "no call: {:?}", self.run.status());
        self.calls.remove(0)
    }

    pub(crate) fn succeed(&mut self, result: Value) -> &mut Self {
        let call = self.call();
        self.run
            .complete_task(call.id, Ok(result), self.now)
            .unwrap();
        self.collect();
        self
    }

    pub(crate) fn fail(&mut self, error: &str) -> &mut Self {
        let call = self.call();
        let error = TaskError::new(error, format!("{error} happened"));
        self.run
            .complete_task(call.id, Err(error), self.now)
            .unwrap();
        self.collect();
        self
    }

    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&mut Execution, Millis) -> T) -> T {
        let result = act(&mut self.run, self.now);
        self.collect();
        result
    }

    pub(crate) fn output(&self) -> Value {
        assert_eq!(
            self.run.status(),
            Status::Succeeded,
            "{:?} {:?}",
            self.run.error(),
            self.run.cause()
        );
        (**self.run.output().unwrap()).clone()
    }

    /// `id<previous type` per event.
    pub(crate) fn trail(&self) -> Vec<String> {
        trail(self.run.history())
    }
}

pub(crate) fn trail(events: &[HistoryEvent]) -> Vec<String> {
    events
        .iter()
        .map(|e| format!("{}<{} {}", e.id, e.previous_event_id, e.event_type()))
        .collect()
}
