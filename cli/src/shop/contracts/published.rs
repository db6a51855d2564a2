//! The contracts as others' tools read them, and what all of these are made from:
//! who says what, who hears it, and over what it goes under each variant.
//!
//! Services, facts and commands are the services' own; variants, and what they go
//! over, are what the deployed templates describe. Nothing here names a variant.

pub mod asyncapi;
pub mod cloudevents;
pub mod eventcatalog;

use std::collections::{BTreeMap, BTreeSet};

use duet_core::{Fact, LISTENERS};
use duet_lab::{Definitions, Machine, bundled};
use serde_json::Value;

use super::{closed, interests, recorders, services};
use crate::shop::services::Subject;
use crate::shop::variant::{Description, Door, Entry, Variant};
use crate::terminal::exit::{Outcome, Problem};

/// The version that all of it has: there is one release of all services.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the function that takes verdicts has in `DUET_ENTRY`.
const VERDICT: &str = "verdict";

/// The shop, as others see it.
#[derive(Debug)]
pub struct Published {
    /// The services.
    pub services: Vec<Served>,
    /// The facts.
    pub facts: Vec<Said>,
    /// The variants that are deployed.
    pub variants: Vec<Variant>,
    /// What messages go over, by key: the AWS service and the name.
    pub channels: BTreeMap<String, Channel>,
    /// Who sends and receives what, where, under which variant.
    pub uses: BTreeMap<Use, Used>,
    /// The commands by which somebody outside has something begin, or decides it.
    pub asked: BTreeSet<String>,
}

/// A service.
#[derive(Debug)]
pub struct Served {
    /// Its name.
    pub name: &'static str,
    /// Whether it only listens, to everything.
    pub listens: bool,
    /// Its commands by the names of their contracts, with their schemas.
    pub commands: BTreeMap<String, Value>,
    /// What it says.
    pub says: BTreeSet<&'static str>,
    /// What it hears, and what that makes it do.
    pub hears: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

/// A fact.
#[derive(Debug)]
pub struct Said {
    /// Its name.
    pub name: &'static str,
    /// Who says it.
    pub by: &'static str,
    /// The schema of its data.
    pub schema: Value,
}

/// What messages go over.
#[derive(Debug)]
pub struct Channel {
    /// The AWS service, as ARNs name it.
    pub service: String,
    /// The name of the queue, bus, topic, function or state machine.
    pub name: String,
    /// What may go over it: contracts by name.
    pub messages: BTreeSet<String>,
    /// Whether it carries facts; else commands.
    pub facts: bool,
}

/// Somebody's use of a channel under a variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The variant.
    pub variant: &'static str,
    /// The service, or `workflow NAME`.
    pub who: String,
    /// Whether it sends; else it receives.
    pub sends: bool,
    /// The channel's key.
    pub channel: String,
}

/// What goes there.
#[derive(Debug, Default)]
pub struct Used {
    /// Contracts by name.
    pub messages: BTreeSet<String>,
    /// The rules that bring it, where there are rules.
    pub rules: BTreeSet<String>,
}

/// The name of the contract of `service`'s `command`.
fn contract(service: &str, command: &str) -> String {
    format!("{service}.{command}")
}

/// What is sent to have `subject` begin.
fn first(subject: Subject) -> String {
    match subject {
        Subject::Order => contract("order", "PlaceOrder"),
        Subject::Customer => contract("customer", "RegisterCustomer"),
    }
}

impl Published {
    /// The shop as this checkout deploys it.
    ///
    /// # Errors
    /// As [`Published::of`].
    pub fn built_in() -> Outcome<Self> {
        let definitions = Definitions::read(bundled(), "duet", &BTreeMap::new());
        Self::of(&definitions.map_err(Problem::usage)?)
    }

    /// The shop as `definitions` deploy it.
    ///
    /// # Errors
    /// [`Problem`] when a variant's description cannot be read.
    pub fn of(definitions: &Definitions) -> Outcome<Self> {
        let deployed: BTreeSet<&str> = definitions
            .functions
            .iter()
            .map(|it| it.service.as_str())
            .collect();
        let mut shop = Self {
            services: served(&deployed)?,
            facts: said()?,
            variants: Vec::new(),
            channels: BTreeMap::new(),
            uses: BTreeMap::new(),
            asked: Subject::ALL.into_iter().map(first).collect(),
        };
        for description in Description::all(&definitions.outputs)? {
            shop.variants.push(description.variant);
            shop.add(definitions, description)?;
        }
        Ok(shop)
    }

