//! The contracts, generated from the code: the JSON Schema of every fact and
//! command, and the table of who says what, who listens to it, and what it
//! makes them do. Checked in, and compared by a test.

pub mod fields;
pub mod hearers;
pub mod published;
pub mod registered;
pub mod told;
mod written;

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::str::FromStr;
use std::sync::LazyLock;

use duet_core::message::{Event, Metadata};
use duet_core::service::reaction;
use duet_core::store::Memory;
use duet_core::{CommandMessage, Environment, Fact, SERVICES, Service, SystemClock, Vocabulary};
use duet_delivery::SimulatedCarrier;
use duet_notification::adapters::Memory as Sent;
use duet_payment::SimulatedProvider;
use schemars::{Schema, schema_for};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::written::{Contracts, run};
use crate::terminal::exit::{Outcome, Problem};

/// Where the schemas lie, from the project's root.
const SCHEMAS: &str = "infra/schemas";

/// Where the event table lies, from the project's root.
const TABLE: &str = "docs/events.md";

/// What a service takes, says, and does about a fact.
struct Described {
    name: &'static str,
    commands: Vec<(&'static str, Schema)>,
    says: &'static [(&'static str, &'static [&'static str])],
    undoes: &'static [(&'static str, &'static str)],
    verdicts: &'static [&'static str],
    policy: fn(&Event) -> Option<&'static str>,
}

/// What the service that `_build` would make takes and says.
fn described<S: Service>(
    _build: impl FnOnce(&Nowhere) -> Result<S, String>,
    commands: Vec<(&'static str, Schema)>,
) -> Described {
    Described {
        name: S::NAME,
        commands,
        says: S::SAYS,
        undoes: S::UNDOES,
        verdicts: S::VERDICTS,
        policy: |event| reaction::<S>(event).map(|command| command.name()),
    }
}

impl Described {
    /// Whether it listens to everything there is: a recorder of facts, with no
    /// part in what happens.
    fn hears_all(&self) -> bool {
        Fact::NAMES.iter().all(|fact| {
            samples(fact).is_ok_and(|kinds| {
                let mut kinds = kinds.iter();
                kinds.all(|(_, event)| (self.policy)(event).is_some())
            })
        })
    }
}

/// What each service that takes part does about `event`: its name, and the
/// command.
#[must_use]
pub fn reactions(event: &Event) -> Vec<(&'static str, &'static str)> {
    type Policy = fn(&Event) -> Option<&'static str>;
    // Asked for every fact of a timeline, and always the same.
    static PARTS: LazyLock<Vec<(&'static str, Policy)>> = LazyLock::new(|| {
        let all = services();
        let parts = all.iter().filter(|service| !service.hears_all());
        parts.map(|part| (part.name, part.policy)).collect()
    });
    PARTS
        .iter()
        .filter_map(|(name, policy)| Some((*name, policy(event)?)))
        .collect()
}

/// The service that takes the command called `command`; none where nobody does.
#[must_use]
pub fn taken_by(command: &str) -> Option<&'static str> {
    let all = services();
    let takes = |it: &&Described| it.commands.iter().any(|(name, _)| *name == command);
    all.iter().find(takes).map(|it| it.name)
}

/// The service that says the fact called `fact`; none where nobody does.
#[must_use]
pub fn said_by(fact: &str) -> Option<&'static str> {
    let all = services();
    let says = |it: &&Described| it.says.iter().any(|(_, facts)| facts.contains(&fact));
    all.iter().find(says).map(|it| it.name)
}

/// Whether `service` says any fact.
#[must_use]
pub fn says_facts(service: &str) -> bool {
    let all = services();
    let mut its = all.iter().filter(|it| it.name == service);
    its.any(|it| it.says.iter().any(|(_, facts)| !facts.is_empty()))
}

/// The services that hear every fact and take no part: their names, and what
/// a fact makes them do.
///
/// # Errors
/// As [`interests`].
pub fn recorders() -> Outcome<Vec<(&'static str, &'static str)>> {
    let sample = match Fact::NAMES.first() {
        Some(fact) => samples(fact)?.pop(),
        None => None,
    };
    let all = services();
    let some = all.iter().filter(|service| service.hears_all());
    Ok(some
        .filter_map(|service| {
            let (_, event) = sample.as_ref()?;
            Some((service.name, (service.policy)(event)?))
        })
        .collect())
}

/// Where a service would be built, to see what type it is: whatever names `build`
/// with it and does not call it knows the service's type.
#[derive(Debug)]
pub struct Nowhere;

impl Environment for Nowhere {
    type Table = Memory;
    type Clock = SystemClock;
    type Error = String;

