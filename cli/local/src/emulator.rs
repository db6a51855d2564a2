//! The emulator as a background process: started once, found again, stopped.
//!
//! Who is running is told by a lock that the process holds for life
//! (`emulator.lock`), never by a process id alone; where it is, by the record it
//! writes (`emulator.json`). Both are the launcher's, `infra/local/launch.py`.

mod http;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};
use serde::{Deserialize, Serialize};

use self::http::{Health, Silence, ask};
use super::environment::for_emulator;
use super::files::{self, PAUSE, is_held, make_directory, remove_file};
use super::process::{free_ports, spawn_logged};
use super::python::Python;
use super::{Environment, Error, Result};

/// How to start an emulator.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The environment that has the emulator in it.
    pub python: &'a Python,
    /// `infra/local/launch.py`.
    pub launcher: &'a Path,
    /// The directory for its state, log, lock and record.
    pub state: &'a Path,
    /// Variables for the emulator's own environment (`SFN_WAIT_SCALE`,
    /// `LAMBDA_ASYNC_RETRY_BASE_SECONDS` ...). Functions inherit them too.
    pub settings: &'a [(&'a str, &'a str)],
    /// Ends the emulator when that process does; otherwise it outlives everybody.
    pub until_exit_of: Option<u32>,
    /// How long it may take to answer.
    pub limit: Duration,
}

/// An emulator that answers.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Emulator {
    /// Where it answers, as for `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// Its process id; none for an endpoint somebody else started.
    pub pid: Option<u32>,
    /// The version it reports, if any.
    pub version: Option<String>,
    /// What the launcher could not do, in sentences fit for a warning.
    pub warnings: Vec<String>,
    /// Whether it was there already.
    pub reused: bool,
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        write!(f, "emulator {version} at {}", self.endpoint)
    }
}

/// `emulator.json`, as the launcher writes it.
#[derive(Debug, Deserialize)]
struct Record {
    pid: u32,
    port: u16,
    #[serde(default)]
    changes_left_out: Vec<LeftOut>,
}

/// A change to the emulator that its launcher did not dare make.
#[derive(Debug, Deserialize)]
struct LeftOut {
    change: String,
    reason: String,
}

/// The files of one state directory.
struct Files {
    lock: PathBuf,
    record: PathBuf,
    settings: PathBuf,
    log: PathBuf,
    starting: PathBuf,
}

impl Files {
    fn of(state: &Path) -> Self {
        Self {
            lock: state.join("emulator.lock"),
            record: state.join("emulator.json"),
            settings: state.join("emulator.settings.json"),
            log: state.join("emulator.log"),
            starting: state.join("emulator.start.lock"),
        }
    }

    /// The record, if there is a whole one.
    fn record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(&self.record).ok()?).ok()
    }
}

/// Starts the emulator, or gives the one already running with this state.
///
/// It lives in a session of its own and outlives the caller. Two callers at
/// once end up with the same one.
///
/// # Errors
/// [`Error::EmulatorStart`] when it ends or stays silent for `limit`;
/// [`Error::EmulatorSettings`] when the running one has other settings;
/// [`Error::EmulatorDeaf`] when it runs but does not answer.
pub fn start(options: Start<'_>, environment: &Environment) -> Result<Emulator> {
    make_directory(options.state)?;
    // The launcher and its functions are given absolute paths.
    let state = fs::canonicalize(options.state).map_err(Error::file("find", options.state))?;
    let files = Files::of(&state);
    let _starting = files::hold(&files.starting, options.limit * 2)?;

    if is_held(&files.lock)? {
        let emulator = await_running(&files, &state, options.limit)?;
        same_settings(&files, &state, options.settings)?;
        return Ok(emulator);
    }
    remove_file(&files.record)?; // of one that was killed

    const ATTEMPTS: u32 = 3;
    let mut attempt = 1;
    loop {
        match launch(&options, &state, &files, environment) {
            // A port that was free may be taken by the time it is bound.
            Err(Error::EmulatorStart { tail, .. })
                if attempt < ATTEMPTS && tail.contains("already in use") =>
            {
                attempt += 1;
            }
            Ok(emulator) => {
                let settings = serde_json::to_vec(&as_map(options.settings)).unwrap_or_default();
                fs::write(&files.settings, settings)
                    .map_err(Error::file("write", &files.settings))?;
                return Ok(emulator);
            }
            other => return other,
        }
    }
}

