//! A private Python environment: found interpreter, pinned packages, made once.
//!
//! Knows where tools lie in it, not what they are run for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::build::Architecture;
use super::environment::for_python;
use super::files::{self, make_directory, remove_directory};
use super::process::run_logged;
use super::{Environment, Error, Progress, Result};

/// The oldest Python that every pinned package supports.
const OLDEST: (u32, u32) = (3, 10);

/// Tried in this order when `DUET_PYTHON` names none.
const CANDIDATES: [&str; 5] = [
    "python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
];

/// Written last: a directory without it was never finished.
const MARKER: &str = "duet-ready";

/// About 65 MB of packages, over a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A finished environment.
#[derive(Clone, Debug)]
pub struct Python {
    place: PathBuf,
}

impl Python {
    #[cfg(test)]
    pub(super) fn at(place: PathBuf) -> Self {
        Self { place }
    }

    /// The environment's directory.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Its interpreter.
    pub fn interpreter(&self) -> PathBuf {
        self.place.join("bin/python")
    }

    /// A command the packages installed (`sam`, `cfn-lint`).
    ///
    /// # Errors
    /// [`Error::NoTool`] when it is not there.
    pub fn tool(&self, name: &str) -> Result<PathBuf> {
        self.existing(name, self.place.join("bin").join(name))
    }

    /// Lambda's runtime interface emulator, which the SAM command carries.
    ///
    /// # Errors
    /// [`Error::NoTool`] when it is not there.
    pub fn runtime_interface_emulator(&self, architecture: Architecture) -> Result<PathBuf> {
        let name = format!("aws-lambda-rie-{}", architecture.sam_name());
        let library = self.place.join("lib");
        let found = fs::read_dir(&library)
            .map_err(Error::file("read directory", &library))?
            .filter_map(std::result::Result::ok)
            .map(|entry| {
                entry
                    .path()
                    .join("site-packages/samcli/local/rapid")
                    .join(&name)
            })
            .find(|path| path.is_file());
        self.existing(&name, found.unwrap_or_default())
    }

    fn existing(&self, tool: &str, path: PathBuf) -> Result<PathBuf> {
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::NoTool {
            tool: tool.to_owned(),
            place: self.place.clone(),
        })
    }
}

