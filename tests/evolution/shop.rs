//! The shop in the lab, whose services say some fact in another release's way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use duet_cli::ops::demo::{self, Choice};
use duet_cli::shop::contracts::interests;
use duet_cli::shop::scenario::{ALL, Scenario};
use duet_cli::shop::variant::{Description, Variant};
use duet_cli::world::lab::{Lab, definitions};
use duet_core::{Event, SERVICES};
use duet_lab::{Config, Definitions, Writer};
use duet_schemas::compatibility::{Change, Way};
use serde_json::{Value, json};

use crate::adapt::Adapter;

/// How long a scenario may take, in seconds of virtual time.
const WITHIN: u64 = 180;
/// How many scenarios a fact is said in, if there are so many.
const SCENARIOS: usize = 2;
/// How often a fact is sent that no scenario says.
const SENT: u64 = 6;

/// The schemas of all facts, by name.
pub(crate) fn schemas() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/schemas/events");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What became of a fact that was said anew.
pub(crate) struct Seen {
    /// Who could not read it, with what they said.
    pub(crate) refused: BTreeMap<String, String>,
    /// How an order or customer ended otherwise, where every value was kept.
    pub(crate) ended: Option<String>,
    /// How many facts were said anew.
    pub(crate) said: usize,
    /// Whether every value was kept, so that nothing may end otherwise.
    pub(crate) is_same: bool,
}

/// A scenario under a variant.
type Played = (&'static Scenario, &'static Variant);

/// Where facts are said, and what they are.
pub(crate) struct Shop {
    definitions: Arc<Definitions>,
    /// By fact: the scenarios to play, and one of its events.
    said: BTreeMap<String, (Vec<Played>, Value)>,
}

/// What the lab answers: its time passes by itself.
fn now<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(call)
}

/// Plays a scenario to its end: how it ended otherwise than expected, if it did.
fn play(lab: &Lab, (scenario, variant): Played) -> Option<String> {
    let choice = Choice {
        scenarios: vec![scenario],
        variants: vec![variant],
        copies: 1,
        within: WITHIN,
        faults: false,
    };
    let ran = now(demo::run(lab, &choice));
    // What nobody could read has time to die.
    lab.with(|lab| lab.settle(3_600_000));
    let rows = match ran {
        Ok(report) => report.rows,
        Err(why) => return Some(format!("{} under {}: {why}", scenario.name, variant.name)),
    };
    let other = rows.into_iter().find(|row| !row.ok)?;
    Some(format!(
        "{} under {}: {}",
        other.scenario, other.variant, other.outcome
    ))
}

impl Shop {
    /// Plays every scenario under every variant in which facts travel, to know which
    /// facts are said in it.
    pub(crate) fn new() -> Self {
        let review = ("ReviewSeconds".to_owned(), "30".to_owned());
        let definitions = definitions(&BTreeMap::from([review])).unwrap();
        let described = Description::all(&definitions.outputs).unwrap();
        let mut said: BTreeMap<String, (Vec<Played>, Value)> = BTreeMap::new();
        for variant in described.iter().map(|it| &it.variant) {
            for scenario in ALL {
                let config = Config {
                    seed: 1,
                    events: true,
                    ..Config::default()
                };
                let lab = Lab::new(&definitions, config).unwrap();
                assert_eq!(play(&lab, (scenario, variant)), None);
                let heard: BTreeMap<String, Value> = lab.with(|lab| {
                    let heard = lab.heard().iter().filter_map(|it| {
                        // Topics have the fact alone; AWS's own events are none of ours.
                        let fact = it.event.get("detail").unwrap_or(&it.event);
                        let name = fact["metadata"]["type"].as_str()?;
                        Some((name.to_owned(), fact.clone()))
                    });
                    heard.collect()
                });
                for (name, fact) in heard {
                    let known = said.entry(name).or_insert_with(|| (Vec::new(), fact));
                    known.0.push((scenario, variant));
                }
            }
        }
        let said_by = interests().unwrap();
        // What is said only when a service is away for longer than the shop's patience is
        // sent to it by itself.
        for (name, schema) in schemas() {
            if !said.contains_key(&name) {
                let mut event = said["OrderConfirmed"].1.clone();
                event["metadata"]["type"] = name.as_str().into();
                let by = said_by.iter().find(|it| it.fact == name).unwrap().said_by;
                event["metadata"]["source"] = format!("duet.{by}").into();
                let data = Adapter::new(&schema, &schema).adapted(&event["data"], 1);
                event["data"] = data.unwrap();
                said.insert(name, (Vec::new(), event));
            }
        }
        Self { definitions, said }
    }

    /// Has the shop say the fact of `change` by its new schema, and sends what is said to
    /// break it.
    pub(crate) fn tried(&self, change: &Change, old: &Value, new: &Value, seed: u64) -> Seen {
        let fact = &change.fact;
        let (played, event) = &self.said[fact];
        let mut seen = Seen {
            refused: BTreeMap::new(),
            ended: None,
            said: 0,
            is_same: true,
        };
        let adapter = Arc::new(Mutex::new(Adapter::new(old, new)));
        let some: BTreeSet<usize> = (0..SCENARIOS)
            .filter_map(|n| (seed as usize + n * 7).checked_rem(played.len()))
            .collect();
        for at in some {
            self.said_anew(fact, played[at], &adapter, seed, &mut seen);
        }
        let forward = change.breaks.iter().filter(|it| it.way == Way::Forward);
        let examples: Vec<&Value> = forward.filter_map(|it| it.example.as_ref()).collect();
        for example in &examples {
            self.shown(fact, example, &mut seen);
        }
        if played.is_empty() {
            let mut adapter = adapter.lock().unwrap();
            let drawn = (0..SENT).filter_map(|n| adapter.adapted(&event["data"], seed ^ n << 32));
            let data = drawn.chain(examples.into_iter().cloned()).collect();
            self.sent(fact, event, data, &mut seen);
        }
        seen
    }

