//! Everything that can go wrong on this machine, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What this module's functions give.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure to prepare or to run something locally.
///
/// The text says what failed, where, and after a semicolon what to do. `tail`
/// fields hold the last lines of the output concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No suitable interpreter.
    #[error(
        "Python 3.10 or newer is needed for the local emulator and was not found ({looked}); \
         install it, or name an interpreter in DUET_PYTHON"
    )]
    NoPython {
        /// What was tried, with what each answered.
        looked: String,
    },

    /// The private environment could not be made.
    #[error(
        "failed to make the Python environment in {place}: {step} did not succeed; check the \
         network and the disk and run the command again, it starts over by itself\n{tail}"
    )]
    Environment {
        /// The directory of the environment.
        place: PathBuf,
        /// Which step.
        step: &'static str,
        /// The last lines that step printed.
        tail: String,
    },

    /// A tool that the environment should hold is not in it.
    #[error(
        "{tool} is missing from the Python environment in {place}; remove that directory and run the command again"
    )]
    NoTool {
        /// The tool's file name.
        tool: String,
        /// The directory of the environment.
        place: PathBuf,
    },

    /// The emulator ended, or did not answer in time, while starting.
    #[error("failed to start the local emulator: {what}; see {log}\n{tail}")]
    EmulatorStart {
        /// What was seen.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// A process holds the emulator's lock but gives no sign of health.
    #[error(
        "a local emulator is running with the state in {state} but does not answer; stop it with `duet down --on local` and start again"
    )]
    EmulatorDeaf {
        /// The state directory.
        state: PathBuf,
    },

    /// The running emulator was started with other settings.
    #[error(
        "the local emulator in {state} runs with other settings ({differ}); stop it with `duet down --on local` and start again"
    )]
    EmulatorSettings {
        /// The state directory.
        state: PathBuf,
        /// The names of the settings that differ.
        differ: String,
    },

    /// The emulator survived every signal.
    #[error("failed to stop the local emulator, process {pid}; end that process by hand")]
    EmulatorStop {
        /// Its process id.
        pid: u32,
    },

    /// An endpoint does not answer, or answers something unexpected.
    #[error(
        "{endpoint} does not answer as an AWS emulator: {why}; start it, or unset AWS_ENDPOINT_URL to let duet start its own"
    )]
    Endpoint {
        /// The endpoint's URL.
        endpoint: String,
        /// What happened instead.
        why: String,
    },

    /// A setting of a running emulator could not be changed.
    #[error(
        "failed to change a setting of {endpoint}: {why}; this needs the emulator duet starts \
         itself, which it does when AWS_ENDPOINT_URL is unset"
    )]
    Setting {
        /// The endpoint's URL.
        endpoint: String,
        /// What happened instead.
        why: String,
    },

    /// Cargo did not build the services.
    #[error("failed to build the services with cargo in {root}; correct what it reports\n{tail}")]
    Build {
        /// The workspace.
        root: PathBuf,
        /// Cargo's last lines.
        tail: String,
    },

    /// Cargo built, but not the binary asked for.
    #[error(
        "cargo built package {package} without a binary named {binary}; check the package's [[bin]] section and its required features"
    )]
    NoBinary {
        /// The package.
        package: String,
        /// The binary's name.
        binary: String,
    },

    /// The architecture asked for cannot be built or does not fit the file.
    #[error(
        "{what} is for {found}, but the functions' architecture is {wanted}; build on a machine with {wanted} or deploy with the parameter Architecture={found}"
    )]
    Architecture {
        /// The file, or this machine.
        what: String,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },

    /// A binary asks for a C library newer than Lambda's.
    #[error(
        "{binary} needs GLIBC_{found}, but Amazon Linux 2023 has {newest}; build on a system with glibc {newest} or older, or in a container of one"
    )]
    Glibc {
        /// The file.
        binary: PathBuf,
        /// The newest version the file asks for.
        found: String,
        /// The newest version there is.
        newest: String,
    },

    /// A file is not an executable Lambda could start.
    #[error("{binary} is not an executable for Amazon Linux: {why}; build it on Linux")]
    NotExecutable {
        /// The file.
        binary: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// `sam deploy` failed.
    #[error("failed to deploy stack {stack}: {why}; the whole output is in {log}\n{tail}")]
    Deploy {
        /// The stack.
        stack: String,
        /// Exit status or time limit.
        why: String,
        /// The captured output.
        log: PathBuf,
        /// Its telling lines.
        tail: String,
    },

    /// The runtime interface emulator did not come up.
    #[error(
        "failed to start {bootstrap} under the runtime interface emulator: {why}; see {log}\n{tail}"
    )]
    RuntimeInterface {
        /// The function's binary.
        bootstrap: PathBuf,
        /// What was seen.
        why: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// Another `duet` is doing the same thing and does not finish.
    #[error("another duet command has been holding {lock} for {}s; wait for it to end and try again", waited.as_secs())]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// For how long this one waited.
        waited: Duration,
    },

    /// A program could not be started.
    #[error("failed to run {program}: {source}; check that it is installed and executable")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The reason.
        source: io::Error,
    },

    /// A file or directory could not be read or written.
    #[error(
        "failed to {action} {path}: {source}; check the path, its permissions and the space on the disk"
    )]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` around one file operation.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
