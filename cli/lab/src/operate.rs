//! What people and tools do from outside: send messages, look at what died,
//! send it back.

use std::sync::Arc;

use duet_core::{CommandMessage, Timestamp};
use duet_edge::intake::sqs::REPLAYED;
use duet_edge::task::TaskError;
use duet_edge::wires::REASON;
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::bus::event_id;
use crate::fifo::{Place, is_fifo};
use crate::host::{Entry, timestamp};
use crate::lab::Lab;
use crate::random::{digest, mix};
use crate::sqs::{Attributes, Sending, message_id};
use duet_edge::carry::EVENTBRIDGE;

/// A message in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue it lies in.
    pub queue: String,
    /// Its id there.
    pub id: String,
    /// Why, where that is known: what the bus or the service said of it, or that
    /// it was received too often.
    pub cause: String,
    /// Its text.
    pub body: String,
    /// When it was first sent.
    pub sent: Timestamp,
    /// Its place, for [`Lab::redrive`] and [`Lab::discard`].
    pub at: (usize, u64),
}

/// Why a message is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such queue is deployed.
    #[error("there is no queue {0}")]
    NoQueue(String),
    /// No such function is deployed.
    #[error("there is no function {0}")]
    NoFunction(String),
    /// No such bus is deployed.
    #[error("there is no bus {0}")]
    NoBus(String),
    /// The bus refuses the entry.
    #[error("an entry has at most {most} bytes, and this one {0}", most = EVENTBRIDGE.bytes)]
    TooLarge(usize),
}

impl Lab {
    /// SendMessage of a command to the queue with this name, ARN or URL.
    ///
    /// # Errors
    /// [`SendError::NoQueue`]
    pub fn send_command(&mut self, queue: &str, message: &CommandMessage) -> Result<(), SendError> {
        let body = serde_json::to_string(message).unwrap_or_default();
        let metadata = &message.metadata;
        self.put(
            queue,
            body,
            (&metadata.subject, &metadata.variant),
            &message.command,
        )
    }

    /// SendMessage of any text, about nobody.
    ///
    /// # Errors
    /// [`SendError::NoQueue`]
    pub fn send_text(&mut self, queue: &str, text: &str, subject: &str) -> Result<(), SendError> {
        self.put(queue, text.to_owned(), (subject, ""), "")
    }

    fn put(
        &mut self,
        queue: &str,
        body: String,
        (subject, variant): (&str, &str),
        step: &str,
    ) -> Result<(), SendError> {
        let at = self.definitions.queue_named(queue);
        let at = at.ok_or_else(|| SendError::NoQueue(queue.to_owned()))?;
        let owner = self.host.lock().meters.owner(subject, variant);
        let ident = mix(digest(step), mix(digest(subject), self.next_id()));
        let place = self.place_by_hand(at, subject, ident);
        self.send(
            at,
            Sending {
                body: body.into(),
                ident,
                owner,
                step: step.into(),
                delay: None,
                attributes: Attributes::new(),
                place,
            },
        );
        Ok(())
    }

    /// The place of what is sent to `queue` by hand, if that keeps an order: in `group`, and
    /// known by what it is told from others by, for it was sent before.
    fn place_by_hand(&self, queue: usize, group: &str, ident: u64) -> Option<Place> {
        let fifo = is_fifo(&self.definitions.queues[queue].name);
        fifo.then(|| Place {
            group: group.into(),
            deduplication: message_id(ident).into(),
            number: None,
        })
    }

