//! What distributed Maps read, and what their children are given of it.

use crate::distributed::{go, map, reader};
use crate::world::trail;
use duet_asl::{MemoryObjects, Status};
use serde_json::{Value, json};

/// The output over one object with this text.
fn read(config: Value, text: &str) -> Value {
    let report = go(
        &map(json!({"ItemReader": reader(config)})),
        json!({}),
        MemoryObjects::new().with("b", "k", text),
    );
    match report.status {
        Status::Succeeded => (*report.output.unwrap()).clone(),
        _ => json!([report.error, report.cause]),
    }
}

fn csv(text: &str) -> Value {
    read(
        json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}),
        text,
    )
}

/// Recorded 2023-09-21, test by test: the rows of one file under several headers.
#[test]
fn csv_is_read_as_recorded() {
    let rows = "Value4,Value5,Value6\n,,,\ntrue,1,'HelloWorld'\nNull,None,\n   \n";
    assert_eq!(
        csv(&format!("0,True,{{}}\n{rows}")),
        json!([{"0": "Value4", "{}": "Value6", "True": "Value5"}, {"0": "", "{}": "", "True": ""},
            {"0": "true", "{}": "'HelloWorld'", "True": "1"}, {"0": "Null", "{}": "", "True": "None"},
            {"0": "   ", "{}": "", "True": ""}])
    );
    assert_eq!(
        csv(&format!("H1,\n{rows}")),
        json!([{"": "Value5", "H1": "Value4"}, {"": "", "H1": ""}, {"": "1", "H1": "true"},
            {"": "None", "H1": "Null"}, {"": "", "H1": "   "}])
    );
    let given = |headers: Value| {
        let config =
            json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": headers});
        read(config, rows)
    };
    assert_eq!(
        given(json!(["H1"])),
        json!([{"H1": "Value4"}, {"H1": ""}, {"H1": "true"}, {"H1": "Null"}, {"H1": "   "}])
    );
    assert_eq!(
        given(json!(["H1", "H1"])),
        json!([
            "States.ItemReaderFailed",
            "CSV headers cannot contain duplicates."
        ])
    );
    let config = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "SEMICOLON", "MaxItems": 1});
    assert_eq!(
        read(config, "a;b\n1,2;3\n4;5\n"),
        json!([{"a": "1,2", "b": "3"}])
    );
}

#[test]
fn json_json_lines_and_pointers() {
    let json = |extra: Value, text: &str| {
        let mut config = json!({"InputType": "JSON"});
        for (name, value) in extra.as_object().unwrap() {
            config[name] = value.clone();
        }
        read(config, text)
    };
    assert_eq!(json(json!({}), "[1, {\"a\": 2}]"), json!([1, {"a": 2}]));
    assert_eq!(json(json!({"MaxItems": 1}), "[1, 2]"), json!([1]));
    assert_eq!(json(json!({"MaxItems": 0}), "[1, 2]"), json!([1, 2]));
    assert_eq!(
        json(json!({}), "{\"a\": 1}"),
        json!([{"Key": "a", "Value": 1}])
    );
    assert_eq!(
        json(json!({}), "\"text\""),
        json!([
            "States.ItemReaderFailed",
            "Attempting to map over non-iterable node."
        ])
    );
    assert_eq!(
        json(json!({"ItemsPointer": "/a/0"}), "{\"a\": [[7]]}"),
        json!([7])
    );
    assert_eq!(
        json(json!({"ItemsPointer": "/b"}), "{}")[0],
        "States.ItemReaderFailed"
    );
    assert_eq!(json(json!({}), "[1")[0], "States.ItemReaderFailed");
    let lines = read(json!({"InputType": "JSONL"}), "{\"a\": 1}\n\n2\r\n");
    assert_eq!(lines, json!([{"a": 1}, 2]));
    let wrong = read(json!({"InputType": "JSONL"}), "1\nx\n");
    assert!(wrong[1].as_str().unwrap().starts_with("Line 2 "), "{wrong}");
}

