//! How long an order takes, and what it waits for meanwhile.

use std::collections::BTreeMap;

use duet_lab::{Wait, WaitsFor};
use serde::{Deserialize, Serialize};

/// Milliseconds at four quantiles, and between which these lie.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many orders.
    pub n: usize,
    /// One in ten takes less.
    pub p10: i64,
    /// Half take less.
    pub p50: i64,
    /// Nine in ten take less.
    pub p90: i64,
    /// All but one in a hundred take less.
    pub p99: i64,
    /// The least and the most of each quantile among the draws: what is assumed
    /// lies elsewhere in each, and the sampling is in it. Of the 99th percentile
    /// a draw of few orders gives only its slowest.
    pub range: BTreeMap<String, [i64; 2]>,
    /// The doubt that is left where nothing is assumed: between which a quantile
    /// of the draw in the middle lies, with 95 % confidence, by how many orders
    /// it has. The rest of the range is what is assumed.
    pub sampling: BTreeMap<String, [i64; 2]>,
    /// In how many draws; 0 where nothing is assumed, and the range is the sampling's.
    pub draws: usize,
}

/// So few draws do not show how far apart the assumptions bring things.
const FEW_DRAWS: usize = 20;

/// How long orders take under one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// From placing to the decision, where every instance is warm.
    pub decided_ms: Spread,
    /// … where all have to start: the first order of each draw.
    pub cold_decided_ms: Spread,
    /// From placing until a rejected order is whole again, warm.
    pub whole_ms: Spread,
    /// What the time to the decision goes into, as shares of the mean, warm.
    pub share: BTreeMap<String, f64>,
}

/// The quantiles, by name.
const QUANTILES: [(&str, f64); 4] = [("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

/// The value that `share` of `sorted` lie below; between two, in proportion.
fn quantile(sorted: &[i64], share: f64) -> i64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0;
    };
    let at = share * last as f64;
    let (below, above) = (sorted[at as usize], sorted[(at.ceil() as usize).min(last)]);
    below + ((above - below) as f64 * at.fract()).round() as i64
}

impl Spread {
    /// Of all `draws` together, with the range over each by itself.
    #[must_use]
    pub fn of<'a>(draws: impl IntoIterator<Item = &'a [i64]>) -> Self {
        let mut all = Vec::new();
        let mut range: BTreeMap<String, [i64; 2]> = BTreeMap::new();
        let mut each: Vec<Vec<i64>> = Vec::new();
        for draw in draws.into_iter().filter(|draw| !draw.is_empty()) {
            let mut sorted = draw.to_vec();
            sorted.sort_unstable();
            for (name, share) in QUANTILES {
                let here = quantile(&sorted, share);
                let ends = range.entry(name.to_owned()).or_insert([here, here]);
                *ends = [ends[0].min(here), ends[1].max(here)];
            }
            all.extend_from_slice(&sorted);
            each.push(sorted);
        }
        all.sort_unstable();
        each.sort_by_key(|draw| quantile(draw, 0.5));
        let at = |share| quantile(&all, share);
        Self {
            n: all.len(),
            p10: at(0.1),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            range,
            sampling: each
                .get(each.len() / 2)
                .map(|it| sampling(it))
                .unwrap_or_default(),
            draws: each.len(),
        }
    }

    /// The quantiles, by name, from the least on.
    #[must_use]
    pub fn each(&self) -> [(&'static str, i64); 4] {
        let values = [self.p10, self.p50, self.p90, self.p99];
        std::array::from_fn(|at| (QUANTILES[at].0, values[at]))
    }

    /// Of times that were measured and rest on no assumption.
    #[must_use]
    pub fn measured(times: &[i64]) -> Self {
        let all = Self::of([times]);
        Self {
            range: all.sampling.clone(),
            draws: 0,
            ..all
        }
    }

    /// Whether its median may be the same as the other's, for all that is known:
    /// the ranges overlap, or there are too few draws to have one.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let few = |it: &Self| (1..FEW_DRAWS).contains(&it.draws);
        if few(self) || few(other) {
            return true;
        }
        match (self.range.get("p50"), other.range.get("p50")) {
            (Some(own), Some(its)) => own[0] <= its[1] && its[0] <= own[1],
            _ => true,
        }
    }
}

/// Between which each quantile of `sorted` lies with 95 % confidence: as many
/// ranks up and down as a binomial count deviates (normal approximation).
fn sampling(sorted: &[i64]) -> BTreeMap<String, [i64; 2]> {
    let n = sorted.len() as f64;
    let at = |share: f64| {
        let off = 1.96 * (share * (1.0 - share) / n).sqrt();
        let within = |share: f64| quantile(sorted, share.clamp(0.0, 1.0));
        [within(share - off), within(share + off)]
    };
    let all = QUANTILES.iter();
    all.map(|(name, share)| ((*name).to_owned(), at(*share)))
        .collect()
}

/// The name of what is waited for, as in documents.
#[must_use]
pub fn name(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::Engine => "engine",
        WaitsFor::Bus => "bus",
        WaitsFor::Queue => "queue",
        WaitsFor::Store => "store",
        WaitsFor::ThirdParty => "third_party",
        WaitsFor::Compute => "compute",
        WaitsFor::ColdStart => "cold_start",
        WaitsFor::Other => "other",
    }
}

/// What the time between `from` and `until` went into: the chain of waits, each
/// ending where the next began, that leads back from the end. Of several that
/// end together the longest is followed. What nothing accounts for is `Other`.
#[must_use]
pub fn parts(waits: &[Wait], from: i64, until: i64) -> BTreeMap<WaitsFor, i64> {
    let mut parts = BTreeMap::new();
    let mut at = until;
    while at > from {
        let before = waits
            .iter()
            .filter(|wait| wait.until <= at && wait.until > from && wait.from < wait.until);
        // The latest end; of these the longest.
        let Some(wait) = before.max_by_key(|wait| (wait.until, -wait.from)) else {
            break;
        };
        *parts.entry(WaitsFor::Other).or_default() += at - wait.until;
        let began = wait.from.max(from);
        *parts.entry(wait.waits_for).or_default() += wait.until - began;
        at = began;
    }
    *parts.entry(WaitsFor::Other).or_default() += at - from;
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_range_of_its_draws() {
        let slow: Vec<i64> = (100..=200).collect();
        let fast: Vec<i64> = (0..=100).collect();
        let spread = Spread::of([slow.as_slice(), fast.as_slice(), &[]]);
        assert_eq!((spread.n, spread.p50), (202, 100));
        assert_eq!(spread.range["p50"], [50, 150]);
        assert_eq!(spread.range["p90"], [90, 190]);
        assert_eq!(Spread::of([]).n, 0);
        let many = |draw: &[i64]| Spread::of(std::iter::repeat_n(draw, FEW_DRAWS));
        assert!(!many(&fast[..90]).overlaps(&many(&slow)));
        let wide = std::iter::repeat_n(slow.as_slice(), FEW_DRAWS).chain([&slow[60..]]);
        assert!(Spread::of(wide).overlaps(&many(&slow[40..])));
        // One draw is no range.
        assert!(Spread::of([fast.as_slice()]).overlaps(&Spread::of([slow.as_slice()])));
        let [least, most] = many(&slow).sampling["p50"];
        assert!(least < 150 && 150 < most && most - least < 25);
    }
}
