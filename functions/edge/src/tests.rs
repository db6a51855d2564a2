//! Both entries against a service that does as it is told.

#![allow(unexpected_cfgs, reason = "this crate has no schemas to generate")]

mod doors;
mod intake;
mod lines;
mod messages;
mod patience;
mod records;
mod sweep;
mod timers;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duet_core::fact::{PaymentDeclined, StockShipped};
use duet_core::order::Line;
use duet_core::service::Reaction;
use duet_core::{
    Answer, CalledOff, CommandMessage, Ending, Event, Fact, Failure, Handled, Metadata, ParseError,
    Received, Refusal, Reply, Request, Service, Timer, Timestamp, Vocabulary, vocabulary,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::intake::{Attempt, Delivery, sqs};
use crate::log::Silent;
use crate::queue::{Verdict, backoff, receive};
use crate::task::{Asker, perform};
use crate::wires::{Carrier, ClockOf, Rendering, Renderings, Wires};

vocabulary! {
    /// The commands of the test service.
    enum Command {
        /// What to answer.
        Act,
        /// What to answer, and a flow begins.
        Begin,
    }
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Act {
    how: String,
}

/// What to answer, and a flow begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Begin {
    how: String,
    lines: Vec<Line>,
}

/// A service that answers as the command says, and remembers how it was asked.
#[derive(Clone, Default)]
struct Obedient {
    asked: Arc<Mutex<Vec<Request<Command>>>>,
}

fn fact_event(cause: &Metadata) -> Event {
    let fact = PaymentDeclined {
        order: "o-1".parse().unwrap(),
    }
    .into();
    let metadata = cause.answer(
        "e-1".into(),
        "duet.test".into(),
        "PaymentDeclined",
        "o-1",
        cause.time,
    );
    Event::new(metadata, fact)
}

impl Service for Obedient {
    const NAME: &'static str = "test";
    const SAYS: &'static [(&'static str, &'static [&'static str])] =
        &[("Act", &["PaymentDeclined"])];
    const BEGINS: &'static [&'static str] = &["Begin"];
    const VERDICTS: &'static [&'static str] = &["Begin"];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        self.asked.lock().unwrap().push(request.clone());
        let (Command::Act(Act { how }) | Command::Begin(Begin { how, .. })) = &request.command;
        let done = Handled {
            answer: Answer::Done(json!("fine")),
            events: vec![fact_event(&request.context.message)],
            timers: Vec::new(),
            called_off: Vec::new(),
            reply: None,
            repeat: false,
        };
        match how.as_str() {
            "done" => Ok(done),
            "repeat" => Ok(Handled {
                repeat: true,
                ..done
            }),
            "decline" => Ok(Handled {
                answer: Answer::Declined(Refusal::new("PaymentDeclined", "why")),
                ..done
            }),
            "later" | "far" => {
                let due = match how.as_str() {
                    "far" => "2026-01-01T01:00:00.001Z".parse().unwrap(),
                    _ => "2026-01-01T01:00:00Z".parse().unwrap(),
                };
                let timer = Timer {
                    due,
                    command: "Act".into(),
                    data: json!({ "how": "done" }),
                };
                Ok(Handled {
                    timers: vec![timer],
                    events: Vec::new(),
                    ..done
                })
            }
            "decided" => {
                let due = "2026-01-02T00:00:00Z".parse().unwrap();
                Ok(Handled {
                    called_off: vec![CalledOff {
                        due,
                        command: "Act",
                    }],
                    ..done
                })
            }
            "reply" => {
                let to = request.context.reply_to.unwrap_or_default();
                Ok(Handled {
                    reply: Some(Reply {
                        to,
                        value: json!("yes"),
                    }),
                    events: Vec::new(),
                    ..done
                })
            }
            "panic" => panic!("looking at tok_secret"),
            "denied" => Err(Failure::misconfigured("no permission")),
            "transient" => Err(Failure::transient("not now")),
            _ => Err(Failure::invalid("never")),
        }
    }

    fn overdue(command: &Command) -> Option<Fact> {
        let (Command::Act(Act { how }) | Command::Begin(Begin { how, .. })) = command;
        let fact = StockShipped {
            order: "o-1".parse().unwrap(),
            lines: Vec::new(),
        };
        ["transient", "panic"]
            .contains(&how.as_str())
            .then(|| fact.into())
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        let act = Act {
            how: "repeat".into(),
        };
        Ok(match received.fact()? {
            Fact::PaymentDeclined(_) | Fact::StockReleased(_) => Reaction::Command(act.into()),
            Fact::StockShipped(_) => Reaction::Nothing,
            _ => Reaction::NoPolicy,
        })
    }

    fn ending(event: &Event) -> Option<Ending> {
        let began = event.metadata.time - Duration::from_millis(1_500);
        Some(Ending {
            outcome: "Rejected",
            reason: Some(event.fact.name().to_owned()),
            began: Some(began),
        })
    }
}

