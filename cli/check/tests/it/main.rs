//! Templates in, findings out.

mod bus;
mod documents;
mod fixtures;
mod fuzz;
mod shapes;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use duet_check::{Checked, Finding, Refused, check};

/// The crate's own folder.
fn own() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Checks a template on disk.
fn on_disk(path: &Path) -> Result<Checked, Refused> {
    check(path, &BTreeMap::new(), &|path| {
        std::fs::read_to_string(path)
    })
}

/// Checks the template `template.yaml` among `files`, with `parameters`.
fn among(files: &[(&str, &str)], parameters: &[(&str, &str)]) -> Result<Checked, Refused> {
    let files = files.iter();
    let files = files.map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
    let files: BTreeMap<_, _> = files.collect();
    let parameters = parameters.iter();
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let read = |path: &Path| {
        let text = files.get(path).cloned();
        text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    check(Path::new("template.yaml"), &parameters.collect(), &read)
}

/// Checks one template alone.
fn alone(template: &str) -> Checked {
    among(&[("template.yaml", template)], &[]).expect("a template")
}

/// The findings of a rule.
fn of<'c>(checked: &'c Checked, rule: &str) -> Vec<&'c Finding> {
    let all = checked.findings.iter();
    all.filter(|it| it.rule == rule).collect()
}
