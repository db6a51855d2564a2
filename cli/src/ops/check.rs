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

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    fn ours(parameters: &[(&str, &str)]) -> Findings {
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| ((*name).into(), (*value).into()));
        of(&root().join("template.yaml"), &parameters.collect()).unwrap()
    }

    /// In every version that can be deployed; what is allowed has its reason there.
    #[test]
    fn nothing_is_wrong_in_our_own_templates() {
        for fraud in ["off", "listening", "on"] {
            for (orchestration, choreography) in
                [("true", "true"), ("true", "false"), ("false", "true")]
            {
                let found = ours(&[
                    ("Fraud", fraud),
                    ("WithOrchestration", orchestration),
                    ("WithChoreography", choreography),
                ]);
                let findings = &found.checked.findings;
                assert!(findings.is_empty(), "{fraud}: {findings:#?}");
                assert!(found.checked.allowed.len() <= 7);
                assert!(found.checked.resources > 50);
                assert_eq!(found.exit(), Exit::Done);
            }
        }
        assert!(
            ours(&[]).text().ends_with("6 allowed"),
            "{}",
            ours(&[]).text()
        );
    }

    #[test]
    fn findings_are_told_with_place_and_mend_and_counted() {
        let file = root().join("cli/check/tests/fixtures/short-visibility/trips.yaml");
        let found = of(&file, &BTreeMap::new()).unwrap();
        assert_eq!(found.exit(), Exit::Done);
        // Without the marks of colours.
        let text = found.text().replace(|c: char| !c.is_ascii(), "");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].contains("trips.yaml:9: warning short-visibility Orders"),
            "{text}"
        );
        assert!(
            lines[1].starts_with("- messages are hidden for 60 s"),
            "{text}"
        );
        assert!(
            text.contains("\nfix: Set the queue's VisibilityTimeout"),
            "{text}"
        );
        assert!(
            text.ends_with(": 0 errors, 1 warning, 0 not known"),
            "{text}"
        );
        let json = serde_json::to_value(&found).unwrap();
        let names: Vec<&String> = json[0].as_object().unwrap().keys().collect();
        let asked = [
            "rule", "severity", "file", "line", "resource", "message", "fix",
        ];
        assert!(
            asked.iter().all(|it| names.contains(&&(*it).to_owned())),
            "{names:?}"
        );
        assert_eq!(names.len(), asked.len());

        let file = root().join("cli/check/tests/fixtures/heard-twice/trips.yaml");
        assert_eq!(of(&file, &BTreeMap::new()).unwrap().exit(), Exit::Done);
        let file = root().join("cli/check/tests/fixtures/hears-itself/trips.yaml");
        assert_eq!(of(&file, &BTreeMap::new()).unwrap().exit(), Exit::Failed);
    }

    #[test]
    fn what_is_no_template_is_refused_with_one_sentence() {
        for (path, says) in [
            ("no-such-file.yaml", "cannot be read"),
            ("README.md", "is no template"),
            ("cli/Cargo.toml", "is no template"),
            ("infra/orchestration/order.asl.json", "is no template"),
        ] {
            let problem = of(&root().join(path), &BTreeMap::new()).unwrap_err();
            assert_eq!(problem.exit, Exit::Usage, "{path}");
            assert!(
                problem.message().contains(says),
                "{path}: {}",
                problem.message()
            );
            assert_eq!(problem.message().lines().count(), 1);
        }
        let given = BTreeMap::from([("Colour".to_owned(), "red".to_owned())]);
        let problem = of(&root().join("template.yaml"), &given).unwrap_err();
        assert!(problem.message().contains("no parameter Colour"));
    }
}
