//! Templates against the mistakes that are known to bite: any, not only ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use duet_check::{Checked, Finding, Severity};
use serde::{Serialize, Serializer};

use crate::terminal::colour::{Tone, paint};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::folded;

/// What was found in a template.
#[derive(Debug)]
pub struct Findings {
    template: String,
    checked: Checked,
}

/// Checks the template at `path`, as it is deployed with `parameters`.
///
/// # Errors
/// [`Problem`] when it is no template, or has no such parameter.
pub fn of(path: &Path, parameters: &BTreeMap<String, String>) -> Outcome<Findings> {
    let read = |path: &Path| fs::read_to_string(path);
    let checked = duet_check::check(path, parameters, &read).map_err(Problem::usage)?;
    Ok(Findings {
        template: path.display().to_string(),
        checked,
    })
}

impl Serialize for Findings {
    /// The findings, as a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.checked.findings.serialize(serializer)
    }
}

impl Report for Findings {
    fn text(&self) -> String {
        let found = &self.checked.findings;
        let mut lines: Vec<String> = Vec::new();
        for (n, finding) in found.iter().enumerate() {
            lines.push(told(finding));
            // The same mend is said once, after the last that it mends.
            let next = found.get(n + 1);
            if next.is_none_or(|next| next.fix != finding.fix) {
                lines.push(folded(&format!("fix: {}", finding.fix), 5));
                lines.push(String::new());
            }
        }
        lines.push(self.summary());
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        match self.checked.count(Severity::Error) {
            0 => Exit::Done,
            _ => Exit::Failed,
        }
    }
}

impl Findings {
    fn summary(&self) -> String {
        let Checked {
            findings,
            allowed,
            resources,
        } = &self.checked;
        let also = match allowed.len() {
            0 => String::new(),
            n => format!(", {n} allowed"),
        };
        if findings.is_empty() {
            return format!(
                "{}: nothing is wrong in {resources} resources{also}",
                self.template
            );
        }
        let counted = |severity, one: &str, more: &str| {
            let count = self.checked.count(severity);
            format!("{count} {}", if count == 1 { one } else { more })
        };
        format!(
            "{}: {}, {}, {} not known{also}",
            self.template,
            counted(Severity::Error, "error", "errors"),
            counted(Severity::Warning, "warning", "warnings"),
            self.checked.count(Severity::Info),
        )
    }
}

/// A finding: its place, how bad it is, by which rule, and what is wrong.
fn told(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => paint(Tone::Bad, finding.severity.word()),
        Severity::Warning => paint(Tone::Declined, finding.severity.word()),
        Severity::Info => finding.severity.word().to_owned(),
    };
    let Finding {
        file, line, rule, ..
    } = finding;
    let message = folded(&format!("- {}", finding.message), 2);
    format!(
        "{file}:{line}: {severity} {rule} {}\n{message}",
        finding.resource
    )
}