    /// Plays a scenario in which `fact` is said as `adapter` has it.
    fn said_anew(
        &self,
        fact: &str,
        played: Played,
        adapter: &Arc<Mutex<Adapter>>,
        seed: u64,
        seen: &mut Seen,
    ) {
        let kept = Arc::new(AtomicBool::new(true));
        let (adapter, keeps_all) = (adapter.clone(), kept.clone());
        let (said, ended) = self.written(fact, played, seen, move |event, was| {
            // The same fact is said in the same words, however often.
            let id = event.metadata.id.bytes();
            let own = id.fold(seed, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(byte.into())
            });
            let anew = adapter.lock().unwrap().adapted(was, own);
            let anew = anew.unwrap_or_else(|| was.clone());
            keeps_all.fetch_and(keeps(was, &anew), Ordering::Relaxed);
            anew
        });
        seen.said += said;
        let is_same = kept.load(Ordering::Relaxed);
        seen.is_same &= is_same;
        if is_same {
            seen.ended = seen.ended.take().or(ended);
        }
    }

    /// Says `example` in place of `fact`, by each carrier of facts: some let through
    /// what others do not.
    fn shown(&self, fact: &str, example: &Value, seen: &mut Seen) {
        let (played, _) = &self.said[fact];
        let by_variant: BTreeMap<&str, Played> = played.iter().map(|it| (it.1.name, *it)).collect();
        for played in by_variant.into_values() {
            let example = example.clone();
            let (said, _) = self.written(fact, played, seen, move |_, _| example.clone());
            seen.said += said;
        }
    }

    /// Plays a scenario in which the data of `fact` is what `write` makes of it: how
    /// often it was said, and how the scenario ended otherwise.
    fn written(
        &self,
        fact: &str,
        played: Played,
        seen: &mut Seen,
        write: impl Fn(&Event, &Value) -> Value + Send + Sync + 'static,
    ) -> (usize, Option<String>) {
        let said = Arc::new(AtomicUsize::new(0));
        let (counted, name) = (said.clone(), fact.to_owned());
        let writer = Writer::new(move |event| {
            let mut whole = serde_json::to_value(event).unwrap();
            if event.metadata.kind == name {
                counted.fetch_add(1, Ordering::Relaxed);
                whole["data"] = write(event, &whole["data"]);
            }
            whole
        });
        let config = Config {
            seed: 1,
            writer: Some(writer),
            ..Config::default()
        };
        let lab = Lab::new(&self.definitions, config).unwrap();
        let ended = play(&lab, played);
        seen.refused.extend(refused(&lab, fact));
        (said.load(Ordering::Relaxed), ended)
    }

    /// Sends the fact that `event` is, with each of `data`, to a shop that knows of nothing.
    fn sent(&self, fact: &str, event: &Value, data: Vec<Value>, seen: &mut Seen) {
        let config = Config {
            seed: 1,
            ..Config::default()
        };
        let lab = Lab::new(&self.definitions, config).unwrap();
        let bus = lab.with(|lab| {
            let mut buses = lab.definitions().buses.iter();
            // The default bus has AWS's own events.
            let own = buses.find(|it| it.name != "default");
            own.unwrap().name.clone()
        });
        // Some hear a fact only when it comes late, or only when it does not.
        let both = data
            .into_iter()
            .flat_map(|it| [(false, it.clone()), (true, it)]);
        for (n, (is_late, data)) in both.enumerate() {
            let mut detail = json!({ "metadata": event["metadata"], "data": data });
            detail["metadata"]["id"] = format!("sent/{n}").into();
            detail["metadata"]["late"] = is_late.into();
            let source = event["metadata"]["source"].as_str().unwrap();
            lab.with(|lab| lab.put_event(&bus, source, fact, &detail))
                .unwrap();
            seen.said += 1;
        }
        lab.with(|lab| lab.settle(3_600_000));
        seen.refused.extend(refused(&lab, fact));
    }
}

/// Whether `anew` says all that `was` says, and perhaps more.
fn keeps(was: &Value, anew: &Value) -> bool {
    match (was, anew) {
        (Value::Object(was), Value::Object(anew)) => was
            .iter()
            .all(|(name, it)| anew.get(name).is_some_and(|anew| keeps(it, anew))),
        (Value::Array(was), Value::Array(anew)) => {
            was.len() == anew.len() && was.iter().zip(anew).all(|(was, anew)| keeps(was, anew))
        }
        (was, anew) => was == anew,
    }
}

/// Who could not read `fact`, with what they said: what lies dead for that. What is read,
/// and then refused for what it says, is another thing.
fn refused(lab: &Lab, fact: &str) -> BTreeMap<String, String> {
    let letters = lab.with(duet_lab::Lab::dead_letters);
    let unread = format!("data does not fit {fact}");
    let unread = letters.into_iter().filter(|it| it.cause.contains(&unread));
    let by_service = unread.filter_map(|it| {
        let whose = SERVICES.iter().find(|who| it.queue.contains(*who))?;
        Some(((*whose).to_owned(), it.cause))
    });
    by_service.collect()
}
