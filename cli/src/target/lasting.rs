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

mod file;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use duet_core::Timestamp;
use duet_core::message::hex;
use duet_lab::{Config, Definitions, Profile, Update, bundled};
use jiff::SignedDuration;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::file::Made;
use self::file::{Header, Kept, append};
use crate::ops::{catalog, rollout};
use crate::shop::goods::goods;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;
use crate::world::lab::inputs::{Entry, Input};

/// The least time between two commands. People take longer; scripts see what
/// the command before has led to.
const BETWEEN: SignedDuration = SignedDuration::from_secs(1);

const REMEDY: &str = "`duet down --on lab --delete`, with the same --stack, sets it aside, lasting as a copy, and the next command begins a new one";

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
    /// How many bytes of the file are whole commands.
    whole: u64,
    /// The digest of these bytes.
    lines: Sha256,
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

    /// The files with inputs, and their sizes: the lab's own, and those of labs that
    /// were set aside.
    pub(super) fn files(&self) -> Outcome<Vec<(PathBuf, u64)>> {
        if !self.directory.is_dir() {
            return Ok(Vec::new());
        }
        let trouble = self.trouble();
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(&trouble)? {
            let path = entry.map_err(&trouble)?.path();
            if path.extension().is_some_and(|it| it == "jsonl") {
                let bytes = fs::metadata(&path).map_err(&trouble)?.len();
                files.push((path, bytes));
            }
        }
        Ok(files)
    }

    /// When the lab began, and how many inputs it had, if there is one.
    pub(super) fn glance(&self) -> Outcome<Option<(Timestamp, usize)>> {
        let kept = self.read()?;
        Ok(kept.map(|kept| (kept.header.start, kept.entries.len())))
    }

    /// Removes the lab and all that was set aside.
    pub(super) fn remove(&self) -> Outcome<()> {
        let _lock = self.lock()?;
        fs::remove_dir_all(&self.directory).map_err(self.trouble())
    }

    fn trouble(&self) -> impl Fn(std::io::Error) -> Problem {
        let file = self.file();
        move |error| Problem::environment(format!("{}: {error}", file.display()))
    }

    /// Waits until no other command uses the lab.
    fn lock(&self) -> Outcome<File> {
        let trouble = self.trouble();
        let opened = fs::create_dir_all(&self.directory).and_then(|()| {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(self.directory.join("lock"))
        });
        let lock = match opened {
            // Whoever may only read changes nothing, and needs no turn.
            Err(error) if is_read_only(&error) && self.exists() => {
                return File::open(self.file()).map_err(&trouble);
            }
            opened => opened.map_err(&trouble)?,
        };
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

    /// What is in the file, up to the end of the last whole command.
    fn read(&self) -> Outcome<Option<Kept>> {
        if !self.exists() {
            return Ok(None);
        }
        let file = self.file();
        let bytes = fs::read(&file).map_err(self.trouble())?;
        Kept::of(&bytes, &file)
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
            None => {
                let header = Header::new(&self.stack, BTreeMap::new(), wall);
                self.begin(lock, header).await
            }
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
            && read.header
                == Header::new(
                    &self.stack,
                    read.header.parameters.clone(),
                    read.header.start,
                )
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
        let header = Header::new(&self.stack, parameters, wall);
        let lasting = self.begin(lock, header).await?;
        Ok((lasting, Brought::Begun(aside)))
    }

    /// Begins a lab of another kind than a first command does.
    ///
    /// # Errors
    /// [`Problem`] when there is a lab of that name, or it cannot be made so.
    pub async fn found(
        &self,
        parameters: BTreeMap<String, String>,
        seed: u64,
        made: Made,
        wall: Timestamp,
    ) -> Outcome<Lasting> {
        let lock = self.lock()?;
        if self.exists() {
            return Err(
                Problem::usage(format!("there is a lab {} already", self.stack))
                    .hint("choose another name, or remove it with `duet lab drop`"),
            );
        }
        let header = Header {
            seed,
            made,
            ..Header::new(&self.stack, parameters, wall)
        };
        self.begin(lock, header).await
    }

    async fn begin(&self, lock: File, header: Header) -> Outcome<Lasting> {
        let lasting = Lasting {
            world: world(&header)?,
            labs: self.clone(),
            before: 0,
            whole: 0,
            lines: Sha256::new(),
            opened: header.start,
            header,
            _lock: lock,
        };
        lasting.world.state().inputs = Some(Vec::new());
        catalog::seed(&lasting.world, &goods(None)?).await?;
        Ok(lasting)
    }

    fn resume(&self, lock: File, kept: Kept, wall: Timestamp) -> Outcome<Lasting> {
        let Kept {
            header,
            entries,
            whole,
            lines,
        } = kept;
        let expected = Header {
            duet: header.duet.clone(),
            seed: header.seed,
            made: header.made.clone(),
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
            lines,
            opened,
            _lock: lock,
        })
    }
}

/// Whether `error` says that nothing may be written there.
fn is_read_only(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
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
    let faults = header.made.faults.iter().map(|rule| rule.parse());
    let profile = match &header.made.profile {
        None => None,
        Some(name) => Some(Profile::named(name).ok_or_else(|| {
            Problem::environment(format!("there is no profile {name} any more")).hint(REMEDY)
        })?),
    };
    let config = Config {
        seed: header.seed,
        faults: faults
            .collect::<Result<_, String>>()
            .map_err(Problem::environment)?,
        profile,
        assumptions: header.seed,
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

    /// Brings it to `parameters`, if it has others: what stands for a default is one.
    async fn update(&self, parameters: &BTreeMap<String, String>, yes: bool) -> Outcome<Brought> {
        let wanted = definitions(&self.header.stack, parameters)?;
        let has = |lab: &mut duet_lab::Lab| lab.definitions().values == wanted.values;
        if self.world.with(has) {
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
        let mut text = Vec::new();
        let mut line = |value: serde_json::Result<Vec<u8>>| {
            text.extend(value.map_err(Problem::environment)?);
            text.push(b'\n');
            Ok::<(), Problem>(())
        };
        if self.whole == 0 {
            line(serde_json::to_vec(&self.header))?;
        }
        for entry in &inputs {
            line(serde_json::to_vec(entry))?;
        }
        let end = Entry {
            at: now,
            input: Input::End {
                trace: state.trace(),
                lines: Some(hex(&self.lines.clone().chain_update(&text).finalize())),
            },
        };
        text.extend(serde_json::to_vec(&end).map_err(Problem::environment)?);
        text.push(b'\n');
        append(&self.labs.file(), self.whole, &text)
    }
}

#[cfg(test)]
mod tests;
