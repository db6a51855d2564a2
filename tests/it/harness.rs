//! What the tests stand on: the command, and one emulator for all of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

/// The project's root.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the project, as text.
pub(crate) fn text(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The `duet` command with an environment that names no target.
pub(crate) fn duet(args: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_duet"));
    command.args(args).current_dir(root()).env("NO_COLOR", "1");
    for name in ["DUET_ON", "DUET_STACK", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command
}

/// A program that is given nothing, and of which all is kept that it says.
pub(crate) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How long a command may take, far longer than any does, building the functions too: one
/// that hangs is ended, and fails its test with what it said by then.
const LIMIT: Duration = Duration::from_mins(30);

/// Runs `command` and gives what it said.
pub(crate) fn run(command: &mut Command) -> Output {
    let child = command.spawn().expect("the command starts");
    let id = child.id().to_string();
    let (done, waits) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if waits.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a command has not ended within {LIMIT:?}: it is killed");
            Command::new("kill").arg(id).status().expect("kill starts");
        }
    });
    let output = child.wait_with_output().expect("the command ends");
    drop(done);
    watch.join().expect("the watch ends");
    output
}

/// Standard output of a command that must succeed, as JSON.
pub(crate) fn json(command: &mut Command) -> Value {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{errors}\n{text}",
        output.status
    );
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{command:?} printed no JSON ({e}):\n{text}"))
}

/// Held by a test that has dozens of orders under way: the emulator's clocks do
/// not wait, and on a slow machine two such tests at once would make a review
/// run out before anybody could look at it.
pub(crate) static CROWD: Mutex<()> = Mutex::const_new(());

/// Parameters of the tests' own stacks: time enough to review on a slow machine.
const UNHURRIED: [&str; 2] = ["--parameter", "ReviewSeconds=60"];

/// An emulator with the system deployed on it: one for this process, or the
/// one that `AWS_ENDPOINT_URL` names.
pub(crate) struct Local {
    state: PathBuf,
    /// Where it listens.
    pub(crate) endpoint: String,
}

/// The stack with everything in it.
pub(crate) const STACK: &str = "duet-it";

/// The stack of the shop as it was before fraud detection.
pub(crate) const BEFORE_FRAUD: &str = "duet-it-before";

/// The emulator, brought up by whoever asks first.
pub(crate) fn local() -> &'static Local {
    static LOCAL: OnceLock<Local> = OnceLock::new();
    LOCAL.get_or_init(|| {
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("local");
        let me = std::process::id().to_string();
        // One of an earlier run that was killed may be about to end: never reuse it.
        let _ = run(duet(&["down", "--on", "local"]).env("DUET_STATE", &state));
        let up = |more: &[&str]| {
            let args = [
                &[
                    "up",
                    "--on",
                    "local",
                    "--output",
                    "json",
                    "--until-exit-of",
                    &me,
                ][..],
                &UNHURRIED[..],
                more,
            ]
            .concat();
            // The first time takes minutes: what it is at is shown.
            json(
                duet(&args)
                    .env("DUET_STATE", &state)
                    .stderr(Stdio::inherit()),
            )
        };
        let endpoint = up(&["--stack", STACK])["endpoint"]
            .as_str()
            .expect("an endpoint")
            .to_owned();
        up(&["--stack", BEFORE_FRAUD, "--parameter", "Fraud=off"]);
        Local { state, endpoint }
    })
}

impl Local {
    /// The `duet` command against this emulator and the whole shop.
    pub(crate) fn duet(&self, args: &[&str]) -> Command {
        self.duet_on(STACK, args)
    }

    /// The `duet` command against this emulator and `stack`.
    pub(crate) fn duet_on(&self, stack: &str, args: &[&str]) -> Command {
        let mut command = duet(args);
        command
            .args(["--on", "local", "--stack", stack])
            .env("DUET_STATE", &self.state);
        command
    }

    /// Deploys a further stack, or finds it deployed.
    pub(crate) fn deploy(&self, stack: &str, parameters: &[&str]) {
        let given = parameters
            .iter()
            .flat_map(|parameter| ["--parameter", parameter]);
        let args: Vec<&str> = ["up", "--output", "json"]
            .into_iter()
            .chain(given)
            .collect();
        json(&mut self.duet_on(stack, &args));
    }

    /// Where the emulator keeps its state.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }
}

/// An id that no other test and no other run uses.
pub(crate) fn fresh(what: &str) -> String {
    format!("it-{what}-{:x}", fastrand::u64(..))
}
