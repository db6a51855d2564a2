//! Timers that are far off: that whoever sets them may, that they come only
//! where they are heard, and that what does not come is seen.

use super::*;

/// What a list of values names: a `!Ref`, a `!GetAtt`, a `!Sub`, or that behind
/// a condition.
fn all_named(values: &Value) -> BTreeSet<String> {
    let list = values.as_sequence().unwrap();
    let one = |value: &Value| match value {
        Value::Tagged(tagged) if tagged.value.is_sequence() => named(&tagged.value[1]).to_owned(),
        plain => named(plain).to_owned(),
    };
    list.iter().map(one).collect()
}

#[test]
fn who_sets_far_timers_is_given_a_scheduler_and_may_use_it() {
    let template = template("template.yaml");
    let mut told = BTreeSet::new();
    for (id, function) in resources(&template, "AWS::Serverless::Function") {
        let variables = &function["Environment"]["Variables"];
        let role = named(&function["Role"]).to_owned();
        let role = &template["Resources"][role.as_str()]["Properties"];
        let may = all_named(&role["ManagedPolicyArns"]).contains("SetsTimers");
        let is_told = !variables["DUET_SCHEDULES"].is_null();
        // Who only decides sets no timers, and calls one off: see `grants`.
        if variables["DUET_ENTRY"].as_str() == Some("verdict") {
            assert!(
                is_told && !may && variables["DUET_TIMERS"].is_null(),
                "{id}"
            );
            continue;
        }
        assert_eq!(is_told, may, "{id}: left: is told where; right: may");
        let sets = !variables["DUET_TIMERS"].is_null();
        assert!(sets || !is_told, "{id} has no queue to set timers on");
        if is_told {
            let code = function["CodeUri"].as_str().unwrap().trim_end_matches('/');
            told.insert(code.rsplit('/').next().unwrap().to_owned());
        }
    }
    let given = SERVICES.iter().filter(|service| {
        let main = shipped(&root().join(format!("functions/{service}/src/main.rs")));
        main.contains(".with_scheduler()")
    });
    let given: BTreeSet<String> = given.map(|service| (*service).to_owned()).collect();
    assert_eq!(told, given, "left: the template; right: the binaries");
}

#[test]
fn a_schedule_sends_to_the_queues_of_who_sets_timers_and_to_no_others() {
    let template = template("template.yaml");
    let role = &template["Resources"]["TimersRole"]["Properties"];
    let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(
        trust["Principal"]["Service"].as_str(),
        Some("scheduler.amazonaws.com")
    );
    let only = &trust["Condition"]["StringEquals"];
    assert_eq!(named(&only["aws:SourceArn"]), "Timers");
    let [policy] = role["Policies"].as_sequence().unwrap().as_slice() else {
        panic!("the role has other policies")
    };
    let [statement] = policy["PolicyDocument"]["Statement"]
        .as_sequence()
        .unwrap()
        .as_slice()
    else {
        panic!("the role may do other things")
    };
    assert_eq!(statement["Action"].as_str(), Some("sqs:SendMessage"));
    let arn = |queue: &str| {
        let account = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}";
        format!("{account}:${{AWS::StackName}}-{queue}")
    };
    let own = ["order-commands", "fraud-commands"];
    // Where they came before: for schedules that were made then.
    let former = ["order", "fraud", "fraud-inbox"];
    let timed: Vec<_> = own.into_iter().chain(former).map(arn).collect();
    let mut expected = BTreeSet::from_iter(timed.clone());
    expected.insert("TimersUndelivered".to_owned());
    assert_eq!(all_named(&statement["Resource"]), expected);
    // Such queues there are.
    let mut there = BTreeSet::new();
    for queue in queues().into_values() {
        let name = queue.properties["QueueName"].as_str().unwrap();
        there.insert(arn(name.strip_prefix(&format!("{STACK}-")).unwrap()));
    }
    assert!(timed.iter().all(|queue| there.contains(queue)), "{there:?}");
}

#[test]
fn what_a_schedule_cannot_send_is_seen_and_nobody_else_writes_there() {
    let template = template("template.yaml");
    let queues = resources(&template, "AWS::SQS::Queue");
    let allowed = &queues["TimersUndelivered"]["RedriveAllowPolicy"]["redrivePermission"];
    assert_eq!(allowed.as_str(), Some("denyAll"));
    assert!(resources(&template, "AWS::SQS::QueuePolicy").is_empty());
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    let watched = alarms
        .values()
        .filter_map(|alarm| alarm["Dimensions"].as_sequence())
        .flatten()
        .any(|one| named(&one["Value"]) == "TimersUndelivered");
    assert!(watched, "no alarm looks at it");
}
