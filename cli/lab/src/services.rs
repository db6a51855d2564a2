//! The services' code behind the deployed functions: the composition roots of
//! the services' own binaries, over the lab's ports.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use duet_core::sweep::Sweep;
use duet_core::{Environment, Service, Timestamp, services};
use duet_delivery::SimulatedCarrier;
use duet_edge::intake::Delivery;
use duet_edge::queue::{self, Verdict};
use duet_edge::records;
use duet_edge::sweep::{self, Ways};
use duet_edge::task::{self, Asker, TaskError};
use duet_edge::wires::Renderings;
use duet_order::Orders;
use duet_payment::SimulatedProvider;
use serde_json::Value;

use crate::definitions::Function;
use crate::host::{Host, InstanceClock, WorldClock};
use crate::ports::{
    CarrierPort, EnginePort, LogPort, ProviderPort, Table, TablePort, TopicPort, WiresPort,
};
use crate::probe::Probe;
use crate::template::DefinitionError;

/// Work under way.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The work that `make` makes, on the heap. `Box::pin` makes it on the stack and
/// then moves all of it, ten kilobytes, though only what it captures is set yet.
fn work<T, F>(make: impl FnOnce() -> F) -> Work<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let place = Box::<F>::new_uninit();
    let work: Pin<Box<F>> = Box::into_pin(Box::write(place, make()));
    work
}

/// A function's code, started.
pub(crate) trait Handler: Send + Sync {
    /// The task entry.
    fn task(&self, input: Value, deadline: Timestamp) -> Work<Result<Value, TaskError>>;
    /// The queue entry, for one message of a batch.
    fn receive(&self, delivery: Delivery) -> Work<Verdict>;
}

struct Code<S> {
    service: S,
    wires: WiresPort,
    clock: InstanceClock,
    log: LogPort,
    /// Who asks where it is asked directly; nobody does what reads a queue.
    asker: Asker,
}

impl<S: Service> Handler for Code<S>
where
    S::Command: 'static,
{
    fn task(&self, input: Value, deadline: Timestamp) -> Work<Result<Value, TaskError>> {
        let (service, wires, clock) =
            (self.service.clone(), self.wires.clone(), self.clock.clone());
        let (log, asker) = (self.log.clone(), self.asker);
        work(move || async move {
            task::perform(&service, &wires, &clock, &log, asker, input, deadline).await
        })
    }

    fn receive(&self, delivery: Delivery) -> Work<Verdict> {
        let (service, wires, clock) =
            (self.service.clone(), self.wires.clone(), self.clock.clone());
        let log = self.log.clone();
        work(move || async move {
            let over = wires.host.until(delivery.deadline);
            queue::receive(&service, &wires, &clock, &log, delivery, over).await
        })
    }
}

/// The code of a sweep.
struct Sweeper<S> {
    table: TablePort,
    engine: EnginePort,
    wires: WiresPort,
    clock: InstanceClock,
    log: LogPort,
    ways: Arc<Ways>,
    service: PhantomData<fn() -> S>,
}

impl<S: Sweep> Handler for Sweeper<S>
where
    S::Command: 'static,
{
    fn task(&self, _: Value, _: Timestamp) -> Work<Result<Value, TaskError>> {
        let (table, engine) = (self.table.clone(), self.engine.clone());
        let (wires, clock) = (self.wires.clone(), self.clock.clone());
        let (log, ways) = (self.log.clone(), self.ways.clone());
        Box::pin(async move {
            let swept = sweep::sweep::<S>(&table, &engine, &wires, &clock, &log, &ways).await?;
            Ok(serde_json::to_value(swept).unwrap_or_default())
        })
    }

    fn receive(&self, _: Delivery) -> Work<Verdict> {
        no_queue()
    }
}

/// The code of the sweep of kept outcomes.
struct Recorder {
    tables: Arc<[TablePort]>,
    clock: InstanceClock,
}

impl Handler for Recorder {
    fn task(&self, _: Value, _: Timestamp) -> Work<Result<Value, TaskError>> {
        let (tables, clock) = (self.tables.clone(), self.clock.clone());
        Box::pin(async move {
            let swept = records::sweep(&tables, &clock).await?;
            Ok(serde_json::to_value(swept).unwrap_or_default())
        })
    }

    fn receive(&self, _: Delivery) -> Work<Verdict> {
        no_queue()
    }
}

/// The answer of a function that is no queue's: a message that comes all the
/// same stays.
fn no_queue() -> Work<Verdict> {
    Box::pin(async { Verdict::Again(Duration::ZERO) })
}

/// What a function's environment says.
struct Variables<'a> {
    function: &'a Function,
    host: &'a Host,
    tables: &'a BTreeMap<String, Table>,
}

/// The variable that names a third party's ledger.
const LEDGER: &str = "DUET_LEDGER_TABLE";

impl Environment for Variables<'_> {
    type Table = TablePort;
    type Clock = InstanceClock;
    type Error = DefinitionError;

    fn table(&self, variable: &str) -> Result<TablePort, DefinitionError> {
        self.table_named(self.variable(variable)?, variable == LEDGER)
    }

    fn setting<T: FromStr<Err: Display>>(&self, variable: &str) -> Result<T, DefinitionError> {
        let text = self.variable(variable)?;
        text.parse()
            .map_err(|e| self.wrong(format!("environment variable {variable} is unusable: {e}")))
    }

    fn clock(&self) -> InstanceClock {
        InstanceClock(self.host.clone())
    }
}

