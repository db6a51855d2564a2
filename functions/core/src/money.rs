//! Money: integer minor units and an ISO 4217 code. Never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency's code in the form of ISO 4217, such as `EUR`. Facts may name one that
/// the standard has only since; a door takes those that are in its list ([`Money::check`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

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
    /// How many digits the minor unit has: 2 for EUR, 0 for JPY (ISO 4217), and 0 for
    /// what is not in the standard's list.
    #[must_use]
    pub fn exponent(self) -> u32 {
        let exponent = self.listed().and_then(iso_currency::Currency::exponent);
        u32::from(exponent.unwrap_or(0))
    }

    fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What the standard says of it, if it is in its list.
    fn listed(self) -> Option<iso_currency::Currency> {
        iso_currency::Currency::from_code(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        let letters: Option<[u8; 3]> = code.as_bytes().try_into().ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| NO_CODE.to_owned())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What is said of what is no currency.
const NO_CODE: &str = "not an ISO 4217 currency code";

/// The largest amount that any door takes, in minor units: 2^53 - 1, the last
/// that a JSON number keeps in every reader (RFC 8259, 6). A workflow's
/// expressions calculate with such numbers.
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// Minor units (cents for EUR): never negative, and at most 2^53 - 1 where they enter.
    #[serde(deserialize_with = "amount")]
    #[cfg_attr(
        feature = "schema",
        schemars(range(min = 0, max = 9_007_199_254_740_991_i64))
    )]
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

fn amount<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match i64::deserialize(deserializer)? {
        ..0 => Err(serde::de::Error::custom("an amount is never negative")),
        amount if amount > MAX_AMOUNT => Err(serde::de::Error::custom(too_much())),
        amount => Ok(amount),
    }
}

/// What is said of an amount past [`MAX_AMOUNT`].
fn too_much() -> String {
    format!("is at most {MAX_AMOUNT} (2^53 - 1) minor units")
}

impl Money {
    /// Nothing, in the currency of `self`.
    #[must_use]
    pub fn zero(self) -> Self {
        Self { amount: 0, ..self }
    }

    /// Checks that it is money that a door takes: no more than [`MAX_AMOUNT`] of a
    /// currency that is in the list of ISO 4217.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn check(self) -> Result<(), (&'static str, String)> {
        if self.fits().is_none() {
            return Err(("amount", too_much()));
        }
        match self.currency.listed() {
            Some(_) => Ok(()),
            None => Err(("currency", NO_CODE.to_owned())),
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
        assert_eq!(read(MAX_AMOUNT), Some(money(MAX_AMOUNT, "EUR")));
        assert_eq!(read(MAX_AMOUNT + 1), None);
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

    /// A fact may come from code that knows a newer list.
    #[test]
    fn a_currency_that_is_not_in_the_list_is_read_and_taken_at_no_door() {
        let new = money(5, "XQQ");
        assert_eq!(new.to_string(), "5 XQQ");
        assert_eq!(new.check().unwrap_err().0, "currency");
        assert_eq!(money(5, "EUR").check(), Ok(()));
    }

    #[test]
    fn bad_money_is_refused() {
        for bad in [
            r#"{"amount": -1, "currency": "EUR"}"#,
            r#"{"amount": 1.5, "currency": "EUR"}"#,
            r#"{"amount": 1, "currency": "EURO"}"#,
            r#"{"amount": 1, "currency": "E1R"}"#,
            r#"{"amount": 1, "currency": "eur"}"#,
            r#"{"amount": 1}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }
}
