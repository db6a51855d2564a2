//! What commands are told apart by stays what it is. A record keeps the hash of
//! its command, and a repeat with another hash is refused: so a field that comes
//! with a default leaves the commands of before as they were, and their hashes.

use std::collections::BTreeSet;

use duet_core::Vocabulary;
use duet_core::desk::hash;
use serde_json::{Value, from_str};

const ADDRESS: &str =
    r#"{"name":"Ada","street":"1 Road","city":"Lund","postcode":"22100","country":"SE"}"#;

/// Each command of each service, as it is sent by code that knows no field that
/// was added since, and its hash. A line is added for a new command, and changed
/// never.
const GOLDEN: &[(&str, &str, &str, &str)] = &[
    (
        "customer",
        "RegisterCustomer",
        r#"{"customer":"c-1","name":"Ada","email":"ada@example.com","country":"SE"}"#,
        "b6085543fd22a31cf3d714a92a4d79849d542f34bb979ef9c81e66b05da8c93e",
    ),
    (
        "customer",
        "ActivateUnscreened",
        r#"{"customer":"c-1"}"#,
        "c37a868a4beb7f55fadc3b35dbe6b68e327e58cd2c8ec4baf48c6ef7c41d38a1",
    ),
    (
        "customer",
        "ActivateCustomer",
        r#"{"customer":"c-1"}"#,
        "c37a868a4beb7f55fadc3b35dbe6b68e327e58cd2c8ec4baf48c6ef7c41d38a1",
    ),
    (
        "customer",
        "BlockCustomer",
        r#"{"customer":"c-1","reasons":["shared-email"]}"#,
        "519f3023e5ce83e0e5cec9642d74dfecc523bc1d6b424f960662f9d0661c282d",
    ),
    (
        "order",
        "PlaceOrder",
        r#"{"order":"o-1","customer":"c-1","lines":[{"sku":"kettle","quantity":2}],"total":{"amount":2500,"currency":"EUR"},"payment_token":"tok_visa","ship_to":ADDRESS}"#,
        "4d61424afac38bf4bb91cd316a772ce1e26a10218e5a79906153206bc4dc209e",
    ),
    (
        "order",
        "ConfirmOrder",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "RejectOrder",
        r#"{"order":"o-1","reason":"PaymentDeclined"}"#,
        "9e2a653997b64876a5f70d25d4600dce295344c5e312c5d171e59a68e77d62f0",
    ),
    (
        "order",
        "ExtendDeadline",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "NoteUndone",
        r#"{"order":"o-1","parts":["stock"]}"#,
        "0fef8606c870f470e4697469f195e4f9b54710c4416ccbb1c910251467e98d24",
    ),
    (
        "order",
        "ParkOrder",
        r#"{"order":"o-1","owed":[{"part":"payment","amount":{"amount":2500,"currency":"EUR"}}]}"#,
        "65d98476eefc075f460de2179626c8db6328c4a669bfa08c0aad786b635c22d7",
    ),
    (
        "order",
        "ExpireOrder",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "ExpireCompensation",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "FollowUpOrder",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "TakeUpOrder",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "order",
        "ForgetOrder",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "fraud",
        "ScreenOrder",
        r#"{"order":"o-1","customer":"c-1","total":{"amount":2500,"currency":"EUR"},"country":"SE","placed_at":"2026-01-01T00:00:00Z"}"#,
        "54de64e32ab2c01d4b2b34eae779efc3d03bcb1e4c81f6c9c7d3f6f119d2d149",
    ),
    (
        "fraud",
        "ScreenCustomer",
        r#"{"customer":"c-1","email":"ada@example.com","country":"SE","registered_at":"2026-01-01T00:00:00Z"}"#,
        "c277e5907828cc8a58d9135e887bf5694665679422b03f10ef6c53c81b1505c1",
    ),
    (
        "fraud",
        "OpenReview",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "fraud",
        "DecideReview",
        r#"{"order":"o-1","verdict":"Approve"}"#,
        "8b5923fa31d4fc2b27d029d5b995caf07f9a8ea6ffd6d7fa51b1e891251ec874",
    ),
    (
        "fraud",
        "CloseReview",
        r#"{"order":"o-1","cause":"TimedOut"}"#,
        "e93f8cb896c59b15a0a338b40b10a4fcd8acf9f1aceb5f1e058974e7d43f6914",
    ),
    (
        "inventory",
        "ReserveStock",
        r#"{"order":"o-1","lines":[{"sku":"kettle","quantity":2}],"total":{"amount":2500,"currency":"EUR"}}"#,
        "c6d6011663d8e200b6801fe5b853de68c3d753c3a7a71356f9eead65dc5d6037",
    ),
    (
        "inventory",
        "ReleaseStock",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "inventory",
        "ShipStock",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "payment",
        "CapturePayment",
        r#"{"order":"o-1","amount":{"amount":2500,"currency":"EUR"},"payment_token":"tok_visa"}"#,
        "a85e370e759ce38ac7571ae2fed5586e31b80f85d73346159ed03538642ce440",
    ),
    (
        "payment",
        "NoteOrder",
        r#"{"order":"o-1","total":{"amount":2500,"currency":"EUR"},"payment_token":"tok_visa"}"#,
        "fc10b59bfcb070f8b6702790245b680f27d5145b53dfeedfbb646518cf572eba",
    ),
    (
        "payment",
        "NoteReservation",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "payment",
        "RefundPayment",
        r#"{"order":"o-1","total":{"amount":2500,"currency":"EUR"}}"#,
        "067d94607dfb5c77320dcd5390c007943189d6f23aba95fab1cde053c54f4abf",
    ),
    (
        "delivery",
        "ScheduleDelivery",
        r#"{"order":"o-1","ship_to":ADDRESS}"#,
        "55fc1aadce17c0d078a050f05cec4d75a5e93421a67e3b1a94ee7f7be0d68fa2",
    ),
    (
        "delivery",
        "NoteOrder",
        r#"{"order":"o-1","ship_to":ADDRESS}"#,
        "55fc1aadce17c0d078a050f05cec4d75a5e93421a67e3b1a94ee7f7be0d68fa2",
    ),
    (
        "delivery",
        "NotePayment",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "delivery",
        "NoteClearance",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "delivery",
        "CancelDelivery",
        r#"{"order":"o-1"}"#,
        "be2472c17de3278dba7def61413162208d6766b87b68049b98e4f97259dd70f5",
    ),
    (
        "notification",
        "NotifyCustomer",
        r#"{"subject":"o-1","kind":"OrderConfirmed"}"#,
        "9b7ec303f41da8bc65b480c3875fede8a09b0d7678f1583499527716ba09f2f5",
    ),
    (
        "journal",
        "RecordFact",
        r#"{"metadata":{"id":"e-1","source":"duet.payment","type":"PaymentDeclined","subject":"o-1","time":"2026-01-01T00:00:00Z","schemaversion":"1.0","correlationid":"o-1","variant":"bus"},"data":{"order":"o-1"}}"#,
        "6b02e8e9feedf2c756cee685107dbff59f8d83a64208b447eb799fb8b008a389",
    ),
];

