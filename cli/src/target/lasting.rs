//! A lab that lasts from one command to the next.
//!
//! Nothing of it lives while no command runs. What lasts is a file: a header
//! (definitions, first parameters, seed, beginning) and every input since, one
//! JSON line each; an update to other parameters is an input. Opening it does it all again, then lets time pass until now. The
//! clock is the wall's, but never earlier than a second after the last command:
//! one that waits moves it ahead and need not wait.
//!
//! One command at a time; what a command put in is appended when it ends. One
//! that is killed never happened.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use duet_core::Timestamp;
use duet_core::message::hex;
use duet_lab::{Config, Definitions, Update, bundled};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ops::{catalog, rollout};
use crate::shop::goods::goods;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;
use crate::world::lab::inputs::{Entry, Input};

/// The form of the file.
const FORMAT: u32 = 1;

/// The seed of every lab that lasts.
const SEED: u64 = 1;

/// The least time between two commands. People take longer; scripts see what
/// the command before has led to.
const BETWEEN: SignedDuration = SignedDuration::from_secs(1);

const REMEDY: &str = "`duet down --on lab --delete`, with the same --stack, sets it aside, lasting as a copy, and the next command begins a new one";

/// The first line: what the world is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The version of duet that began it.
    duet: String,
    /// A digest of the definitions.
    definitions: String,
    stack: String,
    parameters: BTreeMap<String, String>,
    seed: u64,
    start: Timestamp,
}

impl Header {
    fn new(stack: &str, parameters: BTreeMap<String, String>, start: Timestamp) -> Self {
        Self {
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
fn digest() -> String {
    let mut digest = Sha256::new();
    for (path, text) in bundled() {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    hex(&digest.finalize())
}

/// Where the labs of a state directory lie.
#[derive(Debug, Clone)]
pub struct LabDir {
    directory: PathBuf,
    stack: String,
}

/// A lab that lasts, opened by this command and by no other.
#[derive(Debug)]
pub struct Lasting {
    /// The world.
    pub world: Lab,
    labs: LabDir,
    header: Header,
    /// Inputs that came before this command.
    before: usize,
    /// How many bytes of the file are whole lines.
    whole: u64,
    opened: Timestamp,
    /// Held while the command runs.
    _lock: File,
}

/// What is told of a lab that lasts.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// Where its inputs lie.
    pub file: PathBuf,
    /// How many there are.
    pub inputs: usize,
    /// When it began.
    pub started: Timestamp,
    /// Its clock.
    pub now: Timestamp,
    /// The parameters it has, beside the template's defaults.
    pub parameters: BTreeMap<String, String>,
    /// Whether an update is under way.
    pub updating: bool,
}

/// How a lab came to have the parameters that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// It had them.
    AsItWas,
    /// It was updated in place, by one step or more.
    Updated(Vec<Update>),
    /// It is new; the one before, if there was one, lies there.
    Begun(Option<PathBuf>),
}

impl LabDir {
    /// The labs called `stack` under the state directory `state`.
    ///
    /// # Errors
    /// [`Problem`] when no stack can have that name.
    pub fn new(state: &Path, stack: &str) -> Outcome<Self> {
        let valid = stack.starts_with(|first: char| first.is_ascii_alphabetic())
            && stack
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !valid {
            return Err(Problem::usage(format!(
                "a stack's name has letters, digits and hyphens, and begins with a letter: {stack:?} does not"
            )));
        }
        Ok(Self {
            directory: state.join("lab").join(stack),
            stack: stack.to_owned(),
        })
    }

    /// The file with the inputs.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("inputs.jsonl")
    }

    /// Whether a lab is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file().is_file()
    }

    fn trouble(&self) -> impl Fn(std::io::Error) -> Problem {
        let file = self.file();
        move |error| Problem::environment(format!("{}: {error}", file.display()))
    }

