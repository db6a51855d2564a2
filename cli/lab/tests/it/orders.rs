//! Whole orders.

use crate::shop::{VARIANTS, lab, place, standing};

const HOUR: i64 = 3_600_000;

#[test]
fn a_happy_order_is_confirmed_under_every_variant() {
    for variant in VARIANTS {
        let mut lab = lab(1, &[]);
        place(&mut lab, variant, "o-1", "tok_visa");
        lab.settle(20 * HOUR);
        assert!(
            standing(&lab, "o-1").contains("Confirmed"),
            "{variant}: {} {:#?}",
            standing(&lab, "o-1"),
            lab.timeline()
        );
        assert!(
            lab.is_at_rest() && lab.dead_letters().is_empty() && lab.lost().is_empty(),
            "{variant}"
        );
        assert_eq!(lab.notices(), 1);
    }
}

#[test]
fn a_declined_card_is_rejected_and_undone_under_every_variant() {
    for (token, reason) in [
        ("tok_declined", "PaymentDeclined"),
        ("tok_down", "PaymentUnavailable"),
    ] {
        for variant in VARIANTS {
            let mut lab = lab(1, &[]);
            place(&mut lab, variant, "o-1", token);
            lab.settle(20 * HOUR);
            let standing = standing(&lab, "o-1");
            assert!(
                standing.contains(reason) && standing.contains("Done"),
                "{variant}: {standing} {:#?}",
                lab.timeline()
            );
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    let run = |seed| {
        let mut lab = lab(
            seed,
            &["duplicate:0.1", "delay:0.1", "crash-after-commit:0.05"],
        );
        for variant in VARIANTS {
            (0..5).for_each(|n| place(&mut lab, variant, &format!("{variant}-{n}"), "tok_visa"));
        }
        lab.settle(20 * HOUR);
        (lab.trace_hash(), lab.struck(), lab.timeline().to_vec())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    for variant in VARIANTS {
        for orders in [1_000_u32, 20_000] {
            let config = duet_lab::Config {
                seed: 1,
                ..Default::default()
            };
            let mut lab = duet_lab::Lab::new(crate::shop::definitions(), config).unwrap();
            let goods = duet_inventory::seed(
                "kettle".parse().unwrap(),
                serde_json::from_value(serde_json::json!({"amount": 4990, "currency": "EUR"}))
                    .unwrap(),
                4_000_000,
            );
            crate::shop::now(duet_core::store::Store::commit(
                lab.table("duet-inventory").unwrap(),
                vec![goods],
            ))
            .unwrap();
            let began = std::time::Instant::now();
            for n in 0..orders {
                place(&mut lab, variant, &format!("o-{n}"), "tok_visa");
                if n % 20 == 19 {
                    lab.advance(lab.now() + jiff::SignedDuration::from_millis(400));
                }
            }
            lab.settle(10_000);
            let elapsed = began.elapsed().as_secs_f64();
            println!(
                "{variant}: {:.0} orders/s, {} things happened {}",
                f64::from(orders) / elapsed,
                lab.happened(),
                standing(&lab, "o-0")
            );
        }
    }
}
