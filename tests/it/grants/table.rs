//! What each operation takes. A row for every operation that a function asks of
//! AWS behind a port, and for what AWS does in a role's name by itself.
//!
//! A new operation: a row here, with its port. A port that takes a resource of a
//! new kind: a variant of [`On`], and what it stands for in `Stack::places`.

/// One permission that something takes.
pub(super) struct Row {
    /// The port's method behind which it is asked, as `Type::method`; or what
    /// of AWS's own takes it.
    pub(super) by: &'static str,
    /// The call, as `client.operation`; empty for what AWS does by itself.
    pub(super) operation: &'static str,
    /// What must be made somewhere for it to be asked; empty: nothing more.
    pub(super) made: &'static [&'static str],
    pub(super) action: &'static str,
    pub(super) on: On,
    /// Where AWS says that this is the action.
    pub(super) source: &'static str,
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// The table that the port was built over.
    Table,
    /// The index of that table which the service sweeps.
    Index,
    /// The queues that the function reads.
    Queues,
    /// Their dead-letter queues.
    DeadLetters,
    /// The queues that its timers go to.
    Timers,
    /// The queues to which timers came before services had queues of their own, and
    /// to which schedules made then still send: for one release.
    FormerTimers,
    /// The schedules of those of its timers that are far off.
    Schedules,
    /// The role that sends their messages, handed to their scheduler only.
    Sender,
    /// The schedules of timers that it calls off.
    CalledOff,
    /// Where a schedule puts what it could not send.
    Undelivered,
    /// The queues that its sweep says something to.
    Swept,
    /// The state machines that its sweep asks.
    Driving,
    /// All their executions.
    Executions,
    /// The buses of the carriers, in its own name only.
    Buses,
    /// The service's own topic, where facts travel on topics.
    Facts,
    /// The state machines with a task of the service that waits for an answer.
    Waiting,
    /// The state machines that ask the service, and are started again with its answer.
    Started,
    /// The topic for notices.
    Topic,
    /// Its log group.
    Logs,
    /// The functions that the state machine's tasks name.
    Functions,
    /// An action that knows no resources.
    Any,
}

/// The names of the queues of [`On::FormerTimers`], without the stack's.
pub(super) const FORMER: [&str; 3] = ["order", "fraud", "fraud-inbox"];

/// What AWS takes by itself, wherever the template asks for it.
pub(super) const MAPPING: &str = "an event source mapping";
pub(super) const LOGS: &str = "a function's log";
pub(super) const TRACES: &str = "a function's traces";
pub(super) const SCHEDULE: &str = "a schedule";
pub(super) const TASKS: &str = "a state machine's tasks";
pub(super) const MACHINE_LOGS: &str = "a state machine's log";
pub(super) const MACHINE_TRACES: &str = "a state machine's traces";

const DYNAMODB: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html";
const TRANSACTIONS: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html";
const SQS: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html";
const SNS: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html";
const EVENTS: &str = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html";
const STATES: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html";
const SCHEDULER: &str = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html";
const SCHEDULER_SQS: &str =
    "https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html";
const LAMBDA_SQS: &str = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-lambda-function-trigger.html";
const LAMBDA_LOGS: &str =
    "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html";
const LAMBDA_TRACES: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html";
const STATES_LAMBDA: &str =
    "https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html";
const STATES_LOGS: &str = "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html";
const STATES_TRACES: &str = "https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html";

/// A document that is added to, not written whole.
const ADDED: &[&str] = &["Write::Add"];
/// A fact that somebody may hear.
const SAID: &[&str] = &[
    "Decision::fact",
    "Decision::announce",
    "own Service::overdue",
];
/// A command for later.
const TIMED: &[&str] = &["Decision::timer"];
/// A timer that is not needed any more.
const CALLED_OFF: &[&str] = &["Decision::call_off"];
/// A sweep, which says what it finds.
const SWEPT: &[&str] = &["sweep::look"];
/// An answer to an earlier asker.
const REPLIED: &[&str] = &["Decision::reply"];

const fn row(
    by: &'static str,
    operation: &'static str,
    made: &'static [&'static str],
    action: &'static str,
    on: On,
    source: &'static str,
) -> Row {
    Row {
        by,
        operation,
        made,
        action,
        on,
        source,
    }
}

const fn aws(by: &'static str, action: &'static str, on: On, source: &'static str) -> Row {
    row(by, "", &[], action, on, source)
}

