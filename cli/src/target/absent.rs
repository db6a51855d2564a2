//! A build without AWS in it: what would lead there says how to get it.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use super::open::{For, Opened};
use super::{DownReport, StatusReport, Target, Up, UpReport};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::global::On;

/// An account on AWS: here there is none.
#[derive(Debug, Clone, Serialize)]
pub(super) enum Account {}

impl fmt::Display for Account {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// An emulator on this machine: here there is none.
#[derive(Debug, Clone, Serialize)]
pub(super) enum Emulator {}

impl fmt::Display for Emulator {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Target {
    /// Why `on` leads nowhere in this build.
    pub(crate) fn absent(on: On) -> Problem {
        let flag = match on {
            On::Lab => "lab",
            On::Local => "local",
            On::Aws => "aws",
        };
        Problem::usage(format!("this duet was built for the lab alone: --on {flag} needs the AWS SDKs"))
            .hint("in a checkout, `cargo duet` is the command with them, in the place of `cargo run --release --`")
    }

    pub(super) async fn up_cloud(&self, _: &Up, _: Instant) -> Outcome<UpReport> {
        Err(Self::absent(self.global.on))
    }

    pub(super) async fn open_cloud(&self, _: For) -> Outcome<Opened> {
        Err(Self::absent(self.global.on))
    }

    pub(super) async fn down_cloud(&self, _: bool, _: bool) -> Outcome<DownReport> {
        Err(Self::absent(self.global.on))
    }

    pub(super) async fn status_cloud(&self) -> Outcome<StatusReport> {
        Err(Self::absent(self.global.on))
    }
}
