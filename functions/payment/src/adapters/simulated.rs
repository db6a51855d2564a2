//! A payment provider in its test mode: the token chooses how it behaves, so
//! every failure can be had again. Its ledger is a table of its own and counts
//! attempts by idempotency key; it never holds a token.
//!
//! | token | behaviour |
//! |---|---|
//! | `tok_ok`, `tok_visa` | charges |
//! | `tok_declined`, any other | declines |
//! | `tok_flaky` | two attempts get no answer and charge nothing; then charges |
//! | `tok_down` | never answers, yet charges at the second attempt: the lost answer |
//! | `tok_silent_<n>s` | for n seconds from the first attempt none gets an answer or charges; then charges |
//! | `tok_refund_fails_<n>` | charges; the first n attempts to void get no answer |
//! | `tok_refund_silent_<n>s` | charges; for n seconds from the first attempt to void none gets an answer |

use duet_core::store::{Key, Store, revise};
use duet_core::time::after;
use duet_core::{Clock, Money, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ports::{CaptureError, Provider, Unavailable};

/// The simulated provider over its ledger, by its own clock.
#[derive(Debug, Clone)]
pub struct SimulatedProvider<S, C> {
    ledger: S,
    clock: C,
}

/// What the provider has under one idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// How the card behaves; `None` when it was voided before it was ever used.
    pub card: Option<Card>,
    /// What a capture asked for; `None` when there was none.
    pub amount: Option<Money>,
    /// Taken, in minor units.
    pub captured: i64,
    /// Given back, in minor units.
    pub refunded: i64,
    /// Whether the key is voided: nothing is charged under it any more.
    pub voided: bool,
    /// How often a capture was asked for.
    pub capture_attempts: u32,
    /// How often a void was asked for.
    pub void_attempts: u32,
    /// When a capture was first asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_since: Option<Timestamp>,
    /// When a void was first asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_since: Option<Timestamp>,
}

impl Charge {
    /// A key that nobody asked by yet.
    pub const NEW: Self = Self {
        card: None,
        amount: None,
        captured: 0,
        refunded: 0,
        voided: false,
        capture_attempts: 0,
        void_attempts: 0,
        capture_since: None,
        void_since: None,
    };

    /// Taken and not given back, in minor units.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.captured - self.refunded
    }
}

/// How a card behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Card {
    /// As it should.
    Good,
    /// It is declined.
    Declined,
    /// Two captures get no answer, the third works.
    Flaky,
    /// No capture is ever answered; the second takes the money.
    Down,
    /// No capture is answered at first.
    Silent {
        /// For how long after the first attempt.
        seconds: u32,
    },
    /// It cannot be voided at first.
    RefundFails {
        /// How many attempts get no answer.
        times: u32,
    },
    /// It cannot be voided at first.
    RefundSilent {
        /// For how long after the first attempt.
        seconds: u32,
    },
}

impl Card {
    /// The card behind `token`. A token nobody knows is declined.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let number = |prefix: &str, unit: &str| {
            let number = token.strip_prefix(prefix)?.strip_suffix(unit)?;
            number.parse().ok()
        };
        match token {
            "tok_ok" | "tok_visa" => Self::Good,
            "tok_flaky" => Self::Flaky,
            "tok_down" => Self::Down,
            _ => None
                .or_else(|| number("tok_silent_", "s").map(|seconds| Self::Silent { seconds }))
                .or_else(|| {
                    number("tok_refund_fails_", "").map(|times| Self::RefundFails { times })
                })
                .or_else(|| {
                    number("tok_refund_silent_", "s").map(|seconds| Self::RefundSilent { seconds })
                })
                .unwrap_or(Self::Declined),
        }
    }
}

/// Where the ledger keeps what happened under the idempotency key `key`.
pub fn charge_key(key: impl ToString) -> Key {
    Key::new(key, "charge")
}

impl<S: Store, C: Clock> SimulatedProvider<S, C> {
    /// The provider over `ledger`, a table of its own.
    pub fn new(ledger: S, clock: C) -> Self {
        Self { ledger, clock }
    }

    /// Changes the charge under `key`; what `change` answers counts once it is
    /// in the ledger.
    async fn change<T: Send>(
        &self,
        key: &str,
        change: impl Fn(&mut Charge) -> T + Send + Sync,
    ) -> Result<T, Unavailable> {
        revise(&self.ledger, &charge_key(key), Charge::NEW, change)
            .await
            .map_err(|fault| Unavailable(fault.to_string()))
    }
}

fn silence() -> Unavailable {
    Unavailable("timed out".to_owned())
}

impl<S: Store, C: Clock> Provider for SimulatedProvider<S, C> {
    async fn capture(&self, key: &str, token: &str, amount: Money) -> Result<(), CaptureError> {
        let (card, now) = (Card::of(token), self.clock.now());
        self.change(key, |charge| {
            charge.capture_attempts = charge.capture_attempts.saturating_add(1);
            if charge.voided {
                return Err(CaptureError::Voided);
            }
            charge.card = Some(card);
            charge.amount.get_or_insert(amount);
            let attempt = charge.capture_attempts;
            let since = *charge.capture_since.get_or_insert(now);
            let (takes, answer) = match card {
                Card::Good | Card::RefundFails { .. } | Card::RefundSilent { .. } => (true, Ok(())),
                Card::Declined => (false, Err(CaptureError::Declined)),
                Card::Flaky if attempt > 2 => (true, Ok(())),
                Card::Flaky => (false, Err(silence().into())),
                Card::Down => (attempt > 1, Err(silence().into())),
                Card::Silent { seconds } if now >= after(since, seconds) => (true, Ok(())),
                Card::Silent { .. } => (false, Err(silence().into())),
            };
            if takes && charge.captured == 0 {
                charge.captured = amount.amount;
            }
            answer
        })
        .await?
    }

