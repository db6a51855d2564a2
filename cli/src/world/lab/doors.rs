//! By what commands come in: an execution, an invocation, a message.

use duet_core::CommandMessage;
use duet_lab::{Started, Waiting};
use serde_json::json;

use super::Lab;
use super::inputs::Input;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::{Door, Entry, Variant};
use crate::terminal::exit::{Outcome, Problem};
use crate::world::{Commanded, Submitted, World};

impl Lab {
    /// Submits a command. Gives what became of that, and by what its answer is asked for
    /// where the entry answers.
    pub(super) fn begin(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> Outcome<(Submitted, Option<Waiting>)> {
        let entry = self.description(variant)?.entry(subject);
        let state = &mut *self.state();
        match entry {
            Entry::Machine(machine) | Entry::SyncMachine(machine) => {
                let input = json!({ "metadata": message.metadata, "data": message.data });
                let name = &message.metadata.subject;
                let (started, waiting) = state.start((machine, entry.answers()), name, input)?;
                let submitted = match started {
                    Started::New => Submitted::Accepted,
                    Started::Already => Submitted::Already,
                    Started::Clashes => Submitted::Clashes,
                };
                Ok((submitted, waiting))
            }
            Entry::Queue(queue) => {
                let now = state.lab.now();
                let sent = state.lab.send_command(queue, message);
                sent.map_err(Problem::environment)?;
                state.record(now, || Input::SendCommand {
                    queue: queue.clone(),
                    message: Box::new(message.clone()),
                });
                Ok((Submitted::Accepted, None))
            }
        }
    }

    /// Brings a command to the door that `service` has under `variant`.
    pub(super) fn at_door(
        &self,
        variant: &'static Variant,
        service: TableOf,
        message: &CommandMessage,
    ) -> Outcome<Commanded> {
        let message_again = || Box::new(message.clone());
        match self.description(variant)?.door(service) {
            Some(Door::Function(function)) => {
                let state = &mut *self.state();
                let now = state.lab.now();
                let done = state
                    .lab
                    .invoke(function, message)
                    .map_err(Problem::environment)?;
                state.record(now, || Input::Invoke {
                    function: function.clone(),
                    message: message_again(),
                });
                Ok(match done {
                    Ok(_) => Commanded::Done,
                    Err(error) => Commanded::Refused {
                        name: error.name,
                        text: error.text,
                    },
                })
            }
            Some(Door::Queue(queue)) => {
                let state = &mut *self.state();
                let now = state.lab.now();
                state
                    .lab
                    .send_command(queue, message)
                    .map_err(Problem::environment)?;
                state.record(now, || Input::SendCommand {
                    queue: queue.clone(),
                    message: message_again(),
                });
                Ok(Commanded::Sent)
            }
            None => {
                let service = service.name();
                Err(Problem::usage(format!(
                    "{service} takes no commands from outside under {}",
                    variant.name
                )))
            }
        }
    }
}