    fn table(&self, variable: &str) -> Result<Memory, String> {
        Err(format!("{variable} is nowhere"))
    }

    fn setting<T: FromStr<Err: Display>>(&self, variable: &str) -> Result<T, String> {
        Err(format!("{variable} is nowhere"))
    }

    fn clock(&self) -> SystemClock {
        SystemClock
    }
}

impl Nowhere {
    /// The payment provider.
    ///
    /// # Errors
    /// There is none.
    pub fn provider(&self) -> Result<SimulatedProvider<Memory, SystemClock>, String> {
        Ok(SimulatedProvider::new(self.table("")?, self.clock()))
    }

    /// The carrier.
    ///
    /// # Errors
    /// There is none.
    pub fn carrier(&self) -> Result<SimulatedCarrier<Memory, SystemClock>, String> {
        Ok(SimulatedCarrier::new(self.table("")?, self.clock()))
    }

    /// The topic that notices go to.
    ///
    /// # Errors
    /// None.
    pub fn topic(&self) -> Result<Sent, String> {
        Ok(Sent::default())
    }
}

macro_rules! all_described {
    (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
     listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
        /// Every service.
        fn services() -> [Described; SERVICES.len()] {
            [
                $(described(
                    |_env| $its::build(_env $(, _env.$port()?)*),
                    $its::Command::schemas(),
                ),)*
                $(described(|env| $own::build(env), $own::Command::schemas()),)*
            ]
        }
    };
}
duet_core::services!(all_described);

/// A fact that interests somebody, or nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interest {
    /// The fact's name.
    pub fact: &'static str,
    /// Its kind, for the facts that come in kinds with different listeners.
    pub kind: Option<&'static str>,
    /// The service that says it.
    pub said_by: &'static str,
    /// The commands that lead to it.
    pub after: Vec<&'static str>,
    /// Who listens, and what it makes them do; without those that hear
    /// everything (see [`recorders`]).
    pub makes: Vec<(&'static str, &'static str)>,
    /// Those of them whom it interests only when it comes late.
    pub late: Vec<&'static str>,
}

/// Who says what, who listens, and what it makes them do: from the services'
/// own lists and policies.
///
/// # Errors
/// [`Problem`] for a fact that no sample fits: a gap in this file.
pub fn interests() -> Outcome<Vec<Interest>> {
    let services = services();
    let mut interests = Vec::new();
    for fact in Fact::NAMES {
        let says =
            |service: &&Described| service.says.iter().any(|(_, facts)| facts.contains(fact));
        let said_by = services.iter().find(says);
        let after = said_by.into_iter().flat_map(|service| service.says);
        let after = after
            .filter(|(_, facts)| facts.contains(fact))
            .map(|(command, _)| *command)
            .collect::<Vec<_>>();
        for (kind, event) in samples(fact)? {
            let makes = services
                .iter()
                .filter(|service| !service.hears_all())
                .filter_map(|service| Some((service.name, (service.policy)(&event)?)));
            let makes: Vec<_> = makes.collect();
            let mut in_time = event.clone();
            in_time.metadata.late = false;
            let deaf = |service: &&Described| (service.policy)(&in_time).is_none();
            let late = services.iter().filter(deaf).map(|service| service.name);
            let late = late.filter(|name| makes.iter().any(|(who, _)| who == name));
            interests.push(Interest {
                late: late.collect(),
                fact,
                kind,
                said_by: said_by.map_or("nobody", |service| service.name),
                after: after.clone(),
                makes,
            });
        }
    }
    Ok(interests)
}

/// `data` of the fact called `name` with something in the place of what is said
/// of a person, which the journal leaves out: enough to tell what the fact makes
/// services do, and nobody's.
#[must_use]
pub fn completed(name: &str, mut data: Value) -> Value {
    if let Some(members) = data.as_object_mut() {
        for left_out in duet_core::fact::personal(name) {
            let sample = sample();
            members
                .entry(*left_out)
                .or_insert_with(|| sample[*left_out].clone());
        }
    }
    data
}

/// Data in which every fact finds its members.
fn sample() -> Value {
    let money = json!({ "amount": 1, "currency": "EUR" });
    json!({
        "order": "o-1", "customer": "c-1", "email": "a@example.org", "country": "SE", "lines": [], "owed": [],
        "registered_at": "2026-01-01T00:00:00Z", "placed_at": "2026-01-01T00:00:00Z", "total": money, "amount": money,
        "payment_token": "tok_visa", "score": 1, "reasons": [], "tracking": "t", "subject": "o-1",
        "ship_to": { "name": "n", "street": "s", "city": "c", "postcode": "p", "country": "SE" },
    })
}

