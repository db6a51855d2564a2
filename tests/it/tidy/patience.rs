//! Retriers, limits, queues and dead letters: that nothing ends before a service
//! gives up, and that the state machine files are what tools can read.

use duet_asl::MachineType;
use duet_core::patience::{MAX_WAIT_SECONDS, greatest_wait};
use duet_edge::queue::MAX_RECEIVES;

use super::consumers::READ;
use super::*;

/// The greatest value that the root template takes for a parameter.
fn greatest(parameter: &str) -> u64 {
    let parameter = &template("template.yaml")["Parameters"][parameter];
    let listed = parameter["AllowedValues"].as_sequence();
    let listed = listed.and_then(|all| all.iter().filter_map(Value::as_u64).max());
    listed.or(parameter["MaxValue"].as_u64()).unwrap()
}

#[test]
fn every_queue_that_is_read_is_received_from_as_often_as_the_edge_thinks() {
    let mut read = 0;
    for queue in queues().into_values() {
        let policy = &queue.properties["RedrivePolicy"];
        if !policy.is_null() {
            let most = policy["maxReceiveCount"].as_u64();
            assert_eq!(most, Some(MAX_RECEIVES.into()), "{}", queue.place);
            read += 1;
        }
    }
    assert_eq!(read, READ);
}

#[test]
fn whoever_reads_a_queue_may_bury_in_its_dead_letters_and_in_no_others() {
    let queues = queues();
    let mut buried = BTreeSet::new();
    for policy in deployed("AWS::IAM::Policy") {
        let statements = &policy.properties["PolicyDocument"]["Statement"];
        let resources = |action: &str| -> BTreeSet<&str> {
            let all = statements.as_array().unwrap().iter();
            all.filter(|statement| texts(&statement["Action"]).contains(&action))
                .flat_map(|statement| texts(&statement["Resource"]))
                .collect()
        };
        let read = resources("sqs:ReceiveMessage");
        let dead: BTreeSet<&str> = read
            .iter()
            .map(|queue| &queues[*queue].properties["RedrivePolicy"]["deadLetterTargetArn"])
            .map(|dead| dead.as_str().unwrap())
            .collect();
        let sends = resources("sqs:SendMessage");
        let place = &policy.place;
        assert!(sends.is_superset(&dead), "{place}: {sends:?}");
        assert!(sends.iter().all(|to| queues.contains_key(*to)), "{place}");
        let is_dead = |to: &&&str| to.trim_end_matches(".fifo").ends_with("-dlq");
        let mut others = sends.difference(&dead).filter(is_dead);
        assert_eq!(others.next(), None, "{place}");
        buried.extend(dead.iter().map(|queue| (*queue).to_owned()));
    }
    assert_eq!(buried.len(), READ, "{buried:?}");
}

