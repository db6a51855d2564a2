//! A distributed Map: its items, what its children are given, and how it begins.
//!
//! Source: Step Functions developer guide, "Using Map state in Distributed mode" and the
//! pages of its fields; the order of events: recorded executions.

use super::io::{View, within_limit};
use super::maprun::{Child, MapRun, Tolerated};
use super::states::Progress;
use super::thread::Activity;
use super::{Execution, MAX_DATA, Status};
use crate::Data;
use crate::dataset::{self, Item, Place};
use crate::env::{MapItem, size, uuid};
use crate::failure::{DATA_LIMIT, Failure, ITEM_READER, RESULT_WRITER};
use crate::history::Detail;
use crate::model::{
    Batcher, Distributed, MapState, Percentage, Reader, State, StateMachine, Writer,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a distributed Map needs to be told before it begins.
pub(super) struct Settings {
    pub(super) max_concurrency: u64,
    pub(super) tolerated: Tolerated,
    /// `MaxItems`.
    pub(super) limit: u64,
    /// What the reader is given.
    read: Option<Data>,
    pub(super) batch: Option<Batch>,
}

/// How items are grouped.
pub(super) struct Batch {
    items: usize,
    bytes: usize,
    input: Option<Data>,
}

impl Execution {
    pub(super) fn distribute(
        &mut self,
        thread: usize,
        state: &State,
        map: &MapState,
        distributed: &Distributed,
    ) -> Result<Progress, Failure> {
        let effective = self.effective(thread, state)?;
        let given = match &distributed.reader {
            None => Some(self.items(thread, state.language, map, &effective)?),
            Some(_) => None,
        };
        let settings = self.settings(thread, state, map, distributed, &effective)?;
        let length = given.as_ref().map_or(0, Vec::len);
        self.record(thread, || Detail::MapStarted { length });
        let run = self.open(thread, map, distributed, &settings);
        let arn = self.map_run(run).arn.clone();
        self.record(thread, || Detail::MapRun {
            what: "Started",
            arn: Some(arn),
            redrives: None,
            failure: None,
        });
        if self.status != Status::Running {
            return Ok(Progress::Blocked);
        }
        let children = self.children(
            thread,
            state,
            map,
            distributed,
            &effective,
            given,
            &settings,
        );
        let children = match children {
            Ok(children) => children,
            Err(failure) => {
                let failure = self.told(thread, state, failure);
                self.close(run, Status::Failed, Some(&failure));
                return Err(failure);
            }
        };
        self.begin(thread, Activity::Run(run));
        let it = self.map_run_mut(run);
        it.total_items = children.iter().map(|child| child.items).sum();
        it.waiting = (0..children.len()).collect();
        it.children = children;
        self.pump(run);
        match self.is_over(run) {
            true => self.conclude(run),
            false => Ok(Progress::Blocked),
        }
    }

    pub(super) fn settings(
        &self,
        thread: usize,
        state: &State,
        map: &MapState,
        distributed: &Distributed,
        effective: &Data,
    ) -> Result<Settings, Failure> {
        let number = |number: &Option<_>, name: &str, allowed| {
            let number = number.as_ref();
            let worked = number.map(|n| self.number(thread, n, effective, name, allowed));
            worked.transpose()
        };
        let max_concurrency = number(&map.max_concurrency, "MaxConcurrency", 0..=u64::MAX)?;
        let count = number(
            &distributed.tolerated_count,
            "ToleratedFailureCount",
            0..=u64::MAX,
        )?;
        let percentage = match &distributed.tolerated_percentage {
            None => None,
            Some(Percentage::Const(share)) => Some(*share),
            Some(Percentage::Number(n)) => {
                let name = "ToleratedFailurePercentage";
                Some(self.number(thread, n, effective, name, 0..=100)? as f64)
            }
        };
        let reader = distributed.reader.as_ref();
        let (mut read, mut limit) = (None, 0);
        if let Some(reader) = reader {
            limit = number(&reader.max_items, "MaxItems", 0..=u64::MAX)?.unwrap_or(0);
            let arguments = reader.arguments.as_ref();
            let filled = arguments.map(|it| self.fill(thread, it, View::of(effective)));
            read = Some(filled.transpose()?.unwrap_or_default());
        }
        let batch = match &distributed.batcher {
            None => None,
            Some(batcher) => Some(self.batch(thread, state, batcher, effective)?),
        };
        Ok(Settings {
            max_concurrency: max_concurrency.unwrap_or(0),
            tolerated: Tolerated { count, percentage },
            limit,
            read,
            batch,
        })
    }

    /// The limits of batches, and what each is given besides its items.
    pub(super) fn batch(
        &self,
        thread: usize,
        state: &State,
        batcher: &Batcher,
        effective: &Data,
    ) -> Result<Batch, Failure> {
        let limit = |number: &Option<_>, name: &str, most: u64| {
            let number = number.as_ref();
            let worked = number.map(|n| self.number(thread, n, effective, name, 1..=most));
            let worked = worked.transpose()?.unwrap_or(most);
            Ok::<_, Failure>(usize::try_from(worked).unwrap_or(usize::MAX))
        };
        let input = batcher.input.as_ref();
        let input = input.map(|it| self.fill(thread, it, View::of(effective)));
        let input = input.transpose()?;
        if let Some(input) = &input {
            within_limit(input, &state.name)?;
        }
        Ok(Batch {
            items: limit(&batcher.max_items, "MaxItemsPerBatch", u64::MAX)?,
            bytes: limit(&batcher.max_bytes, "MaxInputBytesPerBatch", MAX_DATA as u64)?,
            input,
        })
    }

    /// A Map Run without children yet.
    fn open(
        &mut self,
        thread: usize,
        map: &MapState,
        distributed: &Distributed,
        settings: &Settings,
    ) -> usize {
        let (label, id) = {
            let mut random = self.random.borrow_mut();
            let label = distributed.label.clone();
            let label = label.unwrap_or_else(|| uuid(&mut random).into());
            (label, uuid(&mut random))
        };
        let machine_name = format!("{}/{label}", self.identity.machine_name);
        let (region, account) = self.identity.owner();
        let machine = Arc::new(StateMachine {
            states: self.machine.states.clone(),
            start: map.start,
            timeout_seconds: None,
            kind: distributed.kind,
            comment: None,
        });
        let arn = format!("arn:aws:states:{region}:{account}:mapRun:{machine_name}:{id}");
        let mut run = MapRun::new(machine, machine_name, thread, self.now);
        run.arn = arn.into();
        run.id = id;
        run.max_concurrency = settings.max_concurrency;
        run.tolerated = settings.tolerated;
        let runs = self.runs.get_or_insert_default();
        runs.all.push(run);
        runs.all.len() - 1
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a state is and what it was told; a struct for one caller would say no more"
    )]
    fn children(
        &mut self,
        thread: usize,
        state: &State,
        map: &MapState,
        distributed: &Distributed,
        effective: &Data,
        given: Option<Vec<Arc<MapItem>>>,
        settings: &Settings,
    ) -> Result<Vec<Child>, Failure> {
        if let Some(writer) = &distributed.writer {
            self.reachable(thread, state, writer, effective)?;
        }
        let items = match (given, &distributed.reader) {
            (Some(items), _) => items,
            (None, Some(reader)) => {
                let arguments = settings.read.as_deref().unwrap_or(&Value::Null);
                self.read(state, reader, arguments, settings.limit)?
            }
            (None, None) => Vec::new(),
        };
        let inputs = self.selected(thread, map, effective, &items)?;
        let inputs = match &settings.batch {
            Some(batch) => batch.group(inputs, &state.name)?,
            None => inputs.into_iter().map(|input| (input, 1)).collect(),
        };
        let mut children = Vec::with_capacity(inputs.len());
        for (input, items) in inputs {
            within_limit(&input, &state.name)?;
            self.sequence += 1;
            let mut random = self.random.borrow_mut();
            let name = uuid(&mut random);
            let seed = random.u64(..);
            children.push(Child::new(name, input, items, seed, self.sequence));
        }
        Ok(children)
    }

    /// What a Map's iterations are given, before they are put into batches.
    pub(super) fn selected(
        &self,
        thread: usize,
        map: &MapState,
        effective: &Data,
        items: &[Arc<MapItem>],
    ) -> Result<Vec<Data>, Failure> {
        let select = |item: &Arc<MapItem>| match &map.selector {
            None => Ok(item.value.clone()),
            Some(selector) => {
                let view = View {
                    item: Some(item),
                    ..View::of(effective)
                };
                self.fill(thread, selector, view)
            }
        };
        items.iter().map(select).collect()
    }

    fn read(
        &mut self,
        state: &State,
        reader: &Reader,
        arguments: &Value,
        limit: u64,
    ) -> Result<Vec<Arc<MapItem>>, Failure> {
        let objects = self.store(state, ITEM_READER)?;
        let place = Place {
            arguments,
            limit,
            now: self.identity.started,
        };
        dataset::read(reader, &place, &*objects)
            .map(map_items)
            .map_err(|cause| Failure::reported(ITEM_READER, Some(cause)))
    }

    /// The objects; without any, who asks is noted, and fails as `error`.
    pub(super) fn store(
        &mut self,
        state: &State,
        error: &'static str,
    ) -> Result<Arc<dyn crate::Objects>, Failure> {
        self.around.objects.clone().ok_or_else(|| {
            self.lacking.get_or_insert_with(|| state.name.clone());
            Failure::reported(error, Some("There are no objects here.".to_owned()))
        })
    }

    /// Whether results can be written: AWS fails before it starts any child.
    fn reachable(
        &mut self,
        thread: usize,
        state: &State,
        writer: &Writer,
        effective: &Data,
    ) -> Result<(), Failure> {
        let Some((bucket, _)) = self.destination(thread, writer, effective)? else {
            return Ok(());
        };
        let objects = self.store(state, RESULT_WRITER)?;
        objects
            .bucket(&bucket)
            .map_err(|e| Failure::reported(RESULT_WRITER, Some(e.to_string())))
    }

    /// The bucket and the prefix that results go to, if they are exported.
    pub(super) fn destination(
        &self,
        thread: usize,
        writer: &Writer,
        effective: &Data,
    ) -> Result<Option<(String, String)>, Failure> {
        let Some(target) = &writer.target else {
            return Ok(None);
        };
        let target = self.fill(thread, target, View::of(effective))?;
        let text = |name: &str| match target.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(Failure::reported(
                RESULT_WRITER,
                Some(format!("The field '{name}' is not a string: {other}")),
            )),
        };
        let bucket = text("Bucket")?.ok_or_else(|| {
            let cause = "The field 'Bucket' is required to write results.".to_owned();
            Failure::reported(RESULT_WRITER, Some(cause))
        })?;
        Ok(Some((bucket, text("Prefix")?.unwrap_or_default())))
    }
}