fn hashed<C: Vocabulary>(name: &str, data: &Value) -> String {
    let command = C::parse(name, data).unwrap();
    hash(&command)
}

macro_rules! services_commands {
    (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
     listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
        fn of(service: &str, name: &str, data: &Value) -> String {
            let hashed = match service {
                $(stringify!($part) => hashed::<$its::Command>,)*
                $(stringify!($listener) => hashed::<$own::Command>,)*
                other => panic!("no service {other}"),
            };
            hashed(name, data)
        }

        /// Every service and its commands.
        const COMMANDS: &[(&str, &[&str])] = &[
            $((stringify!($part), $its::Command::NAMES),)*
            $((stringify!($listener), $own::Command::NAMES),)*
        ];
    };
}
duet_core::services!(services_commands);

#[test]
fn yesterdays_commands_have_the_hashes_they_had() {
    let mut wrong = Vec::new();
    for (service, name, data, golden) in GOLDEN {
        let data = from_str(&data.replace("ADDRESS", ADDRESS)).unwrap();
        let hash = of(service, name, &data);
        if hash != *golden {
            wrong.push(format!("{service} {name} {hash}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_of_every_service_has_its_line() {
    let all: BTreeSet<(&str, &str)> = COMMANDS
        .iter()
        .flat_map(|(service, names)| names.iter().map(move |name| (*service, *name)))
        .collect();
    let lines: BTreeSet<_> = GOLDEN
        .iter()
        .map(|(service, name, ..)| (*service, *name))
        .collect();
    assert_eq!(lines, all);
    assert_eq!(lines.len(), GOLDEN.len(), "one line each");
}
