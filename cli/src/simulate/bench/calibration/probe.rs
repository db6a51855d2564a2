//! A world in which one thing is measured.

use std::sync::Arc;

use duet_core::{CommandMessage, Timestamp};
use duet_lab::{Config, Lab, Profile, Stamp};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::BETWEEN;
use super::machines::definitions;
use crate::shop::message;
use crate::terminal::exit::{Outcome, Problem};

/// A world of the probe.
pub(super) struct Probe {
    lab: Lab,
}

impl Probe {
    pub(super) fn new(machine: &Value, profile: &Arc<Profile>, draw: u64) -> Outcome<Self> {
        let config = Config {
            seed: draw + 1,
            profile: Some(profile.clone()),
            assumptions: draw,
            stamps: true,
            keep_succeeded: false,
            ..Config::default()
        };
        let lab = Lab::new(definitions(machine)?, config).map_err(Problem::environment)?;
        Ok(Self { lab })
    }

    /// Does something `times` times, a while apart, and gives what `tells` makes
    /// of the stamps of each; not of the first, which finds no warm instance.
    pub(super) fn each(
        &mut self,
        times: u32,
        act: impl Fn(&mut Lab, &str) -> Outcome<()>,
        tells: impl Fn(Timestamp, &[Stamp]) -> Option<f64>,
    ) -> Outcome<Vec<f64>> {
        let mut told = Vec::with_capacity(times as usize);
        for n in 0..=times {
            let (began, seen) = (self.lab.now(), self.lab.stamps().len());
            act(&mut self.lab, &format!("p-{n}"))?;
            self.lab.advance(began + SignedDuration::from_secs(BETWEEN));
            let measured = tells(began, &self.lab.stamps()[seen..]);
            if n > 0 {
                told.push(measured.ok_or_else(|| Problem::failed("a measurement never ended"))?);
            }
        }
        Ok(told)
    }

    /// Starts an execution each time.
    pub(super) fn executions(
        &mut self,
        times: u32,
        tells: impl Fn(Timestamp, &[Stamp]) -> Option<f64>,
    ) -> Outcome<Vec<f64>> {
        let start = |lab: &mut Lab, name: &str| {
            let started = lab.start_execution("probe", name, &input(name));
            started.map(drop).map_err(Problem::environment)
        };
        self.each(times, start, tells)
    }

    /// Starts an execution each time, and waits for its end.
    pub(super) fn sync_executions(
        &mut self,
        times: u32,
        tells: impl Fn(Timestamp, &[Stamp]) -> Option<f64>,
    ) -> Outcome<Vec<f64>> {
        let start = |lab: &mut Lab, name: &str| {
            let waiting = lab.start_sync_execution("probe", name, &input(name));
            waiting.map(drop).map_err(Problem::environment)
        };
        self.each(times, start, tells)
    }

    /// Calls the probe by hand each time, and gives the milliseconds it tells of.
    pub(super) fn calls(&mut self, times: u32, data: &Value) -> Outcome<Vec<f64>> {
        let mut told = Vec::with_capacity(times as usize);
        for n in 0..=times {
            let message = CommandMessage {
                command: "Probe".to_owned(),
                metadata: message::metadata("Probe", &format!("p-{n}"), "probe", self.lab.now()),
                data: data.clone(),
                due: None,
                reply_to: None,
            };
            let answer = self
                .lab
                .invoke("probe", &message)
                .map_err(Problem::environment)?;
            let answer = answer.map_err(|e| Problem::failed(e.name))?;
            if n > 0 {
                told.push(answer["ms"].as_f64().unwrap_or_default());
            }
        }
        Ok(told)
    }
}

fn input(name: &str) -> Value {
    json!({ "metadata": { "subject": name, "variant": "probe" }, "data": name })
}
