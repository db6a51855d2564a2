//! JUnit XML: what continuous integration reads.
//!
//! The elements and attributes are those of the schema that Jenkins and GitLab
//! document: `testsuites`, `testsuite`, `testcase`, `failure`, `error`.

use std::fmt::Write as _;

/// Cases that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is a case of; the suite, where nothing else says it.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How long it took, in milliseconds.
    pub millis: i64,
    /// What went wrong.
    pub ended: Ended,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well,
    /// Otherwise: in short, and as text.
    Failed(String, String),
    /// It could not be run to its end: in short, and why.
    Stopped(String, String),
}

/// `suites`, which `name` made, as JUnit XML.
#[must_use]
pub fn junit(name: &str, suites: &[Suite]) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\">\n",
        escaped(name)
    );
    for suite in suites {
        let count = |of: fn(&Ended) -> bool| suite.cases.iter().filter(|it| of(&it.ended)).count();
        // Writing to a String does not fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
            escaped(&suite.name),
            suite.cases.len(),
            count(|it| matches!(it, Ended::Failed(..))),
            count(|it| matches!(it, Ended::Stopped(..))),
            seconds(suite.cases.iter().map(|it| it.millis).sum())
        );
        for case in &suite.cases {
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
                escaped(&case.class),
                escaped(&case.name),
                seconds(case.millis)
            );
            match &case.ended {
                Ended::Well => xml.push_str("/>\n"),
                Ended::Failed(says, text) => element(&mut xml, "failure", says, text),
                Ended::Stopped(says, text) => element(&mut xml, "error", says, text),
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn seconds(millis: i64) -> String {
    format!("{:.3}", millis as f64 / 1_000.0)
}

/// Ends a case with what went wrong.
fn element(xml: &mut String, kind: &str, says: &str, text: &str) {
    let (says, text) = (escaped(says), escaped(text));
    let _ = writeln!(
        xml,
        ">\n      <{kind} message=\"{says}\">{text}</{kind}>\n    </testcase>"
    );
}

/// `text` for content and attributes; what XML 1.0 has no way to write is left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}
