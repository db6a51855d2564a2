//! Which state type takes which field, and in which language.

/// The fields of each type: for both languages, for JSONPath, for JSONata.
#[expect(clippy::too_many_lines, reason = "a table: one row a type")]
pub(super) fn allowed(kind: &str) -> Option<[&'static [&'static str]; 3]> {
    Some(match kind {
        "Pass" => [
            &["Next", "End", "Assign"],
            &[
                "Result",
                "InputPath",
                "OutputPath",
                "ResultPath",
                "Parameters",
            ],
            &["Output"],
        ],
        "Task" => [
            &[
                "Resource",
                "Credentials",
                "TimeoutSeconds",
                "HeartbeatSeconds",
                "Retry",
                "Catch",
                "Next",
                "End",
                "Assign",
            ],
            &[
                "TimeoutSecondsPath",
                "HeartbeatSecondsPath",
                "InputPath",
                "OutputPath",
                "ResultPath",
                "ResultSelector",
                "Parameters",
            ],
            &["Arguments", "Output"],
        ],
        "Choice" => [
            &["Choices", "Default", "Assign"],
            &["InputPath", "OutputPath"],
            &["Output"],
        ],
        "Wait" => [
            &["Seconds", "Timestamp", "Next", "End", "Assign"],
            &["SecondsPath", "TimestampPath", "InputPath", "OutputPath"],
            &["Output"],
        ],
        "Succeed" => [&[], &["InputPath", "OutputPath"], &["Output"]],
        "Fail" => [&["Error", "Cause"], &["ErrorPath", "CausePath"], &[]],
        "Parallel" => [
            &["Branches", "Retry", "Catch", "Next", "End", "Assign"],
            &[
                "InputPath",
                "OutputPath",
                "ResultPath",
                "ResultSelector",
                "Parameters",
            ],
            &["Arguments", "Output"],
        ],
        "Map" => [
            &[
                "ItemProcessor",
                "Iterator",
                "MaxConcurrency",
                "ItemSelector",
                "ItemReader",
                "ItemBatcher",
                "ResultWriter",
                "Label",
                "ToleratedFailureCount",
                "ToleratedFailurePercentage",
                "Retry",
                "Catch",
                "Next",
                "End",
                "Assign",
            ],
            &[
                "MaxConcurrencyPath",
                "ToleratedFailureCountPath",
                "ToleratedFailurePercentagePath",
                "ItemsPath",
                "InputPath",
                "OutputPath",
                "ResultPath",
                "ResultSelector",
                "Parameters",
            ],
            &["Items", "Output"],
        ],
        _ => return None,
    })
}

/// Fields that belong to one language on every state type.
pub(super) const JSONPATH_ONLY: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Parameters",
    "Result",
    "ItemsPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "ErrorPath",
    "CausePath",
];
pub(super) const JSONATA_ONLY: &[&str] = &["Arguments", "Output", "Items"];

/// Fields that an inline Map does not have.
pub(super) const DISTRIBUTED: &[&str] = &[
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
];