    /// Adds what `description` says of its variant.
    fn add(&mut self, definitions: &Definitions, description: &Description) -> Outcome<()> {
        let variant = description.variant.name;
        for subject in Subject::ALL {
            match description.entry(subject) {
                Entry::Queue(url) => self.door(definitions, variant, &Door::Queue(url.clone())),
                Entry::Machine(arn) | Entry::SyncMachine(arn) => {
                    let machine = definitions.machines.iter().find(|it| &it.arn == arn);
                    if let Some(machine) = machine {
                        self.workflow(definitions, variant, machine, subject);
                    }
                }
            }
        }
        for service in crate::shop::services::TableOf::SERVICES {
            if let Some(door) = description.door(service) {
                self.door(definitions, variant, door);
            }
        }
        for (arn, name) in carriers(definitions, &facts_of(definitions, description)?) {
            self.carrier(definitions, variant, &arn, &name);
        }
        Ok(())
    }

    /// A door: who stands behind it receives what it is asked there.
    fn door(&mut self, definitions: &Definitions, variant: &'static str, door: &Door) {
        let (arn, function) = match door {
            Door::Queue(url) => {
                let queue = definitions.queue_named(url);
                let mapping = queue.and_then(|at| {
                    let mut all = definitions.mappings.iter();
                    all.find(|it| it.queue == at && !it.gone)
                });
                match (queue, mapping) {
                    (Some(at), Some(to)) => (&definitions.queues[at].arn, to.function),
                    _ => return,
                }
            }
            Door::Function(name) => match definitions.function(name) {
                Some(at) => (&definitions.functions[at].arn, at),
                None => return,
            },
        };
        let function = &definitions.functions[function];
        let entry = function.environment.get("DUET_ENTRY");
        let verdicts = entry.is_some_and(|it| it == VERDICT);
        let all = services();
        let Some(of) = all.iter().find(|it| it.name == function.service) else {
            return;
        };
        let taken = of.commands.iter().map(|(name, _)| *name);
        let taken = taken.filter(|name| !verdicts || of.verdicts.contains(name));
        let messages: BTreeSet<String> = taken.map(|name| contract(of.name, name)).collect();
        if verdicts {
            self.asked.extend(messages.iter().cloned());
        }
        let (arn, who) = (arn.clone(), of.name.to_owned());
        self.used(variant, who, false, (&arn, false), messages, None);
    }

    /// A workflow: it receives what starts it, and sends commands to tasks.
    fn workflow(
        &mut self,
        definitions: &Definitions,
        variant: &'static str,
        machine: &Machine,
        subject: Subject,
    ) {
        let name = machine.name.split_once('-');
        let name = name.map_or(machine.name.as_str(), |(_, rest)| rest);
        let who = format!("workflow {name}");
        let starts = BTreeSet::from([first(subject)]);
        self.used(
            variant,
            who.clone(),
            false,
            (&machine.arn, false),
            starts,
            None,
        );
        for (state, _) in machine.machine.tasks() {
            let literal = |path: &[&str]| machine.machine.literal(state, path);
            let function = literal(&["FunctionName"]).and_then(|it| definitions.function(it));
            let (Some(at), Some(command)) = (function, literal(&["Payload", "command"])) else {
                continue;
            };
            let function = &definitions.functions[at];
            let message = || BTreeSet::from([contract(&function.service, command)]);
            let over = (function.arn.as_str(), false);
            self.used(variant, who.clone(), true, over, message(), None);
            let receiver = function.service.clone();
            self.used(variant, receiver, false, over, message(), None);
        }
    }

    /// What facts go over: a bus or a topic that takes all facts, or those of the
    /// service that it is named after.
    fn carrier(&mut self, definitions: &Definitions, variant: &'static str, arn: &str, name: &str) {
        let mut owners = self.services.iter().map(|it| it.name);
        let owner = owners.find(|it| name.ends_with(&format!("-{it}")));
        let goes = |by: &str| owner.is_none_or(|owner| owner == by);
        let mut ways = Vec::new();
        for service in &self.services {
            let says = service.says.iter().filter(|_| goes(service.name));
            let says: BTreeSet<String> = says.map(|it| (*it).to_owned()).collect();
            ways.push((service.name, true, says));
            let heard = service.hears.keys().filter(|fact| {
                let by = self.facts.iter().find(|it| it.name == **fact);
                by.is_some_and(|it| goes(it.by))
            });
            let heard = heard.map(|it| (*it).to_owned()).collect();
            ways.push((service.name, false, heard));
        }
        for (who, sends, messages) in ways {
            let rules = (!sends).then(|| rules(definitions, arn, who));
            let of_a_carrier = (arn, true);
            self.used(
                variant,
                who.to_owned(),
                sends,
                of_a_carrier,
                messages,
                rules,
            );
        }
    }

