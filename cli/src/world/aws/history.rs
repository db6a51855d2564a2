//! The history of an execution.

use duet_core::Timestamp;

use super::HistoryEvent;

/// A history event without its data.
pub(super) fn happened(event: &aws_sdk_sfn::types::HistoryEvent) -> HistoryEvent {
    let entered = event.state_entered_event_details().map(|it| it.name());
    let exited = event.state_exited_event_details().map(|it| it.name());
    let arguments = event.task_scheduled_event_details();
    let arguments = arguments.map(|it| it.parameters()).or_else(|| {
        let function = event.lambda_function_scheduled_event_details();
        function.and_then(|it| it.input())
    });
    // At most one of these is there.
    let errors = [
        event.task_failed_event_details().and_then(|it| it.error()),
        event
            .task_timed_out_event_details()
            .and_then(|it| it.error()),
        event
            .lambda_function_failed_event_details()
            .and_then(|it| it.error()),
        event
            .lambda_function_timed_out_event_details()
            .and_then(|it| it.error()),
        event
            .execution_failed_event_details()
            .and_then(|it| it.error()),
        event
            .execution_aborted_event_details()
            .and_then(|it| it.error()),
        event
            .execution_timed_out_event_details()
            .and_then(|it| it.error()),
    ];
    let millis = event.timestamp().to_millis().unwrap_or_default();
    let number = |id: i64| u64::try_from(id).unwrap_or_default();
    HistoryEvent {
        id: number(event.id()),
        previous: number(event.previous_event_id()),
        at: Timestamp::from_millisecond(millis).unwrap_or_default(),
        kind: event.r#type().as_str().to_owned(),
        state: entered.or(exited).map(str::to_owned),
        command: arguments.and_then(HistoryEvent::command_in),
        error: errors.into_iter().flatten().next().map(str::to_owned),
    }
}