/// Checks an endpoint that somebody else runs (the value of
/// `AWS_ENDPOINT_URL`), so that a wrong one is told at once.
///
/// # Errors
/// [`Error::Endpoint`] when nothing answers HTTP there.
pub fn named(endpoint: &str) -> Result<Emulator> {
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let version = match ask(&endpoint, "/_localstack/health") {
        Ok(health) => health.version,
        // Any HTTP answer will do: not every emulator has a health page.
        Err(Silence::Other(_)) => None,
        Err(Silence::None(why)) => return Err(Error::Endpoint { endpoint, why }),
    };
    Ok(Emulator {
        endpoint,
        pid: None,
        version,
        warnings: Vec::new(),
        reused: true,
    })
}

/// The emulator running with this state, if one is.
///
/// # Errors
/// [`Error::EmulatorDeaf`] when it runs and does not answer within 5 s.
pub fn status(state: &Path) -> Result<Option<Emulator>> {
    let files = Files::of(state);
    if !is_held(&files.lock)? {
        return Ok(None);
    }
    await_running(&files, state, Duration::from_secs(5)).map(Some)
}

/// Ends the emulator running with this state, and its functions: asked first,
/// killed after `limit`. Gives whether there was one.
///
/// # Errors
/// [`Error::EmulatorStop`] when it survives.
pub fn stop(state: &Path, limit: Duration) -> Result<bool> {
    let files = Files::of(state);
    if !is_held(&files.lock)? {
        remove_file(&files.record)?;
        return Ok(false);
    }
    // One that has just begun has its lock before it has written its record.
    let began = Instant::now();
    let record = loop {
        match files.record() {
            Some(record) => break record,
            None if !is_held(&files.lock)? => return Ok(false),
            None if began.elapsed() >= limit => {
                return Err(Error::EmulatorDeaf {
                    state: state.to_path_buf(),
                });
            }
            None => thread::sleep(PAUSE),
        }
    };
    let Some(pid) = i32::try_from(record.pid).ok().and_then(Pid::from_raw) else {
        return Err(Error::EmulatorStop { pid: record.pid });
    };

    // The lock is held by the writer of the record, so the id is still its own.
    let _ = rustix::process::kill_process(pid, Signal::TERM);
    if !await_release(&files.lock, limit)? {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        if !await_release(&files.lock, Duration::from_secs(5))? {
            return Err(Error::EmulatorStop { pid: record.pid });
        }
    }
    // Functions are in its group. Usually none is left and this finds nobody.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    collect(pid);
    remove_file(&files.record)?;
    Ok(true)
}

fn launch(
    options: &Start<'_>,
    state: &Path,
    files: &Files,
    environment: &Environment,
) -> Result<Emulator> {
    let [port] = free_ports()?;
    let launcher =
        fs::canonicalize(options.launcher).map_err(Error::file("find", options.launcher))?;
    let mut command = Command::new(options.python.interpreter());
    environment.apply(&mut command, for_emulator);
    command
        .arg("-u")
        .arg(launcher)
        .arg("--state")
        .arg(state)
        .args(["--port", &port.to_string()])
        .envs(options.settings.iter().copied())
        .current_dir(state);
    if let Some(pid) = options.until_exit_of {
        command.args(["--until-exit-of", &pid.to_string()]);
    }
    let mut child = spawn_logged(&mut command, Stdio::null(), &files.log)?;
    let failed = |what: String| Error::EmulatorStart {
        what,
        log: files.log.clone(),
        tail: files::tail(&files.log, 12),
    };

    let began = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(failed(format!("it ended with {status}")));
        }
        // Only a record of this very process counts, however fast another answers.
        if let Some(record) = files.record()
            && record.pid == child.id()
            && let Ok(health) = ask(&endpoint(record.port), "/_ministack/health")
        {
            return Ok(describe(record, health, false));
        }
        if began.elapsed() >= options.limit {
            end(&mut child);
            return Err(failed(format!(
                "no answer on port {port} within {} s",
                options.limit.as_secs()
            )));
        }
        thread::sleep(PAUSE);
    }
}

