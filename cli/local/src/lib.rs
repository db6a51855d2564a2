//! What `duet up --on local` needs on this machine.
//!
//! - [`python`]: a private Python environment with pinned, hashed packages;
//! - [`emulator`]: the AWS emulator as a background process that outlives the
//!   command, or an endpoint somebody else started;
//! - [`build`]: the service binaries, built apart from the tool and checked to
//!   run where Lambda would run them;
//! - [`deploy`]: `sam deploy` against an endpoint or an account;
//! - [`rie`]: Lambda's runtime interface emulator, one binary at a time.
//!
//! Owns processes, files under one state directory, and nothing else. It knows
//! no service, no stack and no variant by name: callers pass them. It calls no
//! AWS API. Everything here blocks; call it from a blocking task.

pub mod build;
pub mod deploy;
pub mod emulator;
pub mod environment;
mod error;
mod files;
mod process;
pub mod python;
pub mod rie;

pub use environment::Environment;
pub use error::{Error, Result};

/// Takes lines of progress, one step or one line of a child's output at a time.
pub type Progress<'a> = &'a mut dyn FnMut(&str);