/// Items of a dataset as those of a Map.
pub(super) fn map_items(items: Vec<Item>) -> Vec<Arc<MapItem>> {
    let numbered = items.into_iter().enumerate();
    numbered
        .map(|(index, (value, key))| {
            Arc::new(MapItem {
                index,
                value: Arc::new(value),
                key: key.map(Into::into),
            })
        })
        .collect()
}

impl Batch {
    /// Groups items: as many in each as the limits allow. Gives each batch, and how
    /// many items are in it.
    pub(super) fn group(
        &self,
        items: Vec<Data>,
        state: &str,
    ) -> Result<Vec<(Data, usize)>, Failure> {
        let mut frame = Map::new();
        if let Some(input) = &self.input {
            frame.insert("BatchInput".into(), (**input).clone());
        }
        frame.insert("Items".into(), json!([]));
        let frame = Value::Object(frame);
        let empty = size(&frame);
        let mut batches: Vec<Vec<Value>> = Vec::new();
        let (mut count, mut bytes) = (0, empty);
        for item in items {
            let more = size(&item);
            if empty + more > self.bytes {
                return Err(Failure::interpreter(
                    DATA_LIMIT,
                    format!(
                        "The state/task '{state}' has an item that alone makes a batch of more than {} bytes.",
                        self.bytes
                    ),
                ));
            }
            // A comma before each item but the first.
            if batches.is_empty() || count >= self.items || bytes + more + 1 > self.bytes {
                batches.push(Vec::new());
                (count, bytes) = (0, empty);
            }
            bytes += more + usize::from(count > 0);
            count += 1;
            if let Some(batch) = batches.last_mut() {
                batch.push(Arc::unwrap_or_clone(item));
            }
        }
        let filled = batches.into_iter().map(|batch| {
            let (mut whole, n) = (frame.clone(), batch.len());
            whole["Items"] = batch.into();
            (Arc::new(whole), n)
        });
        Ok(filled.collect())
    }
}
