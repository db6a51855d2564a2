//! The variants. Each describes itself in an output of its stack, named
//! `…Variant`: what it is, and where it is reached. Nothing here, or anywhere in
//! the tool, knows which variants there are.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use duet_lab::{Definitions, bundled};
use serde::{Deserialize, Serialize};

use crate::shop::services::{Subject, TableOf};
use crate::terminal::exit::{Outcome, Problem};

/// What the name of an output ends with that describes a variant.
const OUTPUT: &str = "Variant";

/// A way to coordinate the services: what it is, wherever it is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Its name: in metadata, on the command line, in reports.
    pub name: &'static str,
    /// Who decides what is next.
    pub style: Style,
    /// What carries it.
    pub carried_by: &'static str,
    /// Whether state machines drive its orders: then each has executions.
    #[serde(skip)]
    pub has_machines: bool,
    /// Whether the engine keeps its executions: then they can be listed and described,
    /// with their history, stopped and redriven. Else a log group is all there is.
    #[serde(skip)]
    pub keeps_executions: bool,
    /// Whether whoever places an order is told what became of it, for the entry answers.
    #[serde(skip)]
    pub answers: bool,
    /// Whether its facts travel on a carrier: then they can be listened to and
    /// replayed.
    #[serde(skip)]
    pub has_facts: bool,
    /// Whether that carrier is a bus with rules.
    #[serde(skip)]
    pub has_rules: bool,
    /// Whether of one order every service hears the facts in the order in which they
    /// were said.
    #[serde(skip)]
    pub keeps_order: bool,
}

/// Who decides what is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// A workflow.
    Orchestration,
    /// Each service for itself.
    Choreography,
}

/// A variant as a stack describes it: what it is, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is.
    pub variant: Variant,
    said: Said,
}

/// The JSON of a stack's output. What a newer stack says beside it is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Said {
    name: String,
    style: Style,
    carried_by: String,
    #[serde(default)]
    patience: Option<u32>,
    entry: Entries,
    #[serde(default)]
    machines: Option<Machines>,
    #[serde(default)]
    facts: Option<Facts>,
    doors: BTreeMap<String, Door>,
    dead_letters: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Entries {
    order: Entry,
    customer: Entry,
}

/// Where orders, or registrations, enter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// A state machine, by its ARN: an execution, named after its subject.
    Machine(String),
    /// … of which whoever submits waits for the answer (StartSyncExecution).
    #[serde(rename = "sync_machine")]
    SyncMachine(String),
    /// The service's queue, by its URL: a command.
    Queue(String),
}

impl Entry {
    /// The ARN of the state machine that it starts, if it starts one.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        match self {
            Self::Machine(arn) | Self::SyncMachine(arn) => Some(arn),
            Self::Queue(_) => None,
        }
    }

    /// Whether whoever submits there waits for the answer.
    #[must_use]
    pub fn answers(&self) -> bool {
        matches!(self, Self::SyncMachine(_))
    }
}

/// Where a service takes commands that come from outside the flow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// Its queue, by its URL: the facts that follow travel by themselves.
    Queue(String),
    /// Its task function, by its name or ARN, called and answering: whoever calls
    /// sees to what follows.
    Function(String),
}

/// The state machines of a variant: executions that were started before a
/// parameter changed run on another one than new ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Machines {
    /// `STANDARD` or `EXPRESS`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The ARNs of those that drive orders.
    pub order: Vec<String>,
    /// The ARNs of those that drive registrations.
    pub customer: Vec<String>,
    /// Where they log, where that is all that is known of their executions.
    #[serde(default)]
    pub logs: Option<Logs>,
}

/// The log group of state machines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Logs {
    /// Its name.
    pub group: String,
    /// What is in it: `ERROR` or `ALL`.
    pub level: String,
}

impl Logs {
    /// Whether it tells how each execution went.
    #[must_use]
    pub fn tells_all(&self) -> bool {
        self.level == "ALL"
    }
}

/// What the facts of a variant travel on, a bus or topics, and how they are
/// replayed: from the archive where there is one, else from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// The name of the EventBridge bus.
    #[serde(default)]
    pub bus: Option<String>,
    /// The ARN of the bus's archive.
    #[serde(default)]
    pub archive: Option<String>,
    /// The ARNs of the SNS topics: one for each service that says something, or one FIFO
    /// topic for all.
    #[serde(default)]
    pub topics: Vec<String>,
}

impl Facts {
    /// Whether they travel on a FIFO topic (AWS has its name end so).
    #[must_use]
    pub fn keeps_order(&self) -> bool {
        self.topics.iter().any(|arn| arn.ends_with(".fifo"))
    }

