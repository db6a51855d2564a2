//! Results of Map Runs, and their redrive.

use crate::distributed::{counts, go, map, reader, work};
use crate::world::{World, machine, trail};
use duet_asl::{Execution, ExecutionOptions, MemoryObjects, Objects, Status};
use serde_json::{Value, json};
use std::sync::Arc;

/// A Map Run over `input` whose results go into the bucket `out` of `objects`.
fn writes(objects: &Arc<MemoryObjects>, config: Value, extra: Value, input: Value) -> World {
    let mut writer = json!({"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "jobs"}});
    if !config.is_null() {
        writer["WriterConfig"] = config;
    }
    let mut with = json!({"ResultWriter": writer, "MaxConcurrency": 1});
    for (name, value) in extra.as_object().unwrap() {
        with[name] = value.clone();
    }
    let port: Arc<dyn Objects> = objects.clone();
    let run = Execution::start_with(
        &machine(&work("STANDARD", with)),
        input,
        &ExecutionOptions::default(),
        crate::distributed::around(port),
        0,
    );
    World::around(run)
}

#[test]
fn results_are_written_as_aws_lays_them_out() {
    let objects = Arc::new(MemoryObjects::new().with("out", "", ""));
    let stored =
        |key: &str| -> Value { serde_json::from_slice(&objects.get("out", key).unwrap()).unwrap() };
    let mut world = writes(
        &objects,
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
}

#[test]
fn flattened_results_are_written_line_by_line() {
    let objects = Arc::new(MemoryObjects::new().with("out", "", ""));
    let mut world = writes(
        &objects,
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
        crate::distributed::around(port),
        0,
    );
    let mut world = World::around(run);
    assert_eq!(world.run.error(), Some("States.ItemReaderFailed"));
    objects.put("b", "k", b"[1]".to_vec()).unwrap();
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(world.output(), json!([1]));
}
