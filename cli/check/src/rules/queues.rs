//! Queues, and who reads them.

use super::Rule;
use crate::finding::{Notes, Severity};
use crate::model::{FUNCTIONS, Id, Mapping, Model, QUEUE};
use crate::node::Node;

pub(super) static HANDLING_WITHOUT_DEAD_LETTERS: Rule = Rule {
    name: "handling-without-dead-letters",
    severity: Severity::Error,
    wrong: "What a function cannot handle is lost: its queue has no dead-letter queue, or it is called by a rule, a topic or a bucket and has no destination for failures.",
    source: "Lambda guide, \"Handling errors for an SQS event source\" and \"Capturing records of asynchronous invocations\"",
    fix: "Give the queue a RedrivePolicy, or the function a DeadLetterConfig or an OnFailure destination, and watch where it leads.",
    check: handling,
};

pub(super) static DELIVERY_WITHOUT_DEAD_LETTERS: Rule = Rule {
    name: "delivery-without-dead-letters",
    severity: Severity::Error,
    wrong: "What a rule or a topic cannot deliver is dropped once its retries are over: a rule's after 24 hours, or at once where a permission is missing.",
    source: "EventBridge guide, \"Using dead-letter queues to process undelivered events\"; SNS guide, \"Dead-letter queues\"",
    fix: "Give the target a DeadLetterConfig, or the subscription a RedrivePolicy, with a queue that lets it send.",
    check: delivery,
};

pub(super) static NO_PARTIAL_BATCHES: Rule = Rule {
    name: "no-partial-batches",
    severity: Severity::Warning,
    wrong: "One message that fails brings its whole batch back: the others are handled again, and end among the dead letters with it.",
    source: "Lambda guide, \"Implementing partial batch responses\"",
    fix: "Set FunctionResponseTypes: [ReportBatchItemFailures] and answer per message, or BatchSize: 1.",
    check: partial_batches,
};

pub(super) static SHORT_VISIBILITY: Rule = Rule {
    name: "short-visibility",
    severity: Severity::Warning,
    wrong: "A message becomes visible again while it is still handled, or waits for a throttled function: it is handled twice, and its receives are spent.",
    source: "Lambda guide, \"Configuring a queue to use with Lambda\": six times the function's timeout, and the batching window",
    fix: "Set the queue's VisibilityTimeout to six times the function's Timeout, plus MaximumBatchingWindowInSeconds.",
    check: visibility,
};

pub(super) static FEW_RECEIVES: Rule = Rule {
    name: "few-receives",
    severity: Severity::Warning,
    wrong: "Under load the function is throttled, each throttled batch spends a receive, and good messages end among the dead letters.",
    source: "Lambda guide, \"Configuring a queue to use with Lambda\": maxReceiveCount of at least 5; \"Configuring maximum concurrency\"",
    fix: "Set maxReceiveCount to 5 or more, or ScalingConfig.MaximumConcurrency to no more than the function's reserved concurrency.",
    check: few_receives,
};

/// The least number of receives that AWS advises.
const FEWEST: f64 = 5.0;

/// A mapping that reads a queue, the queue, and its function, as far as they are
/// in the template.
struct Reading<'m> {
    mapping: &'m Mapping,
    queue: Option<Id>,
    function: Option<Id>,
}

fn readings(model: &Model) -> impl Iterator<Item = Reading<'_>> {
    model.mappings.iter().filter_map(|mapping| {
        let queue = model.named_as(&mapping.source, &[QUEUE]);
        let by_sam = !mapping.settings["Queue"].is_null();
        let by_arn = mapping
            .source
            .scalar()
            .is_some_and(|it| it.contains(":sqs:"));
        (queue.is_some() || by_sam || by_arn).then(|| Reading {
            mapping,
            queue,
            function: model.named_as(&mapping.function, &FUNCTIONS),
        })
    })
}

fn place(model: &Model, id: Id) -> &str {
    &model.resources[id].place
}

/// Whether some queue's dead letters go to `queue`, or some rule's.
fn takes_dead_letters(model: &Model, queue: Id) -> bool {
    let named = |it: &Node| model.named(it) == Some(queue);
    let of_queue = |it: &Node| named(&it["RedrivePolicy"]["deadLetterTargetArn"]);
    let mut queues = model.of_kind(QUEUE);
    let targets = model.rules.iter().flat_map(|rule| &rule.targets);
    let mut letters = targets.map(|it| &it.settings["DeadLetterConfig"]["Arn"]);
    queues.any(|(_, it)| of_queue(&it.properties)) || letters.any(named)
}

fn handling(model: &Model, notes: &mut Notes<'_>) {
    for it in readings(model) {
        let (id, line) = (it.mapping.id, it.mapping.line);
        let Some(queue) = it.queue else {
            notes.unknown(
                id,
                line,
                "whether the queue that is read has dead letters, for it is not in the template",
            );
            continue;
        };
        // Who reads dead letters is where they end.
        if takes_dead_letters(model, queue) {
            continue;
        }
        let resource = &model.resources[queue];
        let redrive = &resource.properties["RedrivePolicy"];
        let target = &redrive["deadLetterTargetArn"];
        if redrive.is_null() {
            let reader = it.function.map_or("a function", |it| place(model, it));
            let message = format!(
                "{} is read by {reader} and has no dead-letter queue",
                resource.place
            );
            notes.wrong(queue, resource.line, message);
        } else if redrive.is_unknown() || target.is_null() {
            let line = resource.properties.line_of("RedrivePolicy");
            notes.unknown(queue, line, "whether the queue has dead letters");
        }
    }
    for (id, line, function, from) in model.calls_without_waiting() {
        let letters = model.on_failure(function);
        if letters.is_null() {
            let message = format!(
                "{from} calls {} and does not wait: after three tries the event is dropped",
                place(model, function)
            );
            notes.wrong(id, line, message);
        } else if letters.is_unknown() {
            notes.unknown(id, line, "where what the function cannot handle goes");
        }
    }
}