#[test]
fn what_is_not_there_or_not_readable_fails_the_reader() {
    let json = json!({"InputType": "JSON"});
    let none = go(
        &map(json!({"ItemReader": reader(json.clone())})),
        json!({}),
        MemoryObjects::new(),
    );
    assert_eq!(none.error.as_deref(), Some("States.ItemReaderFailed"));
    assert!(none.cause.unwrap().contains("'b'"));
    let other = MemoryObjects::new().with("b", "other", "[]");
    let none = go(
        &map(json!({"ItemReader": reader(json.clone())})),
        json!({}),
        other,
    );
    assert!(none.cause.unwrap().contains("'k'"));
    // As recorded: the run starts, fails, and so does the state.
    assert_eq!(
        trail(&none.history.unwrap()),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapRunStarted",
            "5<4 MapRunFailed",
            "6<5 MapStateFailed",
            "7<6 ExecutionFailed"
        ]
    );
    let mut zipped = vec![0x28, 0xb5, 0x2f, 0xfd];
    zipped.extend(b"...");
    for bytes in [zipped, vec![0xff, 0xfe], vec![0x1f, 0x8b, 0]] {
        let objects = MemoryObjects::new().with("b", "k", bytes);
        let report = go(
            &map(json!({"ItemReader": reader(json.clone())})),
            json!({}),
            objects,
        );
        assert_eq!(report.error.as_deref(), Some("States.ItemReaderFailed"));
    }
    // It can be caught, and tried again, which is a Map Run of its own.
    let mut caught = map(json!({"ItemReader": reader(json),
        "Retry": [{"ErrorEquals": ["States.ItemReaderFailed"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "C"}]}));
    caught["States"]["C"] = json!({"Type": "Succeed"});
    let report = go(&caught, json!({}), MemoryObjects::new());
    assert_eq!(report.status, Status::Succeeded);
    assert_eq!(report.output.unwrap()["Error"], "States.ItemReaderFailed");
    let runs: Vec<&str> = report.map_runs.iter().map(|it| &*it.map_run_arn).collect();
    assert!(runs.len() == 2 && runs[0] != runs[1], "{runs:?}");
    assert_eq!(report.map_runs[1].status, Status::Failed);
}

/// Checked by others on 2026-09-12: the members, the quotes around the tag, and that a
/// prefix is only the beginning of a key.
#[test]
fn a_list_of_objects() {
    let objects = || {
        MemoryObjects::new()
            .with("b", "in/b.csv", "n\n3\n")
            .with("b", "in/a.csv", "n\n1\n2\n")
            .with("b", "inner", "n\n4\n")
            .with("b", "out", "n\n5\n")
    };
    let list = |config: Value, prefix: &str| {
        let reader = json!({"Resource": "arn:aws:states:::s3:listObjectsV2", "ReaderConfig": config,
            "Parameters": {"Bucket.$": "$.bucket", "Prefix": prefix}});
        let report = go(
            &map(json!({"ItemReader": reader})),
            json!({"bucket": "b"}),
            objects(),
        );
        (*report.output.unwrap()).clone()
    };
    let all = list(json!({}), "in");
    let keys: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["Key"])
        .collect();
    assert_eq!(keys, ["in/a.csv", "in/b.csv", "inner"]);
    assert_eq!(
        all[0],
        json!({"Etag": "\"f4d0e2e7fc057a58f7ca4a391f01940a\"", "Key": "in/a.csv", "LastModified": 1_767_225_600.0,
            "Size": 6, "StorageClass": "STANDARD"})
            .as_object()
            .map(|it| {
                let mut it = it.clone();
                it["Etag"] = all[0]["Etag"].clone();
                Value::Object(it)
            })
            .unwrap()
    );
    let tag = all[0]["Etag"].as_str().unwrap();
    assert!(
        tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'),
        "{tag}"
    );
    assert_eq!(
        list(json!({"MaxItems": 2}), "").as_array().unwrap().len(),
        2
    );
    assert_eq!(list(json!({}), "nothing"), json!([]));
    let flat = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "Transformation": "LOAD_AND_FLATTEN"});
    assert_eq!(
        list(flat, "in/"),
        json!([{"n": "1"}, {"n": "2"}, {"n": "3"}])
    );
}