/// No key has a row: the tables, the queues and the topic for notices are under
/// keys that AWS owns or manages for DynamoDB, SQS and SNS, whose policies let in
/// whoever may use the service (AWS KMS developer guide, AWS managed keys).
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // A transaction has no action of its own: each write in it takes its own.
    row("Dynamo::load", "dynamodb.batch_get_item", &[], "dynamodb:BatchGetItem", On::Table, DYNAMODB),
    row("Dynamo::commit", "dynamodb.put_item", &[], "dynamodb:PutItem", On::Table, DYNAMODB),
    row("Dynamo::commit", "dynamodb.update_item", ADDED, "dynamodb:UpdateItem", On::Table, DYNAMODB),
    row("Dynamo::commit", "dynamodb.transact_write_items", &[], "dynamodb:PutItem", On::Table, TRANSACTIONS),
    row("Dynamo::commit", "dynamodb.transact_write_items", ADDED, "dynamodb:UpdateItem", On::Table, TRANSACTIONS),

    row("Dynamo::page", "dynamodb.scan", &[], "dynamodb:Scan", On::Table, DYNAMODB),
    row("Dynamo::listed", "dynamodb.scan", &[], "dynamodb:Scan", On::Index, DYNAMODB),

    row("Aws::publish", "eventbridge.put_events", SAID, "events:PutEvents", On::Buses, EVENTS),
    row("Aws::publish", "sns.publish_batch", SAID, "sns:Publish", On::Facts, SNS),

    row("Aws::send_later", "sqs.get_queue_url", TIMED, "sqs:GetQueueUrl", On::Timers, SQS),
    row("Aws::send_later", "sqs.send_message", TIMED, "sqs:SendMessage", On::Timers, SQS),

    row("Aws::send_later", "sqs.get_queue_url", SWEPT, "sqs:GetQueueUrl", On::Swept, SQS),
    row("Aws::send_later", "sqs.send_message", SWEPT, "sqs:SendMessage", On::Swept, SQS),

    // What is far off; on the queue there is the rest, and what no schedule takes.
    row("EventBridge::create", "scheduler.create_schedule", TIMED, "scheduler:CreateSchedule", On::Schedules, SCHEDULER),
    row("EventBridge::create", "scheduler.create_schedule", TIMED, "iam:PassRole", On::Sender, SCHEDULER),
    row("EventBridge::delete", "scheduler.delete_schedule", CALLED_OFF, "scheduler:DeleteSchedule", On::CalledOff, SCHEDULER),

    row("StepFunctions::running", "sfn.list_executions", &[], "states:ListExecutions", On::Driving, STATES),
    row("StepFunctions::execution", "sfn.describe_execution", &[], "states:DescribeExecution", On::Executions, STATES),

    row("Aws::bury", "sqs.get_queue_url", &[], "sqs:GetQueueUrl", On::Queues, SQS),
    row("Aws::bury", "sqs.get_queue_attributes", &[], "sqs:GetQueueAttributes", On::Queues, SQS),
    row("Aws::bury", "sqs.get_queue_url", &[], "sqs:GetQueueUrl", On::DeadLetters, SQS),
    row("Aws::bury", "sqs.send_message", &[], "sqs:SendMessage", On::DeadLetters, SQS),

    row("Aws::hide", "sqs.get_queue_url", &[], "sqs:GetQueueUrl", On::Queues, SQS),
    row("Aws::hide", "sqs.change_message_visibility", &[], "sqs:ChangeMessageVisibility", On::Queues, SQS),

    // A task's token is answered in the name of its state machine.
    row("Doors::send", "sfn.send_task_success", REPLIED, "states:SendTaskSuccess", On::Waiting, STATES),
    // … and a machine that cannot wait is started with the answer.
    row("Doors::start", "sfn.start_execution", REPLIED, "states:StartExecution", On::Started, STATES),

    row("Sns::publish", "sns.publish", &[], "sns:Publish", On::Topic, SNS),

    aws(MAPPING, "sqs:ReceiveMessage", On::Queues, LAMBDA_SQS),
    aws(MAPPING, "sqs:DeleteMessage", On::Queues, LAMBDA_SQS),
    aws(MAPPING, "sqs:GetQueueAttributes", On::Queues, LAMBDA_SQS),

    aws(SCHEDULE, "sqs:SendMessage", On::Timers, SCHEDULER_SQS),
    aws(SCHEDULE, "sqs:SendMessage", On::FormerTimers, SCHEDULER_SQS),
    aws(SCHEDULE, "sqs:SendMessage", On::Undelivered, SCHEDULER_SQS),

    // Not CreateLogGroup: the group is the template's.
    aws(LOGS, "logs:CreateLogStream", On::Logs, LAMBDA_LOGS),
    aws(LOGS, "logs:PutLogEvents", On::Logs, LAMBDA_LOGS),

    aws(TRACES, "xray:PutTraceSegments", On::Any, LAMBDA_TRACES),
    aws(TRACES, "xray:PutTelemetryRecords", On::Any, LAMBDA_TRACES),

    aws(TASKS, "lambda:InvokeFunction", On::Functions, STATES_LAMBDA),

    aws(MACHINE_LOGS, "logs:CreateLogDelivery", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:GetLogDelivery", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:UpdateLogDelivery", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:DeleteLogDelivery", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:ListLogDeliveries", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:PutResourcePolicy", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:DescribeResourcePolicies", On::Any, STATES_LOGS),
    aws(MACHINE_LOGS, "logs:DescribeLogGroups", On::Any, STATES_LOGS),

    aws(MACHINE_TRACES, "xray:PutTraceSegments", On::Any, STATES_TRACES),
    aws(MACHINE_TRACES, "xray:PutTelemetryRecords", On::Any, STATES_TRACES),
    aws(MACHINE_TRACES, "xray:GetSamplingRules", On::Any, STATES_TRACES),
    aws(MACHINE_TRACES, "xray:GetSamplingTargets", On::Any, STATES_TRACES),
];
