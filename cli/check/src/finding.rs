//! What is found, and what of it is allowed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::definition::{At, Machine};
use crate::model::{Id, Model};
use crate::rules::{RULES, Rule};
use crate::speech::told;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not known before deployment, or not told: nobody says that it is fine.
    Info,
    /// It works, and will bite under load or in trouble.
    Warning,
    /// Something is lost, goes round in circles or fails.
    Error,
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A mistake, or what keeps a rule from knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was reached from the template.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// The resource: its logical id, after those of the stacks it is in.
    pub resource: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: &'static str,
    /// The state of the machine.
    #[serde(skip)]
    state: Option<String>,
    #[serde(skip)]
    id: Id,
}

/// A finding that the template allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// What was found.
    pub finding: Finding,
    /// Why it may stay.
    pub reason: String,
}

/// What a template was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong: the worst first.
    pub findings: Vec<Finding>,
    /// What would be, and is allowed.
    pub allowed: Vec<Allowed>,
    /// How many resources there are.
    pub resources: usize,
}

impl Checked {
    /// How many findings are this bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let all = self.findings.iter();
        all.filter(|it| it.severity == severity).count()
    }
}

/// What to do about what is not known before deployment.
const LOOK: &str =
    "Give what it depends on by --parameter NAME=VALUE, or see for yourself that it is right.";
/// What to do about what only the code knows.
const TELL: &str = "Tell it on functions and machines: Metadata: Duet: {says: [EVENT, ..], source: NAME, undoes: {STEP: COMPENSATION}}.";

/// Takes down what a rule finds.
pub(crate) struct Notes<'m> {
    model: &'m Model,
    rule: &'static Rule,
    found: Vec<Finding>,
}

impl Notes<'_> {
    /// A mistake, on `line` of the template of the resource `id`.
    pub(crate) fn wrong(&mut self, id: Id, line: usize, message: String) {
        self.add(id, line, self.rule.severity, message, self.rule.fix);
    }

    /// One that is a warning where the rule's others are errors.
    pub(crate) fn doubtful(&mut self, id: Id, line: usize, message: String) {
        let severity = self.rule.severity.min(Severity::Warning);
        self.add(id, line, severity, message, self.rule.fix);
    }

    /// Whether there is one is not known: `message` says whether what, or why not.
    pub(crate) fn unknown(&mut self, id: Id, line: usize, message: &str) {
        let message = format!("not known: {message}");
        self.add(id, line, Severity::Info, message, LOOK);
    }

    /// Whether there is one is not known, because nobody tells it in metadata.
    pub(crate) fn untold(&mut self, id: Id, line: usize, message: &str) {
        let message = format!("not known: {message}");
        self.add(id, line, Severity::Info, message, TELL);
    }

    fn add(&mut self, id: Id, line: usize, severity: Severity, message: String, fix: &'static str) {
        let resource = &self.model.resources[id];
        self.found.push(Finding {
            rule: self.rule.name,
            severity,
            file: resource.file.clone(),
            line,
            resource: resource.place.clone(),
            message,
            fix,
            state: None,
            id,
        });
    }

    /// The last finding is about a state, on the line of its definition.
    pub(crate) fn of_state(&mut self, machine: &Machine, at: At, line: usize) {
        if let Some(last) = self.found.last_mut() {
            last.state = Some(machine.states[at].name.clone());
            last.file.clone_from(&machine.file);
            last.line = line;
        }
    }
}

/// Applies every rule.
pub(crate) fn apply(model: &Model) -> Checked {
    let mut all = Vec::new();
    for rule in RULES {
        let mut notes = Notes {
            model,
            rule,
            found: Vec::new(),
        };
        (rule.check)(model, &mut notes);
        all.append(&mut notes.found);
    }
    let mut checked = Checked {
        resources: model.resources.len(),
        ..Checked::default()
    };
    for finding in once(all) {
        match reason(model, &finding) {
            Some(reason) => checked.allowed.push(Allowed { finding, reason }),
            None => checked.findings.push(finding),
        }
    }
    checked.findings.sort_by(|a, b| key(a).cmp(&key(b)));
    checked
}

fn key(it: &Finding) -> (Reverse<Severity>, &str, usize, &str, &str) {
    (
        Reverse(it.severity),
        &it.file,
        it.line,
        it.rule,
        &it.resource,
    )
}

/// Why a finding may stay, by the metadata of its resource: `allows: {RULE:
/// reason}`, or, of one state of a machine, `{RULE: {STATE: reason}}`.
fn reason(model: &Model, finding: &Finding) -> Option<String> {
    let allows = &told(&model.resources[finding.id].metadata)["allows"][finding.rule];
    let state = finding.state.as_deref().map(|state| &allows[state]);
    let mut given = [Some(allows), state].into_iter().flatten();
    let reason = given.find_map(|it| it.as_str())?.trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// One finding where a template that is deployed several times has the same in
/// each.
fn once(all: Vec<Finding>) -> Vec<Finding> {
    let mut places: BTreeMap<(String, usize, &str, Severity, String), usize> = BTreeMap::new();
    let mut kept: Vec<(Finding, usize)> = Vec::new();
    for finding in all {
        let logical = finding.resource.rsplit('/').next().unwrap_or_default();
        let place = (
            finding.file.clone(),
            finding.line,
            finding.rule,
            finding.severity,
            format!("{logical} {:?}", finding.state),
        );
        match places.get(&place) {
            // Two of one resource are two.
            Some(at) if kept[*at].0.resource != finding.resource => kept[*at].1 += 1,
            _ => {
                places.insert(place, kept.len());
                kept.push((finding, 0));
            }
        }
    }
    let told = kept.into_iter().map(|(mut finding, more)| {
        if more > 0 {
            let also = format!(" (and in {more} more stacks of this template)");
            finding.message.push_str(&also);
        }
        finding
    });
    told.collect()
}
