//! Writing the contracts into the project, or comparing them with what is there.

use std::path::Path;

use serde::Serialize;

use super::{SCHEMAS, files};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;

/// What generating or checking found.
#[derive(Debug, Serialize)]
pub struct Contracts {
    /// How many files there are.
    pub files: usize,
    /// Those that were, or would have to be, written.
    pub changed: Vec<String>,
    /// Files in the schemas' directory that nothing generates any more.
    pub stale: Vec<String>,
    checked: bool,
}

/// Writes the contracts below `root`, or only compares them.
///
/// # Errors
/// [`Problem`] when a file cannot be written.
pub fn run(root: &Path, check: bool) -> Outcome<Contracts> {
    let files = files()?;
    let mut changed = Vec::new();
    for (path, text) in &files {
        let file = root.join(path);
        if std::fs::read_to_string(&file).ok().as_ref() == Some(text) {
            continue;
        }
        changed.push(path.clone());
        if !check {
            let failed =
                |e: std::io::Error| Problem::environment(format!("{}: {e}", file.display()));
            file.parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .map_err(failed)?;
            std::fs::write(&file, text).map_err(failed)?;
        }
    }
    let mut stale = Vec::new();
    for dir in ["events", "commands"] {
        let there = std::fs::read_dir(root.join(SCHEMAS).join(dir))
            .into_iter()
            .flatten()
            .flatten();
        let paths =
            there.map(|entry| format!("{SCHEMAS}/{dir}/{}", entry.file_name().to_string_lossy()));
        stale.extend(paths.filter(|path| !files.contains_key(path)));
    }
    Ok(Contracts {
        files: files.len(),
        changed,
        stale,
        checked: check,
    })
}

impl Report for Contracts {
    fn text(&self) -> String {
        let verb = if self.checked {
            "out of date"
        } else {
            "written"
        };
        let mut lines: Vec<String> = self
            .changed
            .iter()
            .map(|path| format!("{verb}: {path}"))
            .collect();
        lines.extend(
            self.stale
                .iter()
                .map(|path| format!("nothing generates {path} any more; delete it")),
        );
        lines.push(format!(
            "{} files, {} {verb}",
            self.files,
            self.changed.len()
        ));
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        let good = self.stale.is_empty() && (!self.checked || self.changed.is_empty());
        if good { Exit::Done } else { Exit::Failed }
    }
}
