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

/// Written down: the same definitions and the same code do the same from one
/// build to the next. A change of either that is meant to change what happens
/// changes this number; nothing else may.
#[test]
fn a_small_world_has_the_trace_it_always_had() {
    let mut lab = lab(
        7,
        &["duplicate:0.1", "crash-before-commit:0.05", "silent:0.1"],
    );
    for variant in VARIANTS {
        (0..2).for_each(|n| place(&mut lab, variant, &format!("{variant}-{n}"), "tok_visa"));
    }
    lab.settle(20 * HOUR);
    assert!(!lab.struck().is_empty());
    assert_eq!(format!("{:016x}", lab.trace_hash()), "26f2b6413f7f6766");
}
