//! Hearing what the services say.

use std::time::Duration;

use aws_sdk_eventbridge::types::Target;
use duet_core::Event;
use serde_json::{Value, json};

use super::{LIMIT, Shop, until};
use crate::harness::fresh;

/// Hears what is said on a bus: a rule and a queue of the test's own.
pub(crate) struct Listener<'a> {
    shop: &'a Shop,
    bus: String,
    name: String,
    queue: String,
}

impl<'a> Listener<'a> {
    /// Hears every fact on the shop's bus that follows from the requests called
    /// `correlations`.
    pub(crate) async fn attach(shop: &'a Shop, correlations: &[&str]) -> Self {
        let pattern = json!({ "detail": { "metadata": { "correlationid": correlations } } });
        Self::on(shop, shop.bus_name(), &pattern).await
    }

    /// Hears what fits `pattern` on `bus`.
    pub(crate) async fn on(shop: &'a Shop, bus: &str, pattern: &Value) -> Self {
        let name = fresh("listener");
        let (queue, arn) = shop.own_queue(&name).await;
        let rule = shop
            .bus
            .put_rule()
            .name(&name)
            .event_bus_name(bus)
            .event_pattern(pattern.to_string());
        rule.send().await.unwrap();
        let target = Target::builder().id("listener").arn(arn).build().unwrap();
        let targets = shop
            .bus
            .put_targets()
            .rule(&name)
            .event_bus_name(bus)
            .targets(target)
            .send()
            .await;
        assert_eq!(targets.unwrap().failed_entry_count(), 0);
        Self {
            shop,
            bus: bus.to_owned(),
            name,
            queue,
        }
    }

    /// What was said since the last time.
    pub(crate) async fn heard(&self) -> Vec<Event> {
        let mut heard = Vec::new();
        loop {
            let receive = self
                .shop
                .queues
                .receive_message()
                .queue_url(&self.queue)
                .max_number_of_messages(10);
            let answer = receive.send().await.unwrap();
            if answer.messages().is_empty() {
                return heard;
            }
            for message in answer.messages() {
                let said: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                let kind = said["detail-type"].as_str().unwrap();
                let event = Event::parse(kind, said["detail"].clone()).unwrap();
                assert_eq!(
                    (said["source"].as_str(), kind),
                    (Some(&*event.metadata.source), &*event.metadata.kind)
                );
                heard.push(event);
                let done = self.shop.queues.delete_message().queue_url(&self.queue);
                done.receipt_handle(message.receipt_handle().unwrap())
                    .send()
                    .await
                    .unwrap();
            }
        }
    }

    /// What is said until `enough` of it is, and a moment longer.
    pub(crate) async fn hear(&self, enough: usize) -> Vec<Event> {
        let mut all = Vec::new();
        until(&format!("{enough} facts are heard"), LIMIT, async || {
            all.extend(self.heard().await);
            (all.len() >= enough).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        all.extend(self.heard().await);
        all
    }

    /// Ends it.
    pub(crate) async fn detach(self) {
        let (bus, shop) = (&self.bus, self.shop);
        shop.bus
            .remove_targets()
            .rule(&self.name)
            .event_bus_name(bus)
            .ids("listener")
            .send()
            .await
            .unwrap();
        shop.bus
            .delete_rule()
            .name(&self.name)
            .event_bus_name(bus)
            .send()
            .await
            .unwrap();
        shop.queues
            .delete_queue()
            .queue_url(&self.queue)
            .send()
            .await
            .unwrap();
    }
}
