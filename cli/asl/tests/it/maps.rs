//! What is refused of a distributed Map.

use crate::validation::{found, only, state};
use crate::world::CALLBACK;
use duet_asl::{MachineType, validate, validate_as};
use serde_json::{Value, json};

/// A machine with one distributed Map.
fn distributed(extra: Value) -> Value {
    let mut map = json!({"Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": {"Type": "Succeed"}}}});
    for (name, value) in extra.as_object().unwrap() {
        map[name] = value.clone();
    }
    state(map)
}

/// An ItemReader of one object.
fn read(config: Value) -> Value {
    json!({"Resource": "arn:${AWS::Partition}:states:::s3:getObject", "ReaderConfig": config, "Parameters": {"Bucket": "b", "Key.$": "$.k"}})
}

const LIST: &str = "arn:aws:states:::s3:listObjectsV2";

#[test]
fn a_distributed_map_in_full() {
    for fine in [
        json!({}),
        json!({"ItemReader": read(json!({"InputType": "JSON", "ItemsPointer": "/a", "MaxItems": 100_000_000}))}),
        json!({"ItemReader": read(json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "MaxItemsPath": "$.n"}))}),
        json!({"ItemReader": read(json!({"InputType": "JSONL"})), "ItemSelector": {"a.$": "$$.Map.Item.Value"}}),
        json!({"ItemReader": read(json!({"InputType": "MANIFEST"}))}),
        json!({"ItemReader": read(json!({"ManifestType": "S3_INVENTORY"}))}),
        json!({"ItemReader": {"Resource": LIST, "Parameters": {"Bucket": "b"}}}),
        json!({"ItemBatcher": {"MaxItemsPerBatch": 2, "MaxInputBytesPerBatchPath": "$.n", "BatchInput": {"a.$": "$.a"}}}),
        json!({"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}}}),
        json!({"ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"}}}),
        json!({"ToleratedFailurePercentage": 2.5, "ToleratedFailureCountPath": "$.n", "Label": "L", "MaxConcurrency": 5000}),
    ] {
        assert_eq!(found(&distributed(fine.clone())), [], "{fine}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row a mistake")]
fn mistakes_in_a_distributed_map() {
    let schema = "SCHEMA_VALIDATION_FAILED";
    let here = "/States/S";
    for (extra, at, says) in [
        (json!({"ItemReader": 1}), "/ItemReader", "OBJECT"),
        (
            json!({"ItemReader": read(json!({}))}),
            "/ItemReader/ReaderConfig",
            "InputType",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "XML"}))}),
            "/ItemReader/ReaderConfig/InputType",
            "PARQUET",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "CSV"}))}),
            "/ItemReader/ReaderConfig",
            "CSVHeaderLocation",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}))}),
            "/ItemReader/ReaderConfig/CSVHeaders",
            "non-empty",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": ";"}))}),
            "/ItemReader/ReaderConfig/CSVDelimiter",
            "SEMICOLON",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "JSON", "MaxItems": 100_000_001}))}),
            "/ItemReader/ReaderConfig/MaxItems",
            "100000000",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "JSON", "ItemsPointer": "a"}))}),
            "/ItemReader/ReaderConfig/ItemsPointer",
            "JSON Pointer",
        ),
        (
            json!({"ItemReader": read(json!({"InputType": "JSON", "ManifestType": "S3_INVENTORY"}))}),
            "/ItemReader/ReaderConfig",
            "InputType",
        ),
        (
            json!({"ItemReader": {"Resource": LIST, "ReaderConfig": {"Transformation": "LOAD_AND_FLATTEN"}, "Parameters": {"Bucket": "b"}}}),
            "/ItemReader/ReaderConfig",
            "InputType",
        ),
        (
            json!({"ItemReader": {"Resource": LIST}}),
            "/ItemReader",
            "Parameters",
        ),
        (
            json!({"ItemBatcher": {}}),
            "/ItemBatcher",
            "MaxItemsPerBatch",
        ),
        (
            json!({"ItemBatcher": {"MaxInputBytesPerBatch": 262_145}}),
            "/ItemBatcher/MaxInputBytesPerBatch",
            "262144",
        ),
        (json!({"ResultWriter": {}}), "/ResultWriter", "WriterConfig"),
        (
            json!({"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}}),
            "/ResultWriter",
            "Parameters",
        ),
        (
            json!({"ResultWriter": {"WriterConfig": {"Transformation": "SMALL"}}}),
            "/ResultWriter/WriterConfig/Transformation",
            "COMPACT",
        ),
        (
            json!({"ToleratedFailurePercentage": 101}),
            "/ToleratedFailurePercentage",
            "100",
        ),
        (json!({"Label": "with blanks"}), "/Label", "blanks"),
        (json!({"Label": "x".repeat(41)}), "/Label", "40"),
        (json!({"Items": []}), "", "JSONata"),
    ] {
        only(&distributed(extra), schema, &format!("{here}{at}"), says);
    }
}

