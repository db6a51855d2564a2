//! What TestState shows of a state's data on the way to its work.

use super::Execution;
use super::children::EXCEEDED;
use super::distributed::map_items;
use super::io::View;
use super::single::StateTest;
use crate::Data;
use crate::dataset;
use crate::env::MapItem;
use crate::failure::{Failure, ITEM_READER, TOLERATED};
use crate::model::{Distributed, Format, Language, MapState, State};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What was made of a state's data on the way, each as JSON text.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "each is a member of the API's, which says what it is"
)]
pub struct InspectionData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_input_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_arguments: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_batcher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_percentage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<Value>,
    /// Of a task that calls HTTP, at level TRACE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
}

impl Execution {
    /// What the iterations of a Map are given.
    pub(super) fn inspect_map(
        &mut self,
        at: usize,
        state: &State,
        map: &MapState,
        effective: &Data,
        seen: &mut InspectionData,
    ) -> Result<(), Failure> {
        let items = self.items(at, state.language, map, effective)?;
        if state.language == Language::JsonPath {
            let values: Value = items.iter().map(|it| (*it.value).clone()).collect();
            seen.after_items_path = text(&values);
        }
        if let Some(selector) = &map.selector {
            let select = |item: &Arc<MapItem>| {
                let view = View {
                    item: Some(item),
                    ..View::of(effective)
                };
                self.fill(at, selector, view).map(|it| (*it).clone())
            };
            let inputs: Value = items.iter().map(select).collect::<Result<_, Failure>>()?;
            seen.after_item_selector = text(&inputs);
        }
        // Recorded (2025-11-13): it is shown where it is not given, too.
        seen.max_concurrency = Some(match &map.max_concurrency {
            Some(n) => self.number(at, n, effective, "MaxConcurrency", 0..=u64::MAX)?,
            None => 0,
        });
        Ok(())
    }

    /// What the children of a distributed Map are given, and whether too many fail.
    pub(super) fn inspect_distributed(
        &mut self,
        at: usize,
        state: &State,
        (map, distributed): (&MapState, &Distributed),
        test: &StateTest,
        effective: &Data,
        seen: &mut InspectionData,
    ) -> Result<(), Failure> {
        let is_path = state.language == Language::JsonPath;
        let settings = self.settings(at, state, map, distributed, effective)?;
        seen.max_concurrency = Some(settings.max_concurrency);
        seen.tolerated_failure_count = settings.tolerated.count;
        seen.tolerated_failure_percentage = settings.tolerated.percentage;
        let values = |items: &[Arc<MapItem>]| -> Value {
            items.iter().map(|it| (*it.value).clone()).collect()
        };
        let items = match (&distributed.reader, &test.reader_data) {
            (None, _) => {
                let items = self.items(at, state.language, map, effective)?;
                if is_path {
                    seen.after_items_path = text(&values(&items));
                }
                Some(items)
            }
            (Some(reader), Some(data)) => {
                let items = dataset::given(reader, data, settings.limit)
                    .map(map_items)
                    .map_err(|cause| Failure::reported(ITEM_READER, Some(cause)))?;
                if matches!(&reader.format, Some(Format::Json { pointer: Some(_) })) {
                    seen.after_items_pointer = text(&values(&items));
                }
                Some(items)
            }
            // Nobody says what it reads.
            (Some(_), None) => None,
        };
        let mut iterations = None;
        if let Some(items) = items {
            let inputs = self.selected(at, map, effective, &items)?;
            if map.selector.is_some() {
                let all: Value = inputs.iter().map(|it| (**it).clone()).collect();
                seen.after_item_selector = text(&all);
            }
            iterations = Some(inputs.len());
            if let Some(batch) = &settings.batch {
                let batches = batch.group(inputs, &state.name)?;
                iterations = Some(batches.len());
                let all: Value = batches.iter().map(|(it, _)| (**it).clone()).collect();
                seen.after_item_batcher = text(&all);
            }
        }
        let failed = test.failed_iterations.unwrap_or(0) as usize;
        // Recorded (2025-11-13): without a threshold none is exceeded, and a mocked error
        // goes before.
        let tolerated = settings.tolerated;
        let is_limited = tolerated.count.is_some() || tolerated.percentage.is_some();
        let is_mocked = matches!(test.mock, Some(Err(_)));
        let of = iterations.unwrap_or(failed);
        if is_limited && !is_mocked && tolerated.exceeded(failed, of) {
            return Err(Failure::reported(TOLERATED, Some(EXCEEDED.to_owned())));
        }
        Ok(())
    }
}

impl InspectionData {
    /// What the work is given, by the name it has in the state's language.
    pub(super) fn given(&mut self, is_path: bool, arguments: &Value) {
        if is_path {
            self.after_parameters = text(arguments);
        } else {
            self.after_arguments = text(arguments);
        }
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    Some(value.to_string())
}