    /// Waits until no other command uses the lab.
    fn lock(&self) -> Outcome<File> {
        let trouble = self.trouble();
        fs::create_dir_all(&self.directory).map_err(&trouble)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.directory.join("lock"))
            .map_err(&trouble)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                terminal::tell("waiting for another command on this lab");
                lock.lock().map_err(&trouble)?;
            }
            Err(TryLockError::Error(error)) => return Err(trouble(error)),
        }
        Ok(lock)
    }

    /// Sets the lab aside, under a name that tells when; the next command
    /// begins a new one. Gives where it lies now; `None` when there was none.
    ///
    /// # Errors
    /// [`Problem`] when the file cannot be renamed.
    pub fn set_aside(&self, now: Timestamp) -> Outcome<Option<PathBuf>> {
        let lock = self.lock()?;
        let aside = self.put_away(now);
        drop(lock);
        aside
    }

    fn put_away(&self, now: Timestamp) -> Outcome<Option<PathBuf>> {
        if !self.exists() {
            return Ok(None);
        }
        let name = format!("inputs-{}.jsonl", now.as_millisecond());
        let aside = self.directory.join(name);
        fs::rename(self.file(), &aside).map_err(self.trouble())?;
        Ok(Some(aside))
    }

    /// The header and the inputs in the file, with the length of its whole lines.
    fn read(&self) -> Outcome<Option<(Header, Vec<Entry>, u64)>> {
        if !self.exists() {
            return Ok(None);
        }
        let file = self.file();
        let bytes = fs::read(&file).map_err(self.trouble())?;
        // What a command that was killed left half-written has no end of line.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < bytes.len() {
            terminal::tell(&format!(
                "warning: the last line of {} is cut off; it is left out",
                file.display()
            ));
        }
        let mut lines = bytes[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let Some(first) = lines.next() else {
            return Ok(None);
        };
        let wrong = |line: usize, why: &dyn std::fmt::Display| {
            let text = format!("line {line} of {} cannot be read: {why}", file.display());
            Problem::environment(text).hint(REMEDY)
        };
        let header: Header = serde_json::from_slice(first).map_err(|e| wrong(1, &e))?;
        let entries = lines
            .enumerate()
            .map(|(n, line)| serde_json::from_slice(line).map_err(|e| wrong(n + 2, &e)))
            .collect::<Outcome<Vec<Entry>>>()?;
        Ok(Some((header, entries, whole as u64)))
    }

    /// Opens the lab as it is at `wall`, or begins one with the template's
    /// defaults and the built-in catalogue.
    ///
    /// # Errors
    /// [`Problem`] when the file cannot be read, or was made by another duet.
    pub async fn open(&self, wall: Timestamp) -> Outcome<Lasting> {
        let lock = self.lock()?;
        match self.read()? {
            Some(read) => self.resume(lock, read, wall),
            None => self.begin(lock, BTreeMap::new(), wall).await,
        }
    }

    /// Opens the lab as it is at `wall`, and updates it in place if it has other
    /// parameters than `parameters`, see [`rollout`]: then its clock goes on until
    /// the update is complete. `yes` agrees to what would be lost. One made by another duet is set aside, and a new one begun.
    ///
    /// # Errors
    /// [`Problem`] when a parameter is wrong, another update is under way, or the
    /// file cannot be written.
    pub async fn up(
        &self,
        parameters: BTreeMap<String, String>,
        wall: Timestamp,
        yes: bool,
    ) -> Outcome<(Lasting, Brought)> {
        let lock = self.lock()?;
        // Wrong parameters leave what is there alone.
        definitions(&self.stack, &parameters)?;
        if let Ok(Some(read)) = self.read()
            && read.0 == Header::new(&self.stack, read.0.parameters.clone(), read.0.start)
        {
            let again = lock.try_clone().map_err(self.trouble())?;
            match self.resume(again, read, wall) {
                Ok(lasting) => {
                    return match lasting.update(&parameters, yes).await {
                        Ok(brought) => Ok((lasting, brought)),
                        // The steps that were made stay.
                        Err(problem) => lasting.close().and(Err(problem)),
                    };
                }
                Err(problem) => terminal::tell(&problem.to_string()),
            }
        }
        let aside = self.put_away(wall)?;
        let lasting = self.begin(lock, parameters, wall).await?;
        Ok((lasting, Brought::Begun(aside)))
    }

    async fn begin(
        &self,
        lock: File,
        parameters: BTreeMap<String, String>,
        wall: Timestamp,
    ) -> Outcome<Lasting> {
        let header = Header::new(&self.stack, parameters, wall);
        let lasting = Lasting {
            world: world(&header)?,
            labs: self.clone(),
            before: 0,
            whole: 0,
            opened: header.start,
            header,
            _lock: lock,
        };
        lasting.world.state().inputs = Some(Vec::new());
        catalog::seed(&lasting.world, &goods(None)?).await?;
        Ok(lasting)
    }

    fn resume(
        &self,
        lock: File,
        (header, entries, whole): (Header, Vec<Entry>, u64),
        wall: Timestamp,
    ) -> Outcome<Lasting> {
        let expected = Header {
            duet: header.duet.clone(),
            ..Header::new(&self.stack, header.parameters.clone(), header.start)
        };
        let file = self.file();
        if header != expected {
            let text = format!(
                "{} was made by duet {} with other definitions than this one has",
                file.display(),
                header.duet
            );
            return Err(Problem::environment(text).hint(REMEDY));
        }
        let world = world(&header)?;
        let before = entries.len();
        let opened = {
            let state = &mut *world.state();
            for (n, entry) in entries.into_iter().enumerate() {
                state.replay(entry).map_err(|problem| {
                    let why = problem.to_string();
                    let why = why.trim_start_matches("error: ");
                    Problem::environment(format!(
                        "this duet does not do as the one that wrote {} did: line {}, {why}",
                        file.display(),
                        n + 2
                    ))
                    .hint(REMEDY)
                })?;
            }
            let next = state.lab.now() + BETWEEN;
            let wall = Timestamp::from_millisecond(wall.as_millisecond()).unwrap_or(wall);
            state.lab.advance(next.max(wall));
            state.inputs = Some(Vec::new());
            state.lab.now()
        };
        Ok(Lasting {
            world,
            labs: self.clone(),
            header,
            before,
            whole,
            opened,
            _lock: lock,
        })
    }
}

