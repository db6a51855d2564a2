//! Distributed Maps: datasets, batches, thresholds, results, child executions, redrive.

use crate::world::{LAMBDA, World, machine, trail};
use duet_asl::{
    Execution, ExecutionOptions, MapRunReport, MemoryObjects, Objects, RunOptions, RunReport,
    Status, run,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn processor(kind: &str, states: Value) -> Value {
    let start = states.as_object().unwrap().keys().next().unwrap().clone();
    json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}, "StartAt": start, "States": states})
}

fn pass() -> Value {
    processor("STANDARD", json!({"P": {"Type": "Pass", "End": true}}))
}

/// A machine with one distributed Map, `M`, whose children do nothing unless told otherwise.
fn map(extra: Value) -> Value {
    let mut state = json!({"Type": "Map", "ItemProcessor": pass(), "Label": "L", "End": true});
    for (name, value) in extra.as_object().unwrap() {
        state[name] = value.clone();
    }
    json!({"StartAt": "M", "States": {"M": state}})
}

fn reader(config: Value) -> Value {
    json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": {"Bucket": "b", "Key": "k"}})
}

fn go(definition: &Value, input: Value, objects: MemoryObjects) -> RunReport {
    let options = RunOptions {
        objects: Some(Arc::new(objects)),
        execution: ExecutionOptions {
            machine_name: "machine".into(),
            ..ExecutionOptions::default()
        },
        ..RunOptions::default()
    };
    run(&machine(definition), input, options).unwrap()
}

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

/// Recorded: the run's events in their parent's history; the length is that of a list
/// given to the state, and 0 of one that is read.
#[test]
fn the_history_of_a_map_run() {
    let report = go(&map(json!({})), json!([1, 2]), MemoryObjects::new());
    let history = report.history.unwrap();
    assert_eq!(
        trail(&history),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapRunStarted",
            "5<4 MapRunSucceeded",
            "6<5 MapStateSucceeded",
            "7<5 MapStateExited",
            "8<7 ExecutionSucceeded"
        ]
    );
    let events = serde_json::to_value(&history).unwrap();
    assert_eq!(
        events[2]["mapStateStartedEventDetails"],
        json!({"length": 2})
    );
    let run = &report.map_runs[0];
    assert_eq!(
        events[3]["mapRunStartedEventDetails"],
        json!({"mapRunArn": run.map_run_arn})
    );
    assert_eq!(events[4].as_object().unwrap().len(), 4, "no details");
    let start = "arn:aws:states:us-east-1:123456789012:mapRun:machine/L:";
    assert!(run.map_run_arn.starts_with(start), "{}", run.map_run_arn);
    // Each child has a history of its own, under a name of its own.
    let child = &run.executions[1];
    assert_eq!(
        child.execution_arn,
        format!(
            "arn:aws:states:us-east-1:123456789012:execution:machine/L:{}",
            child.name
        )
    );
    assert_eq!(
        trail(&child.history),
        [
            "1<0 ExecutionStarted",
            "2<0 PassStateEntered",
            "3<2 PassStateExited",
            "4<3 ExecutionSucceeded"
        ]
    );
    let text = serde_json::to_value(run).unwrap();
    assert_eq!(text["itemCounts"]["resultsWritten"], 2);
    assert_eq!(
        (&text["status"], &text["toleratedFailureCount"]),
        (&json!("SUCCEEDED"), &json!(0))
    );
    let read = map(json!({"ItemReader": reader(json!({"InputType": "JSON"}))}));
    let report = go(
        &read,
        json!({}),
        MemoryObjects::new().with("b", "k", "[1,2]"),
    );
    let events = serde_json::to_value(report.history.unwrap()).unwrap();
    assert_eq!(
        events[2]["mapStateStartedEventDetails"],
        json!({"length": 0})
    );
}

