//! Child processes: run one to its end within a time, with its output in a
//! file; and free ports for those that listen.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::files::PAUSE;
use super::{Error, Result};

/// Starts a command with both outputs in `log`, which starts empty, and
/// `stdin` for its input.
pub(super) fn spawn_logged(command: &mut Command, stdin: Stdio, log: &Path) -> Result<Child> {
    let out = File::create(log).map_err(Error::file("create log", log))?;
    let err = out.try_clone().map_err(Error::file("open log", log))?;
    command
        .stdin(stdin)
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(failed_to_spawn(command))
}

/// Waits for the end of a child, at most `limit`; then kills it and gives `None`.
pub(super) fn wait(
    child: &mut Child,
    limit: Duration,
    program: &Path,
) -> Result<Option<ExitStatus>> {
    let spawn_error = |source| Error::Spawn {
        program: program.to_path_buf(),
        source,
    };
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(spawn_error)? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit {
            // It may end by itself in this very moment; both ways it is over.
            let _ = child.kill();
            child.wait().map_err(spawn_error)?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Runs a command to its end, as [`spawn_logged`] and [`wait`] do.
pub(super) fn run_logged(
    command: &mut Command,
    stdin: Stdio,
    log: &Path,
    limit: Duration,
) -> Result<Option<ExitStatus>> {
    let mut child = spawn_logged(command, stdin, log)?;
    wait(&mut child, limit, Path::new(command.get_program()))
}

/// For `map_err` after `spawn` or `output`.
pub(super) fn failed_to_spawn(command: &Command) -> impl FnOnce(std::io::Error) -> Error {
    let program = PathBuf::from(command.get_program());
    move |source| Error::Spawn { program, source }
}

/// Ports of the loopback interface that are free now, all different. Somebody
/// else may take one before its user does; callers that can, try again.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(Error::file("find a free port on", Path::new("127.0.0.1")))?;
        *port = listener
            .local_addr()
            .map_err(Error::file("find a free port on", Path::new("127.0.0.1")))?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_different_and_free() {
        let [one, two] = free_ports().unwrap();
        assert_ne!(one, two);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, one)).is_ok());
    }

    #[test]
    fn a_command_past_its_time_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; exec sleep 60"]);
        let began = Instant::now();
        let status = run_logged(
            &mut command,
            Stdio::null(),
            &log,
            Duration::from_millis(300),
        )
        .unwrap();
        assert!(status.is_none());
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "begun\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = spawn_logged(
            &mut Command::new("no-such-program"),
            Stdio::null(),
            &directory.path().join("log"),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