/// One event per kind of `fact`, such as interests whoever it interests: late.
fn samples(fact: &'static str) -> Outcome<Vec<(Option<&'static str>, Event)>> {
    let all = sample();
    let kinds = [Some("order"), Some("customer")];
    let with = |kind: Option<&str>, reason: Option<&str>| {
        let mut data = all.clone();
        for (name, value) in [("kind", kind), ("reason", reason)] {
            if let Some(value) = value {
                data[name] = json!(value);
            }
        }
        Fact::parse(fact, data)
    };
    let plain = [
        (None, None),
        (None, Some("PaymentDeclined")),
        (None, Some("OutOfStock")),
        (None, Some("NotServed")),
        (Some("OrderConfirmed"), None),
    ];
    let mut found: Vec<(Option<&'static str>, Fact)> = plain
        .iter()
        .find_map(|(kind, reason)| Some((None, with(*kind, *reason).ok()?)))
        .into_iter()
        .collect();
    if found.is_empty() {
        found.extend(
            kinds
                .iter()
                .filter_map(|kind| Some((*kind, with(*kind, None).ok()?))),
        );
    }
    if found.is_empty() {
        return Err(Problem::failed(format!("no sample fits the fact {fact}")));
    }
    let event = |(kind, fact): (Option<&'static str>, Fact)| {
        let mut metadata = crate::shop::message::metadata(
            fact.name(),
            fact.subject(),
            "sample",
            jiff::Timestamp::UNIX_EPOCH,
        );
        metadata.late = true;
        (kind, Event::new(metadata, fact))
    };
    Ok(found.into_iter().map(event).collect())
}

/// The event table, as Markdown.
fn event_table(interests: &[Interest], recorders: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "# Events\n\nGenerated by `duet contracts` from the services' lists and policies; do not edit.\n\n\
         | fact | said by | after | who listens, and what it makes them do |\n|---|---|---|---|\n",
    );
    for interest in interests {
        let kind = interest
            .kind
            .map_or(String::new(), |kind| format!(" ({kind})"));
        let makes: Vec<String> = interest
            .makes
            .iter()
            .map(|(who, what)| match interest.late.contains(who) {
                true => format!("{who}: {what} (when late)"),
                false => format!("{who}: {what}"),
            })
            .collect();
        let makes = if makes.is_empty() {
            "nobody: final".to_owned()
        } else {
            makes.join("; ")
        };
        let _ = writeln!(
            text,
            "| {}{kind} | {} | {} | {makes} |",
            interest.fact,
            interest.said_by,
            interest.after.join(", ")
        );
    }
    for (who, what) in recorders {
        let _ = writeln!(text, "\nBesides, {who} hears every fact: {what}.");
    }
    text
}

/// Every generated file, by its path from the project's root.
///
/// # Errors
/// As [`interests`].
pub fn files() -> Outcome<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut schema = |path: String, schema: Value| {
        let text = serde_json::to_string_pretty(&sorted(schema)).unwrap_or_default();
        files.insert(format!("{SCHEMAS}/{path}.json"), format!("{text}\n"));
    };
    schema("metadata".to_owned(), schema_for!(Metadata).to_value());
    let message = closed(schema_for!(CommandMessage).to_value());
    schema("command-message".to_owned(), message);
    for (name, data) in Fact::schemas() {
        schema(format!("events/{name}"), data.to_value());
    }
    for service in services() {
        for (name, data) in service.commands {
            let data = closed(data.to_value());
            schema(format!("commands/{}.{name}", service.name), data);
        }
    }
    files.insert(TABLE.to_owned(), event_table(&interests()?, &recorders()?));
    files.insert(registered::TEMPLATE.to_owned(), registered::template()?);
    Ok(files)
}

/// The schema `value` with no room in its objects for anything it does not
/// name: whoever asks is strict, however tolerant those who read are.
fn closed(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let is_object = map.contains_key("properties");
            let mut map: serde_json::Map<_, _> = map
                .into_iter()
                .map(|(key, value)| (key, closed(value)))
                .collect();
            if is_object {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.into()
        }
        Value::Array(list) => list.into_iter().map(closed).collect(),
        plain => plain,
    }
}

/// `value` with the keys of every map in alphabetical order, so that a file is
/// the same whatever order the build keeps maps in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let pairs: BTreeMap<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            pairs.into_iter().collect()
        }
        Value::Array(list) => list.into_iter().map(sorted).collect(),
        plain => plain,
    }
}
