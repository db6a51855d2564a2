//! The sweep entry: whom it asks, and what it says.

use std::collections::BTreeSet;

use duet_core::store::{CommitError, Expect, Item, Key, Listing, Memory, Store, StoreFault, Write};
use duet_core::sweep::{Execution, Sweep, Waits};

use super::*;
use crate::sweep::{Engine, Swept, Way, Ways, sweep};

/// A document waits if it says so; who left it decides what is said.
impl Sweep for Obedient {
    const INDEX: &'static str = "waits";

    fn waits(item: &Item, _: Timestamp) -> Result<Option<Waits>, Failure> {
        let body = item.body.value();
        Ok((body["waits"] == true).then(|| Waits {
            subject: item.key.pk.clone(),
            variant: body["variant"].as_str().unwrap_or_default().to_owned(),
        }))
    }

    fn left(
        _: &Item,
        executions: Option<&[Execution]>,
        _: Timestamp,
    ) -> Result<Option<Command>, Failure> {
        let how = match executions {
            None => "timer".to_owned(),
            Some(all) if all.iter().any(|one| one.ended.is_none()) => return Ok(None),
            Some(all) => {
                let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
                names.join(" ")
            }
        };
        Ok(Some(Act { how }.into()))
    }
}

/// A table whose index lags: it lists everything that ever was in it.
#[derive(Clone)]
struct Lagging(Memory, Vec<Key>);

impl Store for Lagging {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.0.load(keys).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.0.commit(writes).await
    }
}

impl Listing for Lagging {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        assert_eq!(index, "waits");
        Ok(self.1.clone())
    }
}

async fn table(documents: &[(&str, &str, bool)]) -> Lagging {
    let table = Memory::default();
    let mut keys = vec![Key::new("gone", "document")];
    for (subject, variant, waits) in documents {
        let key = Key::new(subject, "document");
        let body = json!({ "variant": variant, "waits": waits });
        let write = Write::put(key.clone(), &body, Expect::Absent);
        table.commit(vec![write]).await.unwrap();
        keys.push(key);
    }
    Lagging(table, keys)
}

/// Executions by machine and name: those that run, and whether a list has them.
#[derive(Clone, Default)]
struct Machines {
    all: Arc<Vec<(&'static str, &'static str, bool)>>,
    unlisted: BTreeSet<&'static str>,
    lists: Arc<Mutex<usize>>,
}

impl Engine for Machines {
    async fn running(&self, machine: &str) -> Result<Vec<String>, Failure> {
        *self.lists.lock().unwrap() += 1;
        let of = |(on, name, runs): &&(&str, &'static str, bool)| {
            *on == machine && *runs && !self.unlisted.contains(name)
        };
        let running = self.all.iter().filter(of);
        Ok(running.map(|(_, name, _)| (*name).to_owned()).collect())
    }

    async fn execution(&self, machine: &str, name: &str) -> Result<Option<Execution>, Failure> {
        let mut all = self.all.iter();
        let found = all.find(|(on, known, _)| *on == machine && *known == name);
        Ok(found.map(|(_, name, runs)| Execution {
            name: (*name).to_owned(),
            ended: (!runs).then(now),
        }))
    }
}

fn ways() -> Ways {
    let way = |queue: &str, machines: &[&str]| Way {
        queue: queue.to_owned(),
        machines: machines.iter().map(|one| (*one).to_owned()).collect(),
    };
    Ways::from([
        ("known".to_owned(), way("inbox", &["m", "n"])),
        ("bus".to_owned(), way("own", &[])),
    ])
}

async fn swept(
    table: &Lagging,
    engine: &Machines,
    broken: bool,
) -> (Result<Swept, Failure>, Vec<String>) {
    let wires = Notebook {
        broken,
        ..Notebook::default()
    };
    let clock = Arc::new(now);
    let came = sweep::<Obedient>(table, engine, &wires, &clock, &Silent, &ways()).await;
    let lines = wires.lines.lock().unwrap().clone();
    (came, lines)
}

#[tokio::test]
async fn what_nobody_drives_is_said_to_the_queue_of_its_variant() {
    let table = table(&[
        ("o-1", "known", true),
        ("o-2", "known", true),
        ("o-3", "known", true),
        ("o-4", "bus", true),
        ("o-5", "bus", false),
        ("o-6", "strange", true),
    ])
    .await;
    let engine = Machines {
        all: Arc::new(vec![
            ("m", "o-1", false),
            ("m", "o-1__2", false),
            ("n", "o-1", false),
            // A further execution drives o-2; the list lacks that of o-3 yet.
            ("m", "o-2", false),
            ("n", "o-2__7", true),
            ("n", "o-3", true),
        ]),
        unlisted: ["o-3"].into(),
        ..Machines::default()
    };
    let (came, lines) = swept(&table, &engine, false).await;
    assert_eq!(lines, ["inbox Act in 0", "own Act in 0"]);
    let came = came.unwrap();
    assert_eq!(
        (came.listed, came.asked, came.said, came.unreachable),
        (7, 5, 2, 1)
    );
    assert_eq!(*engine.lists.lock().unwrap(), 2, "once a machine");
}

#[tokio::test]
async fn who_has_nothing_to_ask_about_asks_nobody() {
    let table = table(&[("o-4", "bus", true), ("o-5", "known", false)]).await;
    let engine = Machines::default();
    let (came, _) = swept(&table, &engine, false).await;
    assert_eq!(came.unwrap().said, 1);
    assert_eq!(*engine.lists.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_sweep_that_cannot_speak_fails() {
    let table = table(&[("o-4", "bus", true)]).await;
    let (came, lines) = swept(&table, &Machines::default(), true).await;
    assert_eq!(came, Err(Failure::transient("the wire is cut")));
    assert!(lines.is_empty());
}

#[test]
fn a_way_that_cannot_be_read_is_refused_at_start() {
    let read = serde_json::from_str::<Ways>;
    assert_eq!(
        read(r#"{"a":{"queue":"q"}}"#).unwrap()["a"].machines.len(),
        0
    );
    for unknown in [r#"{"a":{}}"#, r#"{"a":{"queue":"q","machine":"m"}}"#] {
        assert!(read(unknown).is_err(), "{unknown}");
    }
}

#[tokio::test]
async fn every_further_execution_is_asked_for() {
    let table = table(&[("o-1", "known", true)]).await;
    let engine = Machines {
        all: Arc::new(vec![
            ("m", "o-1", false),
            ("m", "o-1__2", false),
            ("m", "o-1__3", true),
        ]),
        unlisted: ["o-1__3"].into(),
        ..Machines::default()
    };
    let (came, lines) = swept(&table, &engine, false).await;
    assert_eq!((came.unwrap().said, lines), (0, Vec::<String>::new()));
}
