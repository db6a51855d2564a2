//! The payment provider and the carrier, which may be silent, slow or mute.

use duet_core::Money;
use duet_core::order::Address;
use duet_core::store::{Expect, Item, Store, Write};
use duet_delivery::ports as delivery;
use duet_payment::ports as payment;

use super::Table;
use crate::fault::Fault;
use crate::host::Host;
use crate::latency::SLUGGISH;
use crate::plant::Plant;
use crate::profile::{Hop, WaitsFor};

/// The payment provider, as the payment service sees it.
#[derive(Debug, Clone)]
pub(crate) struct ProviderPort<P> {
    pub(crate) host: Host,
    pub(crate) provider: P,
    pub(crate) ledger: Table,
}

/// How a third party takes a call.
enum Manner {
    Answers,
    /// It does not answer, and does nothing.
    Ignores,
    /// It does what was asked, and its answer is lost.
    Mute,
}

impl Host {
    async fn third_party(&self, undoes: bool) -> Manner {
        self.call(Hop::ThirdParty).await;
        let slow = self.lock().strikes(Fault::Slow);
        if slow {
            self.lingers(WaitsFor::ThirdParty, SLUGGISH).await;
        }
        let mut inner = self.lock();
        if undoes && inner.strikes(Fault::Compensation) {
            return Manner::Ignores;
        }
        match inner.strikes(Fault::Silent) {
            true if inner.coin() => Manner::Mute,
            true => Manner::Ignores,
            false => Manner::Answers,
        }
    }
}

fn no_charge() -> payment::Unavailable {
    payment::Unavailable("no answer".to_owned())
}

impl<P: payment::Provider> payment::Provider for ProviderPort<P> {
    async fn capture(
        &self,
        key: &str,
        token: &str,
        amount: Money,
    ) -> Result<(), payment::CaptureError> {
        let own = format!("{key}#{:x}", self.host.lock().frame.ident);
        let key = if self.host.has(Plant::KeyPerAttempt) {
            own.as_str()
        } else {
            key
        };
        match self.host.third_party(false).await {
            Manner::Ignores => Err(no_charge().into()),
            Manner::Mute => {
                let _ = self.provider.capture(key, token, amount).await;
                Err(no_charge().into())
            }
            Manner::Answers => self.provider.capture(key, token, amount).await,
        }
    }

    async fn void(&self, key: &str) -> Result<Option<Money>, payment::Unavailable> {
        if self.host.has(Plant::VoidSkipped) {
            return Ok(None);
        }
        let again = self.host.has(Plant::RefundAgain) && self.is_voided(key).await;
        let answer = self.ask_to_void(key).await;
        if again {
            self.pay_again(key).await;
        }
        answer
    }
}

impl<P: payment::Provider> ProviderPort<P> {
    async fn ask_to_void(&self, key: &str) -> Result<Option<Money>, payment::Unavailable> {
        match self.host.third_party(true).await {
            Manner::Ignores => Err(no_charge()),
            Manner::Mute => {
                let _ = self.provider.void(key).await;
                Err(no_charge())
            }
            Manner::Answers => self.provider.void(key).await,
        }
    }
}

impl<P> ProviderPort<P> {
    async fn charge(&self, key: &str) -> Option<Item> {
        let key = duet_payment::adapters::charge_key(key);
        let items = self.ledger.load(std::slice::from_ref(&key)).await;
        items.ok()?.pop().flatten()
    }

    async fn is_voided(&self, key: &str) -> bool {
        let charge = self.charge(key).await;
        charge.is_some_and(|charge| charge.body.value()["voided"] == true)
    }

    /// A refund by a provider that is asked without a key.
    async fn pay_again(&self, key: &str) {
        if let Some(Item { key, body, .. }) = self.charge(key).await {
            let mut body = body.value();
            let sum = |field: &str| body[field].as_i64().unwrap_or(0);
            body["refunded"] = (sum("refunded") + sum("captured")).into();
            let write = Write::put(key, &body, Expect::Anything);
            // It is a mistake; whether it works out is not this port's worry.
            let _ = self.ledger.commit(vec![write]).await;
        }
    }
}

/// The carrier, as the delivery service sees it.
#[derive(Debug, Clone)]
pub(crate) struct CarrierPort<P> {
    pub(crate) host: Host,
    pub(crate) carrier: P,
}

fn no_booking() -> delivery::Unavailable {
    delivery::Unavailable("no answer".to_owned())
}

impl<P: delivery::Carrier> delivery::Carrier for CarrierPort<P> {
    async fn book(&self, key: &str, ship_to: &Address) -> Result<String, delivery::BookError> {
        match self.host.third_party(false).await {
            Manner::Ignores => Err(no_booking().into()),
            Manner::Mute => {
                let _ = self.carrier.book(key, ship_to).await;
                Err(no_booking().into())
            }
            Manner::Answers => self.carrier.book(key, ship_to).await,
        }
    }

    async fn cancel(&self, key: &str) -> Result<(), delivery::Unavailable> {
        if self.host.has(Plant::CancelSkipped) {
            return Ok(());
        }
        match self.host.third_party(true).await {
            Manner::Ignores => Err(no_booking()),
            Manner::Mute => {
                let _ = self.carrier.cancel(key).await;
                Err(no_booking())
            }
            Manner::Answers => self.carrier.cancel(key).await,
        }
    }
}
