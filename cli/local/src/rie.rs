//! One binary under Lambda's runtime interface emulator: what `sam local
//! invoke` runs a function with, without Docker.
//!
//! Its limits are its own: one function named `function`, one invocation at a
//! time, errors as plain answers.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::environment::for_emulator;
use super::files::{self, PAUSE};
use super::process::{free_ports, spawn_logged};
use super::{Environment, Error, Result};

/// A running emulator with its function; both end when it is dropped.
#[derive(Debug)]
pub struct RuntimeInterface {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl RuntimeInterface {
    /// Starts `emulator` (see
    /// [`Python::runtime_interface_emulator`](super::python::Python::runtime_interface_emulator))
    /// for `bootstrap`, with `variables` in the function's environment and the
    /// output of both in `log`, and waits at most `limit` until it listens.
    ///
    /// # Errors
    /// [`Error::RuntimeInterface`] when it ends or does not listen in time.
    pub fn start(
        emulator: &Path,
        bootstrap: &Path,
        variables: &[(&str, &str)],
        log: &Path,
        limit: Duration,
        environment: &Environment,
    ) -> Result<Self> {
        let [port, runtime] = free_ports()?;
        let mut command = Command::new(emulator);
        environment.apply(&mut command, for_emulator);
        command
            .args(["--runtime-interface-emulator-address", &local(port)])
            .args(["--runtime-api-address", &local(runtime)])
            .arg(bootstrap)
            .envs(variables.iter().copied())
            // A group of its own, so that the function can be ended with it.
            .process_group(0);
        let mut running = Self {
            child: spawn_logged(&mut command, Stdio::null(), log)?,
            port,
            log: log.to_path_buf(),
        };
        let failed = |why: String| Error::RuntimeInterface {
            bootstrap: bootstrap.to_path_buf(),
            why,
            log: log.to_path_buf(),
            tail: files::tail(log, 12),
        };
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(failed(format!("it ended with {status}")));
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(running);
            }
            if began.elapsed() >= limit {
                return Err(failed(format!("it did not listen within {limit:?}")));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Invokes the function once with a JSON text; gives the answer's body,
    /// which for a failed function is its error record.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when there is no answer within 30 s.
    pub fn invoke(&self, payload: &str) -> Result<String> {
        let failed = |error: ureq::Error| Error::Endpoint {
            endpoint: self.url(),
            why: error.to_string(),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .into();
        agent
            .post(self.url())
            .send(payload)
            .map_err(failed)?
            .body_mut()
            .read_to_string()
            .map_err(failed)
    }

    /// Where to POST an invocation.
    pub fn url(&self) -> String {
        format!(
            "http://{}/2015-03-31/functions/function/invocations",
            local(self.port)
        )
    }

    /// The file with the output of both.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for RuntimeInterface {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It passes the end on to the function, which has a group of its own.
            let _ = rustix::process::kill_process(group, Signal::TERM);
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(3) {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(PAUSE);
            }
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn local(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}
