//! JUnit XML: what continuous integration reads.
//!
//! The elements and attributes are those of the schema that Jenkins and GitLab
//! document: `testsuites`, `testsuite`, `testcase`, `failure`, `error`. Times are
//! virtual seconds, so that the file is the same each time.

use std::fmt::Write as _;

use crate::ops::suites::Ran;
use crate::ops::suites::told::difference;

/// What came of `all` as JUnit XML; a file whose coverage is below `require` has a
/// failed case of that name.
#[must_use]
pub fn junit(all: &[Ran], require: Option<f64>) -> String {
    let mut xml =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"duet asl test\">\n"
            .to_owned();
    for ran in all {
        let file = escaped(&ran.file.display().to_string());
        let percent = ran.coverage.percent();
        let less = require.filter(|least| percent < *least);
        let stopped = ran.cases.iter().filter(|it| it.stopped.is_some()).count();
        let failed = ran.cases.iter().filter(|it| !it.passed()).count() - stopped
            + usize::from(less.is_some());
        let seconds = ran.cases.iter().map(|it| it.elapsed).sum::<i64>() as f64 / 1_000.0;
        let tests = ran.cases.len() + usize::from(require.is_some());
        // Writing to a String does not fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"{stopped}\" time=\"{seconds:.3}\">"
        );
        for case in &ran.cases {
            let (name, seconds) = (escaped(&case.name), case.elapsed as f64 / 1_000.0);
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" time=\"{seconds:.3}\""
            );
            let texts: Vec<String> = case.differences.iter().map(difference).collect();
            let told = match (&case.stopped, texts.as_slice()) {
                (Some(why), _) => Some(("error", "not run to its end".to_owned(), why.clone())),
                (None, []) => None,
                (None, some) => {
                    let places: Vec<&str> = case.differences.iter().map(|it| &*it.place).collect();
                    Some(("failure", places.join(", "), some.join("\n")))
                }
            };
            element(&mut xml, told);
        }
        if let Some(least) = require {
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"coverage\" time=\"0.000\""
            );
            let missed: Vec<&str> = ran
                .coverage
                .missed()
                .map(|it| &*it.possible.place)
                .collect();
            let told = less.map(|_| {
                let says = format!("{percent:.1} % reached, {least} % required");
                ("failure", says, missed.join("\n"))
            });
            element(&mut xml, told);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Ends a case: with what went wrong, if anything did.
fn element(xml: &mut String, told: Option<(&str, String, String)>) {
    match told {
        None => xml.push_str("/>\n"),
        Some((kind, says, text)) => {
            let (says, text) = (escaped(&says), escaped(&text));
            let _ = writeln!(
                xml,
                ">\n      <{kind} message=\"{says}\">{text}</{kind}>\n    </testcase>"
            );
        }
    }
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
