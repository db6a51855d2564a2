//! Whether a comparison fits itself, and whether documents say what it says.
//!
//! A figure in a document stands between marks, `<!-- compare PATH -->` and
//! `<!-- /compare -->`: PATH leads into the comparison as JSON, name by name,
//! with dots between; `length` at its end is how many there are of a list. A whole block stands between such marks with the path
//! `block.TITLE`; it is what `--output md` prints.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::Comparison;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;

const OPENS: &str = "<!-- compare ";
const CLOSES: &str = "<!-- /compare -->";
/// Two sums are the same when they differ by less than this share.
const SAME: f64 = 1e-9;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// How many figures and blocks stand between marks.
    pub figures: usize,
    /// In which documents, from the project's root.
    pub documents: Vec<String>,
    /// What is wrong: with the comparison, or a document.
    pub wrong: Vec<String>,
    /// Those whose figures were written anew.
    pub written: Vec<String>,
}

impl Report for Checked {
    fn text(&self) -> String {
        let mut lines = self.wrong.clone();
        let documents = self.documents.join(", ");
        lines.push(match self.wrong.len() {
            0 => format!(
                "the sums are right, and so are {} figures in {documents}",
                self.figures
            ),
            many => format!("{many} wrong, of the sums and {} figures", self.figures),
        });
        lines.extend(
            self.written
                .iter()
                .map(|path| format!("{path} is written anew")),
        );
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        match self.wrong.is_empty() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

/// Reads a comparison from JSON.
///
/// # Errors
/// [`Problem`] with the path of what does not fit.
pub fn read(text: &str) -> Outcome<Comparison> {
    let json = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(json).map_err(|e| {
        Problem::usage(format!(
            "this is no comparison: at {}: {}",
            e.path(),
            e.inner()
        ))
        .hint("make one with duet compare --output json")
    })
}

/// Checks `comparison`, and the figures in the documents under `root`; writes
/// those anew that are wrong if `write` says so.
///
/// # Errors
/// [`Problem`] when a document cannot be read or written.
pub fn run(comparison: &Comparison, root: &Path, write: bool) -> Outcome<Checked> {
    let mut checked = Checked {
        figures: 0,
        documents: Vec::new(),
        wrong: sums(comparison),
        written: Vec::new(),
    };
    let json = serde_json::to_value(comparison).map_err(Problem::environment)?;
    for path in documents(root)? {
        let there = |e| Problem::environment(format!("{}: {e}", path.display()));
        let text = fs::read_to_string(&path).map_err(there)?;
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let marks = marks(&text).map_err(|why| Problem::failed(format!("{name}: {why}")))?;
        if marks.is_empty() {
            continue;
        }
        checked.figures += marks.len();
        checked.documents.push(name.clone());
        let mut anew = text.clone();
        // From the end, so that places before stay where they are.
        for Mark { path, inside } in marks.into_iter().rev() {
            let says = &text[inside.clone()];
            let right = match path.strip_prefix("block.") {
                Some(title) => comparison.block(title).map(|block| format!("\n{block}\n")),
                None => figure(&json, &path, says),
            };
            match right {
                None => checked
                    .wrong
                    .push(format!("{name}: the comparison has no figure at {path}")),
                Some(right) if right == says => {}
                Some(right) if write => anew.replace_range(inside, &right),
                Some(right) => checked.wrong.push(format!(
                    "{name}: {path} is {}, and the document says {}",
                    short(&right),
                    short(says)
                )),
            }
        }
        if anew != text {
            fs::write(&path, anew).map_err(there)?;
            checked.written.push(name);
        }
    }
    Ok(checked)
}

fn short(text: &str) -> String {
    let line: String = text.trim().chars().take(40).collect();
    let more = if text.trim().chars().count() > 40 {
        ".."
    } else {
        ""
    };
    format!("\"{}{more}\"", line.replace('\n', " "))
}

/// README.md, and what is in docs/.
fn documents(root: &Path) -> Outcome<Vec<PathBuf>> {
    let docs = root.join("docs");
    let entries = fs::read_dir(&docs).map_err(|e| {
        Problem::environment(format!("{}: {e}", docs.display()))
            .hint("call it in a checkout of the project")
    })?;
    let mut all = vec![root.join("README.md")];
    for entry in entries {
        let path = entry.map_err(Problem::environment)?.path();
        if path.extension().is_some_and(|it| it == "md") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// What stands between two marks.
struct Mark {
    path: String,
    inside: Range<usize>,
}

fn marks(text: &str) -> Result<Vec<Mark>, String> {
    let mut marks = Vec::new();
    let mut at = 0;
    while let Some(opens) = text[at..].find(OPENS) {
        let from = at + opens + OPENS.len();
        let path_ends = text[from..].find(" -->").ok_or("a mark does not end")?;
        let path = text[from..from + path_ends].to_owned();
        let inside = from + path_ends + " -->".len();
        let closes = text[inside..].find(CLOSES);
        let closes = closes.ok_or_else(|| format!("{path} has no {CLOSES}"))?;
        marks.push(Mark {
            path,
            inside: inside..inside + closes,
        });
        at = inside + closes + CLOSES.len();
    }
    Ok(marks)
}

/// What `path` leads to: members, joined by dots. Of a list it names the first row that
/// says each of some words, joined by slashes: `change.a gate/standard.edited`.
fn at<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    let says = |row: &Value, word: &str| {
        let mut members = row.as_object().into_iter().flat_map(|row| row.values());
        members.any(|member| match member {
            Value::Array(list) => list.iter().any(|it| it == word),
            other => other == word,
        })
    };
    path.split('.').try_fold(json, |at, name| match at {
        Value::Array(rows) => rows
            .iter()
            .find(|row| name.split('/').all(|word| says(row, word))),
        other => other.get(name),
    })
}

/// The figure at `path`, written as `says` is: with as many decimals, its
/// thousands apart, as a share of a hundred where it stands before a `%`.
fn figure(json: &Value, path: &str, says: &str) -> Option<String> {
    if let Some(list) = path.strip_suffix(".length") {
        let list = at(json, list)?.as_array()?.len();
        return Some(super::tell::decimal(list as f64, 0));
    }
    match at(json, path)? {
        Value::Number(number) => {
            let percent = says.trim_end().ends_with('%');
            let value = number.as_f64()? * if percent { 100.0 } else { 1.0 };
            let digits = says.trim().trim_end_matches(['%', ' ']);
            let decimals = digits.rsplit_once('.').map_or(0, |(_, after)| after.len());
            let text = super::tell::decimal(value, decimals);
            Some(if percent { format!("{text} %") } else { text })
        }
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// What in `comparison` does not add up.
fn sums(comparison: &Comparison) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut equal = |what: String, one: f64, other: f64| {
        if (one - other).abs() > SAME * one.abs().max(1.0) {
            wrong.push(format!("{what}: {one} is not {other}"));
        }
    };
    for (name, money) in &comparison.money {
        let of = |group: &str| -> f64 {
            let lines = money.lines.iter().filter(|line| line.group == group);
            lines.map(|line| line.usd).sum()
        };
        let mut all = 0.0;
        for (group, usd) in &money.per_million_usd {
            if group != "total" {
                equal(format!("money.{name}.{group}"), *usd, of(group));
                all += usd;
            }
        }
        let total = money.per_million_usd.get("total").copied();
        equal(format!("money.{name}.total"), total.unwrap_or(0.0), all);
        let standing = of("standing");
        equal(
            format!("money.{name}.standing"),
            money.standing_month_usd,
            standing,
        );
    }
    for (name, time) in &comparison.time {
        let shares: f64 = time.share.values().sum();
        if time.decided_ms.n > 0 {
            equal(format!("time.{name}.share"), shares, 1.0);
        }
    }
    for (name, time) in &comparison.time {
        let it = &time.decided_ms;
        if ![it.p10, it.p50, it.p90, it.p99].is_sorted() {
            wrong.push(format!("time.{name}: the quantiles are not in order"));
        }
    }
    for row in &comparison.failure {
        if row.lost > row.orders || row.parked > row.orders {
            wrong.push(format!(
                "failure {} {}: more than there are",
                row.fault, row.variant
            ));
        }
    }
    let known = |name: &String| comparison.variants.iter().any(|it| &it.name == name);
    let named = comparison.time.keys().chain(comparison.money.keys());
    for name in named
        .chain(comparison.coupling.keys())
        .filter(|it| !known(it))
    {
        wrong.push(format!("{name} is no variant of this comparison"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_is_written_as_the_document_writes_it() {
        let json = json!({ "a": { "b": 1_234.567, "s": 0.256 }, "l": [{ "n": 2, "of": "a", "at": "y" }, { "n": 3, "of": "a", "at": ["x", "z"] }], "t": "word" });
        for (path, says, right) in [
            ("a.b", "9", Some("1,235")),
            ("a.b", "9.99", Some("1,234.57")),
            ("a.s", "9 %", Some("26 %")),
            ("l.a.n", "2", Some("2")),
            ("l.x/a.n", "2", Some("3")),
            ("l.x/b.n", "2", None),
            ("t", "x", Some("word")),
            ("a.c", "1", None),
            ("l", "1", None),
            ("l.length", "9", Some("2")),
        ] {
            assert_eq!(figure(&json, path, says).as_deref(), right, "{path}");
        }
    }

    #[test]
    fn marks_are_found_and_those_that_do_not_end_are_named() {
        let text =
            "a <!-- compare x.y -->12<!-- /compare --> b <!-- compare z -->3<!-- /compare -->";
        let found = marks(text).unwrap();
        let of = |mark: &Mark| (mark.path.clone(), text[mark.inside.clone()].to_owned());
        let of: Vec<_> = found.iter().map(of).collect();
        assert_eq!(of, [("x.y".into(), "12".into()), ("z".into(), "3".into())]);
        assert!(marks("<!-- compare x.y -->12").is_err_and(|why| why.contains("x.y")));
    }
}