impl Variables<'_> {
    fn variable(&self, name: &str) -> Result<&str, DefinitionError> {
        let value = self.function.environment.get(name).map(String::as_str);
        value.ok_or_else(|| self.wrong(format!("environment variable {name} is missing")))
    }

    fn wrong(&self, why: String) -> DefinitionError {
        DefinitionError::new(&self.function.name, why)
    }

    fn table_named(&self, table: &str, ledger: bool) -> Result<TablePort, DefinitionError> {
        let there = self.tables.get(table);
        Ok(TablePort {
            host: self.host.clone(),
            table: there
                .ok_or_else(|| self.wrong(format!("there is no table {table}")))?
                .clone(),
            ledger,
        })
    }

    /// The payment provider, over the ledger.
    fn provider(
        &self,
    ) -> Result<ProviderPort<SimulatedProvider<TablePort, WorldClock>>, DefinitionError> {
        let port = self.table(LEDGER)?;
        Ok(ProviderPort {
            host: self.host.clone(),
            ledger: port.table.clone(),
            provider: SimulatedProvider::new(port, WorldClock(self.host.clone())),
        })
    }

    /// The carrier, over the ledger.
    fn carrier(
        &self,
    ) -> Result<CarrierPort<SimulatedCarrier<TablePort, WorldClock>>, DefinitionError> {
        let carrier = SimulatedCarrier::new(self.table(LEDGER)?, WorldClock(self.host.clone()));
        Ok(CarrierPort {
            host: self.host.clone(),
            carrier,
        })
    }

    /// The topic that notices go to.
    fn topic(&self) -> Result<TopicPort, DefinitionError> {
        self.variable("DUET_NOTICE_TOPIC")?;
        Ok(TopicPort(self.host.clone()))
    }

    fn start<S: Service>(&self, service: S) -> Result<Arc<dyn Handler>, DefinitionError>
    where
        S::Command: 'static,
    {
        let entry = self.variable("DUET_ENTRY")?;
        let asker = match entry {
            "queue" => Asker::Workflow,
            other => Asker::of(other).ok_or_else(|| {
                self.wrong(format!(
                    "DUET_ENTRY is {other:?}; it is `task`, `verdict` or `queue`"
                ))
            })?,
        };
        let (wires, log) = self.wires()?;
        Ok(Arc::new(Code {
            service,
            wires,
            clock: InstanceClock(self.host.clone()),
            log,
            asker,
        }))
    }

    /// The sweep of `S`.
    fn sweep<S: Sweep>(&self) -> Result<Arc<dyn Handler>, DefinitionError>
    where
        S::Command: 'static,
    {
        let (wires, log) = self.wires()?;
        let ways: Ways = self.read("DUET_SWEEP")?;
        Ok(Arc::new(Sweeper::<S> {
            table: self.table("DUET_TABLE")?,
            engine: EnginePort(self.host.clone()),
            wires,
            clock: InstanceClock(self.host.clone()),
            log,
            ways: Arc::new(ways),
            service: PhantomData,
        }))
    }

    /// The sweep of kept outcomes.
    fn records(&self) -> Result<Arc<dyn Handler>, DefinitionError> {
        let names: Vec<String> = self.read("DUET_TABLES")?;
        let tables = names.iter().map(|name| self.table_named(name, false));
        Ok(Arc::new(Recorder {
            tables: tables.collect::<Result<_, _>>()?,
            clock: InstanceClock(self.host.clone()),
        }))
    }

    fn wires(&self) -> Result<(WiresPort, LogPort), DefinitionError> {
        let carriers: Renderings = self.read("DUET_CARRIERS")?;
        let carriers = Arc::new(carriers);
        let schedules = self.function.schedules().map_err(|why| self.wrong(why))?;
        let timers = self.function.environment.get("DUET_TIMERS");
        let wires = WiresPort {
            host: self.host.clone(),
            carriers: carriers.clone(),
            timers: timers.map(|queue| queue.as_str().into()),
            schedules: schedules.map(Arc::new),
        };
        let log = LogPort {
            host: self.host.clone(),
            namespace: self.variable("DUET_METRICS")?.into(),
            deployed: carriers,
        };
        Ok((wires, log))
    }

    /// A variable that is JSON.
    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, DefinitionError> {
        serde_json::from_str(self.variable(name)?)
            .map_err(|e| self.wrong(format!("environment variable {name} is unusable: {e}")))
    }
}

/// The index by which the sweep of `service` finds what it looks at, if it has one.
pub(crate) fn swept(service: &str) -> Option<&'static str> {
    (service == "order").then_some(<Orders<TablePort, InstanceClock> as Sweep>::INDEX)
}

/// Starts the code of `function`.
pub(crate) fn start(
    function: &Function,
    host: &Host,
    tables: &BTreeMap<String, Table>,
) -> Result<Arc<dyn Handler>, DefinitionError> {
    let env = Variables {
        function,
        host,
        tables,
    };
    if function.service == "probe" {
        return Ok(Arc::new(Probe {
            host: host.clone(),
            table: env.table("DUET_TABLE")?,
        }));
    }
    if function.service == "records" {
        return env.records();
    }
    if function.service == "order" && env.variable("DUET_ENTRY")? == "sweep" {
        return env.sweep::<Orders<TablePort, InstanceClock>>();
    }
    macro_rules! by_name {
        (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
         listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
            match function.service.as_str() {
                $(stringify!($part) => env.start($its::build(&env $(, env.$port()?)*)?),)*
                $(stringify!($listener) => env.start($own::build(&env)?),)*
                other => Err(env.wrong(format!("there is no service {other:?}"))),
            }
        };
    }
    services!(by_name)
}
