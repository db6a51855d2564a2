//! Whether the lab takes as long as its profile says, measured from outside as
//! each row was measured on AWS; and what it predicts of flows that are no rows.
//!
//! The definitions are this module's own: a function that answers at once
//! behind a queue, a bus, and state machines.

mod machines;
mod probe;

use std::sync::Arc;

use duet_core::Timestamp;
use duet_lab::{Hop, Lab, Profile, Quantiles, Row, Stamp, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::machines::{chain, express, fan_out, saga};
use self::probe::Probe;
use crate::simulate::parallel::in_parallel;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};

/// Seconds between two measurements of one world: nothing is under way then.
const BETWEEN: i64 = 120;
/// How far a row may be off.
const OFF: f64 = 0.05;
/// Worlds, each with the assumptions elsewhere, behind a prediction.
const DRAWS: u64 = 40;

/// Milliseconds at a quantile: what the profile says, and the lab shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The quantile.
    pub quantile: String,
    /// What the row says; of an assumption the least and the most.
    pub says: [f64; 2],
    /// What was measured.
    pub shows: f64,
    /// Whether it is within five in a hundred of the row, or in the range.
    pub fits: bool,
}

/// A row of the profile, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What takes the time.
    pub hop: Hop,
    /// Of what size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Whether the row is an assumption.
    pub assumed: bool,
    /// How it was measured.
    pub how: String,
    /// At each quantile that the row has.
    pub shown: Vec<Shown>,
}

/// A flow that is no row, predicted: milliseconds, pooled over the draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// What happens.
    pub flow: String,
    /// Bytes of payload, or branches.
    pub size: u32,
    /// From where to where.
    pub how: String,
    /// One in ten takes less.
    pub p10: f64,
    /// Half take less.
    pub p50: f64,
    /// Nine in ten take less.
    pub p90: f64,
    /// All but one in a hundred take less.
    pub p99: f64,
}

/// What was measured and predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The profile.
    pub profile: String,
    /// How often each row was measured.
    pub samples: u32,
    /// The rows.
    pub rows: Vec<Measured>,
    /// The flows.
    pub predicted: Vec<Predicted>,
}

fn ms(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()) as f64
}

fn of<'a>(stamps: &'a [Stamp], step: &str) -> Option<&'a Stamp> {
    stamps.iter().find(|stamp| stamp.step == step)
}

/// From the first to the last start of the branches.
fn apart(stamps: &[Stamp]) -> Option<f64> {
    let branches = stamps.iter().filter(|stamp| stamp.step.starts_with('B'));
    let began = branches.map(|stamp| stamp.began);
    Some(ms(began.clone().min()?, began.max()?))
}

/// How a hop is measured: in which machine, by what; `None` for what nobody can
/// see from outside by itself.
fn measured(
    hop: Hop,
    size: u32,
    profile: &Arc<Profile>,
    draw: u64,
    times: u32,
) -> Outcome<Option<(&'static str, Vec<f64>)>> {
    let probe = |machine: &Value| Probe::new(machine, profile, draw);
    let one = chain(1, 32);
    let first = |began: Timestamp, stamps: &[Stamp]| Some(ms(began, stamps.first()?.began));
    Ok(Some(match hop {
        Hop::QueueToFunction | Hop::FifoQueueToFunction => {
            let queue = match hop {
                Hop::FifoQueueToFunction => "probe.fifo",
                _ => "probe",
            };
            let send = |lab: &mut Lab, name: &str| {
                let sent = lab.send_text(queue, "{}", name);
                sent.map_err(Problem::environment)
            };
            (
                "from sending to the handler",
                probe(&one)?.each(times, send, first)?,
            )
        }
        Hop::StartToFunction => (
            "from starting to the handler",
            probe(&one)?.executions(times, first)?,
        ),
        Hop::ExpressStartToFunction => (
            "from starting to the handler",
            probe(&express(one))?.executions(times, first)?,
        ),
        Hop::ExpressSyncStartToFunction => (
            "from starting to the handler",
            probe(&express(one))?.sync_executions(times, first)?,
        ),
        Hop::StepToStep => {
            let gap = |_: Timestamp, stamps: &[Stamp]| {
                Some(ms(of(stamps, "T1")?.ended, of(stamps, "T2")?.began))
            };
            let two = chain(2, size as usize);
            (
                "from the first task's end to the second one's handler",
                probe(&two)?.executions(times, gap)?,
            )
        }
        Hop::IntoCompensation => {
            let gap = |_: Timestamp, stamps: &[Stamp]| {
                Some(ms(of(stamps, "Fails")?.ended, of(stamps, "C3")?.began))
            };
            (
                "from the failed task's end to the first handler after its Catch",
                probe(&saga())?.executions(times, gap)?,
            )
        }
        Hop::BranchSpread => (
            "from the first branch's handler to the last one's",
            probe(&fan_out(size as usize))?.executions(times, |_, stamps| apart(stamps))?,
        ),
        Hop::StoreWrite => (
            "in the handler, around the call",
            probe(&one)?.calls(times, &json!({ "writes": 1 }))?,
        ),
        Hop::StoreTransaction => (
            "in the handler, around the call",
            probe(&one)?.calls(times, &json!({ "writes": size }))?,
        ),
        Hop::StoreRead => (
            "in the handler, around the call",
            probe(&one)?.calls(times, &json!({ "reads": true }))?,
        ),
        _ => return Ok(None),
    }))
}