    async fn void(&self, key: &str) -> Result<Option<Money>, Unavailable> {
        let now = self.clock.now();
        self.change(key, |charge| {
            charge.void_attempts = charge.void_attempts.saturating_add(1);
            let since = *charge.void_since.get_or_insert(now);
            let silent = match charge.card {
                Some(Card::RefundFails { times }) => charge.void_attempts <= times,
                Some(Card::RefundSilent { seconds }) => now < after(since, seconds),
                _ => false,
            };
            if silent {
                return Err(silence());
            }
            charge.voided = true;
            charge.refunded = charge.captured;
            let given_back = charge.amount.map(|asked| Money {
                amount: charge.refunded,
                ..asked
            });
            Ok(given_back.filter(|back| back.amount > 0))
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use duet_core::store::Memory;
    use duet_core::testing::HandClock;

    use super::*;

    fn euros(amount: i64) -> Money {
        serde_json::from_value(serde_json::json!({"amount": amount, "currency": "EUR"})).unwrap()
    }

    async fn charge(ledger: &Memory) -> Charge {
        ledger
            .load(&[charge_key("k")])
            .await
            .unwrap()
            .remove(0)
            .unwrap()
            .read()
            .unwrap()
    }

    fn provider() -> (Memory, SimulatedProvider<Memory, HandClock>) {
        let ledger = Memory::default();
        let provider = SimulatedProvider::new(ledger.clone(), HandClock::default());
        (ledger, provider)
    }

    #[tokio::test]
    async fn a_key_is_charged_once_and_given_back_once() {
        let (ledger, provider) = provider();
        for _ in 0..3 {
            assert_eq!(provider.capture("k", "tok_ok", euros(500)).await, Ok(()));
        }
        assert_eq!(charge(&ledger).await.net(), 500);
        for _ in 0..2 {
            assert_eq!(provider.void("k").await, Ok(Some(euros(500))));
        }
        assert_eq!(
            provider.capture("k", "tok_ok", euros(500)).await,
            Err(CaptureError::Voided)
        );
        let charge = charge(&ledger).await;
        assert_eq!((charge.captured, charge.refunded), (500, 500));
        assert_eq!((charge.capture_attempts, charge.void_attempts), (4, 2));
    }

    #[tokio::test]
    async fn a_voided_key_is_never_charged() {
        let (ledger, provider) = provider();
        assert_eq!(provider.void("k").await, Ok(None));
        let _ = provider.capture("k2", "tok_declined", euros(500)).await;
        assert_eq!(provider.void("k2").await, Ok(None), "nothing was charged");
        assert_eq!(
            provider.capture("k", "tok_ok", euros(500)).await,
            Err(CaptureError::Voided)
        );
        assert_eq!(charge(&ledger).await.captured, 0);
    }

    #[tokio::test]
    async fn tokens_choose_the_behaviour() {
        for (token, answers) in [
            ("tok_visa", ["ok", "ok", "ok"]),
            ("tok_declined", ["no", "no", "no"]),
            ("nonsense", ["no", "no", "no"]),
            ("tok_refund_fails_x", ["no", "no", "no"]),
            ("tok_silent_5", ["no", "no", "no"]),
            ("tok_silent_0s", ["ok", "ok", "ok"]),
            ("tok_silent_5s", ["-", "-", "-"]),
            ("tok_flaky", ["-", "-", "ok"]),
            ("tok_down", ["-", "-", "-"]),
        ] {
            let (ledger, provider) = provider();
            for (n, expected) in answers.into_iter().enumerate() {
                let answer = match provider.capture("k", token, euros(500)).await {
                    Ok(()) => "ok",
                    Err(CaptureError::Declined) => "no",
                    Err(CaptureError::Unavailable(_)) => "-",
                    Err(CaptureError::Voided) => "voided",
                };
                assert_eq!(answer, expected, "{token}");
                // The provider that charges and does not say so does so at its second try.
                let lost = token == "tok_down" && n > 0;
                let taken = lost || answers[..=n].contains(&"ok");
                assert_eq!(charge(&ledger).await.net() > 0, taken, "{token} at try {n}");
            }
        }
    }

    #[tokio::test]
    async fn a_void_may_fail_a_set_number_of_times() {
        let (ledger, provider) = provider();
        provider
            .capture("k", "tok_refund_fails_2", euros(500))
            .await
            .unwrap();
        assert!(provider.void("k").await.is_err());
        assert!(provider.void("k").await.is_err());
        assert_eq!(charge(&ledger).await.net(), 500);
        assert_eq!(provider.void("k").await, Ok(Some(euros(500))));
    }

    #[tokio::test]
    async fn silence_is_by_the_clock_from_the_first_attempt() {
        let (ledger, provider) = provider();
        let capture = || provider.capture("k", "tok_silent_5s", euros(500));
        provider.clock.advance(100);
        for (wait, answers) in [(0, false), (4, false), (1, true), (100, true)] {
            provider.clock.advance(wait);
            assert_eq!(capture().await.is_ok(), answers);
            assert_eq!(charge(&ledger).await.captured > 0, answers);
        }
        let token = "tok_refund_silent_5s";
        provider.capture("k2", token, euros(500)).await.unwrap();
        for (wait, answers) in [(60, false), (4, false), (1, true)] {
            provider.clock.advance(wait);
            assert_eq!(provider.void("k2").await.is_ok(), answers);
        }
    }
}