fn delivery(model: &Model, notes: &mut Notes<'_>) {
    // A schedule's tick comes again; an event does not.
    for rule in model.rules.iter().filter(|it| !it.pattern.is_null()) {
        for target in &rule.targets {
            let letters = &target.settings["DeadLetterConfig"];
            if letters.is_null() {
                let message = match target.settings["Id"].as_str() {
                    Some(id) => format!(
                        "what {} cannot deliver to its target {id} is dropped",
                        rule.name
                    ),
                    None => format!("what {} cannot deliver is dropped", rule.name),
                };
                notes.wrong(rule.id, target.line, message);
            } else if letters.is_unknown() {
                notes.unknown(rule.id, target.line, "whether the target has dead letters");
            }
        }
    }
    for it in &model.subscriptions {
        if !matches!(it.protocol.as_str(), Some("lambda" | "sqs")) {
            continue;
        }
        let letters = &it.settings["RedrivePolicy"];
        if letters.is_null() {
            let message = "the subscription has no dead letters: after 23 days of retries, or \
                           where a permission is missing, the message is dropped";
            notes.doubtful(it.id, it.line, message.to_owned());
        } else if letters.is_unknown() {
            notes.unknown(it.id, it.line, "whether the subscription has dead letters");
        }
    }
}

fn partial_batches(model: &Model, notes: &mut Notes<'_>) {
    for it in readings(model) {
        let Mapping {
            id, line, settings, ..
        } = it.mapping;
        let types = &settings["FunctionResponseTypes"];
        if settings["BatchSize"].as_number() == Some(1.0) {
            continue;
        }
        let answers = |it: &Node| it.as_str() == Some("ReportBatchItemFailures");
        if types.has_unknown() {
            notes.unknown(*id, *line, "whether the function answers per message");
        } else if !types.one_or_more().iter().any(answers) {
            let message = "a batch is answered as a whole".to_owned();
            notes.wrong(*id, *line, message);
        }
    }
}

/// A number of seconds, or what AWS takes where there is none.
fn seconds(node: &Node, otherwise: f64) -> Option<f64> {
    match node.is_null() {
        true => Some(otherwise),
        false => node.as_number(),
    }
}

fn visibility(model: &Model, notes: &mut Notes<'_>) {
    for it in readings(model) {
        let (Some(queue), Some(function)) = (it.queue, it.function) else {
            let what = "whether messages stay hidden long enough, for the queue or the function \
                        is not in the template";
            notes.unknown(it.mapping.id, it.mapping.line, what);
            continue;
        };
        let resource = &model.resources[queue];
        let line = match resource.properties["VisibilityTimeout"].is_null() {
            true => resource.line,
            false => resource.properties.line_of("VisibilityTimeout"),
        };
        let hidden = seconds(&resource.properties["VisibilityTimeout"], 30.0);
        let timeout = seconds(&model.resources[function].properties["Timeout"], 3.0);
        let window = seconds(&it.mapping.settings["MaximumBatchingWindowInSeconds"], 0.0);
        let (Some(hidden), Some(timeout), Some(window)) = (hidden, timeout, window) else {
            notes.unknown(queue, line, "whether messages stay hidden long enough");
            continue;
        };
        let least = 6.0 * timeout + window;
        if hidden < least {
            let message = format!(
                "messages are hidden for {hidden} s, and {} may take {timeout} s: {least} s are needed",
                place(model, function)
            );
            notes.wrong(queue, line, message);
        }
    }
}

fn few_receives(model: &Model, notes: &mut Notes<'_>) {
    for it in readings(model) {
        let (Some(queue), Some(function)) = (it.queue, it.function) else {
            continue;
        };
        let redrive = &model.resources[queue].properties["RedrivePolicy"];
        let reserved = &model.resources[function].properties["ReservedConcurrentExecutions"];
        if redrive.is_null() || reserved.is_null() {
            continue;
        }
        let line = redrive.line_of("maxReceiveCount");
        let receives = redrive["maxReceiveCount"].as_number();
        if receives.is_some_and(|it| it >= FEWEST) {
            continue;
        }
        let (Some(receives), Some(reserved)) = (receives, reserved.as_number()) else {
            notes.unknown(queue, line, "whether throttling uses up the receives");
            continue;
        };
        // All that read for this function share what is reserved.
        let shared = readings(model).filter(|it| it.function == Some(function));
        let scaling = shared.map(|it| &it.mapping.settings["ScalingConfig"]);
        let scaling: Vec<&Node> = scaling.collect();
        if scaling.iter().any(|it| it.has_unknown()) {
            notes.unknown(queue, line, "whether throttling uses up the receives");
            continue;
        }
        let most = scaling
            .iter()
            .map(|it| it["MaximumConcurrency"].as_number());
        let most: Option<f64> = most.sum();
        if most.is_none_or(|most| most > reserved) {
            let message = format!(
                "a message is dead after {receives} receives, and {} runs {reserved} times at once at most",
                place(model, function)
            );
            notes.wrong(queue, line, message);
        }
    }
}