/// Ends an emulator that never came up, with all it may have started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Collects the exit status, if this very process was the one that started it;
/// the lock is let go a moment before the process is over.
fn collect(pid: Pid) {
    let began = Instant::now();
    while let Ok(None) = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG)
        && began.elapsed() < Duration::from_secs(1)
    {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for the holder of the lock to answer.
fn await_running(files: &Files, state: &Path, limit: Duration) -> Result<Emulator> {
    let began = Instant::now();
    loop {
        if let Some(record) = files.record()
            && let Ok(health) = ask(&endpoint(record.port), "/_ministack/health")
        {
            return Ok(describe(record, health, true));
        }
        if began.elapsed() >= limit {
            return Err(Error::EmulatorDeaf {
                state: state.to_path_buf(),
            });
        }
        thread::sleep(PAUSE);
    }
}

fn await_release(lock: &Path, limit: Duration) -> Result<bool> {
    let began = Instant::now();
    while is_held(lock)? {
        if began.elapsed() >= limit {
            return Ok(false);
        }
        thread::sleep(PAUSE);
    }
    Ok(true)
}

fn describe(record: Record, health: Health, reused: bool) -> Emulator {
    Emulator {
        endpoint: endpoint(record.port),
        pid: Some(record.pid),
        version: health.version,
        warnings: record
            .changes_left_out
            .into_iter()
            .map(|LeftOut { change, reason }| {
                format!("the emulator runs without `{change}` ({reason}): local timings are longer")
            })
            .collect(),
        reused,
    }
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

type Settings = std::collections::BTreeMap<String, String>;

fn as_map(settings: &[(&str, &str)]) -> Settings {
    settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn same_settings(files: &Files, state: &Path, wanted: &[(&str, &str)]) -> Result<()> {
    let wanted = as_map(wanted);
    let running: Settings = fs::read(&files.settings)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let differ = differing(&running, &wanted);
    if differ.is_empty() {
        return Ok(());
    }
    Err(Error::EmulatorSettings {
        state: state.to_path_buf(),
        differ: differ.join(", "),
    })
}

fn differing(running: &Settings, wanted: &Settings) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = running.keys().chain(wanted.keys()).collect();
    names
        .into_iter()
        .filter(|name| running.get(*name) != wanted.get(*name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_record_is_what_the_launcher_writes() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::of(directory.path());
        assert!(files.record().is_none());
        fs::write(
            &files.record,
            r#"{"pid": 7, "port": 4566, "changes": ["a"],
                "changes_left_out": [{"change": "b", "reason": "gone"}]}"#,
        )
        .unwrap();
        let health = Health {
            version: Some("1.5.33".to_owned()),
            _services: serde_json::Map::new(),
        };
        let emulator = describe(files.record().unwrap(), health, false);
        assert_eq!(emulator.endpoint, "http://127.0.0.1:4566");
        assert_eq!(emulator.pid, Some(7));
        assert_eq!(
            emulator.warnings,
            ["the emulator runs without `b` (gone): local timings are longer"]
        );
    }

    #[test]
    fn a_stale_record_is_no_emulator_and_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::of(directory.path());
        // The id is this test's own: to signal it would end the test.
        let record = format!(r#"{{"pid": {}, "port": 1}}"#, std::process::id());
        fs::write(&files.record, record).unwrap();
        fs::write(&files.lock, "").unwrap();
        assert_eq!(status(directory.path()).unwrap(), None);
        assert!(!stop(directory.path(), Duration::from_secs(1)).unwrap());
        assert!(!files.record.exists());
    }

    #[test]
    fn half_a_record_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::of(directory.path());
        fs::write(&files.record, r#"{"pid": 7, "#).unwrap();
        assert!(files.record().is_none());
    }

    #[test]
    fn settings_are_compared_by_name_and_value() {
        let one = as_map(&[("A", "1"), ("B", "2")]);
        assert!(differing(&one, &one).is_empty());
        assert_eq!(
            differing(&one, &as_map(&[("A", "1"), ("C", "2")])),
            ["B", "C"]
        );
    }

    #[test]
    fn an_endpoint_nobody_serves_is_refused_with_its_remedy() {
        let [port] = free_ports().unwrap();
        let error = named(&endpoint(port)).unwrap_err().to_string();
        assert!(error.contains("AWS_ENDPOINT_URL"), "{error}");
    }

    #[test]
    fn any_http_answer_makes_an_endpoint() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        });
        let emulator = named(&format!("{}/", endpoint(port))).unwrap();
        assert_eq!(emulator.endpoint, endpoint(port));
        assert_eq!((emulator.pid, emulator.version), (None, None));
        server.join().unwrap();
    }
}