/// Every state machine file there is.
fn machine_files() -> Vec<String> {
    let mut open = vec![root().join("infra")];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(".asl.json") {
                let path = path.strip_prefix(root()).unwrap();
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Placeholders stand in strings, so every tool that reads JSON reads them.
#[test]
fn every_state_machine_file_is_json_and_valid_before_anything_is_put_in() {
    let mut known = [&MACHINES[..], &EXPRESS[..]].concat();
    known.sort_unstable();
    assert_eq!(machine_files(), known);
    for path in machine_files() {
        let json: Result<Json, _> = serde_json::from_str(&text(&path));
        assert!(json.is_ok(), "{path}: {json:?}");
        let kind = match EXPRESS.contains(&path.as_str()) {
            true => MachineType::Express,
            false => MachineType::Standard,
        };
        let findings = duet_cli::commands::asl::findings(&text(&path), kind);
        assert!(findings.is_empty(), "{path}: {findings:?}");
    }
}

/// The retriers and limits of every step, which no parameter changes.
#[test]
fn every_step_is_retried_until_its_service_gives_up() {
    for path in MACHINES {
        let definition: Json = serde_json::from_str(&text(path)).unwrap();
        for (name, task) in tasks(&definition) {
            let retry = task["Retry"].as_array().unwrap();
            let never: Vec<&str> = retry[0]["ErrorEquals"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Json::as_str)
                .collect();
            assert_eq!(retry[0]["MaxAttempts"], 0, "{path}, {name}");
            assert!(never.contains(&INVALID_COMMAND), "{path}, {name}");
            // What is rejected has to be undone, so its rejection is tried on: for
            // as long as a message of a bus would come again, if nothing else took time.
            let gives_up = name != "RejectOrder";
            assert_eq!(never.contains(&PATIENCE_SPENT), gives_up, "{path}, {name}");
            let on = json!({
                "ErrorEquals": [PATIENCE_SPENT], "IntervalSeconds": 60, "BackoffRate": 1,
                "MaxAttempts": MAX_RECEIVES - 1,
            });
            let rest = json!({
                "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2,
                "MaxAttempts": MAX_RECEIVES - 1, "MaxDelaySeconds": MAX_WAIT_SECONDS, "JitterStrategy": "FULL",
            });
            let expected = match gives_up {
                true => vec![rest],
                false => vec![on, rest],
            };
            assert_eq!(retry[1..], expected, "{path}, {name}");
            let limit = task["TimeoutSeconds"].as_u64().unwrap();
            assert!(limit > greatest("TaskTimeoutSeconds"), "{path}, {name}");
            let payload = &task["Arguments"]["Payload"];
            assert_eq!(payload["patience"], "{% ${PatienceSeconds} %}", "{name}");
            assert!(payload["entered"].is_string(), "{path}, {name}");
        }
    }
}

/// Every task of a definition or of the branches in it, by name.
fn tasks(definition: &Json) -> Vec<(String, Json)> {
    let mut found = Vec::new();
    for (name, state) in definition["States"].as_object().unwrap() {
        if state["Type"] == "Task" {
            found.push((name.clone(), state.clone()));
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            found.extend(tasks(branch));
        }
    }
    found
}

/// An execution that only waits for its services, for each as long as there is
/// patience, comes to its own end; even one whose functions all die every time.
#[test]
fn no_execution_is_ended_by_its_own_time_limit() {
    let patience = greatest("PatienceSeconds");
    let waits: u64 = (1..MAX_RECEIVES).map(|n| u64::from(greatest_wait(n))).sum();
    for path in MACHINES {
        let definition: Json = serde_json::from_str(&text(path)).unwrap();
        let limit = definition["TimeoutSeconds"].as_u64().unwrap();
        let trying = longest(&definition, &|timeout| patience + timeout);
        assert!(trying < limit, "{path}: {trying} s of {limit}");
        let dying = longest(&definition, &|timeout| match timeout {
            // A person's time is not lost by a function that dies.
            review if review > 1_000 => review,
            step => u64::from(MAX_RECEIVES) * step + waits,
        });
        assert!(dying < limit, "{path}: {dying} s of {limit}");
    }
}

/// How often a step of an Express machine is tried again, and how long a try may take.
const EXPRESS_RETRIES: u32 = 12;
const EXPRESS_LIMIT: u64 = 15;
/// How long an Express execution may run, in seconds (Step Functions service quotas).
const EXPRESS_SECONDS: u64 = 300;

#[test]
fn every_step_of_an_express_machine_has_the_literals_of_its_own() {
    for path in EXPRESS {
        let definition: Json = serde_json::from_str(&text(path)).unwrap();
        assert_eq!(definition["TimeoutSeconds"], EXPRESS_SECONDS, "{path}");
        for (name, task) in tasks(&definition) {
            let retry = task["Retry"].as_array().unwrap();
            let rest = json!({
                "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2,
                "MaxAttempts": EXPRESS_RETRIES, "MaxDelaySeconds": MAX_WAIT_SECONDS, "JitterStrategy": "FULL",
            });
            assert_eq!(retry.last(), Some(&rest), "{path}, {name}");
            assert_eq!(task["TimeoutSeconds"], EXPRESS_LIMIT, "{path}, {name}");
            if name == "StartWhatFollows" {
                continue;
            }
            let never = retry[0]["ErrorEquals"].as_array().unwrap();
            for error in [INVALID_COMMAND, PATIENCE_SPENT] {
                assert!(never.contains(&json!(error)), "{path}, {name}");
            }
            assert_eq!(
                (retry.len(), &retry[0]["MaxAttempts"]),
                (2, &json!(0)),
                "{path}, {name}"
            );
            let payload = &task["Arguments"]["Payload"];
            assert_eq!(payload["patience"], "{% ${PatienceSeconds} %}", "{name}");
            assert!(payload["entered"].is_string(), "{path}, {name}");
        }
    }
}

/// Every half of an order ends within the five minutes, if each of its steps takes as
/// long as there is patience; and one step that hangs at every try ends in its Catch.
#[test]
fn an_express_execution_ends_before_its_five_minutes() {
    let patience = greatest("ExpressPatienceSeconds");
    // With the functions' own limit, which a rule of the template keeps below a try's.
    assert!(
        text("template.yaml").contains(r#"!Contains [["3", "5", "10"], !Ref TaskTimeoutSeconds]"#)
    );
    let mut longest_of_all = 0;
    for path in EXPRESS {
        let definition: Json = serde_json::from_str(&text(path)).unwrap();
        let trying = longest(&definition, &|timeout| patience + timeout);
        assert!(trying < EXPRESS_SECONDS, "{path}: {trying} s");
        longest_of_all = longest_of_all.max(trying);
    }
    assert_eq!(longest_of_all, 7 * (patience + EXPRESS_LIMIT));
    let waits: u64 = (1..=EXPRESS_RETRIES)
        .map(|n| u64::from(greatest_wait(n)))
        .sum();
    let hanging = u64::from(EXPRESS_RETRIES + 1) * EXPRESS_LIMIT + waits;
    assert!(hanging < EXPRESS_SECONDS, "{hanging} s");
}

/// The most seconds on any way through `definition`, where a step with a
/// timeout takes as long as `step` says.
fn longest(definition: &Json, step: &impl Fn(u64) -> u64) -> u64 {
    fn from(
        name: &str,
        states: &Json,
        step: &impl Fn(u64) -> u64,
        path: &mut Vec<String>,
        known: &mut BTreeMap<String, u64>,
    ) -> u64 {
        if let Some(&seconds) = known.get(name) {
            return seconds;
        }
        assert!(!path.contains(&name.to_owned()), "{name}: a way in circles");
        path.push(name.to_owned());
        let state = &states[name];
        let own = match state["Type"].as_str() {
            Some("Task") => step(state["TimeoutSeconds"].as_u64().unwrap()),
            Some("Parallel") => {
                let branches = state["Branches"].as_array().unwrap();
                let each = branches.iter().map(|branch| longest(branch, step));
                each.max().unwrap_or(0)
            }
            Some("Wait") => panic!("{name}: a wait that is not counted"),
            _ => 0,
        };
        let lists = ["Catch", "Choices"].map(|field| state[field].as_array());
        let mut next: Vec<&Json> = lists.into_iter().flatten().flatten().collect();
        next.push(state);
        let ways = next.iter().flat_map(|one| [&one["Next"], &one["Default"]]);
        let ways: Vec<&str> = ways.filter_map(Json::as_str).collect();
        let rest = ways
            .iter()
            .map(|to| from(to, states, step, path, known))
            .max();
        path.pop();
        let seconds = own + rest.unwrap_or(0);
        known.insert(name.to_owned(), seconds);
        seconds
    }
    let start = definition["StartAt"].as_str().unwrap();
    from(
        start,
        &definition["States"],
        step,
        &mut Vec::new(),
        &mut BTreeMap::new(),
    )
}