/// The value at `share` of `sorted` whole milliseconds, each of which stands for
/// all that are rounded to it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let wanted = share * sorted.len() as f64;
    let at = (wanted as usize).min(sorted.len().saturating_sub(1));
    let Some(here) = sorted.get(at) else {
        return 0.0;
    };
    let below = sorted.partition_point(|ms| ms < here) as f64;
    let same = sorted.partition_point(|ms| ms <= here) as f64 - below;
    here - 0.5 + (wanted - below) / same.max(1.0)
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all
}

/// What `row` says at each quantile that it has: the least and the most.
fn says(row: &Row) -> Vec<(f64, [f64; 2])> {
    let both = |low: &Quantiles, high: &Quantiles| {
        let ends = low.known().into_iter().zip(high.known());
        ends.map(|((share, low), (_, high))| (share, [low, high]))
            .collect()
    };
    match &row.time {
        Time::Measured { ms, .. } => both(ms, ms),
        Time::Assumed { low, high, .. } => both(low, high),
        Time::Chosen { .. } => Vec::new(),
    }
}

/// Measures each row of `profile` `samples` times, and predicts the flows.
///
/// # Errors
/// [`Problem`] when a measurement does not end.
pub fn run(profile: &Arc<Profile>, samples: u32, threads: usize) -> Outcome<Calibration> {
    let rows = in_parallel(threads, "rows measured", profile.rows.len() as u64, |at| {
        let row = &profile.rows[at as usize];
        let size = row.size.unwrap_or(1);
        let Some((how, all)) = measured(row.hop, size, profile, 7, samples)? else {
            return Ok(None);
        };
        let all = sorted(all);
        let shown = says(row).into_iter().map(|(share, says)| {
            let shows = quantile(&all, share);
            Shown {
                quantile: format!("p{:.0}", share * 100.0),
                says,
                shows,
                fits: shows >= says[0] * (1.0 - OFF) && shows <= says[1] * (1.0 + OFF),
            }
        });
        Ok(Some(Measured {
            hop: row.hop,
            size: row.size,
            assumed: matches!(row.time, Time::Assumed { .. }),
            how: how.to_owned(),
            shown: shown.collect(),
        }))
    })?;
    Ok(Calibration {
        profile: profile.name.clone(),
        samples,
        rows: rows.into_iter().flatten().collect(),
        predicted: predicted(profile, samples, threads)?,
    })
}

/// A flow that is no row.
struct Flow {
    name: &'static str,
    size: u32,
    machine: Value,
    how: &'static str,
    tells: fn(Timestamp, &[Stamp]) -> Option<f64>,
}

