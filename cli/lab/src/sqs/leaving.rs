//! How messages leave a queue, or come back to it.

use duet_asl::Millis;

use super::{DELETED, Message};
use crate::fifo::is_fifo;
use crate::lab::{Action, Lab, Lost};
use crate::meter::Owner;

impl Lab {
    /// What DeleteQueue does to the messages.
    pub(crate) fn lose_queue(&mut self, queue: usize) {
        let name = self.definitions.queues[queue].name.clone();
        let state = std::mem::take(&mut self.queues[queue]);
        let mut messages: Vec<_> = state.messages.into_iter().collect();
        messages.sort_by_key(|(id, _)| *id);
        for (_, message) in messages {
            self.lose(&name, message.owner, DELETED);
        }
    }

    /// Takes away what was kept longer than a queue's retention period.
    pub(crate) fn expire(&mut self, queue: usize) {
        let retention = self.definitions.queues[queue].retention;
        let name = self.definitions.queues[queue].name.clone();
        let now = self.now;
        let state = &mut self.queues[queue];
        let mut old: Vec<u64> = state
            .messages
            .iter()
            .filter(|(_, message)| now - message.sent > retention)
            .map(|(id, _)| *id)
            .collect();
        old.sort_unstable();
        for id in old {
            if let Some(message) = self.queues[queue].messages.remove(&id) {
                self.lose(&name, message.owner, "its retention period was over");
            }
        }
    }

    /// A message goes to a dead-letter queue.
    pub(crate) fn bury(&mut self, dead: usize, message: Message) {
        let place = self.definitions.queues[dead].name.clone();
        let owner = message.owner;
        self.note(
            |lab| lab.subject(owner),
            || format!("a message goes to {place}"),
        );
        self.enqueue(
            dead,
            Message {
                receives: 0,
                in_flight: false,
                first_received: None,
                ..message
            },
        );
    }

    /// A hidden message may be seen again, unless something else happened to it.
    pub(crate) fn show(&mut self, queue: usize, id: u64, stamp: u32) {
        let state = &mut self.queues[queue];
        if let Some(message) = state.messages.get_mut(&id)
            && message.stamp == stamp
        {
            message.in_flight = false;
            message.shown = self.now;
            let place = message.place.clone();
            state.make_visible(id);
            state.free(place.as_ref());
            self.call_poller(queue);
        }
    }

    /// ChangeMessageVisibility: of what is in flight (API_ChangeMessageVisibility,
    /// MessageNotInflight).
    pub(crate) fn hide(&mut self, queue: usize, id: u64, millis: Millis) {
        let message = self.queues[queue].messages.get_mut(&id);
        if let Some(message) = message.filter(|message| message.in_flight) {
            message.stamp += 1;
            let (stamp, owner) = (message.stamp, message.owner);
            let fifo = is_fifo(&self.definitions.queues[queue].name);
            self.host.lock().meters.of(owner).request(fifo);
            self.after(millis, Action::Show(queue, id, stamp));
        }
    }

    /// DeleteMessage.
    pub(crate) fn delete(&mut self, queue: usize, id: u64) {
        let state = &mut self.queues[queue];
        if let Some(message) = state.messages.remove(&id) {
            if message.in_flight {
                state.free(message.place.as_ref());
            }
            let fifo = is_fifo(&self.definitions.queues[queue].name);
            self.host.lock().meters.of(message.owner).request(fifo);
            if message.place.is_some() {
                self.call_poller(queue);
            }
        }
    }

    pub(crate) fn lose(&mut self, place: &str, owner: Owner, why: &str) {
        let subject = self.subject(owner);
        self.note(
            |_| subject.clone(),
            || format!("a message is lost at {place}: {why}"),
        );
        self.lost.push(Lost {
            place: place.to_owned(),
            subject,
            why: why.to_owned(),
        });
    }
}
