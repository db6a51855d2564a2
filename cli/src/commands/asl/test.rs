//! `duet asl test`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use crate::ops::suites::{self, Ran, Told};
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::{Format, print};

/// How often a watched file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// `duet asl test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Test files, YAML or JSON: each names its definition.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only the cases whose names contain this.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,
    /// Exit code 1 when less of the definition is reached, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "case")]
    pub require: Option<f64>,
    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Draw the way that each case took.
    #[arg(long, value_name = "FORM", value_enum)]
    pub path: Option<Picture>,
    /// Run again whenever a test file or its definition changes, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

/// How a way is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// A Mermaid state diagram.
    Mermaid,
}

/// A percentage.
fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.0..=100.0).contains(&n) => Ok(n),
        _ => Err("a number from 0 to 100".to_owned()),
    }
}

/// Runs the tests: 1 if a case fails or too little is covered.
///
/// # Errors
/// [`Problem`] when a file cannot be read, or does not fit its definition.
pub(super) fn run(args: &Test, format: Format) -> Outcome<Exit> {
    if !args.watch {
        return once(args, format).1;
    }
    loop {
        let (sources, outcome) = once(args, format);
        if let Err(problem) = outcome {
            terminal::refuse(&problem, format);
        }
        let before = stamps(&sources);
        terminal::tell("watching; Ctrl-C ends it");
        while stamps(&sources) == before {
            std::thread::sleep(LOOK);
        }
    }
}

/// Runs all once; gives the files that it came from, too.
fn once(args: &Test, format: Format) -> (Vec<PathBuf>, Outcome<Exit>) {
    let mut sources = args.files.clone();
    let outcome = all(args, &mut sources).and_then(|ran| {
        if let Some(path) = &args.junit {
            let xml = suites::junit(&ran, args.require);
            std::fs::write(path, xml).map_err(|e| {
                Problem::environment(format!("{} cannot be written: {e}", path.display()))
            })?;
        }
        print(&Told::new(&ran, args.require, args.path.is_some()), format)
    });
    (sources, outcome)
}

fn all(args: &Test, sources: &mut Vec<PathBuf>) -> Outcome<Vec<Ran>> {
    let mut ran = Vec::new();
    for file in &args.files {
        let loaded = suites::load(file)?;
        sources.extend(loaded.sources.iter().cloned());
        ran.push(loaded.run(args.case.as_deref())?);
    }
    if let (Some(part), true) = (&args.case, ran.iter().all(|it| it.cases.is_empty())) {
        return Err(Problem::usage(format!("no case's name contains '{part}'")));
    }
    Ok(ran)
}

/// When each file was written last, and how long it is.
fn stamps(files: &[PathBuf]) -> BTreeMap<&Path, Option<(SystemTime, u64)>> {
    let stamp = |file: &Path| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files
        .iter()
        .map(|file| (file.as_path(), stamp(file)))
        .collect()
}
