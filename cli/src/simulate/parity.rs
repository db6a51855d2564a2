//! The same world under every variant: what ended the same must have left the same.

use duet_lab::Strike;

use super::{Traces, Violation};
use crate::shop::variant::Variant;

/// What the first variant of a seed left behind.
#[derive(Debug, Default)]
pub(super) struct Twins(Option<(u64, &'static str, Vec<Traces>)>);

impl Twins {
    /// What the world of `seed` under `variant` left otherwise than the first
    /// variant of that seed did, though its orders ended the same. Faults may
    /// make an order end otherwise; then money and notices are its end's, and
    /// are judged by the invariants.
    pub(super) fn unequal(
        &mut self,
        seed: u64,
        variant: &'static Variant,
        traces: Vec<Traces>,
        struck: &[Strike],
    ) -> Vec<Violation> {
        let Some((_, first, reference)) = self.0.as_ref().filter(|(of, ..)| *of == seed) else {
            self.0 = Some((seed, variant.name, traces));
            return Vec::new();
        };
        let pairs = reference.iter().zip(&traces);
        let differences = pairs.filter_map(|(one, other)| difference(one, other));
        differences
            .map(|(one, other)| Violation {
                seed,
                variant: variant.name,
                invariant: 7,
                what: format!("{first} left {one}, {} left {other}", variant.name),
                schedule: struck
                    .iter()
                    .map(|(kind, ident)| format!("{kind} #{ident:016x}"))
                    .collect(),
                scenarios: Vec::new(),
                timeline: Vec::new(),
            })
            .collect()
    }
}

/// The first thing in which two ends of one scenario differ, as each has it:
/// orders that stand the same but for money, delivery or notices; stock, where
/// all of them stand the same.
fn difference(one: &Traces, other: &Traces) -> Option<(String, String)> {
    let orders = |traces: &Traces| {
        let mut orders = traces.orders.clone();
        if traces.contested {
            orders.sort();
        }
        orders
    };
    let (ones, others) = (orders(one), orders(other));
    let mut pairs = ones.iter().zip(&others);
    if let Some((one, other)) =
        pairs.find(|(one, other)| one.standing == other.standing && one != other)
    {
        return Some((format!("{one:?}"), format!("{other:?}")));
    }
    let alike = ones == others;
    (alike && one.stock != other.stock)
        .then(|| (format!("{:?}", one.stock), format!("{:?}", other.stock)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::view::Print;
    use crate::shop::variant;

    fn traces(standing: &str, net: i64, stock: (i64, i64, i64)) -> Vec<Traces> {
        vec![Traces {
            orders: vec![Print {
                standing: standing.to_owned(),
                net,
                booked: false,
                notices: Vec::new(),
            }],
            stock: vec![stock],
            contested: false,
        }]
    }

    #[test]
    fn what_ended_the_same_left_the_same() {
        let mut twins = Twins::default();
        let [first, .., last] = variant::ALL.as_slice() else {
            panic!("there is nothing to compare")
        };
        let mut compare = |seed, variant, traces| twins.unequal(seed, variant, traces, &[]).len();
        assert_eq!(compare(1, first, traces("Confirmed", 5, (1, 0, 1))), 0);
        assert_eq!(compare(1, last, traces("Confirmed", 5, (1, 0, 1))), 0);
        assert_eq!(compare(1, last, traces("Confirmed", 4, (1, 0, 1))), 1);
        assert_eq!(compare(1, last, traces("Confirmed", 5, (2, 0, 0))), 1);
        // Lost to a fault: other money, other stock.
        assert_eq!(compare(1, last, traces("Rejected", 0, (2, 0, 0))), 0);
        // Another seed is another world.
        assert_eq!(compare(2, first, traces("Confirmed", 4, (1, 0, 1))), 0);
    }
}
