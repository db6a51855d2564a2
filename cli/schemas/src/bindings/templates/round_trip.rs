//! What is read and written again is what it was; what is invalid is refused.

use serde_json::{Value, json};

use NAME::{Envelope, Event};

fn samples() -> Vec<Value> {
    serde_json::from_str(include_str!("samples.json")).unwrap()
}

#[test]
fn every_event_survives_a_round_trip_with_what_nobody_knows() {
    for sample in samples() {
        let word = |name: &str| sample[name].as_str().unwrap().to_owned();
        let envelope = json!({
            "detail-type": word("detail-type"), "source": word("source"), "id": "1",
            "detail": match sample["within"].as_str() {
                None => sample["said"].clone(),
                Some(name) => json!({ name: sample["said"] }),
            },
        });
        let read: Envelope = serde_json::from_value(envelope.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), envelope);
        let event = read.event().unwrap_or_else(|why| panic!("{why}: {sample}"));
        assert!(!matches!(event, Event::Unknown(_)), "{sample}");
        assert_eq!(serde_json::to_value(&event).unwrap(), sample["said"]);
    }
}

#[test]
fn what_is_invalid_is_refused_with_its_field() {
    for sample in samples() {
        for bad in sample["refused"].as_array().unwrap() {
            let mut said = sample["said"].clone();
            let field = bad["field"].as_str().unwrap();
            said[field] = bad["value"].clone();
            let (source, name) = (&sample["source"], &sample["detail-type"]);
            let refused = Event::of(source.as_str().unwrap(), name.as_str().unwrap(), said);
            let why = refused.unwrap_err().to_string();
            assert!(why.starts_with(&format!("{field}: ")), "{why}");
        }
    }
}

#[test]
fn an_unknown_event_is_kept() {
    let said = json!({ "a": [1, null] });
    let event = Event::of("nobody", "Nothing happened", said.clone()).unwrap();
    assert_eq!(event, Event::Unknown(said));
}
