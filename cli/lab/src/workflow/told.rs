//! What the engine tells everybody of an execution: that it runs, and how it ended.

use duet_asl::{MachineType, Millis, Status};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::word;
use crate::fault::{Aim, Fault};
use crate::lab::{Action, Lab};
use crate::latency::LATE_END;
use crate::random::mix;

/// What "Step Functions Execution Status Change" says (Step Functions developer
/// guide, "Automating Step Functions event delivery with EventBridge").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusChange<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'a str,
    start_date: Millis,
    stop_date: Option<Millis>,
    error: Option<&'a str>,
    cause: Option<&'a str>,
}

impl Lab {
    /// "Step Functions Execution Status Change" on the default bus.
    pub(super) fn announce_status(&mut self, run: usize, status: Status) {
        let it = &self.runs[run];
        let machine = &self.definitions.machines[it.machine];
        let Some(execution) = &it.execution else {
            return;
        };
        // Express executions announce nothing (Step Functions developer guide).
        if machine.machine.machine_type() == MachineType::Express {
            return;
        }
        let detail = StatusChange {
            execution_arn: &it.arn,
            state_machine_arn: &machine.arn,
            name: &it.name,
            status: word(status),
            start_date: execution.started(),
            stop_date: execution.ended(),
            error: execution.error(),
            cause: execution.cause(),
        };
        // Plain data: it has words.
        let detail = to_raw_value(&detail).unwrap_or_default();
        if matches!(status, Status::Running | Status::Succeeded) {
            return self.tell_end(run, status, &detail);
        }
        // Best effort: an event may come twice, late, or not at all (EventBridge
        // user guide, eb-event-delivery-level).
        let (ident, owner) = (mix(it.ident, it.redrives), it.owner);
        let step = machine.name.clone();
        let [twice, late, never] = [Fault::EndTwice, Fault::EndLate, Fault::EndNever].map(|kind| {
            let aim = Aim {
                service: "",
                step: &step,
                ident,
                about: &[owner],
            };
            self.host.lock().faults.strikes(kind, aim)
        });
        let wait = self.draw(LATE_END, ident);
        if twice {
            self.after(wait, Action::TellEnd(run, status, detail.clone()));
        }
        match (never, late) {
            (true, _) => {}
            (false, true) => self.after(wait, Action::TellEnd(run, status, detail)),
            (false, false) => self.tell_end(run, status, &detail),
        }
    }

    /// Tells how an execution stands, or stood when `detail` was written.
    pub(crate) fn tell_end(&mut self, run: usize, status: Status, detail: &RawValue) {
        let it = &self.runs[run];
        let (arn, owner) = (it.arn.clone(), it.owner);
        self.announce(
            "aws.states",
            "Step Functions Execution Status Change",
            (&arn, word(status)),
            detail,
            owner,
        );
    }
}
