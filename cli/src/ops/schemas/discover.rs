//! Schemas inferred from events.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use duet_schemas::discover::discovered;
use serde::Serialize;
use serde_json::Value;

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::Report;

/// What was inferred.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Discovered(BTreeMap<String, Value>);

/// Infers schemas from the events in `file`, or on standard input if it is `-`.
///
/// # Errors
/// [`Problem`] when there is no event, or one has no source, detail-type or detail.
pub fn discover(file: &Path) -> Outcome<Discovered> {
    let origin = file.display().to_string();
    let events: Vec<Value> = read::all(&read::text(file)?, &origin)?;
    let unfit = |why| {
        let hint = "`duet events tail --output json` prints such events";
        Problem::usage(format!("{origin}: {why}")).hint(hint)
    };
    discovered(&events).map(Discovered).map_err(unfit)
}

/// Where they were written.
#[derive(Debug, Serialize)]
pub struct Written {
    folder: PathBuf,
    files: Vec<String>,
}

impl Discovered {
    /// Writes each into a file of its name in the folder `out`; a file of that name is
    /// written anew.
    ///
    /// # Errors
    /// [`Problem`] when it cannot be written.
    pub fn write(&self, out: &Path) -> Outcome<Written> {
        let failed = |e: std::io::Error| Problem::environment(format!("{}: {e}", out.display()));
        std::fs::create_dir_all(out).map_err(failed)?;
        let mut files = Vec::new();
        for (name, schema) in &self.0 {
            // A source is somebody's word: no part of it may name another folder.
            let file = format!("{}.json", name.replace(['/', '\\'], "-"));
            let text = serde_json::to_string_pretty(schema).map_err(Problem::environment)?;
            std::fs::write(out.join(&file), format!("{text}\n")).map_err(failed)?;
            files.push(file);
        }
        Ok(Written {
            folder: out.to_path_buf(),
            files,
        })
    }
}

/// The schemas are JSON for people, too.
impl Report for Discovered {
    fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Report for Written {
    fn text(&self) -> String {
        format!("{} schemas: {}", self.files.len(), self.folder.display())
    }
}
