//! The service binaries: built apart from the tool, checked, put where the
//! template looks for them.
//!
//! Knows no service by name. Apart, because building the tool and the services
//! together would unify their features: the functions would carry what only the
//! tool needs. The target directory is their own, so that neither build undoes
//! the other's and a cargo around this one holds no lock that is needed here.

mod executable;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde::Deserialize;

pub use self::executable::Architecture;
use super::environment::for_cargo;
use super::files::{last_lines, make_directory};
use super::process::failed_to_spawn;
use super::{Environment, Error, Progress, Result};

/// One binary to build.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    /// The cargo package.
    pub package: &'a str,
    /// The binary's name in it.
    pub name: &'a str,
    /// The directory under `target/lambda` that the template names.
    pub directory: &'a str,
}

/// Where the binaries are to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// As processes of this machine, under the emulator: whatever runs here will
    /// do, and what would not run on Lambda is worth a warning.
    Here,
    /// On Lambda: what would not run there is refused.
    Lambda,
}

/// What to build and how.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The cargo profile.
    pub profile: &'a str,
    /// The features of each package, as for `--features`.
    pub features: &'a str,
    /// The binaries.
    pub binaries: &'a [Binary<'a>],
    /// The functions' architecture.
    pub architecture: Architecture,
    /// Where they are to run.
    pub purpose: Purpose,
}

/// A binary in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Built {
    /// The directory it was asked into.
    pub directory: String,
    /// The file, named `bootstrap` as `provided.al2023` wants it.
    pub bootstrap: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it differs from what was there.
    pub changed: bool,
}

/// Functions of the same code become one. The linker that Rust brings for this target
/// can do so (release notes of 1.90); for others nothing is asked.
const SAME_CODE_ONCE: &str =
    r#"target.x86_64-unknown-linux-gnu.rustflags=["-Clink-arg=-Wl,--icf=all"]"#;

/// The one kind of cargo's messages that is of use here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the binaries and places each at
/// `<root>/target/lambda/<directory>/bootstrap`. Cargo's own progress goes to
/// `progress`, line by line.
///
/// # Errors
/// [`Error::Build`] when cargo fails, [`Error::Architecture`] when this machine
/// or a binary is for another architecture, [`Error::Glibc`] and
/// [`Error::NotExecutable`] when Lambda could not start it (only for
/// [`Purpose::Lambda`]).
pub fn build(
    options: Build<'_>,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Vec<Built>> {
    executable::require_buildable(options.architecture)?;
    // Absolute, for cargo is started from there.
    let root = &fs::canonicalize(options.root).map_err(Error::file("find", options.root))?;
    let options = Build { root, ..options };
    let executables = run_cargo(options, environment, progress)?;
    let mut built = Vec::with_capacity(options.binaries.len());
    for binary in options.binaries {
        let from = executables
            .iter()
            .find(|(name, _)| name == binary.name)
            .map(|(_, path)| path)
            .ok_or_else(|| Error::NoBinary {
                package: binary.package.to_owned(),
                binary: binary.name.to_owned(),
            })?;
        let content = fs::read(from).map_err(Error::file("read", from))?;
        if let Err(finding) = executable::check(from, &content, options.architecture) {
            match (options.purpose, &finding) {
                (Purpose::Here, Error::Glibc { .. } | Error::NotExecutable { .. }) => {
                    progress(&format!("warning: fit for this machine only: {finding}"));
                }
                _ => return Err(finding),
            }
        }
        let bootstrap = options
            .root
            .join("target/lambda")
            .join(binary.directory)
            .join("bootstrap");
        built.push(Built {
            directory: binary.directory.to_owned(),
            changed: place(&content, &bootstrap)?,
            size: content.len() as u64,
            bootstrap,
        });
    }
    Ok(built)
}

/// Runs cargo; gives the executables it made or found up to date, by name.
fn run_cargo(
    options: Build<'_>,
    environment: &Environment,
    progress: Progress<'_>,
) -> Result<Vec<(String, PathBuf)>> {
    // Cargo names itself to what it runs; that one surely is the right one.
    let cargo = environment.get("CARGO").unwrap_or("cargo".as_ref());
    let mut command = Command::new(cargo);
    environment.apply(&mut command, for_cargo);
    command
        .current_dir(options.root)
        .args(["build", "--bins", "--profile", options.profile])
        .args(["--features", options.features])
        .args(["--config", SAME_CODE_ONCE])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(options.root.join("target/lambda-build"));
    for binary in options.binaries {
        command.args(["--package", binary.package]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed_to_spawn(&command))?;

    // Messages on one thread and progress on this one: neither pipe may fill up.
    let (sender, messages) = mpsc::channel();
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        for line in stdout
            .map(BufReader::new)
            .into_iter()
            .flat_map(BufRead::lines)
        {
            let Ok(line) = line else { break };
            if let Some(executable) = executable_of(&line)
                && sender.send(executable).is_err()
            {
                break;
            }
        }
    });
    let mut said = String::new();
    for line in child
        .stderr
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines)
        .map_while(std::result::Result::ok)
    {
        progress(&line);
        said.push_str(&line);
        said.push('\n');
    }
    let status = child.wait().map_err(failed_to_spawn(&command))?;
    // It ends with the pipe it reads; its only panic would be a failed send.
    let _ = reader.join();
    if !status.success() {
        return Err(Error::Build {
            root: options.root.to_path_buf(),
            tail: last_lines(&said, 20),
        });
    }
    Ok(messages.into_iter().collect())
}

fn executable_of(line: &str) -> Option<(String, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    Some((message.target?.name, message.executable?))
}

/// Writes an executable file if its content is not there yet; gives whether it
/// wrote. A reader sees the old one or the new one, never a part.
fn place(content: &[u8], to: &Path) -> Result<bool> {
    if fs::read(to).is_ok_and(|present| present == content) {
        return Ok(false);
    }
    if let Some(directory) = to.parent() {
        make_directory(directory)?;
    }
    let draft = to.with_extension(format!("part-{}", std::process::id()));
    fs::write(&draft, content).map_err(Error::file("write", &draft))?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))
        .map_err(Error::file("make executable", &draft))?;
    fs::rename(&draft, to).map_err(Error::file("put in place", to))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_are_taken_from_cargos_messages() {
        let binary = r#"{"reason":"compiler-artifact","package_id":"x","target":{"kind":["bin"],"name":"order"},"executable":"/t/order","fresh":true}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"order"},"executable":null}"#;
        assert_eq!(
            executable_of(binary),
            Some(("order".to_owned(), PathBuf::from("/t/order")))
        );
        assert_eq!(executable_of(library), None);
        assert_eq!(
            executable_of(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(executable_of("not json"), None);
    }

    #[test]
    fn a_binary_is_placed_once_and_executable() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("order/bootstrap");
        assert!(place(b"one", &to).unwrap());
        assert!(!place(b"one", &to).unwrap());
        assert!(place(b"two", &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    }
}
