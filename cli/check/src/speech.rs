//! Who says what: what functions and machines put on a bus, as far as they tell.

use crate::model::{FUNCTIONS, Id, Model};
use crate::node::Node;

/// What somebody puts on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) by: Id,
    /// The line that tells it.
    pub(crate) line: usize,
    /// Its source, if that is told.
    pub(crate) source: Option<String>,
    pub(crate) detail_type: String,
}

/// What `Metadata: Duet:` says of a resource.
pub(crate) fn told(metadata: &Node) -> &Node {
    &metadata["Duet"]
}

impl Model {
    /// What the function or machine `by` says; `None` if that is not known.
    ///
    /// It is told by `says` in its metadata. A machine also tells it by its tasks
    /// that put events, and a function that may put none says nothing, whatever it
    /// tells.
    pub(crate) fn says(&self, by: Id) -> Option<Vec<Said>> {
        let resource = &self.resources[by];
        let is_function = FUNCTIONS.contains(&resource.kind.as_str());
        if is_function && self.puts_events(by) == Some(false) {
            return Some(Vec::new());
        }
        let told = told(&resource.metadata);
        if !told["says"].is_null() {
            let source = told["source"].as_str();
            let facts = told["says"].one_or_more().iter();
            return facts.map(|it| said(by, source, it)).collect();
        }
        let machine = self.machines.iter().find(|it| it.id == by)?;
        let mut all = Vec::new();
        for state in &machine.states {
            if state.action() != Some("events:putEvents") {
                continue;
            }
            let entries = state.given()["Entries"].items();
            if entries.is_empty() {
                return None;
            }
            for entry in entries {
                let is_constant = |it: &&str| !it.starts_with("{%");
                let detail_type = entry["DetailType"].as_str().filter(is_constant)?;
                let source = entry["Source"].as_str().filter(is_constant);
                all.push(Said {
                    by,
                    line: state.line,
                    source: source.map(str::to_owned),
                    detail_type: detail_type.to_owned(),
                });
            }
        }
        Some(all)
    }

    /// The functions and machines that may say something on a bus.
    pub(crate) fn speakers(&self) -> impl Iterator<Item = Id> {
        let machines = self.machines.iter().map(|it| it.id);
        self.functions().chain(machines)
    }

    /// The sources in whose name a function speaks: what its metadata says, or
    /// what it is granted.
    pub(crate) fn sources(&self, by: Id) -> Vec<String> {
        let told = told(&self.resources[by].metadata)["source"].as_str();
        let said = self.says(by).into_iter().flatten();
        let said = said.filter_map(|it| it.source);
        let granted = self.grants_of(by).into_iter().flatten();
        let granted = granted.flat_map(|it| {
            let equals = &it["Condition"]["StringEquals"]["events:source"];
            equals.one_or_more().iter().filter_map(Node::as_str)
        });
        let all = told.into_iter().chain(granted).map(str::to_owned);
        let mut all: Vec<String> = all.chain(said).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A fact of a list: its detail-type, or a map with its source, too.
fn said(by: Id, source: Option<&str>, fact: &Node) -> Option<Said> {
    let detail_type = fact.as_str().or_else(|| fact["detail-type"].as_str())?;
    let source = fact["source"].as_str().or(source);
    Some(Said {
        by,
        line: fact.line,
        source: source.map(str::to_owned),
        detail_type: detail_type.to_owned(),
    })
}