fn definitions(
    stack: &str,
    parameters: &BTreeMap<String, String>,
) -> Outcome<std::sync::Arc<Definitions>> {
    Definitions::read(bundled(), stack, parameters)
        .map(std::sync::Arc::new)
        .map_err(Problem::usage)
}

/// The world of `header`, at its beginning.
fn world(header: &Header) -> Outcome<Lab> {
    let config = Config {
        seed: header.seed,
        start: header.start.as_millisecond(),
        keep_succeeded: true,
        events: true,
        logs: true,
        ..Config::default()
    };
    Lab::new(&definitions(&header.stack, &header.parameters)?, config)
}

impl Lasting {
    /// What is to be told of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let fresh = self.world.state().inputs.as_ref().map_or(0, Vec::len);
        Facts {
            file: self.labs.file(),
            inputs: self.before + fresh,
            started: self.header.start,
            now: self.world.now(),
            parameters: self.world.with(|lab| lab.parameters().clone()),
            updating: self.world.with(|lab| lab.updating()),
        }
    }

    /// Brings it to `parameters`, if it has others.
    async fn update(&self, parameters: &BTreeMap<String, String>, yes: bool) -> Outcome<Brought> {
        if self.world.with(|lab| lab.parameters() == parameters) {
            return Ok(Brought::AsItWas);
        }
        let there = (self.header.stack.as_str(), &bundled());
        let updates = rollout::roll_out(&self.world, there, parameters, yes).await?;
        Ok(Brought::Updated(updates))
    }

    /// Appends what this command put in, and how far it moved the clock.
    ///
    /// # Errors
    /// [`Problem`] when the file cannot be written: then the command never happened.
    pub fn close(self) -> Outcome<()> {
        let state = &mut *self.world.state();
        let now = state.lab.now();
        let Some(inputs) = state.inputs.take() else {
            return Ok(());
        };
        if inputs.is_empty() && now <= self.opened && self.whole > 0 {
            return Ok(());
        }
        state.lab.advance(now);
        let end = Entry {
            at: now,
            input: Input::End {
                trace: state.trace(),
            },
        };
        let mut text = Vec::new();
        let mut line = |value: serde_json::Result<Vec<u8>>| {
            text.extend(value.map_err(Problem::environment)?);
            text.push(b'\n');
            Ok::<(), Problem>(())
        };
        if self.whole == 0 {
            line(serde_json::to_vec(&self.header))?;
        }
        for entry in inputs.iter().chain([&end]) {
            line(serde_json::to_vec(entry))?;
        }
        let trouble = self.labs.trouble();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.labs.file())
            .map_err(&trouble)?;
        file.set_len(self.whole).map_err(&trouble)?;
        file.seek(SeekFrom::End(0)).map_err(&trouble)?;
        file.write_all(&text).map_err(&trouble)
    }
}

#[cfg(test)]
mod tests;
