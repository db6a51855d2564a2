//! A carrier in its test mode: the postcode chooses how it behaves, so every
//! failure can be had again. Its ledger is a table of its own and counts
//! attempts by idempotency key; it never holds an address.
//!
//! | postcode | behaviour |
//! |---|---|
//! | `00000` | is not served |
//! | `77777` | two attempts get no answer and book nothing; then books |
//! | `99999` | never answers, yet books at the second attempt: the lost answer |
//! | `silent-<n>s` | for n seconds from the first attempt none gets an answer or books; then books |
//! | any other | books |

use duet_core::order::Address;
use duet_core::store::{Key, Store, revise};
use duet_core::time::after;
use duet_core::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ports::{BookError, Carrier, Unavailable};

/// The simulated carrier over its ledger, by its own clock.
#[derive(Debug, Clone)]
pub struct SimulatedCarrier<S, C> {
    ledger: S,
    clock: C,
}

/// What the carrier has under one idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// How it stands.
    pub status: Status,
    /// The tracking reference, once there is a delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// How often a booking was asked for.
    pub book_attempts: u32,
    /// How often a cancellation was asked for.
    pub cancel_attempts: u32,
    /// When a booking was first asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_since: Option<Timestamp>,
}

/// How a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Asked for, and not taken.
    None,
    /// The delivery is active.
    Booked,
    /// The key is cancelled: nothing is booked under it any more.
    Cancelled,
}

impl Booking {
    const NEW: Self = Self {
        status: Status::None,
        tracking: None,
        book_attempts: 0,
        cancel_attempts: 0,
        book_since: None,
    };

    /// Whether something is on its way.
    #[must_use]
    pub fn active(&self) -> bool {
        self.status == Status::Booked
    }
}

/// Where the ledger keeps what happened under the idempotency key `key`.
pub fn booking_key(key: impl ToString) -> Key {
    Key::new(key, "booking")
}

impl<S: Store, C: Clock> SimulatedCarrier<S, C> {
    /// The carrier over `ledger`, a table of its own.
    pub fn new(ledger: S, clock: C) -> Self {
        Self { ledger, clock }
    }

    /// Changes the booking under `key`; what `change` answers counts once it is
    /// in the ledger.
    async fn change<T: Send>(
        &self,
        key: &str,
        change: impl Fn(&mut Booking) -> T + Send + Sync,
    ) -> Result<T, Unavailable> {
        revise(&self.ledger, &booking_key(key), Booking::NEW, change)
            .await
            .map_err(|fault| Unavailable(fault.to_string()))
    }
}

/// For how many seconds the carrier is silent about `postcode`.
fn silent_for(postcode: &str) -> Option<u32> {
    let seconds = postcode.strip_prefix("silent-")?.strip_suffix('s')?;
    seconds.parse().ok()
}

fn silence() -> Unavailable {
    Unavailable("timed out".to_owned())
}

impl<S: Store, C: Clock> Carrier for SimulatedCarrier<S, C> {
    async fn book(&self, key: &str, ship_to: &Address) -> Result<String, BookError> {
        let (now, silent) = (self.clock.now(), silent_for(&ship_to.postcode));
        self.change(key, |booking| {
            booking.book_attempts = booking.book_attempts.saturating_add(1);
            if booking.status == Status::Cancelled {
                return Err(BookError::Cancelled);
            }
            let tracking = format!("sim-{key}");
            let attempt = booking.book_attempts;
            let since = *booking.book_since.get_or_insert(now);
            let (takes, answer) = match ship_to.postcode.as_str() {
                "00000" => (false, Err(BookError::NotServed)),
                "77777" if attempt <= 2 => (false, Err(silence().into())),
                "99999" => (attempt > 1, Err(silence().into())),
                _ if silent.is_some_and(|seconds| now < after(since, seconds)) => {
                    (false, Err(silence().into()))
                }
                _ => (true, Ok(tracking.clone())),
            };
            if takes {
                booking.status = Status::Booked;
                booking.tracking = Some(tracking);
            }
            answer
        })
        .await?
    }

    async fn cancel(&self, key: &str) -> Result<(), Unavailable> {
        self.change(key, |booking| {
            booking.cancel_attempts = booking.cancel_attempts.saturating_add(1);
            booking.status = Status::Cancelled;
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use duet_core::store::Memory;
    use duet_core::testing::HandClock;

    use super::*;

    fn to(postcode: &str) -> Address {
        let text = |text: &str| text.to_owned();
        Address {
            name: text("N"),
            street: text("S"),
            city: text("C"),
            postcode: text(postcode),
            country: text("SE"),
        }
    }

    async fn booking(ledger: &Memory) -> Booking {
        ledger
            .load(&[booking_key("k")])
            .await
            .unwrap()
            .remove(0)
            .unwrap()
            .read()
            .unwrap()
    }

    #[tokio::test]
    async fn postcodes_choose_the_behaviour() {
        for (postcode, answers, booked) in [
            ("11122", ["ok", "ok", "ok"], true),
            ("00000", ["no", "no", "no"], false),
            ("77777", ["-", "-", "ok"], true),
            ("99999", ["-", "-", "-"], true),
            ("silent-5s", ["-", "-", "-"], false),
            ("silent-0s", ["ok", "ok", "ok"], true),
        ] {
            let ledger = Memory::default();
            let carrier = SimulatedCarrier::new(ledger.clone(), HandClock::default());
            for (n, expected) in answers.into_iter().enumerate() {
                let answer = match carrier.book("k", &to(postcode)).await {
                    Ok(tracking) => {
                        assert_eq!(tracking, "sim-k");
                        "ok"
                    }
                    Err(BookError::NotServed) => "no",
                    Err(BookError::Unavailable(_)) => "-",
                    Err(BookError::Cancelled) => "cancelled",
                };
                assert_eq!(answer, expected, "{postcode}");
                // The carrier that takes it and does not say so does so at its second try.
                let lost = postcode == "99999" && n > 0;
                let taken = lost || answers[..=n].contains(&"ok");
                assert_eq!(
                    booking(&ledger).await.active(),
                    taken,
                    "{postcode} at try {n}"
                );
            }
            assert_eq!(booking(&ledger).await.active(), booked, "{postcode}");
        }
    }

    #[tokio::test]
    async fn a_cancelled_key_is_never_booked() {
        for books_first in [true, false] {
            let ledger = Memory::default();
            let carrier = SimulatedCarrier::new(ledger.clone(), HandClock::default());
            if books_first {
                carrier.book("k", &to("11122")).await.unwrap();
            }
            carrier.cancel("k").await.unwrap();
            carrier.cancel("k").await.unwrap();
            assert_eq!(
                carrier.book("k", &to("11122")).await,
                Err(BookError::Cancelled)
            );
            let booking = booking(&ledger).await;
            assert_eq!((booking.active(), booking.cancel_attempts), (false, 2));
        }
    }

    #[tokio::test]
    async fn silence_is_by_the_clock_from_the_first_attempt() {
        let clock = HandClock::default();
        let carrier = SimulatedCarrier::new(Memory::default(), clock.clone());
        for (wait, answers) in [(100, false), (4, false), (1, true), (100, true)] {
            clock.advance(wait);
            let answer = carrier.book("k", &to("silent-5s")).await;
            assert_eq!(answer.is_ok(), answers);
        }
    }
}
