//! What may be told of a failed call of an AWS API.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

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
