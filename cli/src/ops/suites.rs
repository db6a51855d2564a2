//! Test files of state machines: reading them with the definitions they name,
//! running them, and telling what came of it. Any project's, not only ours.

mod junit;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duet_asl::suite::{CaseReport, Coverage, Suite};
use duet_asl::{MachineType, Objects, Severity, StateMachine};
use serde_json::Value;

use crate::ops::machines;
use crate::ops::objects::Folder;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::read;

pub use junit::junit;
pub use told::Told;

/// What to do about a `${Name}` that is left.
const SUBSTITUTE: &str = "give a value for each ${Name} of the definition: `substitutions` in a test file, --substitution with --state-name";

/// A test file with its definition.
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// The file and what its definition was read from.
    pub sources: Vec<PathBuf>,
    /// The folder of the buckets that its distributed Maps read.
    objects: Option<PathBuf>,
    suite: Suite,
    machine: Arc<StateMachine>,
}

/// What became of a test file.
pub struct Ran {
    /// The file.
    pub file: PathBuf,
    /// Its definition.
    pub machine: Arc<StateMachine>,
    /// Each case, in the file's order.
    pub cases: Vec<CaseReport>,
    /// What these cases together took of the definition.
    pub coverage: Coverage,
    /// Whether these are all its cases.
    pub is_whole: bool,
}

/// Reads the test file at `path`, YAML or JSON, and the definition it names.
///
/// # Errors
/// [`Problem`] naming the file and the place of what is wrong.
pub fn load(path: &Path) -> Outcome<Loaded> {
    let name = path.display().to_string();
    let suite: Suite = read::typed(document(path)?, &name)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = match (&suite.definition, &suite.template) {
        (Some(file), None) => {
            let source = folder.join(file);
            let kind = suite.kind.unwrap_or_default();
            (source.clone(), read::text(&source)?, kind)
        }
        (None, Some(file)) => deployed(&suite, &folder.join(file), &name)?,
        _ => {
            return Err(Problem::usage(format!(
                "{name}: exactly one of definition and template is needed"
            ))
            .hint("definition: order.asl.json"));
        }
    };
    let (source, written, kind) = found;
    let machine = compiled(&source, &written, kind, &suite.substitutions)?;
    let objects = suite.objects.as_ref().map(|it| folder.join(it));
    if let Some(objects) = objects.as_ref().filter(|it| !it.is_dir()) {
        let what = format!("{name}: objects: there is no folder {}", objects.display());
        return Err(Problem::usage(what).hint("it has a folder for each bucket"));
    }
    Ok(Loaded {
        file: path.to_owned(),
        sources: vec![path.to_owned(), source],
        objects,
        suite,
        machine: Arc::new(machine),
    })
}

/// The file at `path` as JSON: a member that is written twice is refused.
///
/// # Errors
/// [`Problem`] naming the file and the line of what is wrong.
pub fn document(path: &Path) -> Outcome<Value> {
    let text = read::text(path)?;
    let wrong = |why: serde_norway::Error| Problem::usage(format!("{}: {why}", path.display()));
    // JSON may be indented by tabs, which YAML does not take; in its strings a tab
    // is never written as itself.
    let json = text.trim_start().starts_with('{');
    let text = if json { text.replace('\t', " ") } else { text };
    let mut yaml: serde_norway::Value = serde_norway::from_str(&text).map_err(wrong)?;
    yaml.apply_merge().map_err(wrong)?;
    serde_norway::from_value(yaml).map_err(wrong)
}

/// The state machine that the suite's template deploys.
fn deployed(suite: &Suite, template: &Path, name: &str) -> Outcome<(PathBuf, String, MachineType)> {
    let parameters: BTreeMap<String, String> = suite
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect();
    let all = machines::of(template, &parameters)?;
    let is_wanted = |place: &str| {
        let wanted = suite.resource.as_deref();
        wanted.is_none_or(|it| place == it || place.ends_with(&format!("/{it}")))
    };
    let mut wanted = all.iter().filter(|it| is_wanted(&it.place));
    match (wanted.next(), wanted.next()) {
        (Some(it), None) => Ok((template.to_owned(), it.definition.clone(), it.kind)),
        _ => {
            let places: Vec<&str> = all.iter().map(|it| it.place.as_str()).collect();
            Err(Problem::usage(format!(
                "{name}: resource must name one state machine of {}",
                template.display()
            ))
            .hint(format!("it deploys {}", places.join(", "))))
        }
    }
}

/// Compiles a definition, with `values` in place of its `${Name}`s.
///
/// # Errors
/// [`Problem`] with all that is wrong with it.
pub fn compiled(
    file: &Path,
    written: &str,
    kind: MachineType,
    values: &BTreeMap<String, Value>,
) -> Outcome<StateMachine> {
    let filled = match values.is_empty() {
        true => written.to_owned(),
        false => {
            duet_asl::substitute(written, |name| values.get(name).map(plain)).map_err(|names| {
                Problem::usage(format!(
                    "{}: nothing is put in for {}",
                    file.display(),
                    names.join(", ")
                ))
                .hint(SUBSTITUTE)
            })?
        }
    };
    StateMachine::parse_as(&filled, kind).map_err(|findings| {
        let errors = findings.iter().filter(|it| it.severity == Severity::Error);
        let texts: Vec<String> = errors.map(ToString::to_string).collect();
        let problem = Problem::usage(format!("{}: {}", file.display(), texts.join("\n")));
        match values.is_empty() && written.contains("${") {
            true => problem.hint(SUBSTITUTE),
            false => problem,
        }
    })
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Loaded {
    /// Runs the cases whose names contain `only`, or all.
    ///
    /// # Errors
    /// [`Problem`] with all that does not fit the definition, each with its place.
    pub fn run(&self, only: Option<&str>) -> Outcome<Ran> {
        let wanted = |name: &str| only.is_none_or(|part| name.contains(part));
        // Each case has what the folder has, and leaves it as it is.
        let objects = || {
            let folder = self.objects.as_deref()?;
            Some(Arc::new(Folder::untouched(folder)) as Arc<dyn Objects>)
        };
        let ran = self.suite.run_with(&self.machine, &wanted, &objects);
        let report = ran.map_err(|problems| {
            let file = self.file.display();
            let lines: Vec<String> = problems.iter().map(|it| format!("{file}: {it}")).collect();
            Problem::usage(lines.join("\n"))
        })?;
        Ok(Ran {
            file: self.file.clone(),
            machine: self.machine.clone(),
            cases: report.cases,
            coverage: report.coverage,
            is_whole: only.is_none(),
        })
    }
}