/// Gives the environment for `requirements` (a file with pinned versions and
/// hashes) under `state`, making it first if it is not there.
///
/// A finished one is reused; one that was cut off is made anew. Other content in
/// `requirements`, or another `DUET_PYTHON`, is another environment.
///
/// # Errors
/// [`Error::NoPython`] without a suitable interpreter, [`Error::Environment`]
/// when a package cannot be installed, [`Error::Busy`] when another command is
/// still at it after 15 minutes.
pub fn prepare(
    requirements: &Path,
    state: &Path,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Python> {
    let wanted = fs::read(requirements).map_err(Error::file("read", requirements))?;
    let named = environment.get("DUET_PYTHON").map(PathBuf::from);
    make_directory(state)?;
    // Absolute, for it is also used from other directories.
    let state = fs::canonicalize(state).map_err(Error::file("find", state))?;
    let place = state.join(format!("python-{}", key(&wanted, named.as_deref())));
    let python = Python {
        place: place.clone(),
    };
    if is_ready(&python, environment) {
        return Ok(python);
    }

    let lock = place.with_extension("lock");
    let held = files::hold(&lock, INSTALL_LIMIT)?;
    if is_ready(&python, environment) {
        return Ok(python); // made by the command this one waited for
    }

    let interpreter = find(named.as_deref(), environment)?;
    progress("preparing the Python environment (once, about half a minute)");
    remove_directory(&place)?;
    let log = place.with_extension("log");
    let step = |step, command: &mut Command| {
        environment.apply(command, for_python);
        // The child keeps the lock, as its input: if this command is killed, the
        // next waits for the child before it clears the directory away.
        let input = held.try_clone().map_err(Error::file("share", &lock))?;
        let status = run_logged(command, input.into(), &log, INSTALL_LIMIT)?;
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        Err(Error::Environment {
            place: place.clone(),
            step,
            tail: files::tail(&log, 12),
        })
    };
    step(
        "`python -m venv` (on Debian and Ubuntu it needs the package python3-venv)",
        Command::new(&interpreter)
            .args(["-m", "venv", "--clear"])
            .arg(&place),
    )?;
    // The file is a full closure, so there is nothing to resolve; byte code is
    // written by whoever first needs it, which saves a third of the time.
    step(
        "`pip install`",
        Command::new(python.interpreter())
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--no-deps", "--no-compile"])
            .args([
                "--only-binary",
                ":all:",
                "--require-hashes",
                "--requirement",
            ])
            .arg(requirements),
    )?;
    let marker = place.join(MARKER);
    fs::write(&marker, "").map_err(Error::file("write", &marker))?;
    Ok(python)
}

/// Distinguishes environments: what is in them and who was asked to run them.
fn key(requirements: &[u8], named: Option<&Path>) -> String {
    let mut digest = Sha256::new();
    digest.update(requirements);
    digest.update([0]);
    digest.update(named.map_or(&[][..], |path| path.as_os_str().as_encoded_bytes()));
    digest.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Finished, and its interpreter still starts (the one it was made from may
/// have been removed since).
fn is_ready(python: &Python, environment: &Environment) -> bool {
    python.place.join(MARKER).is_file() && version(&python.interpreter(), environment).is_ok()
}

fn find(named: Option<&Path>, environment: &Environment) -> Result<PathBuf> {
    let candidates = match named {
        Some(path) => vec![path.to_path_buf()],
        None => CANDIDATES.iter().map(PathBuf::from).collect(),
    };
    let mut looked = Vec::new();
    for candidate in candidates {
        match version(&candidate, environment) {
            Ok(version) if version >= OLDEST => return Ok(candidate),
            Ok((major, minor)) => {
                looked.push(format!("{} is {major}.{minor}", candidate.display()));
            }
            Err(why) => looked.push(format!("{}: {why}", candidate.display())),
        }
    }
    Err(Error::NoPython {
        looked: looked.join(", "),
    })
}

/// Asks an interpreter for its version: a name on the path may be a stub that
/// starts nothing.
fn version(
    interpreter: &Path,
    environment: &Environment,
) -> std::result::Result<(u32, u32), String> {
    let mut command = Command::new(interpreter);
    environment.apply(&mut command, for_python);
    let output = command
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "not found".to_owned(),
            _ => error.to_string(),
        })?;
    parse_version(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| "does not run".to_owned())
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse_version("3 11\n"), Some((3, 11)));
        assert!(parse_version("3 9").unwrap() < OLDEST);
        assert!(parse_version("3 13").unwrap() > OLDEST);
        assert_eq!(parse_version(""), None);
        assert_eq!(parse_version("Python 3.11.7"), None);
    }

    #[test]
    fn the_key_follows_the_requirements_and_the_interpreter() {
        let plain = key(b"a==1", None);
        assert_eq!(plain.len(), 12);
        assert_eq!(plain, key(b"a==1", None));
        assert_ne!(plain, key(b"a==2", None));
        assert_ne!(plain, key(b"a==1", Some(Path::new("/opt/python3"))));
    }

    #[test]
    fn a_named_interpreter_that_does_not_exist_is_said_so() {
        let environment = Environment::new([("DUET_PYTHON".into(), "/nonexistent/python".into())]);
        let directory = tempfile::tempdir().unwrap();
        let requirements = directory.path().join("requirements.txt");
        fs::write(&requirements, "").unwrap();
        let state = directory.path().join("state");
        let error = prepare(&requirements, &state, &environment, &mut |_| ()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::NoPython { .. }), "{text}");
        assert!(text.contains("/nonexistent/python: not found"), "{text}");
        assert!(text.contains("DUET_PYTHON"), "{text}");
    }
}