/// Wires that write down what they are given.
#[derive(Clone)]
struct Notebook {
    lines: Arc<Mutex<Vec<String>>>,
    buried: Arc<Mutex<Vec<String>>>,
    broken: bool,
    hangs: bool,
    schedules: bool,
    scheduler_fails: Option<Failure>,
    renderings: Arc<Renderings>,
    timers: Option<&'static str>,
}

impl Default for Notebook {
    fn default() -> Self {
        let bus = || Carrier::Eventbridge { bus: "bus".into() };
        let topics = || Carrier::Sns {
            topics: "arn:facts-".into(),
        };
        let of = |name: &str, facts, tasks, clock| {
            let rendering = Rendering {
                facts,
                tasks,
                clock,
                patience: 60,
            };
            (name.to_owned(), rendering)
        };
        Self {
            lines: Arc::default(),
            buried: Arc::default(),
            broken: false,
            hangs: false,
            schedules: true,
            scheduler_fails: None,
            renderings: Arc::new(Renderings::from([
                of("known", bus(), true, ClockOf::Service),
                of("flow", Carrier::None {}, true, ClockOf::Workflow),
                of("timed", Carrier::None {}, true, ClockOf::Service),
                of("both", bus(), true, ClockOf::Workflow),
                of("bus", bus(), false, ClockOf::Service),
                of("topics", topics(), false, ClockOf::Service),
            ])),
            timers: Some("arn:own"),
        }
    }
}

impl Notebook {
    fn note(&self, line: String) -> Result<(), Failure> {
        if self.broken {
            return Err(Failure::transient("the wire is cut"));
        }
        self.lines.lock().unwrap().push(line);
        Ok(())
    }
}

impl Wires for Notebook {
    fn rendering(&self, variant: &str) -> Option<&Rendering> {
        self.renderings.get(variant)
    }

    fn timers(&self) -> Option<&str> {
        self.timers
    }

    async fn publish(&self, carrier: &Carrier, events: &[Event]) -> Result<(), Failure> {
        if *carrier == (Carrier::None {}) {
            return Ok(());
        }
        if self.hangs {
            pending::<()>().await;
        }
        let late = if events[0].metadata.late { " late" } else { "" };
        self.note(format!("publish {}{late}", events[0].metadata.id))
    }

    async fn bury(&self, delivery: &Delivery, why: &str) -> Result<(), Failure> {
        assert!(!delivery.text.is_empty());
        self.buried.lock().unwrap().push(delivery.text.to_string());
        self.note(format!("bury from {}: {why}", delivery.source))
    }

    async fn send_later(
        &self,
        queue: &str,
        message: &CommandMessage,
        seconds: u32,
    ) -> Result<(), Failure> {
        self.note(format!("{queue} {} in {seconds}", message.command))
    }

    fn has_scheduler(&self) -> bool {
        self.schedules
    }

    async fn schedule(
        &self,
        name: &str,
        queue: &str,
        message: &CommandMessage,
        due: Timestamp,
    ) -> Result<(), Failure> {
        assert_eq!(message.due, Some(due));
        if let Some(failure) = &self.scheduler_fails {
            return Err(failure.clone());
        }
        self.note(format!("{name}: {queue} {} at {due}", message.command))
    }

    async fn call_off(&self, name: &str) -> Result<(), Failure> {
        if let Some(failure) = &self.scheduler_fails {
            return Err(failure.clone());
        }
        self.note(format!("not {name}"))
    }

    async fn answer(&self, reply: &Reply) -> Result<(), Failure> {
        self.note(format!("answer {} {}", reply.to, reply.value))
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn command(how: &str, variant: &str) -> Value {
    json!({
        "command": "Act",
        "metadata": {
            "id": "m-1", "source": "duet.cli", "type": "Act", "subject": "o-1", "time": "2026-01-01T00:00:00Z",
            "schemaversion": "1.0", "correlationid": "o-1", "variant": variant,
        },
        "data": { "how": how },
        "reply_to": "token",
    })
}

fn delivery(body: &Value, receives: u32) -> Delivery {
    let body = body
        .as_str()
        .map_or_else(|| body.to_string(), str::to_owned);
    let attempt = Attempt::Known(receives);
    sqs::delivery("d-1".into(), "arn:q".into(), body, attempt, None, now())
}

async fn deliver(body: &Value, receives: u32) -> (Verdict, Vec<String>, Vec<Request<Command>>) {
    hand_over(delivery(body, receives)).await
}

async fn hand_over(delivery: Delivery) -> (Verdict, Vec<String>, Vec<Request<Command>>) {
    let (service, wires) = (Obedient::default(), Notebook::default());
    let clock = Arc::new(now);
    let verdict = receive(&service, &wires, &clock, &Silent, delivery, pending()).await;
    let asked = service.asked.lock().unwrap().clone();
    let lines = wires.lines.lock().unwrap().clone();
    (verdict, lines, asked)
}

fn bus_event(fact: duet_core::Fact) -> Value {
    let mut metadata = command("done", "known")["metadata"].clone();
    metadata["type"] = json!(fact.name());
    json!({ "detail-type": fact.name(), "source": "duet.test", "detail": { "metadata": metadata, "data": fact.data() } })
}
