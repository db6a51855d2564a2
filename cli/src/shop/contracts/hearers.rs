//! Who reads which contract, for the check of what a change breaks.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::SERVICES;

use super::interests;
use crate::terminal::exit::Outcome;

/// Who reads a contract, by its name.
#[derive(Debug)]
pub struct Hearers(BTreeMap<String, BTreeSet<&'static str>>);

impl Hearers {
    /// From the services' own policies.
    ///
    /// # Errors
    /// As [`interests`].
    pub fn known() -> Outcome<Self> {
        let mut by_name: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for interest in interests()? {
            let hearers = by_name.entry(interest.fact.to_owned()).or_default();
            hearers.extend(interest.makes.iter().map(|(who, _)| *who));
        }
        // What is around every fact and every command.
        for envelope in ["metadata", "command-message"] {
            by_name.insert(envelope.to_owned(), SERVICES.into_iter().collect());
        }
        Ok(Self(by_name))
    }

    /// Who reads the contract called `name`; nobody where it is not one of ours, or
    /// where nobody does anything about it. A service decodes a message whole before it
    /// looks at it, so each of them reads every field. A recorder keeps what comes as it
    /// comes, and reads none.
    #[must_use]
    pub fn of(&self, name: &str) -> Vec<String> {
        let service = name.split_once('.').map(|(service, _)| service);
        match service.filter(|it| SERVICES.contains(it)) {
            Some(service) => vec![service.to_owned()],
            None => self
                .0
                .get(name)
                .into_iter()
                .flatten()
                .map(|it| (*it).to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_what_is_who_does_something_about_it() {
        let hearers = Hearers::known().unwrap();
        let captured = hearers.of("PaymentCaptured");
        assert!(captured.contains(&"delivery".to_owned()), "{captured:?}");
        assert!(!captured.contains(&"journal".to_owned()), "{captured:?}");
        assert!(!captured.contains(&"customer".to_owned()), "{captured:?}");
        assert_eq!(hearers.of("payment.CapturePayment"), ["payment"]);
        assert_eq!(hearers.of("metadata").len(), SERVICES.len());
        assert!(hearers.of("ParcelLost").is_empty() && hearers.of("aws.acm").is_empty());
    }
}
