//! Why DynamoDB did not take a write.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use duet_core::Failure;

use crate::sdk;

/// Why DynamoDB did not take a write.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    /// A condition did not hold.
    Condition,
    /// Somebody else was at the same documents, or there was too much at once:
    /// worth sending again at once.
    Now(String),
    /// No answer came: it may have been taken.
    Unheard(String),
    /// Anything else.
    Failed(Failure),
}

/// Why a transaction was cancelled (TransactWriteItems API reference,
/// `CancellationReasons`): one code per write, `None` for the innocent ones.
pub(super) fn cancelled_for<'a>(codes: impl Iterator<Item = &'a str>) -> Refused {
    let codes: Vec<_> = codes.filter(|code| *code != "None").collect();
    // A condition that failed is final for this attempt, whoever else collided.
    if codes.contains(&CONDITION) {
        return Refused::Condition;
    }
    let failures = codes
        .iter()
        .map(|code| by_code(code, format!("the table answered {code}")));
    // Of several reasons the one that no second try will mend.
    failures
        .max_by_key(|refused| matches!(refused, Refused::Failed(_)))
        .unwrap_or_else(|| Refused::Now("the table cancelled a transaction".to_owned()))
}

/// The code of a condition that did not hold, of a write in a transaction.
pub(super) const CONDITION: &str = "ConditionalCheckFailed";

/// What DynamoDB calls being busy with others, alone and in a transaction.
const BUSY: [&str; 9] = [
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingError",
    "ThrottlingException",
    "Throttling",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
];

pub(super) fn by_code(code: &str, text: String) -> Refused {
    match code {
        CONDITION | "ConditionalCheckFailedException" => Refused::Condition,
        code if BUSY.contains(&code) => Refused::Now(text),
        code => Refused::Failed(sdk::judged(code, text)),
    }
}

pub(super) fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Refused {
    let text = format!("the table {}", sdk::told(error));
    match error {
        SdkError::ServiceError(answer) if !answer.raw().status().is_server_error() => {
            by_code(answer.err().code().unwrap_or_default(), text)
        }
        SdkError::ConstructionFailure(_) => Refused::Failed(sdk::failure("the table", error)),
        _ => Refused::Unheard(text),
    }
}