    /// Where `service` says its facts: OpenTelemetry's word for the system, and the
    /// bus's or the topic's name. (For EventBridge OpenTelemetry has no word; that
    /// one is ours.)
    #[must_use]
    pub fn said_by(&self, service: &str) -> Option<(&'static str, &str)> {
        let on_bus = self.bus.as_deref().map(|bus| ("aws_eventbridge", bus));
        let mut topics = self.topics.iter();
        let mut names = topics.by_ref().filter_map(|arn| arn.rsplit(':').next());
        on_bus.or_else(|| {
            let is_all = self.keeps_order();
            let of = |name: &&str| is_all || name.rsplit('-').next() == Some(service);
            Some(("aws.sns", names.find(of)?))
        })
    }
}

/// Every description that this process has read, by its text. They stay, so that
/// a variant can be handed on as a mere reference; a process meets few.
static READ: Mutex<BTreeMap<String, &'static Description>> = Mutex::new(BTreeMap::new());

impl Description {
    /// Reads a stack's output.
    fn read(text: &str) -> Result<&'static Self, serde_json::Error> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(text) {
            return Ok(known);
        }
        let said: Said = serde_json::from_str(text)?;
        let word = |word: &str| -> &'static str { String::leak(word.to_owned()) };
        let variant = Variant {
            name: word(&said.name),
            style: said.style,
            carried_by: word(&said.carried_by),
            has_machines: said.machines.is_some(),
            keeps_executions: said.machines.as_ref().is_some_and(|it| it.logs.is_none()),
            answers: said.entry.order.answers(),
            has_facts: said.facts.is_some(),
            has_rules: said.facts.as_ref().is_some_and(|it| it.bus.is_some()),
            keeps_order: said.facts.as_ref().is_some_and(Facts::keeps_order),
        };
        let description: &'static Self = Box::leak(Box::new(Self { variant, said }));
        read.insert(text.to_owned(), description);
        Ok(description)
    }

    /// The variants that a stack's `outputs` describe: by style, then by name.
    ///
    /// # Errors
    /// [`Problem`] naming the output that cannot be read.
    pub fn all(outputs: &BTreeMap<String, String>) -> Outcome<Vec<&'static Self>> {
        let described = outputs.iter().filter(|(name, _)| name.ends_with(OUTPUT));
        let described = described.map(|(name, text)| {
            let unfit = |e| Problem::environment(format!("output {name} of the stack: {e}"));
            Self::read(text).map_err(unfit)
        });
        let mut all = described.collect::<Outcome<Vec<_>>>()?;
        all.sort_by_key(|one| (one.variant.style, one.variant.name));
        Ok(all)
    }

    /// Where orders, or registrations, enter.
    #[must_use]
    pub fn entry(&self, subject: Subject) -> &Entry {
        match subject {
            Subject::Order => &self.said.entry.order,
            Subject::Customer => &self.said.entry.customer,
        }
    }

    /// Whether whoever starts the machine called `name` waits for its answer.
    #[must_use]
    pub fn answers(&self, name: &str) -> bool {
        let entries = Subject::ALL.map(|subject| self.entry(subject)).into_iter();
        let mut answering = entries.filter(|entry| entry.answers());
        answering.any(|entry| entry.machine().and_then(|arn| arn.rsplit(':').next()) == Some(name))
    }

    /// The ARNs of all machines that drive such subjects; none where none do.
    #[must_use]
    pub fn machines(&self, subject: Subject) -> &[String] {
        match (&self.said.machines, subject) {
            (Some(machines), Subject::Order) => &machines.order,
            (Some(machines), Subject::Customer) => &machines.customer,
            (None, _) => &[],
        }
    }

    /// The ARNs of all its machines.
    pub fn all_machines(&self) -> impl Iterator<Item = &str> {
        let of = |subject| self.machines(subject).iter().map(String::as_str);
        Subject::ALL.into_iter().flat_map(of)
    }

    /// Whether it is what `text`, such an output, says.
    #[must_use]
    pub fn is_said_by(&self, text: &str) -> bool {
        let said: Result<Said, _> = serde_json::from_str(text);
        said.is_ok_and(|said| said.name == self.said.name)
    }

    /// Whether one of its machines is called `name`.
    #[must_use]
    pub fn has_machine(&self, name: &str) -> bool {
        self.all_machines()
            .any(|arn| arn.rsplit(':').next() == Some(name))
    }

    /// The type of its machines, `STANDARD` or `EXPRESS`; `None` where none drive it.
    #[must_use]
    pub fn machine_type(&self) -> Option<&str> {
        let machines = self.said.machines.as_ref();
        machines.map(|machines| machines.kind.as_str())
    }

    /// The log group of its machines, where the engine itself tells nothing of their
    /// executions.
    #[must_use]
    pub fn logs(&self) -> Option<&Logs> {
        self.said.machines.as_ref()?.logs.as_ref()
    }

    /// How long a step is tried before it is given up, in seconds, where that is the
    /// variant's own.
    #[must_use]
    pub fn patience(&self) -> Option<u32> {
        self.said.patience
    }

    /// What its facts travel on; `None` where nobody hears them.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.said.facts.as_ref()
    }

    /// Where `service` takes the commands of a person or an operator; `None`
    /// where it takes none.
    #[must_use]
    pub fn door(&self, service: TableOf) -> Option<&Door> {
        self.said.doors.get(service.name())
    }

    /// The URLs of its dead-letter queues.
    #[must_use]
    pub fn dead_letters(&self) -> &[String] {
        &self.said.dead_letters
    }
}

