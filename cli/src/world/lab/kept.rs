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
use duet_lab::{Config, Definitions, Update, bundled};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Lab;
use super::input::{Entry, Input};
use crate::catalog;
use crate::exit::{Outcome, Problem};
use crate::rollout;
use crate::terminal;
use crate::world::World;

/// The form of the file.
const FORMAT: u32 = 1;

/// The seed of every lab that lasts.
const SEED: u64 = 1;

/// The least time between two commands. People take longer; scripts see what
/// the command before has led to.
const BETWEEN: SignedDuration = SignedDuration::from_secs(1);

const REMEDY: &str = "`duet down --on lab --delete`, with the same --stack, sets it aside, kept as a copy, and the next command begins a new one";

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
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the labs of a state directory lie.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
    stack: String,
}

/// A lab that lasts, opened by this command and by no other.
#[derive(Debug)]
pub struct Kept {
    /// The world.
    pub world: Lab,
    shelf: Shelf,
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

impl Shelf {
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
    pub async fn open(&self, wall: Timestamp) -> Outcome<Kept> {
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
    ) -> Outcome<(Kept, Brought)> {
        let lock = self.lock()?;
        // Wrong parameters leave what is there alone.
        definitions(&self.stack, &parameters)?;
        if let Ok(Some(read)) = self.read()
            && read.0 == Header::new(&self.stack, read.0.parameters.clone(), read.0.start)
        {
            let again = lock.try_clone().map_err(self.trouble())?;
            match self.resume(again, read, wall) {
                Ok(kept) => {
                    return match kept.update(&parameters, yes).await {
                        Ok(brought) => Ok((kept, brought)),
                        // The steps that were made stay.
                        Err(problem) => kept.close().and(Err(problem)),
                    };
                }
                Err(problem) => terminal::tell(&problem.to_string()),
            }
        }
        let aside = self.put_away(wall)?;
        let kept = self.begin(lock, parameters, wall).await?;
        Ok((kept, Brought::Begun(aside)))
    }

    async fn begin(
        &self,
        lock: File,
        parameters: BTreeMap<String, String>,
        wall: Timestamp,
    ) -> Outcome<Kept> {
        let header = Header::new(&self.stack, parameters, wall);
        let kept = Kept {
            world: world(&header)?,
            shelf: self.clone(),
            before: 0,
            whole: 0,
            opened: header.start,
            header,
            _lock: lock,
        };
        kept.world.state().inputs = Some(Vec::new());
        catalog::seed(&kept.world, &catalog::entries(None)?).await?;
        Ok(kept)
    }

