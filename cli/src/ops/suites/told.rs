//! What came of test files, told to people and to programs.

use duet_asl::suite::{CaseReport, Covered, Difference, Family, mermaid};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ops::suites::Ran;
use crate::terminal::colour::{Tone, paint};
use crate::terminal::exit::Exit;
use crate::terminal::inline;
use crate::terminal::report::Report;
use crate::terminal::table::{number, prose, table, word};

/// How long a value may be in the text.
const LONGEST: usize = 300;

/// What came of all test files.
#[derive(Serialize)]
pub struct Told {
    /// Whether every case passed and enough was covered.
    passed: bool,
    /// How many cases passed.
    cases_passed: usize,
    /// How many there were.
    cases_run: usize,
    files: Vec<Value>,
    #[serde(skip)]
    text: String,
}

impl Told {
    /// What `all` came to. With `require`, so many of a hundred must be covered in
    /// each file; with `pictures`, each case has a Mermaid state diagram.
    #[must_use]
    pub fn new(all: &[Ran], require: Option<f64>, pictures: bool) -> Self {
        let cases = || all.iter().flat_map(|ran| &ran.cases);
        let cases_passed = cases().filter(|case| case.passed()).count();
        let cases_run = cases().count();
        let enough = |ran: &Ran| require.is_none_or(|percent| ran.coverage.percent() >= percent);
        let passed = cases_passed == cases_run && all.iter().all(enough);
        let mut parts: Vec<String> = all
            .iter()
            .map(|ran| text_of(ran, require, pictures))
            .collect();
        let tone = if passed { Tone::Good } else { Tone::Bad };
        parts.push(paint(
            tone,
            &format!("{cases_passed} of {cases_run} cases passed"),
        ));
        Self {
            passed,
            cases_passed,
            cases_run,
            files: all
                .iter()
                .map(|ran| json_of(ran, require, pictures))
                .collect(),
            text: parts.join("\n\n"),
        }
    }
}

impl Report for Told {
    fn text(&self) -> String {
        self.text.clone()
    }

    fn exit(&self) -> Exit {
        match self.passed {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

/// A value of a difference, for one line.
fn short(value: &str) -> String {
    let safe = inline(value);
    match safe.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe.into_owned(),
    }
}

/// How an unmet expectation is told.
pub(super) fn difference(it: &Difference) -> String {
    let (place, expected, got) = (short(&it.place), short(&it.expected), short(&it.got));
    format!("{place}\n  expected {expected}\n  got      {got}")
}

fn text_of(ran: &Ran, require: Option<f64>, pictures: bool) -> String {
    let mut text = format!("{}\n", ran.file.display());
    let mut cases = table([
        word("RESULT").states(),
        prose("CASE"),
        word("STATUS"),
        number("VIRTUAL TIME").gives_way(1),
        number("TRANSITIONS").gives_way(1),
    ]);
    for case in &ran.cases {
        let result = if case.passed() { "ok" } else { "failed" };
        let status = case.status.map(|it| json!(it)).unwrap_or_default();
        let ended = case.status.is_some();
        cases.add_row([
            result,
            &case.name,
            status.as_str().unwrap_or("-"),
            &match ended {
                true => format!("{} s", case.elapsed as f64 / 1_000.0),
                false => "-".to_owned(),
            },
            &match ended {
                true => case.transitions.to_string(),
                false => "-".to_owned(),
            },
        ]);
    }
    text.push_str(&cases.text());
    for case in &ran.cases {
        let mut lines = Vec::new();
        if let Some(why) = &case.stopped {
            lines.push(short(why));
        }
        lines.extend(case.differences.iter().map(difference));
        if !lines.is_empty() {
            let all = lines.join("\n").replace('\n', "\n  ");
            let name = paint(Tone::Bad, &inline(&case.name));
            text.push_str(&format!("\n\n{name}\n  {all}"));
        }
        if pictures {
            let picture = mermaid(&ran.machine, &case.taken);
            let name = inline(&case.name);
            text.push_str(&format!("\n\n{name}\n```mermaid\n{picture}```"));
        }
    }
    // What a part of the cases leaves out says nothing.
    if ran.is_whole {
        text.push_str("\n\n");
        text.push_str(&covered(ran, require));
    }
    text
}

fn covered(ran: &Ran, require: Option<f64>) -> String {
    let coverage = &ran.coverage;
    let mut rows = table([word("COVERAGE"), number("REACHED"), number("OF")]);
    for family in Family::ALL {
        let (reached, of) = coverage.counts(Some(family));
        if of > 0 {
            rows.add_row([family.name(), &reached.to_string(), &of.to_string()]);
        }
    }
    let (reached, of) = coverage.counts(None);
    rows.add_row(["all", &reached.to_string(), &of.to_string()]);
    let mut text = rows.text();
    let missed: Vec<&Covered> = coverage.missed().collect();
    if !missed.is_empty() {
        text.push_str("\n\nnot reached");
        for it in missed {
            text.push_str(&format!(
                "\n  {}\n    {}",
                inline(&it.to_string()),
                inline(&it.possible.place)
            ));
        }
    }
    let percent = coverage.percent();
    let asked = match require {
        Some(least) if percent < least => {
            paint(Tone::Bad, &format!(", which is less than {least} %"))
        }
        Some(least) => format!(", and {least} % are required"),
        None => String::new(),
    };
    text.push_str(&format!("\n\n{:.1} % reached{asked}", rounded(percent)));
    text
}

/// To one digit, downwards: 89.96 must not read as 90.0.
fn rounded(percent: f64) -> f64 {
    (percent * 10.0).floor() / 10.0
}

fn json_of(ran: &Ran, require: Option<f64>, pictures: bool) -> Value {
    let coverage = &ran.coverage;
    let families = Family::ALL.map(|family| {
        let (reached, of) = coverage.counts(Some(family));
        (
            family.name().to_owned(),
            json!({"reached": reached, "of": of}),
        )
    });
    let missed: Vec<Value> = coverage
        .missed()
        .map(|it| json!({"what": it.to_string(), "place": it.possible.place, "state": &*it.possible.state}))
        .collect();
    json!({
        "file": ran.file.display().to_string(),
        "cases": ran.cases.iter().map(|case| case_of(case, ran, pictures)).collect::<Vec<_>>(),
        "coverage": {
            "percent": rounded(coverage.percent()),
            "required": require,
            "families": Value::Object(families.into_iter().collect()),
            "missed": missed,
        },
    })
}

fn case_of(case: &CaseReport, ran: &Ran, pictures: bool) -> Value {
    let mut it = json!({
        "name": case.name,
        "passed": case.passed(),
        "stopped": case.stopped,
        "differences": case.differences.iter().map(|it| json!({
            "place": it.place, "expected": it.expected, "got": it.got,
        })).collect::<Vec<_>>(),
        "status": case.status,
        "output": case.output.as_deref(),
        "error": case.error,
        "cause": case.cause,
        "path": case.path().collect::<Vec<_>>(),
        "calls": case.calls.iter().map(|call| json!({
            "state": &*call.state, "arguments": &*call.arguments,
        })).collect::<Vec<_>>(),
        "virtual_millis": case.elapsed,
        "transitions": case.transitions,
    });
    if pictures {
        it["mermaid"] = mermaid(&ran.machine, &case.taken).into();
    }
    it
}
