//! A timer that is far off, as the order service's binary sets it and takes it
//! back: a schedule of the emulator's.

use std::time::Duration;

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{ActionAfterCompletion, FlexibleTimeWindowMode};
use duet_cli::world::aws;
use duet_core::Clock;
use duet_edge::timers::Schedules;

use super::*;
use crate::harness::local;

/// How many seconds from now a schedule is moved to, to see it come.
const SOON: Duration = Duration::from_secs(3);

/// The schedules of `group` about `order`.
async fn about(client: &Client, group: &str, order: &str) -> Vec<GetScheduleOutput> {
    let mut found = Vec::new();
    let listed = client.list_schedules().group_name(group).send();
    for summary in listed.await.unwrap().schedules() {
        let name = summary.name().unwrap();
        let one = client.get_schedule().group_name(group).name(name);
        let one = one.send().await.unwrap();
        if one.target().unwrap().input().unwrap().contains(order) {
            found.push(one);
        }
    }
    found
}

/// What a schedule's target gets.
fn input(schedule: &GetScheduleOutput) -> CommandMessage {
    serde_json::from_str(schedule.target().unwrap().input().unwrap()).unwrap()
}

#[tokio::test]
async fn a_timer_that_is_far_off_is_one_schedule_until_it_is_called_off_or_comes() {
    let bench = Bench::of("order").await;
    let mut variables = Rie::variables(&bench.shop, "order", "Queue").await;
    let kept: Schedules = serde_json::from_str(&variables["DUET_SCHEDULES"]).unwrap();
    let carriers = json!({ "eventbridge": { "facts": { "kind": "eventbridge", "bus": bench.bus }, "tasks": false, "clock": "service", "patience": 60 } });
    for (name, value) in [
        ("DUET_CARRIERS", carriers.to_string().as_str()),
        ("DUET_TIMERS", &bench.queue.1),
        ("DUET_ORDER_DEADLINE_SECONDS", "86400"),
        ("DUET_COMPENSATION_SECONDS", "7200"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let queue = Rie::start("order", &variables);
    let client = Client::new(&aws::emulated(&local().endpoint));
    let batch = bench.example("queue");
    let [place, reject] = batch["Records"].as_array().unwrap().as_slice() else {
        panic!("the example has other messages")
    };
    let text: Value = serde_json::from_str(place["body"].as_str().unwrap()).unwrap();
    let order = text["data"]["order"].as_str().unwrap();

    // Twice, as after a death before the acknowledgement.
    for _ in 0..2 {
        let answer = queue.ask(&json!({ "Records": [place] }));
        assert_eq!(
            answer,
            json!({ "batchItemFailures": [] }),
            "{}",
            queue.log()
        );
    }
    let set = about(&client, &kept.group, order).await;
    let [deadline] = set.as_slice() else {
        panic!("{set:?}")
    };
    let message = input(deadline);
    assert_eq!(message.command, "ExpireOrder");
    assert!(message.due.unwrap() > SystemClock.now() + Duration::from_secs(86_000));
    let target = deadline.target().unwrap();
    assert_eq!(target.arn(), bench.queue.1);
    assert_eq!(target.role_arn(), kept.role);
    assert!(deadline.name().unwrap().starts_with("order.ExpireOrder."));
    assert_eq!(
        deadline.action_after_completion(),
        Some(&ActionAfterCompletion::Delete)
    );
    assert_eq!(
        deadline.flexible_time_window().unwrap().mode(),
        &FlexibleTimeWindowMode::Off
    );
    let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    assert_eq!(bench.shop.count(&bench.queue.0, delayed).await, 0);

    // Decided: that clock is not needed any more, and another one is.
    let answer = queue.ask(&json!({ "Records": [reject] }));
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [] }),
        "{}",
        queue.log()
    );
    let left = about(&client, &kept.group, order).await;
    let [compensation] = left.as_slice() else {
        panic!("{left:?}")
    };
    assert_eq!(input(compensation).command, "ExpireCompensation");

    // What comes to the queue is what the service reads there.
    let at = (SystemClock.now() + SOON).to_string();
    let moved = client
        .update_schedule()
        .group_name(&kept.group)
        .name(compensation.name().unwrap())
        .schedule_expression(format!("at({})", &at[..19]))
        .schedule_expression_timezone("UTC")
        .flexible_time_window(compensation.flexible_time_window().unwrap().clone())
        .action_after_completion(ActionAfterCompletion::Delete)
        .target(compensation.target().unwrap().clone());
    moved.send().await.unwrap();
    let received = bench.shop.queues.receive_message();
    let received = received.queue_url(&bench.queue.0).wait_time_seconds(20);
    let received = received.send().await.unwrap();
    let body = received.messages()[0].body().unwrap();
    assert_eq!(body, compensation.target().unwrap().input().unwrap());
    assert!(about(&client, &kept.group, order).await.is_empty());
    bench.clear().await;
}
