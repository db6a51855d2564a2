//! The refusals. Reasons that AWS is known to give are kept word for word; the rest is ours.

use serde::Serialize;

/// A pattern that EventBridge would refuse (`InvalidEventPatternException`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("event pattern is not valid at {path}: {message}{}", hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
pub struct PatternError {
    /// Where, as a path into the pattern: `$.detail.state[0].prefix`.
    pub path: String,
    /// Why, in AWS's words where they are known.
    pub message: String,
    /// What would help, where the reason alone does not say it.
    pub hint: Option<String>,
}

impl PatternError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message of the API's `InvalidEventPatternException`, without the position that AWS appends.
    #[must_use]
    pub fn aws_message(&self) -> String {
        format!("Event pattern is not valid. Reason: {}", self.message)
    }
}

/// A target input that `PutTargets` would refuse, or that cannot be made for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// More than one of the three ways to shape an input.
    #[error(
        "Only one of Input, InputPath, or InputTransformer must be provided for target {target}."
    )]
    NotOnlyOne {
        /// The target's id.
        target: String,
    },
    /// A member of the target that has the wrong JSON type or length.
    #[error("{member} of target {target} is not valid: {reason}")]
    Member {
        /// The target's id.
        target: String,
        /// `Input`, `InputTransformer`, `InputTemplate` or `InputPathsMap`.
        member: &'static str,
        /// What was expected.
        reason: String,
    },
    /// A path outside the subset of JSONPath that EventBridge takes.
    #[error("InputPath for target {target} is invalid: {path:?} {reason}")]
    Path {
        /// The target's id.
        target: String,
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A placeholder that is neither declared nor predefined.
    #[error("InputTemplate for target {target} contains invalid placeholder {placeholder}.")]
    Placeholder {
        /// The target's id.
        target: String,
        /// The name between the angle brackets.
        placeholder: String,
    },
    /// `<aws.events.event.json>` in a template that is not a JSON object.
    #[error(
        "InputTemplate for target {target} contains placeholder {placeholder} valid only for JSON template."
    )]
    OnlyInJson {
        /// The target's id.
        target: String,
        /// The name between the angle brackets.
        placeholder: String,
    },
    /// A template that is not JSON once its placeholders hold values; a plain text needs quotes.
    #[error("Invalid InputTemplate for target {target} : {reason}")]
    Template {
        /// The target's id.
        target: String,
        /// The JSON parser's reason.
        reason: String,
    },
}
