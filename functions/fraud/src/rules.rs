//! The rules, as tables: name, weight, and when each trips. A score is the sum
//! of the weights of the rules that tripped; what it leads to is said by
//! [`REVIEW`] and [`BLOCK`]. Pure, and blind to where the evidence comes from.

use duet_core::time::after;
use duet_core::{Money, Timestamp};

use crate::history::Registration;

/// From this score on an order needs a person, and a customer is blocked.
pub const REVIEW: u32 = 50;
/// From this score on an order is refused outright.
pub const BLOCK: u32 = 80;

/// An order of this many whole units of its currency, or more, is large.
pub const LARGE_AMOUNT: i64 = 2_000;
/// So many orders of one customer within [`VELOCITY_SECONDS`] are too many: one
/// fewer are cleared without a person, in whatever order or at once they come.
pub const VELOCITY: usize = 4;
/// The stretch of order time in which a customer's cleared orders are counted:
/// any hour. Two orders placed exactly that far apart are in none together.
pub const VELOCITY_SECONDS: u32 = 60 * 60;
/// An account younger than this is new: 24 hours.
pub const NEW_ACCOUNT_SECONDS: u32 = 24 * 60 * 60;

/// Domains that hand out mail boxes to throw away; their subdomains count too.
/// A short list, well known, and one name that nobody can own (RFC 2606) for
/// tests and demonstrations.
pub const DISPOSABLE_DOMAINS: [&str; 8] = [
    "10minutemail.com",
    "disposable.example",
    "guerrillamail.com",
    "mailinator.com",
    "sharklasers.com",
    "temp-mail.org",
    "trashmail.com",
    "yopmail.com",
];

/// One rule over evidence of type `E`.
#[derive(Debug)]
pub struct Rule<E> {
    /// Its name, given as a reason.
    pub name: &'static str,
    /// What it adds to the score.
    pub weight: u32,
    /// When it trips, in words.
    pub when: &'static str,
    /// When it trips.
    pub trips: fn(&E) -> bool,
}

/// What the rules know of an order.
#[derive(Debug, Clone)]
pub struct OrderEvidence {
    /// What it costs.
    pub total: Money,
    /// Where it goes.
    pub country: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// How many orders the fullest hour would have that it is in: the customer's
    /// that were cleared, and itself. 1 for the first.
    pub nth: usize,
    /// Whether orders of that hour may be remembered no more.
    pub forgotten: bool,
    /// The customer as screened at registration, if they ever were.
    pub registration: Option<Registration>,
}

impl OrderEvidence {
    fn registered(&self, trips: impl Fn(&Registration) -> bool) -> bool {
        self.registration.as_ref().is_some_and(trips)
    }
}

/// What the rules know of a customer.
#[derive(Debug, Clone, Copy)]
pub struct CustomerEvidence {
    /// The e-mail domain is one of [`DISPOSABLE_DOMAINS`].
    pub disposable_email: bool,
    /// How many others registered with the same e-mail address.
    pub others: u32,
    /// How many of those were found suspicious, and so blocked.
    pub blocked: u32,
}

/// The rules for orders.
pub const ORDER_RULES: [Rule<OrderEvidence>; 8] = [
    Rule {
        name: "large-amount",
        weight: 40,
        when: "the total is 2,000 or more whole units of its currency",
        trips: |order| order.total.major() >= LARGE_AMOUNT,
    },
    Rule {
        name: "velocity",
        weight: 80,
        when: "within an hour of order time, before or after it, 3 orders of the customer were cleared",
        trips: |order| order.nth >= VELOCITY,
    },
    Rule {
        name: "very-late",
        weight: 50,
        when: "it arrives so late that the orders of its hour may be remembered no more",
        trips: |order| order.forgotten,
    },
    Rule {
        name: "blocked-account",
        weight: 80,
        when: "the customer was found suspicious at registration",
        trips: |order| order.registered(Registration::is_blocked),
    },
    Rule {
        name: "country-mismatch",
        weight: 30,
        when: "it goes to another country than the customer registered with",
        trips: |order| order.registered(|customer| customer.country != order.country),
    },
    Rule {
        name: "disposable-email",
        weight: 25,
        when: "the customer's e-mail domain is one for throw-away mail boxes",
        trips: |order| order.registered(|customer| customer.disposable_email),
    },
    Rule {
        name: "new-account",
        weight: 15,
        when: "the account was younger than 24 hours when the order was placed",
        trips: |order| {
            order.registered(|customer| {
                after(customer.registered_at, NEW_ACCOUNT_SECONDS) > order.placed_at
            })
        },
    },
    Rule {
        name: "unknown-account",
        weight: 15,
        when: "the customer was never screened here",
        trips: |order| order.registration.is_none(),
    },
];