    /// PutEvents of one event by hand. Gives the id that the bus gave it.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn put_event(
        &mut self,
        bus: &str,
        source: &str,
        detail_type: &str,
        detail: &Value,
    ) -> Result<String, SendError> {
        let known = self.definitions.bus_named(bus);
        let known = known.ok_or_else(|| SendError::NoBus(bus.to_owned()))?;
        let name = self.definitions.buses[known].name.clone();
        // Its keys are strings and its numbers are finite: it does not fail.
        let sent = to_raw_value(detail).unwrap_or_default();
        let size = sent.get().len() + source.len() + detail_type.len();
        if size > EVENTBRIDGE.bytes {
            return Err(SendError::TooLarge(size));
        }
        let word = |field: &str| detail["metadata"][field].as_str().unwrap_or_default();
        let owner = self
            .host
            .lock()
            .meters
            .owner(word("subject"), word("variant"));
        let ident = mix(digest(detail_type), mix(digest(sent.get()), self.next_id()));
        let id = event_id(ident, self.happened());
        self.put_events(
            &name,
            vec![Entry {
                source: source.to_owned(),
                detail_type: detail_type.to_owned(),
                detail: sent,
                in_order: None,
                ident,
                owner,
            }],
        );
        Ok(id)
    }

    /// Invokes a task function by hand and waits for its answer, while
    /// everything else goes on.
    ///
    /// # Errors
    /// [`SendError::NoFunction`]
    pub fn invoke(
        &mut self,
        function: &str,
        message: &CommandMessage,
    ) -> Result<Result<Value, TaskError>, SendError> {
        let at = self.arns.get(function).copied();
        let at = at.ok_or_else(|| SendError::NoFunction(function.to_owned()))?;
        let payload = serde_json::to_value(message).unwrap_or_default();
        let metadata = &message.metadata;
        let owner = self
            .host
            .lock()
            .meters
            .owner(&metadata.subject, &metadata.variant);
        let ident = mix(
            digest(&message.command),
            mix(digest(&metadata.subject), self.next_id()),
        );
        let id = self.invoke_by_hand(at, payload, &message.command, ident, owner);
        loop {
            if let Some(result) = self.answers.remove(&id) {
                return Ok(result);
            }
            if !self.step() {
                let text = "the function never answered".to_owned();
                return Ok(Err(TaskError {
                    name: "Transient".to_owned(),
                    text,
                }));
            }
        }
    }

    /// Everything in dead-letter queues. What was kept there for too long is gone.
    pub fn dead_letters(&mut self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        for queue in self.definitions.dead_letter_queues() {
            self.expire(queue);
            let mut messages: Vec<_> = self.queues[queue].messages.iter().collect();
            messages.sort_by_key(|(id, _)| **id);
            letters.extend(messages.into_iter().map(|(id, message)| {
                DeadLetter {
                    queue: self.definitions.queues[queue].name.clone(),
                    id: message_id(message.ident),
                    cause: message
                        .attributes
                        .get("ERROR_CODE")
                        .or_else(|| message.attributes.get(REASON))
                        .cloned()
                        .unwrap_or_else(|| "MaxReceiveCount".to_owned()),
                    body: message.body.to_string(),
                    sent: timestamp(message.sent),
                    at: (queue, *id),
                }
            }));
        }
        letters
    }

    /// The message attributes of a dead letter.
    #[must_use]
    pub fn attributes(&self, letter: &DeadLetter) -> Vec<(String, String)> {
        let (queue, id) = letter.at;
        let message = self
            .queues
            .get(queue)
            .and_then(|queue| queue.messages.get(&id));
        let all = message.into_iter().flat_map(|message| &message.attributes);
        all.map(|(name, value)| (name.to_string(), value.clone()))
            .collect()
    }

    /// The queue a dead letter goes back to: the one it died on, the target that did
    /// not take it, or the queue whose dead letters lie there. `None` when the letter is gone, or its target is.
    #[must_use]
    pub fn home(&self, letter: &DeadLetter) -> Option<&str> {
        let (home, _) = self.way_back(letter)?;
        Some(&self.definitions.queues[home].name)
    }

    /// Where a dead letter goes back to, and what arrives there.
    fn way_back(&self, letter: &DeadLetter) -> Option<(usize, Arc<str>)> {
        let (queue, id) = letter.at;
        let message = self.queues.get(queue)?.messages.get(&id)?;
        if let Some(home) = message.home {
            let is_there = !self.definitions.queues[home].gone;
            return is_there.then(|| (home, message.body.clone()));
        }
        let Some(target) = message.attributes.get("TARGET_ARN") else {
            // A subscription's letter says nothing of where it was to go: its queue
            // has the same dead letters.
            let mut queues = self.definitions.queues.iter().enumerate();
            let (home, _) = queues
                .find(|(_, it)| !it.gone && it.redrive.is_some_and(|(dead, _)| dead == queue))?;
            return Some((home, message.body.clone()));
        };
        // Of a schedule the letter is what the target was to get.
        if message.attributes.contains_key("SCHEDULE_ARN") {
            let queue = self.definitions.queue_named(target)?;
            return Some((queue, message.body.clone()));
        }
        let rule = message.attributes.get("RULE_ARN")?;
        let mut rules = self.definitions.rules();
        let rule = rules.find(|known| known.arn == *rule)?;
        let target = rule.targets.iter().find(|known| known.arn == *target)?;
        // The letter is the event; the target gets what it asked for.
        let event: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let time = self.now().to_string();
        let context = duet_pattern::RuleContext {
            rule_arn: &rule.arn,
            rule_name: &rule.name,
            ingestion_time: &time,
        };
        let queue = target.queue.filter(|at| !self.definitions.queues[*at].gone);
        Some((queue?, target.input.render(&event, context)?.into()))
    }

    /// Sends a dead letter back: to the queue it died on, or to the target
    /// that did not take it, and nowhere else. Gives the id that it has there;
    /// `None` when it is gone, or its target is.
    pub fn redrive(&mut self, letter: &DeadLetter) -> Option<String> {
        let (queue, id) = letter.at;
        let (home, body) = self.way_back(letter)?;
        let message = &self.queues[queue].messages[&id];
        let (owner, step, ident) = (message.owner, message.step.clone(), message.ident);
        let group = message.place.as_ref().map(|it| it.group.clone());
        // What says that it is a replay is the message's own, and stays with it.
        let mut attributes = message.attributes.clone();
        attributes.retain(|name, _| name == REPLAYED);
        self.delete(queue, id);
        let ident = mix(ident, self.next_id());
        let place = match group {
            Some(group) => self.place_by_hand(home, &group, ident),
            None => None,
        };
        self.send(
            home,
            Sending {
                body,
                ident,
                owner,
                step,
                delay: None,
                attributes,
                place,
            },
        );
        Some(message_id(mix(ident, home as u64 + 1)))
    }

    /// Takes a dead letter away for good.
    pub fn discard(&mut self, letter: &DeadLetter) {
        let (queue, id) = letter.at;
        self.delete(queue, id);
    }

    /// How many messages the queue with this name, ARN or URL has to hand out or
    /// in somebody's hands; `None` when there is no such queue. Those that are
    /// delayed do not count.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Option<usize> {
        let at = self.definitions.queue_named(queue)?;
        Some(self.queues[at].messages.len())
    }

    /// How many messages lie in queues that something reads.
    #[must_use]
    pub fn waiting_messages(&self) -> usize {
        let read = self
            .queues
            .iter()
            .zip(&self.feeds)
            .filter(|(_, feed)| feed.is_some());
        read.map(|(queue, _)| queue.messages.len()).sum()
    }
}