fn flows() -> Vec<Flow> {
    let whole = |began: Timestamp, stamps: &[Stamp]| {
        let ended = stamps.iter().map(|stamp| stamp.ended).max();
        Some(ms(began, ended?))
    };
    let chains = [32, 1_024, 16_384, 65_536].map(|size| Flow {
        name: "nine tasks in a row",
        size,
        machine: chain(9, size as usize),
        how: "from starting to the ninth task's end; size in bytes of payload",
        tells: whole,
    });
    let fans = [2, 4, 8, 12, 16].map(|size| Flow {
        name: "a task, then tasks side by side",
        size,
        machine: fan_out(size as usize),
        how: "from starting to the end of the last; size in branches",
        tells: whole,
    });
    let saga = Flow {
        name: "three reservations, a failure, three cancellations",
        size: 3,
        machine: saga(),
        how: "from starting to the end of the last cancellation",
        tells: whole,
    };
    chains.into_iter().chain(fans).chain([saga]).collect()
}

fn predicted(profile: &Arc<Profile>, samples: u32, threads: usize) -> Outcome<Vec<Predicted>> {
    let flows = flows();
    let each = samples.div_ceil(DRAWS as u32).max(1);
    let worlds = flows.len() as u64 * DRAWS;
    let all = in_parallel(threads, "flows predicted", worlds, |world| {
        let flow = &flows[(world / DRAWS) as usize];
        let mut probe = Probe::new(&flow.machine, profile, world % DRAWS)?;
        probe.executions(each, flow.tells)
    })?;
    let pooled = all
        .chunks(DRAWS as usize)
        .map(|draws| sorted(draws.concat()));
    let told = flows.iter().zip(pooled).map(|(flow, all)| {
        let at = |share| quantile(&all, share).round();
        Predicted {
            flow: flow.name.to_owned(),
            size: flow.size,
            how: flow.how.to_owned(),
            p10: at(0.1),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
        }
    });
    Ok(told.collect())
}

impl Report for Calibration {
    fn text(&self) -> String {
        let mut rows = table([
            table::prose("ROW"),
            table::number("SIZE"),
            table::word("AT"),
            table::number("PROFILE"),
            table::number("LAB"),
            table::prose("READING"),
        ]);
        for row in &self.rows {
            let name = serde_json::to_value(row.hop).unwrap_or_default();
            for shown in &row.shown {
                let says = match row.assumed {
                    true => format!("{} to {}", shown.says[0], shown.says[1]),
                    false => shown.says[0].to_string(),
                };
                rows.add_row([
                    name.as_str().unwrap_or_default(),
                    &row.size.map(|size| size.to_string()).unwrap_or_default(),
                    &shown.quantile,
                    &says,
                    &format!("{:.1}", shown.shows),
                    if shown.fits { "" } else { "OFF" },
                ]);
            }
        }
        let mut flows = table([
            table::prose("PREDICTED"),
            table::number("SIZE"),
            table::number("P10"),
            table::number("P50"),
            table::number("P90"),
            table::number("P99"),
        ]);
        for flow in &self.predicted {
            let figures = [flow.p10, flow.p50, flow.p90, flow.p99];
            let mut cells = vec![flow.flow.clone(), flow.size.to_string()];
            cells.extend(figures.map(|ms| format!("{ms:.0}")));
            flows.add_row(cells);
        }
        format!(
            "{}\n\n{}\n\nmilliseconds, profile {}, each row {} times",
            rows.text(),
            flows.text(),
            self.profile,
            self.samples
        )
    }

    fn exit(&self) -> Exit {
        let mut shown = self.rows.iter().flat_map(|row| &row.shown);
        match shown.all(|it| it.fits) {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_takes_as_long_as_its_profiles_say() {
        for name in ["aws-2022", "aws-2024"] {
            let profile = Profile::named(name).unwrap();
            let calibration = run(&profile, 3_000, 2).unwrap();
            assert!(calibration.rows.len() >= 12, "{}", calibration.rows.len());
            for row in &calibration.rows {
                // Of a hundred only the slowest is past it: that takes more samples.
                let often = row.shown.iter().filter(|it| it.quantile != "p99");
                let off: Vec<_> = often.filter(|it| !it.fits).collect();
                assert!(off.is_empty(), "{name} {:?}: {off:?}", row.hop);
            }
            let fan_outs = calibration
                .predicted
                .iter()
                .filter(|it| it.flow.contains("side"));
            assert!(fan_outs.map(|it| it.p50).is_sorted());
        }
    }

    #[test]
    fn a_quantile_of_whole_milliseconds_lies_between_them() {
        let all = [vec![7.0; 45], vec![8.0; 55]].concat();
        assert!((quantile(&all, 0.5) - 7.59).abs() < 0.01);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
