//! What the customer service can be asked to do.

use duet_core::id::fit_for_new;
use duet_core::{CustomerId, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the customer service.
    pub enum Command {
        /// Take a registration.
        RegisterCustomer,
        /// The account may be used, if nobody has to screen it.
        ActivateUnscreened,
        /// The account may be used.
        ActivateCustomer,
        /// The account may not be used.
        BlockCustomer,
    }
}

/// Take a registration. The id is chosen by whoever registers: registering the
/// same customer again is the same registration, and the same id with other
/// content is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegisterCustomer {
    /// Who.
    pub customer: CustomerId,
    /// The customer's name, 1 to 200 characters. Personal data: never logged.
    pub name: String,
    /// The customer's address, see [`is_email`]. Personal data: never logged.
    pub email: String,
    /// ISO 3166-1 alpha-2 country of residence, such as `SE`.
    pub country: String,
}

/// The account may be used, unless it waits for a clearance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActivateUnscreened {
    /// Whose.
    pub customer: CustomerId,
}

/// The account may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActivateCustomer {
    /// Whose.
    pub customer: CustomerId,
}

/// The account may not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockCustomer {
    /// Whose.
    pub customer: CustomerId,
    /// Why: the names of the rules that tripped.
    pub reasons: Vec<String>,
}

/// The most characters a name has.
pub const MAX_NAME: usize = 200;

/// Why a [`RegisterCustomer`] is not acceptable: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unacceptable {
    /// The offending field.
    pub path: &'static str,
    /// What is wrong with it, without its value.
    pub problem: String,
}

impl RegisterCustomer {
    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Unacceptable> {
        let no = |path, problem: String| Err(Unacceptable { path, problem });
        if let Err(why) = fit_for_new(self.customer.as_str()) {
            return no("customer", why.to_string());
        }
        if self.name.trim().is_empty() || self.name.chars().count() > MAX_NAME {
            return no("name", format!("has 1 to {MAX_NAME} characters"));
        }
        if !is_email(&self.email) {
            return no("email", "is an address such as ada@example.com".into());
        }
        if !is_country(&self.country) {
            let problem = "is a two-letter ISO 3166-1 code, such as SE";
            return no("country", problem.into());
        }
        Ok(())
    }
}

/// Whether `text` has the shape of an e-mail address, by a rule that refuses
/// slips of the hand and no address that mail is sent to in practice:
///
/// - one `@`, between a local part of 1 to 64 bytes and a domain of at most
///   255 (RFC 5321, 4.5.3.1), 254 in all (RFC 3696, erratum 1690);
/// - no blank and no control character; no dot at either end of the local part
///   and no two in a row (quoted local parts are not taken);
/// - a domain of at least two labels parted by dots, each of 1 to 63 ASCII
///   letters, digits and inner hyphens (international domains come as `xn--`).
///
/// Whether anybody reads mail there only a letter can tell.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let sizes = text.len() <= 254 && (1..=64).contains(&local.len());
    let dots = local.split('.').all(|atom| !atom.is_empty());
    let plain = !text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '"');
    let labels: Vec<&str> = domain.split('.').collect();
    sizes && dots && plain && labels.len() >= 2 && labels.iter().all(|label| is_label(label))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether `code` has the form of an ISO 3166-1 alpha-2 code.
#[must_use]
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_slips() {
        let long = format!("{}@example.com", "x".repeat(64));
        for good in [
            "ada@example.com",
            "a+b.c@sub.example.co",
            "å@xn--d-fga.example",
            &long,
        ] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.com", "x".repeat(65));
        let wide = format!("a@{}.com", "x".repeat(64));
        for bad in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a@b@example.com",
            "ada @example.com",
            "ada@exam ple.com",
            ".ada@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@example..com",
            "ada@example.com.",
            "ada\n@example.com",
            "\"ada\"@example.com",
            "ada@exämple.com",
            &long,
            &wide,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_registration_is_checked_by_field() {
        let good = RegisterCustomer {
            customer: "c-1".parse().unwrap(),
            name: "Ada".into(),
            email: "ada@example.com".into(),
            country: "SE".into(),
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            (
                "customer",
                RegisterCustomer {
                    customer: "c__1".parse().unwrap(),
                    ..good.clone()
                },
            ),
            (
                "name",
                RegisterCustomer {
                    name: "  ".into(),
                    ..good.clone()
                },
            ),
            (
                "name",
                RegisterCustomer {
                    name: "x".repeat(201),
                    ..good.clone()
                },
            ),
            (
                "email",
                RegisterCustomer {
                    email: "canary".into(),
                    ..good.clone()
                },
            ),
            (
                "country",
                RegisterCustomer {
                    country: "se".into(),
                    ..good.clone()
                },
            ),
            (
                "country",
                RegisterCustomer {
                    country: "SWE".into(),
                    ..good.clone()
                },
            ),
        ];
        for (path, command) in bad {
            let no = command.check().unwrap_err();
            assert_eq!(no.path, path);
            assert!(!no.problem.contains("canary"), "problems quote no data");
        }
    }
}