    /// Notes that `who` sends or receives `messages` over the channel of that ARN,
    /// which carries facts or not.
    fn used(
        &mut self,
        variant: &'static str,
        who: String,
        sends: bool,
        (arn, facts): (&str, bool),
        messages: BTreeSet<String>,
        rules: Option<BTreeSet<String>>,
    ) {
        if messages.is_empty() {
            return;
        }
        let mut parts = arn.splitn(6, ':').skip(2);
        let service = parts.next().unwrap_or_default().to_owned();
        let name = arn.rsplit([':', '/']).next().unwrap_or(arn).to_owned();
        let key = format!("{service}.{name}");
        let channel = self.channels.entry(key.clone()).or_insert(Channel {
            service,
            name,
            messages: BTreeSet::new(),
            facts,
        });
        channel.messages.extend(messages.iter().cloned());
        let of = Use {
            variant,
            who,
            sends,
            channel: key,
        };
        let used = self.uses.entry(of).or_default();
        used.messages.extend(messages);
        used.rules.extend(rules.unwrap_or_default());
    }
}

/// The services that are deployed.
fn served(deployed: &BTreeSet<&str>) -> Outcome<Vec<Served>> {
    let (interests, recorders) = (interests()?, recorders()?);
    let mut all = Vec::new();
    for service in services() {
        if !deployed.contains(service.name) {
            continue;
        }
        let mut hears: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for interest in &interests {
            let own = interest.makes.iter().chain(&recorders);
            for (_, command) in own.filter(|(who, _)| *who == service.name) {
                hears.entry(interest.fact).or_default().insert(command);
            }
        }
        let commands = service.commands.iter().map(|(name, schema)| {
            let schema = closed(schema.clone().to_value());
            (contract(service.name, name), schema)
        });
        let says = service.says.iter().flat_map(|(_, facts)| *facts);
        all.push(Served {
            name: service.name,
            listens: LISTENERS.contains(&service.name),
            commands: commands.collect(),
            says: says.copied().collect(),
            hears,
        });
    }
    Ok(all)
}

/// The facts.
fn said() -> Outcome<Vec<Said>> {
    let by: BTreeMap<&str, &str> = interests()?
        .into_iter()
        .map(|it| (it.fact, it.said_by))
        .collect();
    let all = Fact::schemas().into_iter().map(|(name, schema)| Said {
        name,
        by: by.get(name).copied().unwrap_or("nobody"),
        schema: schema.to_value(),
    });
    Ok(all.collect())
}

/// What the output that describes the variant says of its facts: what they go over,
/// in words that the carrier has.
fn facts_of(definitions: &Definitions, description: &Description) -> Outcome<Value> {
    let texts = definitions.outputs.values();
    let mut texts = texts.filter(|text| description.is_said_by(text));
    let text = texts.next().map_or("{}", String::as_str);
    let said: Value = serde_json::from_str(text).map_err(Problem::environment)?;
    Ok(said["facts"].clone())
}

/// The buses and topics that `said` names, at any depth: ARN and name.
fn carriers(definitions: &Definitions, said: &Value) -> Vec<(String, String)> {
    match said {
        Value::String(text) => {
            let bus = definitions.bus_named(text);
            let arn = match bus.map(|at| &definitions.buses[at].arn) {
                Some(arn) => Some(arn),
                None => definitions.topics.iter().find(|topic| *topic == text),
            };
            arn.map(|arn| {
                let name = arn.rsplit([':', '/']).next().unwrap_or(arn);
                (arn.clone(), name.to_owned())
            })
            .into_iter()
            .collect()
        }
        Value::Array(all) => all
            .iter()
            .flat_map(|it| carriers(definitions, it))
            .collect(),
        Value::Object(all) => all
            .values()
            .flat_map(|it| carriers(definitions, it))
            .collect(),
        _ => Vec::new(),
    }
}

/// The rules on the bus of that ARN that bring facts to `who`.
fn rules(definitions: &Definitions, bus: &str, who: &str) -> BTreeSet<String> {
    let on = definitions
        .rules()
        .filter(|rule| definitions.buses[rule.bus].arn == bus);
    let to = |queue: usize| {
        let mut all = definitions.mappings.iter();
        let feeds = all.find(|it| it.queue == queue && !it.gone);
        feeds.is_some_and(|it| definitions.functions[it.function].service == who)
    };
    on.filter(|rule| rule.targets.iter().any(|it| it.queue.is_some_and(to)))
        .map(|rule| rule.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