/// The dead-letter queues of a stack with such `outputs` that no variant has to
/// itself, by URL.
pub fn shared_dead_letters(outputs: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let urls = outputs.get("DeadLetterQueues").map(String::as_str);
    let urls = urls.unwrap_or_default().split(',');
    urls.filter(|url| !url.is_empty())
}

/// The variants that this checkout's templates describe, as they are built in.
pub static ALL: LazyLock<Vec<Variant>> = LazyLock::new(|| {
    let definitions = Definitions::read(bundled(), "duet", &BTreeMap::new());
    let outputs = definitions.map(|definitions| definitions.outputs);
    let all = Description::all(&outputs.unwrap_or_default());
    let all = all.unwrap_or_default();
    all.into_iter().map(|one| one.variant).collect()
});

/// The variant called `name`, of those that are built in.
///
/// # Errors
/// The names there are, when there is none of that name.
pub fn named(name: &str) -> Result<&'static Variant, String> {
    ALL.iter()
        .find(|variant| variant.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|variant| variant.name).collect();
            format!("no such variant: {name}; there are {}", names.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_templates_describe_variants_of_both_styles() {
        let styles: Vec<Style> = ALL.iter().map(|one| one.style).collect();
        assert!(styles.is_sorted(), "{styles:?}");
        assert!(styles.contains(&Style::Orchestration) && styles.contains(&Style::Choreography));
        assert!(ALL.iter().all(|one| one.has_machines || one.has_facts));
        for one in ALL.iter() {
            assert_eq!(named(one.name), Ok(one));
        }
        let refused = named("pigeon").unwrap_err();
        assert!(
            ALL.iter().all(|one| refused.contains(one.name)),
            "{refused}"
        );
    }

    #[test]
    fn what_a_description_lacks_is_told_with_its_outputs_name() {
        let outputs = |text: &str| BTreeMap::from([("PigeonVariant".to_owned(), text.to_owned())]);
        let whole = r#"{"name": "pigeon", "style": "choreography", "carried_by": "air", "newer": 1,
            "entry": {"order": {"queue": "q"}, "customer": {"sync_machine": "m"}},
            "doors": {"order": {"function": "f"}}, "dead_letters": ["d"]}"#;
        let all = Description::all(&outputs(whole)).unwrap();
        assert_eq!(all.len(), 1);
        let one = all[0];
        assert!(!one.variant.has_machines && !one.variant.has_facts);
        assert_eq!(one.entry(Subject::Order), &Entry::Queue("q".to_owned()));
        let of_customers = one.entry(Subject::Customer);
        assert_eq!(of_customers, &Entry::SyncMachine("m".to_owned()));
        assert_eq!(of_customers.machine(), Some("m"));
        assert_eq!(one.entry(Subject::Order).machine(), None);
        assert!(!one.variant.answers);
        assert_eq!(
            one.door(TableOf::Order),
            Some(&Door::Function("f".to_owned()))
        );
        assert_eq!(one.door(TableOf::Fraud), None);
        assert!(one.machines(Subject::Order).is_empty() && one.facts().is_none());
        for broken in [
            whole.replace("\"dead_letters\"", "\"dead\""),
            whole.replace("queue", "pond"),
            whole.replace("choreography", "opera"),
            "{".to_owned(),
        ] {
            let refused = Description::all(&outputs(&broken)).unwrap_err().to_string();
            assert!(refused.contains("PigeonVariant"), "{refused}");
        }
    }
}