#[test]
fn an_inventory_of_s3() {
    let manifest = |format: &str| {
        json!({"sourceBucket": "source", "destinationBucket": "arn:aws:s3:::inventory", "version": "2016-11-30",
            "fileFormat": format, "fileSchema": "Bucket, Key, Size",
            "files": [{"key": "data/1.csv.gz", "size": 1}, {"key": "data/2.csv", "size": 1}]})
        .to_string()
    };
    let zipped = {
        use std::io::Write as _;
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        to.write_all(b"\"source\",\"a.csv\",\"0\"\n\"source\",\"b/c.csv\",\"33\"\n")
            .unwrap();
        to.finish().unwrap()
    };
    let objects = |format: &str| {
        MemoryObjects::new()
            .with("b", "k", manifest(format))
            .with("inventory", "data/1.csv.gz", zipped.clone())
            .with("inventory", "data/2.csv", "source,d,1\n")
    };
    for config in [
        json!({"InputType": "MANIFEST"}),
        json!({"ManifestType": "S3_INVENTORY"}),
    ] {
        let definition = map(json!({"ItemReader": reader(config)}));
        let report = go(&definition, json!({}), objects("CSV"));
        assert_eq!(
            *report.output.unwrap(),
            json!([{"Bucket": "source", "Key": "a.csv", "Size": "0"}, {"Bucket": "source", "Key": "b/c.csv", "Size": "33"},
                {"Bucket": "source", "Key": "d", "Size": "1"}])
        );
        let refused = go(&definition, json!({}), objects("ORC"));
        assert!(refused.cause.unwrap().contains("ORC"));
    }
}

#[test]
fn selectors_see_the_item_and_batches_group_what_they_give() {
    let definition = map(
        json!({"ItemsPath": "$.items", "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "of.$": "$.who"},
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"who.$": "$.who"}}}),
    );
    let report = go(
        &definition,
        json!({"who": "x", "items": ["a", "b", "c"]}),
        MemoryObjects::new(),
    );
    assert_eq!(
        *report.output.clone().unwrap(),
        json!([{"BatchInput": {"who": "x"}, "Items": [{"i": 0, "v": "a", "of": "x"}, {"i": 1, "v": "b", "of": "x"}]},
            {"BatchInput": {"who": "x"}, "Items": [{"i": 2, "v": "c", "of": "x"}]}])
    );
    let counts = &report.map_runs[0];
    assert_eq!(
        (counts.item_counts.total, counts.execution_counts.total),
        (3, 2)
    );
    assert_eq!(counts.item_counts.succeeded, 3);
    // The guide's example: 1130 items in batches of 100 are 12 batches.
    let many = map(json!({"ItemBatcher": {"MaxItemsPerBatchPath": "$[0]"}}));
    let mut items: Vec<Value> = (0..1_130).map(|i| json!(i)).collect();
    items[0] = json!(100);
    let report = go(&many, items.into(), MemoryObjects::new());
    let output = report.output.unwrap();
    let sizes: Vec<usize> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["Items"].as_array().unwrap().len())
        .collect();
    assert_eq!((sizes.len(), sizes[0], sizes[11]), (12, 100, 30));
    // {"Items":[..]} has 12 bytes besides its items.
    let bytes = |most: u64| {
        let definition = map(json!({"ItemBatcher": {"MaxInputBytesPerBatch": most}}));
        let report = go(&definition, json!([1, 22, 333, 4444]), MemoryObjects::new());
        report.output.map_or(json!(report.error), |it| {
            let batches = it.as_array().unwrap().iter();
            batches
                .map(|it| it["Items"].as_array().unwrap().len())
                .collect()
        })
    };
    assert_eq!(bytes(16), json!([2, 1, 1]));
    assert_eq!(bytes(20), json!([3, 1]));
    assert_eq!(bytes(25), json!([4]));
    assert_eq!(bytes(15), json!("States.DataLimitExceeded"));
}

