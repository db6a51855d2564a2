//! The results of a Map Run: the state's output, and files.
//!
//! Source: Step Functions developer guide, "ResultWriter (Map)"; what stands for a child
//! that was never started, and the folder of a redrive: executions recorded by others.

use super::maprun::{Child, MapRun};
use super::{Execution, Status};
use crate::Data;
use crate::env::iso;
use crate::failure::{Failure, RESULT_WRITER};
use crate::model::{Kind, MachineType, State, Transformation, Writer};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Execution {
    /// What a run came to: its children's results, or where they were written.
    pub(super) fn results(
        &mut self,
        run: usize,
        thread: usize,
        state: &State,
    ) -> Result<Data, Failure> {
        let writer = match &state.kind {
            Kind::Map(map) => map.distributed.as_ref().and_then(|it| it.writer.as_ref()),
            _ => None,
        };
        let Some(writer) = writer else {
            let it = self.map_run_mut(run);
            it.written = true;
            let all = it.transformed(Transformation::Compact, |_| true);
            return Ok(Arc::new(all.into()));
        };
        let effective = self.effective(thread, state)?;
        if let Some((bucket, prefix)) = self.destination(thread, writer, &effective)? {
            return self.export(run, state, writer, &bucket, &prefix);
        }
        let it = self.map_run_mut(run);
        it.written = true;
        let all = it.transformed(writer.transformation, |_| true);
        Ok(Arc::new(match writer.lines {
            true => lines(&all).into(),
            false => all.into(),
        }))
    }

    /// Writes results and their manifest; gives where that is.
    fn export(
        &mut self,
        run: usize,
        state: &State,
        writer: &Writer,
        bucket: &str,
        prefix: &str,
    ) -> Result<Data, Failure> {
        let objects = self.store(state, RESULT_WRITER)?;
        let put = |key: &str, text: String| {
            objects
                .put(bucket, key, text.into_bytes())
                .map_err(|e| Failure::reported(RESULT_WRITER, Some(e.to_string())))
        };
        let it = self.map_run_mut(run);
        let slash = if prefix.is_empty() || prefix.ends_with('/') {
            ""
        } else {
            "/"
        };
        let mut folder = format!("{prefix}{slash}{}", it.id);
        if it.redrives > 0 {
            folder = format!("{folder}/Redrive-{}", it.redrives);
        }
        let mut files = Map::new();
        for (name, wanted) in [
            ("FAILED", (|it| it.is_unsuccessful()) as fn(&Child) -> bool),
            ("PENDING", |it| it.execution.is_none()),
            ("SUCCEEDED", |it| it.is_new_success()),
        ] {
            let results = it.transformed(writer.transformation, wanted);
            let mut listed = match name {
                "SUCCEEDED" => it.successes.clone(),
                _ => Vec::new(),
            };
            if !results.is_empty() {
                let key = format!("{folder}/{name}_0.json");
                let text = match writer.lines {
                    true => lines(&results),
                    false => Value::Array(results).to_string(),
                };
                listed.push((key.clone(), text.len()));
                put(&key, text)?;
            }
            if name == "SUCCEEDED" {
                it.successes.clone_from(&listed);
            }
            let listed = listed.into_iter();
            let listed: Value = listed
                .map(|(key, size)| json!({"Key": key, "Size": size}))
                .collect();
            files.insert(name.to_owned(), listed);
        }
        for child in it.children.iter_mut().filter(|it| it.is_new_success()) {
            child.exported = true;
        }
        it.written = true;
        let key = format!("{folder}/manifest.json");
        let manifest = json!({
            "DestinationBucket": bucket,
            "MapRunArn": &*it.arn,
            "ResultFiles": files,
        });
        put(&key, manifest.to_string())?;
        Ok(Arc::new(json!({
            "MapRunArn": &*it.arn,
            "ResultWriterDetails": {"Bucket": bucket, "Key": key},
        })))
    }
}

impl Child {
    fn is_unsuccessful(&self) -> bool {
        matches!(
            self.status(),
            Some(Status::Failed | Status::TimedOut | Status::Aborted)
        )
    }

    fn is_new_success(&self) -> bool {
        self.status() == Some(Status::Succeeded) && !self.exported
    }
}

impl MapRun {
    /// The results of the children that are wanted, in the order of their items. What
    /// did not succeed is told with its metadata, whatever the transformation.
    fn transformed(
        &self,
        transformation: Transformation,
        wanted: impl Fn(&Child) -> bool,
    ) -> Vec<Value> {
        let mut all = Vec::new();
        for child in self.children.iter().filter(|child| wanted(child)) {
            let output = child.execution.as_ref().and_then(|it| it.output.clone());
            match (output, transformation) {
                (Some(output), Transformation::Compact) => all.push((*output).clone()),
                (Some(output), Transformation::Flatten) => match &*output {
                    Value::Array(items) => all.extend(items.iter().cloned()),
                    other => all.push(other.clone()),
                },
                _ => all.push(self.record(child)),
            }
        }
        all
    }

    /// A child with its metadata.
    fn record(&self, child: &Child) -> Value {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            all.insert(name.to_owned(), value);
        };
        let whole = || json!({"Included": true});
        put("Input", child.input.to_string().into());
        put("InputDetails", whole());
        let Some(run) = &child.execution else {
            put("Status", "PENDING".into());
            return Value::Object(all);
        };
        put("ExecutionArn", run.arn().into());
        put("Name", child.name.clone().into());
        put("StateMachineArn", run.identity.machine_arn.as_ref().into());
        put("Status", json!(run.status));
        put("StartDate", iso(run.started()).into());
        if let Some(ended) = run.ended {
            put("StopDate", iso(ended).into());
        }
        put("RedriveCount", child.redrive_count().into());
        if let Some(output) = &run.output {
            put("Output", output.to_string().into());
            put("OutputDetails", whole());
            put("RedriveStatus", "NOT_REDRIVABLE".into());
            let reason = "Execution is SUCCEEDED and cannot be redriven";
            put("RedriveStatusReason", reason.into());
        } else if run.is_full() && self.machine.kind == MachineType::Standard {
            put("RedriveStatus", "NOT_REDRIVABLE".into());
            let reason = "Execution history event limit exceeded";
            put("RedriveStatusReason", reason.into());
        } else {
            put("RedriveStatus", "REDRIVABLE_BY_MAP_RUN".into());
        }
        for (name, text) in [("Error", run.error()), ("Cause", run.cause())] {
            if let Some(text) = text {
                put(name, text.into());
            }
        }
        Value::Object(all)
    }
}

/// Results as JSON Lines.
fn lines(results: &[Value]) -> String {
    results.iter().map(|it| format!("{it}\n")).collect()
}
