//! Money: integer minor units and an ISO 4217 code. Never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 alphabetic code that is in the standard's list, such as `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "description": "An ISO 4217 alphabetic code."
        })
    }
}

impl Currency {
    /// How many digits the minor unit has: 2 for EUR, 0 for JPY (ISO 4217).
    #[must_use]
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        iso_currency::Currency::from_code(&code)
            .map(Self)
            .ok_or_else(|| "not an ISO 4217 currency code".to_owned())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

/// The largest amount that any door takes, in minor units: 2^53 - 1, the last
/// that a JSON number keeps in every reader (RFC 8259, 6). A workflow's
/// expressions calculate with such numbers.
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// Minor units (cents for EUR): never negative, and at most 2^53 - 1 where they enter.
    #[serde(deserialize_with = "not_negative")]
    #[cfg_attr(
        feature = "schema",
        schemars(range(min = 0, max = 9_007_199_254_740_991_i64))
    )]
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

fn not_negative<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let amount = i64::deserialize(deserializer)?;
    if amount < 0 {
        return Err(serde::de::Error::custom("an amount is never negative"));
    }
    Ok(amount)
}

impl Money {
    /// Nothing, in the currency of `self`.
    #[must_use]
    pub fn zero(self) -> Self {
        Self { amount: 0, ..self }
    }

    /// Checks that the amount is one a door takes.
    ///
    /// # Errors
    /// What is wrong with it, for the field `amount`.
    pub fn check(self) -> Result<(), String> {
        match self.fits() {
            Some(_) => Ok(()),
            None => Err(format!("is at most {MAX_AMOUNT} (2^53 - 1) minor units")),
        }
    }

    fn fits(self) -> Option<Self> {
        (self.amount <= MAX_AMOUNT).then_some(self)
    }

    /// `self` times `quantity`; `None` if it is past [`MAX_AMOUNT`].
    #[must_use]
    pub fn times(self, quantity: u32) -> Option<Self> {
        let amount = self.amount.checked_mul(i64::from(quantity))?;
        Self { amount, ..self }.fits()
    }

    /// `self` plus `other`; `None` if the currencies differ or it is past
    /// [`MAX_AMOUNT`].
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let amount = self.amount.checked_add(other.amount)?;
        Self { amount, ..self }.fits()
    }

    /// Whole units of the currency, rounded down: 12.99 EUR is 12.
    #[must_use]
    pub fn major(self) -> i64 {
        self.amount / 10_i64.pow(self.currency.exponent())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i64.pow(self.currency.exponent());
        let (whole, rest) = (self.amount / unit, self.amount % unit);
        match self.currency.exponent() {
            0 => write!(f, "{whole} {}", self.currency),
            digits => write!(
                f,
                "{whole}.{rest:0width$} {}",
                self.currency,
                width = digits as usize
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money {
            amount,
            currency: Currency::try_from(code.to_owned()).unwrap(),
        }
    }

    #[test]
    fn an_amount_is_nothing_or_more_and_exact_in_every_reader() {
        let read = |amount: i64| {
            let document = serde_json::json!({"amount": amount, "currency": "EUR"});
            serde_json::from_value::<Money>(document).ok()
        };
        assert_eq!(read(0), Some(money(7, "EUR").zero()));
        assert_eq!(read(-1), None);
        assert_eq!(MAX_AMOUNT, 9_007_199_254_740_991);
    }

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(money(250, "EUR").times(3), Some(money(750, "EUR")));
        assert_eq!(money(i64::MAX, "EUR").times(2), None);
        assert_eq!(money(1, "EUR").plus(money(1, "USD")), None);
        assert_eq!(money(i64::MAX, "EUR").plus(money(1, "EUR")), None);
        let most = money(MAX_AMOUNT, "EUR");
        assert_eq!(most.times(1), Some(most));
        assert_eq!(
            money(MAX_AMOUNT - 1, "EUR").plus(money(1, "EUR")),
            Some(most)
        );
        assert_eq!(most.plus(money(1, "EUR")), None);
        assert_eq!(money(MAX_AMOUNT / 2 + 1, "EUR").times(2), None);
        assert_eq!(most.check(), Ok(()));
        assert!(money(MAX_AMOUNT + 1, "EUR").check().is_err());
    }

    #[test]
    fn amounts_print_in_their_currency() {
        assert_eq!(money(1299, "EUR").to_string(), "12.99 EUR");
        assert_eq!(money(5, "USD").to_string(), "0.05 USD");
        assert_eq!(money(500, "JPY").to_string(), "500 JPY");
        assert_eq!(money(1299, "EUR").major(), 12);
    }

    #[test]
    fn bad_money_is_refused() {
        for bad in [
            r#"{"amount": -1, "currency": "EUR"}"#,
            r#"{"amount": 1.5, "currency": "EUR"}"#,
            r#"{"amount": 1, "currency": "XQQ"}"#,
            r#"{"amount": 1, "currency": "eur"}"#,
            r#"{"amount": 1}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }
}
