//! What AWS's APIs answer when they do not do as asked, in one sentence and
//! with the remedy.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;

use crate::terminal::exit::Problem;

/// What there is to do about credentials.
const SIGN_IN: &str = "sign in (`aws configure`, or `aws sso login` and AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `--on lab` and `--on local` need none";

/// The codes of credentials that are not, or no longer, taken ("Common error
/// types" in every service's API reference; DynamoDB and SNS have their own
/// names for some).
const NOT_TAKEN: [&str; 9] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
];

/// A service of AWS did not do as asked.
pub(crate) fn unreachable(service: &str, error: &(impl Error + ProvideErrorMetadata)) -> Problem {
    if let Some(problem) = of_credentials(error) {
        return problem;
    }
    let hint = match error.code() {
        Some(code) if NOT_TAKEN.contains(&code) => SIGN_IN,
        _ => {
            "is the target up? `duet status` with the same --on tells; for AWS, check the credentials and region"
        }
    };
    let text = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{service} answered {code}: {message}"),
        (Some(code), None) => format!("{service} answered {code}"),
        _ => format!("{service} did not answer: {}", innermost(error)),
    };
    Problem::environment(text).hint(hint)
}

/// The problem, when there are no credentials to ask with.
fn of_credentials(error: &dyn Error) -> Option<Problem> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(wrong) = cause.downcast_ref::<CredentialsError>() {
            return Some(no_credentials(wrong));
        }
        next = cause.source();
    }
    None
}

/// There are no credentials: none were found, or what should give them does not.
pub(crate) fn no_credentials(wrong: &CredentialsError) -> Problem {
    let text = match wrong {
        CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials were found".to_owned(),
        wrong => format!("the AWS credentials cannot be had: {}", innermost(wrong)),
    };
    Problem::environment(text).hint(SIGN_IN)
}

/// The last cause of an error, on one line: those above it say only where it arose.
fn innermost(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        last = cause.to_string();
        next = cause.source();
    }
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_sqs::error::SdkError;
    use aws_sdk_sqs::operation::send_message::SendMessageError;

    use super::*;

    type Refused = SdkError<SendMessageError, ()>;

    fn said(error: &Refused) -> String {
        unreachable("SQS", error).to_string()
    }

    #[test]
    fn missing_credentials_are_one_sentence_and_the_remedy() {
        let none = CredentialsError::not_loaded("no providers in chain provided credentials");
        let said = said(&SdkError::construction_failure(none));
        assert_eq!(
            said,
            format!("error: no AWS credentials were found\nhint: {SIGN_IN}")
        );
    }

    #[test]
    fn credentials_that_cannot_be_had_say_why() {
        let wrong = CredentialsError::provider_error("the session\n  has expired");
        let said = said(&SdkError::construction_failure(wrong));
        assert!(
            said.starts_with("error: the AWS credentials cannot be had: the session has expired\n"),
            "{said}"
        );
    }

    #[test]
    fn what_does_not_answer_is_told_by_its_last_cause() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let said = said(&SdkError::construction_failure(refused));
        assert!(
            said.starts_with("error: SQS did not answer: connection refused\nhint: is the target"),
            "{said}"
        );
        assert!(!said.contains("Error {"), "{said}");
    }

    #[test]
    fn a_refusal_has_its_code_and_its_message() {
        let meta = aws_sdk_sqs::error::ErrorMetadata::builder()
            .code("ExpiredToken")
            .message("The security token included in the request is expired")
            .build();
        let said = said(&SdkError::service_error(
            SendMessageError::generic(meta),
            (),
        ));
        assert_eq!(
            said,
            format!(
                "error: SQS answered ExpiredToken: The security token included in the request is expired\nhint: {SIGN_IN}"
            )
        );
    }
}