    fn resume(
        &self,
        lock: File,
        (header, entries, whole): (Header, Vec<Entry>, u64),
        wall: Timestamp,
    ) -> Outcome<Kept> {
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
        Ok(Kept {
            world,
            shelf: self.clone(),
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

impl Kept {
    /// What is to be told of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let fresh = self.world.state().inputs.as_ref().map_or(0, Vec::len);
        Facts {
            file: self.shelf.file(),
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
        let trouble = self.shelf.trouble();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.shelf.file())
            .map_err(&trouble)?;
        file.set_len(self.whole).map_err(&trouble)?;
        file.seek(SeekFrom::End(0)).map_err(&trouble)?;
        file.write_all(&text).map_err(&trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::{self, Filter};
    use crate::scenario::{self, Person};
    use crate::variant::{self, Variant};
    use crate::world::Fraud;
    use crate::world::TableOf;
    use crate::world::bus::{BusTools, Event, Listen};
    use crate::world::operate::Operate;
    use crate::{demo, place, repair, review};
    use duet_core::OrderId;
    use duet_fraud::command::Verdict;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path(), "duet").unwrap();
        (dir, shelf)
    }

    fn wall(seconds: i64) -> Timestamp {
        let start: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
        start + SignedDuration::from_secs(seconds)
    }

    fn named(name: &str) -> &'static Variant {
        variant::named(name).unwrap()
    }

    /// Places the orders of a scenario and gives the id of the last.
    async fn submit(kept: &Kept, of: &str, under: &str) -> OrderId {
        let world = &kept.world;
        let scenario = scenario::named(of).unwrap();
        let stem = format!("{of}-{under}");
        let plan = scenario.plan(&stem, 1, world.deployment().patience_seconds);
        catalog::seed(world, &plan.goods).await.unwrap();
        let order = &plan.waves[0][0];
        place::submit(world, named(under), order).await.unwrap();
        order.order.clone()
    }

    async fn outcome(kept: &Kept, order: &OrderId) -> String {
        let order = place::find(&kept.world, order.as_str()).await.unwrap();
        order.map_or("unknown".to_owned(), |order| place::word(&order.standing()))
    }

    #[tokio::test]
    async fn what_one_command_did_the_next_one_finds() {
        let (_dir, shelf) = shelf();
        for under in variant::ALL {
            let kept = shelf.open(wall(0)).await.unwrap();
            let order = submit(&kept, "review-approve", under.name).await;
            kept.close().unwrap();
            // The clock of the next command is the wall's.
            let kept = shelf.open(wall(60)).await.unwrap();
            assert!(kept.world.now() >= wall(60));
            let waiting = review::list(&kept.world, false).await.unwrap().reviews;
            assert_eq!(waiting.len(), 1, "{}", under.name);
            review::decide(&kept.world, &order, Verdict::Approve, None, 60)
                .await
                .unwrap();
            let decided = kept.world.now();
            kept.close().unwrap();
            // … or the one before it left it later.
            let kept = shelf.open(wall(0)).await.unwrap();
            assert!(kept.world.now() > decided);
            assert_eq!(outcome(&kept, &order).await, "Confirmed");
            kept.close().unwrap();
        }
    }

    #[tokio::test]
    async fn a_review_nobody_decided_is_over_tomorrow() {
        let (_dir, shelf) = shelf();
        let kept = shelf.open(wall(0)).await.unwrap();
        let order = submit(&kept, "review-timeout", "eventbridge").await;
        kept.close().unwrap();
        let kept = shelf.open(wall(3_600)).await.unwrap();
        assert_eq!(outcome(&kept, &order).await, "Undecided");
        kept.close().unwrap();
        let kept = shelf.open(wall(25 * 3_600)).await.unwrap();
        assert_eq!(outcome(&kept, &order).await, "Rejected(ReviewTimedOut)");
    }

    #[tokio::test]
    async fn every_kind_of_input_comes_again() {
        let (_dir, shelf) = shelf();
        let kept = shelf.open(wall(0)).await.unwrap();
        let mut orders = Vec::new();
        for under in variant::ALL {
            orders.push(submit(&kept, "refund-fails", under.name).await);
            kept.world.submit_poison(under, "bad").await.unwrap();
        }
        for marker in ["worse", "worst"] {
            let queue = named("eventbridge");
            kept.world.submit_poison(queue, marker).await.unwrap();
        }
        kept.close().unwrap();
        let kept = shelf.open(wall(7_200)).await.unwrap();
        for order in &orders {
            repair::repair(&kept.world, order, 600).await.unwrap();
        }
        kept.close().unwrap();
        let kept = shelf.open(wall(7_300)).await.unwrap();
        let letters = dlq::list(&kept.world, &Filter::default()).await.unwrap();
        let poison = letters.letters.iter().find(|one| one.home.is_some());
        dlq::discard(&kept.world, &poison.unwrap().id)
            .await
            .unwrap();
        dlq::redrive(&kept.world, &Filter::default(), false, 10)
            .await
            .unwrap();
        for failed in kept.world.failed_executions().await.unwrap() {
            kept.world.redrive(&failed.arn).await.unwrap();
            kept.world.start_again(&failed).await.ok();
        }
        let event = Event {
            source: "duet.test".to_owned(),
            kind: "Ping".to_owned(),
            detail: serde_json::json!({}),
        };
        kept.world.put_event(&event).await.unwrap();
        kept.world.outage(TableOf::Payment, true).await.unwrap();
        kept.close().unwrap();
        // The digest at the end of each command is compared while it opens.
        let kept = shelf.open(wall(20_000)).await.unwrap();
        let listen = |within| Listen {
            pattern: r#"{"detail-type":["Ping"]}"#,
            within,
            first: false,
        };
        let mut count = 0;
        let mut heard = |_: &serde_json::Value| {
            count += 1;
            Ok(())
        };
        assert!(kept.world.listen(listen(86_400), &mut heard).await.unwrap());
        assert!(!kept.world.listen(listen(60), &mut heard).await.unwrap());
        assert_eq!(count, 1);
        for order in &orders {
            // An execution that was started anew and failed in the outage is another
            // word about the order, which cannot know whether anybody was told.
            let outcome = outcome(&kept, order).await;
            let whole = "Rejected(DeliveryFailed, NotServed)";
            assert!(
                [whole.to_owned(), format!("{whole}, owes notice")].contains(&outcome),
                "{outcome}"
            );
        }
        let kinds = std::fs::read_to_string(shelf.file()).unwrap();
        for kind in [
            "start_execution",
            "send_command",
            "send_text",
            "invoke",
            "write",
            "forward",
            "discard",
            "put_event",
            "redrive_execution",
            "set_down",
            "end",
        ] {
            assert!(kinds.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
        }
    }

    #[tokio::test]
    async fn every_scenario_comes_again() {
        let (_dir, shelf) = shelf();
        let kept = shelf.open(wall(0)).await.unwrap();
        let scenarios = scenario::ALL.iter().filter(|scenario| {
            let plan = scenario.plan("fit", 1, kept.world.deployment().patience_seconds);
            plan.person != Some(Person::IsSilent)
        });
        let choice = demo::Choice {
            scenarios: scenarios.collect(),
            variants: variant::ALL.iter().collect(),
            copies: 1,
            within: 600,
            faults: false,
        };
        let report = demo::run(&kept.world, &choice).await.unwrap();
        assert!(report.rows.iter().all(|row| row.ok));
        kept.close().unwrap();
        let kept = shelf.open(wall(0)).await.unwrap();
        for row in &report.rows {
            for order in &row.orders {
                assert!(place::find(&kept.world, order).await.unwrap().is_some());
            }
        }
    }

    #[tokio::test]
    async fn a_command_that_only_looks_writes_nothing() {
        let (_dir, shelf) = shelf();
        shelf.open(wall(0)).await.unwrap().close().unwrap();
        let before = std::fs::read(shelf.file()).unwrap();
        let kept = shelf.open(wall(100)).await.unwrap();
        dlq::list(&kept.world, &Filter::default()).await.unwrap();
        kept.close().unwrap();
        assert_eq!(std::fs::read(shelf.file()).unwrap(), before);
    }

    #[tokio::test]
    async fn a_line_cut_off_is_left_out_and_written_over() {
        let (_dir, shelf) = shelf();
        shelf.open(wall(0)).await.unwrap().close().unwrap();
        let mut bytes = std::fs::read(shelf.file()).unwrap();
        bytes.extend(b"{\"at\":\"2026-03-01T09:00");
        std::fs::write(shelf.file(), bytes).unwrap();
        let kept = shelf.open(wall(10)).await.unwrap();
        let order = submit(&kept, "happy", "standard").await;
        kept.close().unwrap();
        let kept = shelf.open(wall(20)).await.unwrap();
        assert_eq!(outcome(&kept, &order).await, "Confirmed");
    }

    #[tokio::test]
    async fn a_file_of_other_definitions_or_of_other_deeds_is_refused_with_a_remedy() {
        let (_dir, shelf) = shelf();
        let kept = shelf.open(wall(0)).await.unwrap();
        submit(&kept, "happy", "standard").await;
        kept.close().unwrap();
        let good = std::fs::read_to_string(shelf.file()).unwrap();
        let refused = async |text: String, part: &str| {
            std::fs::write(shelf.file(), text).unwrap();
            let said = shelf.open(wall(9)).await.unwrap_err().to_string();
            assert!(said.contains(part) && said.contains("--delete"), "{said}");
        };
        let other = good.replacen(&digest(), "0000", 1);
        refused(other, "with other definitions").await;
        let other = good.replacen("\"format\":1", "\"format\":2", 1);
        refused(other, "with other definitions").await;
        let other = good.replacen("\"seed\":1", "\"seed\":2", 1);
        refused(other, "with other definitions").await;
        let trace = good.rfind("\"trace\":\"").unwrap() + 9;
        let mut other = good.clone();
        other.replace_range(trace..trace + 4, "zzzz");
        refused(other, "does not do as the one that wrote").await;
        refused(
            good.replacen("\"kind\":\"write\"", "\"kind\":\"writ\"", 1),
            "line 2",
        )
        .await;
        // Nothing is lost: it is set aside, and the next command begins anew.
        let aside = shelf.set_aside(wall(10)).unwrap().unwrap();
        assert!(std::fs::read_to_string(aside).unwrap().contains("\"writ\""));
        assert!(shelf.open(wall(11)).await.is_ok());
    }

    fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        parameters.iter().map(owned).collect()
    }

    #[tokio::test]
    async fn up_updates_a_lab_in_place_and_orders_in_flight_end_well() {
        let (_dir, shelf) = shelf();
        let slow = given(&[("TaskTimeoutSeconds", "20"), ("ReviewSeconds", "7200")]);
        let (kept, brought) = shelf.up(slow.clone(), wall(0), false).await.unwrap();
        assert_eq!(brought, Brought::Begun(None));
        let mut orders = Vec::new();
        for under in variant::ALL {
            orders.push(submit(&kept, "happy", under.name).await);
            orders.push(submit(&kept, "review-approve", under.name).await);
        }
        kept.close().unwrap();
        let (kept, brought) = shelf.up(slow, wall(5), false).await.unwrap();
        assert_eq!(brought, Brought::AsItWas);
        kept.close().unwrap();
        // Wrong parameters leave all as it is.
        let before = std::fs::read(shelf.file()).unwrap();
        let wrong = shelf
            .up(given(&[("TaskTimeout", "3")]), wall(6), false)
            .await;
        assert!(wrong.unwrap_err().to_string().contains("TaskTimeout"));
        assert_eq!(std::fs::read(shelf.file()).unwrap(), before);

        let quick = given(&[("TaskTimeoutSeconds", "3"), ("OrderDeadlineSeconds", "800")]);
        let (kept, brought) = shelf.up(quick.clone(), wall(7), false).await.unwrap();
        let Brought::Updated(updates) = brought else {
            panic!("{brought:?}");
        };
        let [update] = updates.as_slice() else {
            panic!("{updates:?}");
        };
        assert!(update.added.is_empty() && update.removed.is_empty());
        for place in ["OrderQueue", "Choreography/OrderQueue"] {
            assert!(update.changed.iter().any(|one| one == place), "{update:?}");
        }
        assert!(kept.world.now() >= update.complete && update.complete > wall(8));
        assert_eq!(kept.facts().parameters, quick);
        kept.close().unwrap();

        // It is an input, done again by the next command, which compares the trace.
        let kinds = std::fs::read_to_string(shelf.file()).unwrap();
        assert!(kinds.contains("\"kind\":\"update\""), "{kinds}");
        let kept = shelf.open(wall(8)).await.unwrap();
        assert!(kept.facts().parameters == quick && !kept.facts().updating);
        for under in variant::ALL {
            let stem = format!("review-approve-{}", under.name);
            let mut orders = orders.iter();
            let order = orders.find(|one| one.as_str().starts_with(&stem)).unwrap();
            review::decide(&kept.world, order, Verdict::Approve, None, 60)
                .await
                .unwrap();
        }
        // A decision is sent; what it leads to takes its time.
        kept.world.pause(60_000).await;
        for order in &orders {
            assert_eq!(outcome(&kept, order).await, "Confirmed", "{order}");
        }
        kept.close().unwrap();
        // … and back to the defaults, as every deployment that names none.
        let (kept, brought) = shelf.up(BTreeMap::new(), wall(9), false).await.unwrap();
        assert!(matches!(brought, Brought::Updated(_)) && kept.facts().parameters.is_empty());
        kept.close().unwrap();
        assert!(shelf.open(wall(10)).await.is_ok());
    }

    #[tokio::test]
    async fn up_makes_both_steps_and_keeps_the_first_when_the_second_is_refused() {
        let (_dir, shelf) = shelf();
        let (kept, _) = shelf.up(BTreeMap::new(), wall(0), false).await.unwrap();
        let order = submit(&kept, "review-approve", "eventbridge").await;
        kept.close().unwrap();
        let off = given(&[("Fraud", "off")]);
        let refused = shelf.up(off.clone(), wall(60), false).await.unwrap_err();
        assert!(refused.to_string().contains(order.as_str()), "{refused}");
        let kept = shelf.open(wall(61)).await.unwrap();
        assert_eq!(kept.world.deployment().fraud, Fraud::Listening);
        review::decide(&kept.world, &order, Verdict::Approve, None, 60)
            .await
            .unwrap();
        kept.close().unwrap();
        let (kept, brought) = shelf.up(off.clone(), wall(7_200), false).await.unwrap();
        assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 1));
        kept.close().unwrap();
        let on = given(&[("Fraud", "on")]);
        let (kept, brought) = shelf.up(on, wall(7_300), false).await.unwrap();
        assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 2));
        assert_eq!(outcome(&kept, &order).await, "Confirmed");
        kept.close().unwrap();
        assert!(shelf.open(wall(7_301)).await.is_ok());
    }

    #[tokio::test]
    async fn what_a_lab_offers_changes_with_its_parameters() {
        let (_dir, shelf) = shelf();
        let (kept, _) = shelf.up(BTreeMap::new(), wall(0), false).await.unwrap();
        let all = kept.world.deployment().variants;
        kept.close().unwrap();
        let without = given(&[("WithChoreography", "false")]);
        let (kept, _) = shelf.up(without, wall(1), false).await.unwrap();
        let left = kept.world.deployment().variants;
        assert!(left.len() < all.len() && kept.world.rules().await.is_err());
        kept.close().unwrap();
        let (kept, _) = shelf.up(BTreeMap::new(), wall(2), false).await.unwrap();
        assert_eq!(kept.world.deployment().variants, all);
        let settled = wall(3_600);
        kept.close().unwrap();
        let kept = shelf.open(settled).await.unwrap();
        for under in variant::ALL {
            let order = submit(&kept, "happy", under.name).await;
            kept.world.pause(60_000).await;
            assert_eq!(outcome(&kept, &order).await, "Confirmed", "{}", under.name);
        }
    }

    #[tokio::test]
    async fn up_sets_a_lab_of_another_duet_aside() {
        let (_dir, shelf) = shelf();
        shelf.open(wall(0)).await.unwrap().close().unwrap();
        let good = std::fs::read_to_string(shelf.file()).unwrap();
        std::fs::write(shelf.file(), good.replacen(&digest(), "0000", 1)).unwrap();
        let (_, brought) = shelf.up(BTreeMap::new(), wall(1), false).await.unwrap();
        assert!(matches!(brought, Brought::Begun(Some(aside)) if aside.is_file()));
    }

    #[test]
    fn a_stack_is_no_path() {
        for name in ["..", "a/b", "", "1a"] {
            assert!(Shelf::new(Path::new("/tmp"), name).is_err(), "{name}");
        }
    }
}