#[test]
fn what_a_distributed_map_reads_with_and_what_not() {
    let resource = |field: &str, resource: &str| {
        let arguments = json!({"Resource": resource, "Parameters": {"Bucket": "b", "Key": "k"}, });
        distributed(json!({field: arguments}))
    };
    only(
        &resource("ItemReader", "arn:aws:states:::s3:putObject"),
        "INVALID_RESOURCE",
        "/States/S/ItemReader/Resource",
        "getObject",
    );
    only(
        &resource("ResultWriter", "arn:aws:states:::s3:getObject"),
        "INVALID_RESOURCE",
        "/States/S/ResultWriter/Resource",
        "putObject",
    );
    let unsupported = "NOT_SUPPORTED_BY_DUET";
    let config = "/States/S/ItemReader/ReaderConfig";
    only(
        &distributed(json!({"ItemReader": read(json!({"InputType": "PARQUET"}))})),
        unsupported,
        &format!("{config}/InputType"),
        "PARQUET",
    );
    let athena = json!({"InputType": "CSV", "ManifestType": "ATHENA_DATA"});
    only(
        &distributed(json!({"ItemReader": read(athena)})),
        unsupported,
        &format!("{config}/ManifestType"),
        "Athena",
    );
}

#[test]
fn modes_of_a_map() {
    let schema = "SCHEMA_VALIDATION_FAILED";
    let processor = |config: Value| {
        state(
            json!({"Type": "Map", "End": true, "ItemProcessor": {"ProcessorConfig": config, "StartAt": "P", "States": {"P": {"Type": "Succeed"}}}}),
        )
    };
    let config = "/States/S/ItemProcessor/ProcessorConfig";
    only(
        &processor(json!({"Mode": "DISTRIBUTED"})),
        schema,
        config,
        "ExecutionType",
    );
    only(
        &processor(json!({"Mode": "BOTH"})),
        schema,
        &format!("{config}/Mode"),
        "DISTRIBUTED",
    );
    only(
        &processor(json!({"Mode": "DISTRIBUTED", "ExecutionType": "FAST"})),
        schema,
        &format!("{config}/ExecutionType"),
        "EXPRESS",
    );
    let mut inline = processor(json!({"Mode": "INLINE"}));
    inline["States"]["S"]["Label"] = json!("L");
    only(&inline, schema, "/States/S", "Label");
    // Express workflows have none, and Express children have no callbacks.
    let findings = validate_as(&distributed(json!({})).to_string(), MachineType::Express);
    assert!(findings[0].message.contains("EXPRESS"), "{findings:?}");
    let mut callback = processor(json!({"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}));
    callback["States"]["S"]["ItemProcessor"]["States"]["P"] = json!({"Type": "Task", "Resource": CALLBACK, "Parameters": {"QueueUrl": "q", "MessageBody": "m"}, "End": true});
    let place = "/States/S/ItemProcessor/States/P/Resource";
    assert_eq!(validate(&callback.to_string())[0].path, place);
    // A Label stands once; what an outer flow assigns is out of a child's sight.
    let mut twice = distributed(json!({"Label": "L"}));
    let mut other = twice["States"]["S"].clone();
    other["ItemProcessor"]["States"] =
        json!({"P2": {"Type": "Pass", "Assign": {"v": 2}, "End": true}});
    other["ItemProcessor"]["StartAt"] = json!("P2");
    twice["States"]["S"]["Next"] = json!("T");
    twice["States"]["S"]["Assign"] = json!({"v": 1});
    twice["States"]["S"].as_object_mut().unwrap().remove("End");
    twice["States"]["T"] = other;
    only(&twice, schema, "/States/T/Label", "'L'");
}
