//! The labs of a state directory: which there are, which one is used unless a
//! command names another, and how one is dropped for good.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use duet_core::Timestamp;
use serde::Serialize;

use super::lasting::LabDir;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::lab::inputs::Entry;

/// The labs of a state directory.
#[derive(Debug, Clone)]
pub struct Labs {
    state: PathBuf,
    current: String,
}

/// A lab, as far as can be told without doing its inputs again.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Whether commands use it that name none.
    pub in_use: bool,
    /// When it began; nothing if there are only copies of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// How many inputs it had.
    pub inputs: usize,
    /// Bytes on the disk, its copies included.
    pub bytes: u64,
    /// How many labs of that name were set aside.
    pub copies: usize,
}

/// Every lab there is.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// One row each, by name.
    pub labs: Vec<Told>,
}

/// What was done to a lab.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Its name.
    pub name: String,
    /// What was done, in words.
    pub done: String,
}

/// The file that names the lab in use.
fn note(state: &Path) -> PathBuf {
    state.join("lab").join("in-use")
}

/// The lab that `duet lab use` chose, if it chose one.
pub(super) fn in_use(state: &Path) -> Option<String> {
    let name = fs::read_to_string(note(state)).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// How many orders are remembered for a completion, and how much of a lab's file is
/// looked through for them, in bytes: nobody waits who presses a key.
const RECENT: usize = 20;
const LOOKED_THROUGH: u64 = 64 * 1_024;

/// The orders that were placed last in the lab in use, the latest first; none where
/// there is no lab.
#[must_use]
pub fn recent_orders() -> Vec<String> {
    recent().unwrap_or_default()
}

fn recent() -> Option<Vec<String>> {
    let given = std::env::var_os("DUET_STATE").map(PathBuf::from);
    let state = super::state_of(given.as_deref()).ok()?;
    let name = in_use(&state).unwrap_or_else(|| super::DEFAULT.to_owned());
    let mut file = fs::File::open(LabDir::new(&state, &name).ok()?.file()).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_THROUGH)))
        .ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    let mut orders: Vec<String> = Vec::new();
    // The first line may be the rest of one, and is none then.
    for line in String::from_utf8_lossy(&text).lines().rev() {
        let entry = serde_json::from_str::<Entry>(line).ok();
        let placed = entry.and_then(|entry| entry.input.placed());
        orders.extend(placed.filter(|order| !orders.contains(order)));
        if orders.len() == RECENT {
            break;
        }
    }
    Some(orders)
}

impl Labs {
    pub(super) fn of(state: &Path, current: &str) -> Self {
        Self {
            state: state.to_owned(),
            current: current.to_owned(),
        }
    }

    /// Every lab, by name.
    ///
    /// # Errors
    /// [`Problem`] when the state directory cannot be read.
    pub fn list(&self) -> Outcome<Listed> {
        let all = self.state.join("lab");
        let mut labs = Vec::new();
        let trouble = |e| Problem::environment(format!("{}: {e}", all.display()));
        if all.is_dir() {
            for entry in fs::read_dir(&all).map_err(trouble)? {
                let entry = entry.map_err(trouble)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.path().is_dir() {
                    labs.push(self.told(name)?);
                }
            }
        }
        labs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Listed { labs })
    }

    fn told(&self, name: String) -> Outcome<Told> {
        let dir = LabDir::new(&self.state, &name)?;
        let files = dir.files()?;
        let kept = dir.glance()?;
        Ok(Told {
            in_use: name == self.current,
            started: kept.as_ref().map(|(started, _)| *started),
            inputs: kept.map_or(0, |(_, inputs)| inputs),
            bytes: files.iter().map(|(_, bytes)| bytes).sum(),
            copies: files.len() - usize::from(dir.exists()),
            name,
        })
    }

    /// From here on commands use the lab called `name`, unless they name another.
    ///
    /// # Errors
    /// [`Problem`] when no lab can have that name, or it cannot be noted.
    pub fn choose(&self, name: &str) -> Outcome<Done> {
        let there = LabDir::new(&self.state, name)?.exists();
        let note = note(&self.state);
        let trouble = |e| Problem::environment(format!("{}: {e}", note.display()));
        fs::create_dir_all(self.state.join("lab")).map_err(trouble)?;
        fs::write(&note, format!("{name}\n")).map_err(trouble)?;
        let done = match there {
            true => format!("lab {name} is in use"),
            false => format!("lab {name} is in use; the next command begins it"),
        };
        Ok(Done {
            name: name.to_owned(),
            done,
        })
    }

    /// Removes the lab called `name` and its copies, for good.
    ///
    /// # Errors
    /// [`Problem`] when there is none, or it cannot be removed.
    pub fn remove(&self, name: &str) -> Outcome<Done> {
        let dir = LabDir::new(&self.state, name)?;
        let files = dir.files()?;
        if files.is_empty() {
            return Err(Problem::failed(format!("there is no lab {name}"))
                .hint("`duet lab list` names those that there are"));
        }
        dir.remove()?;
        if in_use(&self.state).as_deref() == Some(name) {
            let note = note(&self.state);
            fs::remove_file(&note)
                .map_err(|e| Problem::environment(format!("{}: {e}", note.display())))?;
        }
        Ok(Done {
            name: name.to_owned(),
            done: format!(
                "lab {name} is removed, with {} copies",
                files.len().saturating_sub(1)
            ),
        })
    }
}

impl Report for Listed {
    fn text(&self) -> String {
        if self.labs.is_empty() {
            return "there is no lab yet; the first command begins one".to_owned();
        }
        let mut rows = table([
            table::word("LAB"),
            table::word("USED").states(),
            table::word("BEGAN").gives_way(1),
            table::number("INPUTS"),
            table::number("SIZE"),
            table::number("COPIES"),
        ]);
        for lab in &self.labs {
            rows.add_row([
                lab.name.clone(),
                if lab.in_use { "yes" } else { "" }.to_owned(),
                lab.started.map_or(String::new(), |at| format!("{at:.0}")),
                lab.inputs.to_string(),
                format!("{} KiB", lab.bytes.div_ceil(1_024)),
                lab.copies.to_string(),
            ]);
        }
        rows.text()
    }
}

impl Report for Done {
    fn text(&self) -> String {
        self.done.clone()
    }
}