/// Children that fail for odd items, and take their time.
fn work(kind: &str, extra: Value) -> Value {
    let task = json!({"T": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f", "Payload.$": "$"}, "End": true}});
    let mut with = json!({"ItemProcessor": processor(kind, task)});
    for (name, value) in extra.as_object().unwrap() {
        with[name] = value.clone();
    }
    map(with)
}

fn counts(world: &World) -> (MapRunReport, Value) {
    let report = world.run.map_runs().pop().unwrap();
    let counts = serde_json::to_value(&report).unwrap()["executionCounts"].clone();
    (report, counts)
}

#[test]
fn without_a_threshold_one_failure_fails_the_run() {
    let mut world = World::start(
        &work("STANDARD", json!({"MaxConcurrency": 2})),
        json!([1, 2, 3]),
    );
    assert_eq!(world.calls.len(), 2, "two at once");
    world.fail("E");
    assert_eq!(world.run.status(), Status::Failed);
    assert_eq!(
        world.run.error(),
        Some("States.ExceedToleratedFailureThreshold")
    );
    assert_eq!(
        world.run.cause(),
        Some("The specified tolerated failure threshold was exceeded")
    );
    assert_eq!(world.cancelled, 1, "the other is stopped");
    let (_, counts) = counts(&world);
    assert_eq!(
        [
            &counts["failed"],
            &counts["aborted"],
            &counts["pending"],
            &counts["total"]
        ],
        [1, 1, 1, 3]
    );
    assert_eq!(
        world.trail()[4..],
        [
            "5<4 MapRunFailed",
            "6<5 MapStateFailed",
            "7<6 ExecutionFailed"
        ]
    );
}

#[test]
fn express_children_are_waited_for() {
    let mut world = World::start(
        &work("EXPRESS", json!({"MaxConcurrency": 2})),
        json!([1, 2, 3]),
    );
    world.fail("E");
    assert_eq!(world.run.status(), Status::Running);
    assert_eq!(world.calls.len(), 1, "and no new one starts");
    world.succeed(json!({}));
    assert_eq!(world.run.status(), Status::Failed);
    let (report, counts) = counts(&world);
    assert_eq!(
        [&counts["failed"], &counts["succeeded"], &counts["pending"]],
        [1, 1, 1]
    );
    let arn = &report.executions[0].execution_arn;
    assert!(arn.contains(":express:machine/L:"), "{arn}");
}

#[test]
fn tolerated_failures_stand_among_the_results() {
    let definition = work(
        "STANDARD",
        json!({"ToleratedFailurePercentage": 50, "MaxConcurrency": 1}),
    );
    let mut world = World::start(&definition, json!([1, 2]));
    world.fail("E").succeed(json!({"Payload": 2}));
    let output = world.output();
    assert_eq!(output[1], json!({"Payload": 2}));
    let failed = &output[0];
    assert_eq!(
        [
            &failed["Status"],
            &failed["Error"],
            &failed["Cause"],
            &failed["Input"],
            &failed["RedriveStatus"]
        ],
        ["FAILED", "E", "E happened", "1", "REDRIVABLE_BY_MAP_RUN"]
    );
    let (report, _) = counts(&world);
    assert_eq!(failed["ExecutionArn"], *report.executions[0].execution_arn);
    assert_eq!(report.status, Status::Succeeded);
    // A path, and a count of items, not of batches.
    let definition = work(
        "STANDARD",
        json!({"ItemsPath": "$.items", "ToleratedFailureCountPath": "$.most", "MaxConcurrency": 1,
        "ItemBatcher": {"MaxItemsPerBatch": 2}}),
    );
    for (most, status) in [(1, Status::Failed), (2, Status::Running)] {
        let mut world = World::start(&definition, json!({"most": most, "items": [1, 2, 3, 4]}));
        world.fail("E");
        assert_eq!(world.run.status(), status, "{most}");
    }
}

#[test]
fn a_child_that_times_out_counts_and_waits_take_no_more_than_their_time() {
    let states = json!({"W": {"Type": "Wait", "SecondsPath": "$", "End": true}});
    let definition =
        map(json!({"ItemProcessor": processor("STANDARD", states), "MaxConcurrency": 2}));
    let mut world = World::start(&definition, json!([3, 5, 4]));
    let mut times = Vec::new();
    while world.run.status() == Status::Running {
        times.push(world.wake().clock());
    }
    assert_eq!(times, [3.0, 5.0, 7.0]);
    assert_eq!(world.output(), json!([3, 5, 4]));
    let express = json!({"W": {"Type": "Wait", "Seconds": 301, "End": true}});
    let definition = map(json!({"ItemProcessor": processor("EXPRESS", express)}));
    let mut world = World::start(&definition, json!([1]));
    assert_eq!(world.wake().clock(), 300.0);
    assert_eq!(counts(&world).1["timedOut"], 1);
    assert_eq!(world.run.status(), Status::Failed);
}

#[test]
fn tokens_heartbeats_and_retries_work_in_children() {
    let task = json!({"T": {"Type": "Task", "Resource": crate::world::CALLBACK, "HeartbeatSeconds": 10,
        "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
        "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 4}], "End": true}});
    let definition = map(json!({"ItemProcessor": processor("STANDARD", task)}));
    let mut world = World::start(&definition, json!(["a", "b"]));
    let (first, second) = (world.call(), world.call());
    let token = |call: &duet_asl::TaskCall| call.token.clone().unwrap();
    assert_ne!(token(&first), token(&second));
    assert_ne!(first.id, second.id);
    world.seconds(9);
    let beaten = token(&first);
    world.with(|run, now| run.heartbeat(&beaten, now)).unwrap();
    world
        .with(|run, now| run.task_token_success(&token(&second), json!(2), now))
        .unwrap();
    assert!(
        world
            .with(|run, now| run.task_token_success(&token(&second), json!(2), now))
            .is_err()
    );
    world.seconds(9);
    assert_eq!(world.run.status(), Status::Running);
    let again = duet_asl::TaskError::new("Again", "");
    world
        .with(|run, now| run.task_token_failure(&token(&first), again, now))
        .unwrap();
    world.seconds(4);
    let third = world.call();
    assert_eq!(third.retries, 1);
    world
        .with(|run, now| run.task_token_success(&token(&third), json!(1), now))
        .unwrap();
    assert_eq!(world.output(), json!([1, 2]));
}

#[test]
fn results_are_written_as_aws_lays_them_out() {
    let objects = Arc::new(MemoryObjects::new().with("out", "", ""));
    let writer = |config: Value| {
        let mut writer = json!({"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "jobs"}});
        if !config.is_null() {
            writer["WriterConfig"] = config;
        }
        writer
    };
    let start = |config: Value, extra: Value, input: Value| {
        let mut with = json!({"ResultWriter": writer(config), "MaxConcurrency": 1});
        for (name, value) in extra.as_object().unwrap() {
            with[name] = value.clone();
        }
        let port: Arc<dyn Objects> = objects.clone();
        let run = Execution::start_with(
            &machine(&work("STANDARD", with)),
            input,
            &ExecutionOptions::default(),
            Some(port),
            0,
        );
        World::around(run)
    };
    let stored =
        |key: &str| -> Value { serde_json::from_slice(&objects.get("out", key).unwrap()).unwrap() };
    let mut world = start(
        Value::Null,
        json!({"ToleratedFailureCount": 1}),
        json!([1, 2, 3, 4]),
    );
    world.succeed(json!({"Payload": 1})).fail("E").fail("F");
    assert_eq!(world.run.status(), Status::Failed);
    let (report, _) = counts(&world);
    let id = report.map_run_arn.rsplit(':').next().unwrap();
    let folder = format!("jobs/{id}");
    let manifest = stored(&format!("{folder}/manifest.json"));
    assert_eq!(
        (&manifest["DestinationBucket"], &manifest["MapRunArn"]),
        (&json!("out"), &json!(report.map_run_arn))
    );
    for name in ["SUCCEEDED", "FAILED", "PENDING"] {
        let key = format!("{folder}/{name}_0.json");
        let size = objects.get("out", &key).unwrap().len();
        assert_eq!(
            manifest["ResultFiles"][name],
            json!([{"Key": key, "Size": size}])
        );
    }
    assert_eq!(
        stored(&format!("{folder}/PENDING_0.json")),
        json!([{"Input": "4", "InputDetails": {"Included": true}, "Status": "PENDING"}])
    );
    let child = &report.executions[0];
    assert_eq!(
        stored(&format!("{folder}/SUCCEEDED_0.json")),
        json!([{"ExecutionArn": child.execution_arn, "Input": "1", "InputDetails": {"Included": true}, "Name": child.name,
            "Output": "{\"Payload\":1}", "OutputDetails": {"Included": true}, "RedriveCount": 0, "RedriveStatus": "NOT_REDRIVABLE",
            "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven", "StartDate": "1970-01-01T00:00:00.000Z",
            "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:machine/L", "Status": "SUCCEEDED",
            "StopDate": "1970-01-01T00:00:00.000Z"}])
    );
    let failed = stored(&format!("{folder}/FAILED_0.json"));
    assert_eq!(
        (&failed[0]["Error"], &failed[1]["Error"]),
        (&json!("E"), &json!("F"))
    );

    // A redrive writes what is new into a folder of its own, and tells of all successes.
    world.with(|run, now| run.redrive(now)).unwrap();
    world
        .succeed(json!({"Payload": 2}))
        .succeed(json!({"Payload": 3}))
        .succeed(json!({"Payload": 4}));
    let key = format!("{folder}/Redrive-1/manifest.json");
    assert_eq!(
        world.output(),
        json!({"MapRunArn": report.map_run_arn, "ResultWriterDetails": {"Bucket": "out", "Key": key}})
    );
    let manifest = stored(&key);
    let files = manifest["ResultFiles"]["SUCCEEDED"].as_array().unwrap();
    assert_eq!(
        (files.len(), &manifest["ResultFiles"]["FAILED"]),
        (2, &json!([]))
    );
    assert_eq!(
        stored(&format!("{folder}/Redrive-1/SUCCEEDED_0.json"))
            .as_array()
            .unwrap()
            .len(),
        3
    );

    let mut world = start(
        json!({"Transformation": "FLATTEN", "OutputType": "JSONL"}),
        json!({}),
        json!([1, 2]),
    );
    world.succeed(json!([1, [2]])).succeed(json!({"a": 3}));
    let output = world.output();
    let key = output["ResultWriterDetails"]["Key"]
        .as_str()
        .unwrap()
        .replace("manifest", "SUCCEEDED_0");
    assert_eq!(
        String::from_utf8(objects.get("out", &key).unwrap()).unwrap(),
        "1\n[2]\n{\"a\":3}\n"
    );
}

#[test]
fn results_without_a_place_are_the_output_and_a_place_that_is_not_there_fails_at_once() {
    let only = |transformation: &str| {
        let definition = map(
            json!({"ResultWriter": {"WriterConfig": {"Transformation": transformation, "OutputType": "JSON"}}}),
        );
        (*go(&definition, json!([[1], [2, 3]]), MemoryObjects::new())
            .output
            .unwrap())
        .clone()
    };
    assert_eq!(only("COMPACT"), json!([[1], [2, 3]]));
    assert_eq!(only("FLATTEN"), json!([1, 2, 3]));
    assert_eq!(only("NONE")[1]["Output"], "[2,3]");
    let nowhere = json!({"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "none"}}});
    let report = go(&map(nowhere), json!([1]), MemoryObjects::new());
    assert_eq!(report.error.as_deref(), Some("States.ResultWriterFailed"));
    assert_eq!(
        report.map_runs[0].execution_counts.total, 0,
        "no child was started"
    );
}

#[test]
fn a_redrive_takes_up_what_did_not_succeed() {
    let mut world = World::start(
        &work("STANDARD", json!({"MaxConcurrency": 1})),
        json!([1, 2, 3]),
    );
    world.succeed(json!({"Payload": 1})).fail("E");
    let before = counts(&world).0;
    assert_eq!(world.run.status(), Status::Failed);
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(
        world.trail()[7..],
        ["8<7 ExecutionRedriven", "9<8 MapRunRedriven"]
    );
    let events = serde_json::to_value(world.run.history()).unwrap();
    assert_eq!(
        events[8]["mapRunRedrivenEventDetails"],
        json!({"mapRunArn": before.map_run_arn, "redriveCount": 1})
    );
    world
        .succeed(json!({"Payload": 2}))
        .succeed(json!({"Payload": 3}));
    assert_eq!(
        world.output(),
        json!([{"Payload": 1}, {"Payload": 2}, {"Payload": 3}])
    );
    let (after, _) = counts(&world);
    assert_eq!(
        (&after.map_run_arn, after.redrive_count),
        (&before.map_run_arn, 1)
    );
    // The failed child went on where it failed; the others were not touched.
    assert_eq!(
        after.executions[1].execution_arn,
        before.executions[1].execution_arn
    );
    let redriven: Vec<u32> = after.executions.iter().map(|it| it.redrive_count).collect();
    assert_eq!(redriven, [0, 1, 0]);
    let types = trail(&after.executions[1].history);
    assert!(
        types.iter().any(|it| it.ends_with("ExecutionRedriven")),
        "{types:?}"
    );
}

#[test]
fn express_children_are_started_again_by_a_redrive() {
    let mut world = World::start(&work("EXPRESS", json!({})), json!([1]));
    world.fail("E");
    world.with(|run, now| run.redrive(now)).unwrap();
    world.succeed(json!({"Payload": 1}));
    let (report, _) = counts(&world);
    let child = &report.executions[0];
    assert_eq!((child.redrive_count, child.status), (1, Status::Succeeded));
    assert_eq!(trail(&child.history)[0], "1<0 ExecutionStarted");
}

#[test]
fn a_reader_that_failed_reads_again_when_it_is_redriven() {
    let objects = Arc::new(MemoryObjects::new().with("b", "other", ""));
    let definition = map(json!({"ItemReader": reader(json!({"InputType": "JSON"}))}));
    let port: Arc<dyn Objects> = objects.clone();
    let run = Execution::start_with(
        &machine(&definition),
        json!({}),
        &ExecutionOptions::default(),
        Some(port),
        0,
    );
    let mut world = World::around(run);
    assert_eq!(world.run.error(), Some("States.ItemReaderFailed"));
    objects.put("b", "k", b"[1]".to_vec()).unwrap();
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(world.output(), json!([1]));
}

#[test]
fn what_cuts_the_parent_short_cuts_its_children_too() {
    let mut world = World::start(&work("STANDARD", json!({})), json!([1, 2]));
    world.with(|run, now| run.stop(None, None, now));
    let (report, counts) = counts(&world);
    assert_eq!(
        (report.status, &counts["aborted"]),
        (Status::Aborted, &json!(2))
    );
    assert_eq!(world.cancelled, 2);
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(world.calls.len(), 4);
    world.calls.drain(..2);
    world.succeed(json!(1)).succeed(json!(2));
    assert_eq!(world.output(), json!([1, 2]));
    // A sibling that fails aborts the Map Run, and a Catch goes on.
    let mut parallel = json!({"StartAt": "B", "States": {"B": {"Type": "Parallel", "Next": "Z",
        "Branches": [work("STANDARD", json!({})), {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "F"}, "F": {"Type": "Fail", "Error": "X"}}}],
        "Catch": [{"ErrorEquals": ["X"], "Next": "Z"}]}, "Z": {"Type": "Succeed"}}});
    parallel["States"]["B"]["Branches"][0]["States"]["M"]["ItemProcessor"]["States"]["T"]["Retry"] =
        json!([{"ErrorEquals": ["States.ALL"]}]);
    let mut world = World::start(&parallel, json!([1, 2]));
    world.fail("E").seconds(1);
    assert_eq!(world.run.status(), Status::Succeeded);
    let types: Vec<String> = world
        .run
        .history()
        .iter()
        .map(|it| it.event_type().into_owned())
        .collect();
    assert!(types.contains(&"MapRunAborted".to_owned()), "{types:?}");
    assert_eq!(world.cancelled, 1);
}

#[test]
fn children_see_themselves_and_no_variables_of_their_parent() {
    let states = json!({"P": {"Type": "Pass", "Parameters": {"id.$": "$$.Execution.Id", "machine.$": "$$.StateMachine.Name", "input.$": "$$.Execution.Input"}, "End": true}});
    let definition = map(json!({"ItemProcessor": processor("STANDARD", states)}));
    let report = go(&definition, json!([7]), MemoryObjects::new());
    let seen = report.output.unwrap()[0].clone();
    let child = &report.map_runs[0].executions[0];
    assert_eq!(
        seen,
        json!({"id": child.execution_arn, "machine": "machine/L", "input": 7})
    );
    let variable = json!({"P": {"Type": "Pass", "Parameters": {"v.$": "$v"}, "End": true}});
    let mut definition = map(json!({"ItemProcessor": processor("STANDARD", variable)}));
    definition["States"]["V"] = json!({"Type": "Pass", "Assign": {"v": 1}, "Next": "M"});
    definition["StartAt"] = json!("V");
    let report = go(&definition, json!([7]), MemoryObjects::new());
    assert_eq!(report.status, Status::Failed);
}

#[test]
fn maps_within_maps() {
    let inner = map(json!({"Label": "Inner", "ItemsPath": "$"}))["States"]["M"].clone();
    let mut inner = inner;
    inner["ItemProcessor"]["States"] = json!({"T2": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f"}, "End": true}});
    inner["ItemProcessor"]["StartAt"] = json!("T2");
    let definition = map(json!({"ItemProcessor": processor("STANDARD", json!({"In": inner}))}));
    let mut world = World::start(&definition, json!([[1, 2], [3]]));
    assert_eq!(world.calls.len(), 3);
    world.succeed(json!(1)).succeed(json!(2)).succeed(json!(3));
    assert_eq!(world.output(), json!([[1, 2], [3]]));
    let (report, _) = counts(&world);
    assert_eq!(
        report.executions[0].map_runs[0].execution_counts.succeeded,
        2
    );
    assert!(
        report.executions[0].map_runs[0]
            .map_run_arn
            .contains(":mapRun:machine/L/Inner:")
    );
}

#[test]
fn many_children_take_no_depth() {
    let items: Vec<Value> = (0..12_000).map(|i| json!(i)).collect();
    let definition = map(json!({"ResultPath": null, "MaxConcurrency": 3}));
    let report = go(&definition, items.clone().into(), MemoryObjects::new());
    assert_eq!(report.status, Status::Succeeded);
    assert_eq!(report.map_runs[0].item_counts.succeeded, 12_000);
    assert_eq!(report.transitions, 12_001);
    let mut world = World::start(&work("STANDARD", json!({})), items.into());
    assert_eq!(world.calls.len(), 10_000, "AWS runs so many at once");
    world.succeed(json!(0));
    assert_eq!(world.calls.len(), 10_000);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let once = |seed: u64| {
        let options = RunOptions {
            execution: ExecutionOptions {
                seed,
                ..ExecutionOptions::default()
            },
            ..RunOptions::default()
        };
        let states =
            json!({"P": {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "End": true}});
        let definition = map(json!({"ItemProcessor": processor("STANDARD", states)}));
        serde_json::to_value(run(&machine(&definition), json!([1, 2]), options).unwrap()).unwrap()
    };
    assert_eq!(once(1), once(1));
    let output = once(1)["output"].clone();
    assert_ne!(output[0], output[1]);
    assert_ne!(once(1), once(2));
}
