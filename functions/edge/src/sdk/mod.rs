//! Calls of AWS APIs: what may be told of one that failed, what is to become of
//! it, and how long one may take ([`Deadline`]).

mod deadline;
#[cfg(test)]
pub(crate) mod host;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use duet_core::Failure;

pub use deadline::Deadline;

/// What the message asks is what is refused: asking again gets the same.
/// (Common errors and each API's own, in its reference; of an entry of
/// PutEvents: PutEventsResultEntry; of a write of a transaction:
/// CancellationReason.)
const INVALID: [&str; 12] = [
    "ValidationException",
    "ValidationError",
    "SerializationException",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidMessageContents",
    "ItemCollectionSizeLimitExceeded",
    "ItemCollectionSizeLimitExceededException",
    "InvalidArgument",
    "MalformedDetail",
    "InvalidOutput",
];

/// A task token that is none.
const NO_TOKEN: &str = "InvalidToken";

/// Nothing about the message: a permission, a credential, a key or a resource
/// is not as the template says. Somebody can mend it.
const MISCONFIGURED: [&str; 18] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorizedForSourceException",
    "NotAuthorizedForDetailTypeException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccountIdException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "OptInRequired",
    "ResourceNotFoundException",
    "NotFound",
    "NotFoundException",
    "NonExistentQueue",
    "QueueDoesNotExist",
];

/// The failure that the error code `code` of an AWS API stands for; `text`
/// says what failed. A code nobody listed is worth trying again.
#[must_use]
pub fn judged(code: &str, text: String) -> Failure {
    // Some codes of SQS carry a prefix, as `AWS.SimpleQueueService.NonExistentQueue`.
    let code = code.rsplit('.').next().unwrap_or(code);
    let is_key = code.get(..3).is_some_and(|s| s.eq_ignore_ascii_case("kms"));
    if INVALID.contains(&code) || code == NO_TOKEN {
        Failure::Invalid(text)
    } else if MISCONFIGURED.contains(&code) || (is_key && !code.contains("Throttl")) {
        Failure::Misconfigured(text)
    } else {
        Failure::Transient(text)
    }
}

/// What is to become of a message for which a call of `what` ("the table")
/// failed, and why.
pub fn failure<E: ProvideErrorMetadata, R>(what: &str, error: &SdkError<E, R>) -> Failure
where
    SdkError<E, R>: RequestId,
{
    let text = format!("{what} {}", told(error));
    match error {
        SdkError::ServiceError(answer) => judged(answer.err().code().unwrap_or_default(), text),
        // No endpoint, no credentials: what a message says is plain text.
        SdkError::ConstructionFailure(_) => Failure::Misconfigured(text),
        _ => Failure::Transient(text),
    }
}

/// The error's code and the request's id, or what kept the answer away. Not
/// the error's own text: some quote the request, and the request has data.
pub fn told<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String
where
    SdkError<E, R>: RequestId,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without a code");
            match error.request_id() {
                Some(id) => format!("answered {code} (request {id})"),
                None => format!("answered {code}"),
            }
        }
        SdkError::TimeoutError(_) => "did not answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            "could not be reached in time".to_owned()
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            "could not be reached: the connection failed".to_owned()
        }
        SdkError::DispatchFailure(_) => "could not be reached".to_owned(),
        SdkError::ResponseError(_) => "gave an answer that cannot be read".to_owned(),
        SdkError::ConstructionFailure(_) => "was not asked: the request cannot be built".to_owned(),
        _ => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::{BuildError, ErrorMetadata};
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

    use super::*;

    fn kind(code: &str) -> &'static str {
        match judged(code, String::new()) {
            Failure::Transient(_) => "transient",
            Failure::Misconfigured(_) => "misconfigured",
            Failure::Invalid(_) => "invalid",
        }
    }

    #[test]
    fn what_can_never_work_is_not_tried_again() {
        for (codes, what) in [
            (
                &["ValidationException", "InvalidToken", "MalformedDetail"][..],
                "invalid",
            ),
            (
                &[
                    "AccessDeniedException",
                    "ResourceNotFoundException",
                    "AWS.SimpleQueueService.NonExistentQueue",
                    "KMSDisabledException",
                    "KmsAccessDenied",
                ],
                "misconfigured",
            ),
            (
                &[
                    "ThrottlingException",
                    "KMSThrottling",
                    "InternalServerError",
                    "ProvisionedThroughputExceededException",
                    "ExpiredTokenException",
                    "SomethingNew",
                    "",
                ],
                "transient",
            ),
        ] {
            for code in codes {
                assert_eq!(kind(code), what, "{code:?}");
            }
        }
    }

    #[test]
    fn a_failed_call_says_what_and_by_which_code_but_not_its_text() {
        let meta = ErrorMetadata::builder()
            .code("AccessDeniedException")
            .message("user arn:aws:iam::1:role/x is not authorized");
        let error = TransactWriteItemsError::generic(meta.build());
        let error: SdkError<_, aws_sdk_dynamodb::config::http::HttpResponse> =
            SdkError::service_error(error, response());
        assert_eq!(
            failure("the table", &error),
            Failure::misconfigured("the table answered AccessDeniedException")
        );
        let unbuilt: SdkError<
            TransactWriteItemsError,
            aws_sdk_dynamodb::config::http::HttpResponse,
        > = SdkError::construction_failure(BuildError::missing_field("x", "y"));
        assert!(matches!(
            failure("the table", &unbuilt),
            Failure::Misconfigured(_)
        ));
    }

    fn response() -> aws_sdk_dynamodb::config::http::HttpResponse {
        aws_sdk_dynamodb::config::http::HttpResponse::new(
            400.try_into().unwrap(),
            aws_smithy_types::body::SdkBody::empty(),
        )
    }
}