#[test]
fn jsonata_has_it_all_too() {
    let mut definition = map(
        json!({"Items": "{% $states.input.items %}", "ItemSelector": "{% $states.context.Map.Item.Value * $k %}",
        "ItemBatcher": {"MaxItemsPerBatch": "{% 1 + 1 %}", "BatchInput": "{% {'k': $k} %}"}, "MaxConcurrency": "{% 1 %}",
        "ToleratedFailureCount": "{% 0 %}", "Output": "{% $states.result.Items %}"}),
    );
    definition["QueryLanguage"] = json!("JSONata");
    definition["States"]["V"] = json!({"Type": "Pass", "Assign": {"k": 10}, "Next": "M"});
    definition["StartAt"] = json!("V");
    let report = go(
        &definition,
        json!({"items": [1, 2, 3]}),
        MemoryObjects::new(),
    );
    assert_eq!(
        *report.output.unwrap(),
        json!([10, 20, 30]),
        "{:?}",
        report.cause
    );
    let mut failing = definition.clone();
    failing["States"]["M"]["ItemSelector"] = json!("{% $nothing.here %}");
    let report = go(&failing, json!({"items": [1]}), MemoryObjects::new());
    assert_eq!(report.error.as_deref(), Some("States.QueryEvaluationError"));
    let types: Vec<String> = report
        .history
        .unwrap()
        .iter()
        .map(|it| it.event_type().into_owned())
        .collect();
    assert_eq!(
        types[types.len() - 4..],
        [
            "EvaluationFailed",
            "MapRunFailed",
            "MapStateFailed",
            "ExecutionFailed"
        ]
    );
    let mut written = definition;
    written["States"]["M"]["ItemReader"] = json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", "MaxItems": "{% 2 %}"},
        "Arguments": "{% {'Bucket': 'b', 'Key': $states.input.key} %}"});
    written["States"]["M"]
        .as_object_mut()
        .unwrap()
        .remove("Items");
    let report = go(
        &written,
        json!({"key": "k"}),
        MemoryObjects::new().with("b", "k", "[4,5,6]"),
    );
    assert_eq!(
        *report.output.unwrap(),
        json!([40, 50]),
        "{:?}",
        report.cause
    );
}

/// Whatever lies in the object and whatever the limits are, a Map ends, its books
/// balance, and nothing panics.
#[test]
fn random_datasets_batches_and_thresholds_end_and_add_up() {
    let mut random = fastrand::Rng::with_seed(16);
    let pieces = [
        "a",
        ",",
        "\"",
        "\\",
        "\n",
        "\r\n",
        ";",
        "{",
        "}",
        "[",
        "]",
        "1",
        ":",
        " ",
        "é",
        "\u{0}",
        "\"\"",
        "{\"a\":1}\n",
    ];
    let mut succeeded = 0;
    for round in 0..4_000 {
        let text: String = (0..random.usize(0..40))
            .map(|_| pieces[random.usize(..pieces.len())])
            .collect();
        let config = match random.u8(0..5) {
            0 => json!({"InputType": "JSON"}),
            1 => json!({"InputType": "JSONL"}),
            2 => json!({"InputType": "MANIFEST"}),
            3 => {
                json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x", "y"], "CSVDelimiter": "SEMICOLON"})
            }
            _ => {
                json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": random.u8(0..5)})
            }
        };
        let mut extra = json!({"ItemReader": reader(config), "ToleratedFailurePercentage": random.f64() * 100.0,
            "MaxConcurrency": random.u8(0..4)});
        if random.bool() {
            extra["ItemBatcher"] = json!({"MaxItemsPerBatch": random.u8(1..4), "MaxInputBytesPerBatch": random.u16(1..200)});
        }
        if random.bool() {
            extra["ToleratedFailureCount"] = json!(random.u8(0..4));
        }
        if random.bool() {
            // Fails for some items: those without such a field.
            extra["ItemProcessor"] = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P",
                "States": {"P": {"Type": "Pass", "InputPath": "$.x", "End": true}}});
        }
        let mut bytes = text.into_bytes();
        if random.u8(0..20) == 0 {
            bytes.push(0xff);
        }
        let report = go(
            &map(extra),
            json!({}),
            MemoryObjects::new().with("b", "k", bytes),
        );
        succeeded += u32::from(report.status == Status::Succeeded);
        for run in &report.map_runs {
            let counts = run.item_counts;
            let parts = counts.pending
                + counts.succeeded
                + counts.failed
                + counts.timed_out
                + counts.aborted;
            assert_eq!((parts, counts.running), (counts.total, 0), "round {round}");
        }
        let known = [
            "States.ItemReaderFailed",
            "States.ExceedToleratedFailureThreshold",
            "States.DataLimitExceeded",
        ];
        let error = report.error.as_deref();
        assert!(
            error.is_none_or(|it| known.contains(&it)),
            "round {round}: {error:?}"
        );
    }
    assert!((1_000..4_000).contains(&succeeded), "{succeeded}");
}
