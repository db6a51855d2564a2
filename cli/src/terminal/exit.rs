//! How a command ends: exit codes, and problems told to people.

use std::fmt;

use serde::{Serialize, Serializer};

/// Exit codes. They are part of the interface: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and all that was checked holds.
    Done = 0,
    /// A check failed, or the business declined.
    Failed = 1,
    /// The command line or an input is wrong; nothing was sent.
    Usage = 2,
    /// AWS, the emulator or the machine got in the way.
    Environment = 3,
}

/// Why a command could not do its work: what was wrong, and what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The exit code.
    pub exit: Exit,
    message: String,
    hint: Option<String>,
}

/// What a command gives.
pub type Outcome<T> = Result<T, Problem>;

impl Problem {
    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            hint: None,
        }
    }

    /// The business declined, or something that must hold does not.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The input is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something outside got in the way.
    pub fn environment(message: impl fmt::Display) -> Self {
        Self::new(Exit::Environment, message)
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// … and this is what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl Exit {
    /// The code as a word, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Environment => "environment",
        }
    }
}

impl Serialize for Problem {
    /// `{"error": {"code", "exit", "message", "hint"?}}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serde_json::json!({
            "code": self.exit.code(),
            "exit": self.exit as u8,
            "message": self.message,
        });
        if let Some(hint) = &self.hint {
            error["hint"] = hint.as_str().into();
        }
        serde_json::json!({ "error": error }).serialize(serializer)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<duet_core::store::StoreFault> for Problem {
    fn from(fault: duet_core::store::StoreFault) -> Self {
        Self::environment(fault)
    }
}

impl From<duet_core::Failure> for Problem {
    fn from(failure: duet_core::Failure) -> Self {
        Self::environment(failure)
    }
}