/// The rules for customers. The last two add up: who shares an address with a
/// blocked customer shares it with a customer.
pub const CUSTOMER_RULES: [Rule<CustomerEvidence>; 3] = [
    Rule {
        name: "disposable-email",
        weight: 60,
        when: "the e-mail domain is one for throw-away mail boxes",
        trips: |customer| customer.disposable_email,
    },
    Rule {
        name: "email-reuse",
        weight: 30,
        when: "another customer registered with the same e-mail address",
        trips: |customer| customer.others > 0,
    },
    Rule {
        name: "email-of-blocked",
        weight: 60,
        when: "a customer found suspicious registered with the same e-mail address",
        trips: |customer| customer.blocked > 0,
    },
];

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The sum of the weights.
    pub score: u32,
    /// The names of the rules that tripped, in the order of the table.
    pub reasons: Vec<String>,
}

/// Applies `rules` to `evidence`.
pub fn assess<E>(rules: &[Rule<E>], evidence: &E) -> Assessment {
    let tripped = || rules.iter().filter(|rule| (rule.trips)(evidence));
    Assessment {
        score: tripped().map(|rule| rule.weight).sum(),
        reasons: tripped().map(|rule| rule.name.to_owned()).collect(),
    }
}

/// Whether mail to `email` goes to one of [`DISPOSABLE_DOMAINS`].
#[must_use]
pub fn is_disposable(email: &str) -> bool {
    let domain = email
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    DISPOSABLE_DOMAINS.iter().any(|listed| {
        domain
            .strip_suffix(listed)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn money(amount: i64, currency: &str) -> Money {
        serde_json::from_value(serde_json::json!({"amount": amount, "currency": currency})).unwrap()
    }

    /// A Swede of three days, at noon of the fourth.
    fn swede() -> Registration {
        Registration {
            country: "SE".into(),
            disposable_email: false,
            registered_at: at("2026-01-01T12:00:00Z"),
            suspicious: false,
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table: one row an order")]
    fn each_order_rule_trips_at_its_mark() {
        const NOON: &str = "2026-01-04T12:00:00Z";
        let known = Some(swede());
        let throwaway = Some(Registration {
            disposable_email: true,
            ..swede()
        });
        let blocked = Some(Registration {
            suspicious: true,
            ..swede()
        });
        // amount, currency, country, placed at, n-th, registration; score, reasons
        let cases = [
            (199_999, "EUR", "SE", NOON, 1, &known, 0, ""),
            (200_000, "EUR", "SE", NOON, 1, &known, 40, "large-amount"),
            (1_999, "JPY", "SE", NOON, 1, &known, 0, ""),
            (2_000, "JPY", "SE", NOON, 1, &known, 40, "large-amount"),
            (2_000_000, "KWD", "SE", NOON, 1, &known, 40, "large-amount"),
            (1_999_999, "KWD", "SE", NOON, 1, &known, 0, ""),
            (100, "EUR", "SE", NOON, 3, &known, 0, ""),
            (100, "EUR", "SE", NOON, 4, &known, 80, "velocity"),
            (100, "EUR", "SE", NOON, 9, &known, 80, "velocity"),
            (100, "EUR", "DE", NOON, 1, &known, 30, "country-mismatch"),
            (
                100,
                "EUR",
                "SE",
                NOON,
                1,
                &throwaway,
                105,
                "blocked-account,disposable-email",
            ),
            (100, "EUR", "SE", NOON, 1, &blocked, 80, "blocked-account"),
            (
                100,
                "EUR",
                "SE",
                "2026-01-02T11:59:59Z",
                1,
                &known,
                15,
                "new-account",
            ),
            (100, "EUR", "SE", "2026-01-02T12:00:00Z", 1, &known, 0, ""),
            (
                100,
                "EUR",
                "SE",
                "2025-12-31T00:00:00Z",
                1,
                &known,
                15,
                "new-account",
            ),
            (100, "EUR", "DE", NOON, 1, &None, 15, "unknown-account"),
            (
                200_000,
                "EUR",
                "DE",
                NOON,
                1,
                &None,
                55,
                "large-amount,unknown-account",
            ),
            (
                200_000,
                "EUR",
                "DE",
                NOON,
                1,
                &known,
                70,
                "large-amount,country-mismatch",
            ),
            (
                200_000,
                "EUR",
                "DE",
                "2026-01-02T00:00:00Z",
                4,
                &throwaway,
                270,
                "large-amount,velocity,blocked-account,country-mismatch,disposable-email,new-account",
            ),
        ];
        for case in cases {
            let (amount, currency, country, placed_at, nth, registration, score, reasons) = case;
            let evidence = OrderEvidence {
                total: money(amount, currency),
                country: country.to_owned(),
                placed_at: at(placed_at),
                nth,
                forgotten: false,
                registration: registration.clone(),
            };
            let assessment = assess(&ORDER_RULES, &evidence);
            let got = (assessment.score, assessment.reasons.join(","));
            assert_eq!(got, (score, reasons.to_owned()), "{case:?}");
        }
    }

    #[test]
    fn each_customer_rule_trips_at_its_mark() {
        let cases = [
            (false, 0, 0, 0, ""),
            (true, 0, 0, 60, "disposable-email"),
            (false, 1, 0, 30, "email-reuse"),
            (false, 2, 1, 90, "email-reuse,email-of-blocked"),
            (
                true,
                1,
                1,
                150,
                "disposable-email,email-reuse,email-of-blocked",
            ),
        ];
        for (disposable_email, others, blocked, score, reasons) in cases {
            let evidence = CustomerEvidence {
                disposable_email,
                others,
                blocked,
            };
            let assessment = assess(&CUSTOMER_RULES, &evidence);
            assert_eq!(
                (assessment.score, &*assessment.reasons.join(",")),
                (score, reasons)
            );
        }
    }

    #[test]
    fn disposable_domains_are_known_with_their_subdomains() {
        for yes in ["a@mailinator.com", "a@MailInator.COM", "a@eu.yopmail.com"] {
            assert!(is_disposable(yes), "{yes}");
        }
        for no in [
            "a@example.com",
            "a@notmailinator.com",
            "a@mailinator.com.example",
            "a",
            "",
        ] {
            assert!(!is_disposable(no), "{no}");
        }
    }

    #[test]
    fn the_tables_are_sound() {
        let names = |names: Vec<&'static str>| {
            let unique: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "two rules share a name");
            assert!(
                names.iter().all(|name| !name.contains(',')),
                "reasons are joined by commas"
            );
        };
        names(ORDER_RULES.iter().map(|rule| rule.name).collect());
        names(CUSTOMER_RULES.iter().map(|rule| rule.name).collect());
        const { assert!(REVIEW < BLOCK) };
        assert!(ORDER_RULES.iter().all(|rule| rule.weight > 0));
        assert!(
            DISPOSABLE_DOMAINS
                .iter()
                .all(|domain| domain.to_ascii_lowercase() == **domain)
        );
    }
}
