//! What lasts of a lab: one file, a line for each input, and after the inputs of
//! each command an end with digests.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use duet_core::Timestamp;
use duet_core::message::hex;
use duet_lab::bundled;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::REMEDY;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::lab::inputs::{Entry, Input};

/// The form of the file.
const FORMAT: u32 = 1;

/// The seed of every lab that lasts.
const SEED: u64 = 1;

/// The first line: what the world is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    /// The version of duet that began it.
    pub(super) duet: String,
    /// A digest of the definitions.
    pub(super) definitions: String,
    pub(super) stack: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) seed: u64,
    pub(super) start: Timestamp,
    /// How it differs from a lab that a first command begins.
    #[serde(flatten)]
    pub(super) made: Made,
}

/// What a lab is made with, beside its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The faults that strike from the beginning, as they are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// How long things take; as in tests if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

impl Header {
    pub(super) fn new(stack: &str, parameters: BTreeMap<String, String>, start: Timestamp) -> Self {
        Self {
            made: Made::default(),
            format: FORMAT,
            duet: env!("CARGO_PKG_VERSION").to_owned(),
            definitions: digest(),
            stack: stack.to_owned(),
            parameters,
            seed: SEED,
            // A lab counts in milliseconds.
            start: Timestamp::from_millisecond(start.as_millisecond()).unwrap_or(start),
        }
    }
}

/// A digest of the definitions that travel in this binary.
pub(super) fn digest() -> String {
    let mut digest = Sha256::new();
    for (path, text) in bundled() {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    hex(&digest.finalize())
}

/// What a file keeps.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) header: Header,
    /// The inputs of all whole commands.
    pub(super) entries: Vec<Entry>,
    /// How many bytes they take.
    pub(super) whole: u64,
    /// The digest of these bytes, to go on with.
    pub(super) lines: Sha256,
}

impl Kept {
    /// What is in the file, up to the end of the last whole command.
    /// Nothing where there is no whole command.
    ///
    /// # Errors
    /// [`Problem`] naming the line that cannot be read, or was changed.
    pub(super) fn of(bytes: &[u8], file: &Path) -> Outcome<Option<Self>> {
        let wrong = |line: usize, why: &dyn std::fmt::Display| {
            let text = format!("line {line} of {} cannot be read: {why}", file.display());
            Problem::environment(text).hint(REMEDY)
        };
        let mut header: Option<Header> = None;
        let mut entries = Vec::new();
        let mut lines = Sha256::new();
        let mut at = 0;
        // How many entries and bytes the whole commands take, and their digest.
        let mut end: Option<(usize, u64, Sha256)> = None;
        for (n, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            // What a command that was killed left half-written has no end of line.
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            at += line.len() as u64;
            if header.is_none() {
                header = Some(serde_json::from_slice(text).map_err(|e| wrong(1, &e))?);
                lines.update(line);
                continue;
            }
            let entry: Entry = serde_json::from_slice(text).map_err(|e| wrong(n + 1, &e))?;
            let said = match &entry.input {
                Input::End { lines, .. } => Some(lines.clone()),
                _ => None,
            };
            if let Some(Some(said)) = &said
                && *said != hex(&lines.clone().finalize())
            {
                let why = "a line before it was changed or taken out since it was written";
                return Err(wrong(n + 1, &why));
            }
            lines.update(line);
            entries.push(entry);
            if said.is_some() {
                end = Some((entries.len(), at, lines.clone()));
            }
        }
        let kept = header.zip(end).map(|(header, (inputs, whole, lines))| {
            entries.truncate(inputs);
            Self {
                header,
                entries,
                whole,
                lines,
            }
        });
        let whole = kept.as_ref().map_or(0, |kept| kept.whole);
        if whole < bytes.len() as u64 {
            terminal::tell(&format!(
                "warning: {} ends in the middle of a command; that command is left out",
                file.display()
            ));
        }
        Ok(kept)
    }
}

/// Puts `text` behind the first `whole` bytes of `file`, all of it or nothing.
///
/// # Errors
/// [`Problem`] when it cannot be written: then nothing of it is there.
pub(super) fn append(file: &Path, whole: u64, text: &[u8]) -> Outcome<()> {
    let trouble = |error| Problem::environment(format!("{}: {error}", file.display()));
    let mut open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
        .map_err(trouble)?;
    open.set_len(whole).map_err(trouble)?;
    let written = open
        .seek(SeekFrom::End(0))
        .and_then(|_| open.write_all(text))
        .and_then(|()| open.sync_all());
    written.map_err(|error| {
        // What the disk still takes of it goes: the command never happened.
        let undone = open.set_len(whole).and_then(|()| open.sync_all());
        let hint = match undone {
            Ok(()) => "nothing of this command is kept; make room and give it again",
            Err(_) => "what is left of this command is left out by the next one",
        };
        trouble(error).hint(hint)
    })
}
