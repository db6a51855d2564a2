//! A time axis on which waits that would leave no room for anything else are cut
//! short, and shown to be.

/// How much of an axis one cut takes.
const CUT: f64 = 1.0 / 9.0;

/// How many gaps may be cut at once because they are alike long, and in all.
const ALIKE: usize = 3;
const MOST: usize = 4;

/// A time axis: milliseconds to places.
#[derive(Debug)]
pub(super) struct Axis {
    /// Times, in order, and their places.
    points: Vec<(i64, f64)>,
    /// The cut ones among the gaps between the points, by the place of their first.
    cuts: Vec<usize>,
    length: f64,
}

/// A wait that is cut short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// From which place.
    pub(super) from: f64,
    /// Until which place.
    pub(super) until: f64,
    /// How long it is.
    pub(super) ms: i64,
}

impl Axis {
    /// An axis of `length` with a place for each of `times`. The longest gaps between
    /// two of them are cut when each is longer than three times all shorter ones
    /// together.
    pub(super) fn new(times: impl IntoIterator<Item = i64>, length: f64) -> Self {
        let mut times: Vec<i64> = times.into_iter().collect();
        times.sort_unstable();
        times.dedup();
        let gaps: Vec<i64> = times.windows(2).map(|two| two[1] - two[0]).collect();
        let mut by_size: Vec<usize> = (0..gaps.len()).collect();
        by_size.sort_by_key(|at| std::cmp::Reverse(gaps[*at]));
        let mut cuts = Vec::new();
        loop {
            let long = (1..=ALIKE).find(|some| {
                let (longest, rest) = by_size.split_at((*some).min(by_size.len()));
                let rest: i64 = rest.iter().map(|at| gaps[*at]).sum();
                let least = longest.last().map_or(0, |at| gaps[*at]);
                rest > 0 && least > 3 * rest
            });
            match long {
                Some(some) if cuts.len() + some <= MOST => cuts.extend(by_size.drain(..some)),
                _ => break,
            }
        }
        let total: i64 = by_size.iter().map(|at| gaps[*at]).sum();
        let cut = length * CUT;
        let room = (length - cut * cuts.len() as f64).max(0.0);
        let mut place = 0.0;
        let mut points = Vec::with_capacity(times.len());
        for (at, time) in times.iter().enumerate() {
            points.push((*time, place));
            place += match gaps.get(at) {
                Some(_) if cuts.contains(&at) => cut,
                Some(gap) => room * *gap as f64 / total.max(1) as f64,
                None => 0.0,
            };
        }
        Self {
            points,
            cuts,
            length,
        }
    }

    /// The place of `ms`; at an end of the axis when it is beyond.
    pub(super) fn at(&self, ms: i64) -> f64 {
        let after = self.points.partition_point(|(time, _)| *time <= ms);
        let before = after.checked_sub(1).and_then(|at| self.points.get(at));
        match (before, self.points.get(after)) {
            (Some((from, start)), Some((until, end))) => {
                start + (end - start) * (ms - from) as f64 / (until - from) as f64
            }
            (Some((_, place)), None) => *place,
            _ => 0.0,
        }
    }

    /// The cut waits, in order of time.
    pub(super) fn cuts(&self) -> Vec<Cut> {
        let mut cuts = self.cuts.clone();
        cuts.sort_unstable();
        let cut = |at: usize| {
            let ((from, start), (until, end)) = (self.points[at], self.points[at + 1]);
            Cut {
                from: start,
                until: end,
                ms: until - from,
            }
        };
        cuts.into_iter().map(cut).collect()
    }

    /// Round times with a place each, at least `apart` from each other, none in a cut.
    pub(super) fn ticks(&self, apart: f64) -> Vec<(i64, f64)> {
        let (Some((first, _)), Some((last, _))) = (self.points.first(), self.points.last()) else {
            return Vec::new();
        };
        let cuts = self.cuts();
        let cut: i64 = cuts.iter().map(|cut| cut.ms).sum();
        let shown = (last - first - cut).max(1) as f64;
        let least = shown * apart / self.length;
        let steps = (0..12).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i64.pow(power)));
        let step = steps.into_iter().find(|step| *step as f64 >= least);
        let step = step.unwrap_or(i64::MAX);
        let mut ticks: Vec<(i64, f64)> = Vec::new();
        // From one part of the axis to the next, so that a long cut is not counted through.
        for two in self.points.windows(2) {
            let ((from, start), (until, end)) = (two[0], two[1]);
            if cuts.iter().any(|cut| cut.from == start && cut.until == end) {
                continue;
            }
            let mut time = from.div_euclid(step) * step;
            while time <= until {
                let place = self.at(time);
                let free = ticks.last().is_none_or(|(_, taken)| place - taken >= apart);
                if time >= from && free {
                    ticks.push((time, place));
                }
                time = time.saturating_add(step);
                if time == i64::MAX {
                    break;
                }
            }
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_close_together_keeps_its_room_beside_a_long_wait() {
        let axis = Axis::new([0, 100, 250, 400, 30_400, 30_500], 900.0);
        assert_eq!(
            axis.cuts(),
            [Cut {
                from: axis.at(400),
                until: axis.at(30_400),
                ms: 30_000
            }]
        );
        assert!((axis.at(30_400) - axis.at(400) - 100.0).abs() < 0.01);
        // What is left is shared by time.
        assert!((axis.at(100) - 160.0).abs() < 0.01, "{axis:?}");
        assert!((axis.at(30_500) - 900.0).abs() < 0.01, "{axis:?}");
        assert!((axis.at(50) - 80.0).abs() < 0.01);
        assert_eq!((axis.at(-5), axis.at(99_999)), (0.0, axis.at(30_500)));
        let ticks = axis.ticks(80.0);
        assert!(ticks.len() > 4, "{ticks:?}");
        for (time, place) in &ticks {
            assert!(!(401..30_400).contains(time), "{ticks:?}");
            assert!(*place <= 900.0);
        }
        assert!(ticks.windows(2).all(|two| two[1].1 - two[0].1 >= 80.0));
    }

    #[test]
    fn long_waits_are_cut_and_even_ones_are_not() {
        assert_eq!(
            Axis::new([0, 10, 30_010, 30_020, 60_020], 700.0)
                .cuts()
                .len(),
            2
        );
        let three = Axis::new([0, 10, 15, 30_015, 70_020, 100_020], 700.0);
        assert_eq!(three.cuts().len(), 3);
        // A long one among long ones, and one that is short beside them.
        let nested = Axis::new([0, 30, 60, 60_060, 86_400_000], 700.0);
        assert_eq!(nested.cuts().len(), 2);
        assert!(Axis::new([0, 10, 20, 30, 45], 700.0).cuts().is_empty());
        // Many small differences make no long wait.
        let dense = [0, 1, 5, 17, 60, 130, 208, 300, 395, 500, 60_500, 146_500];
        assert_eq!(Axis::new(dense, 700.0).cuts().len(), 2);
        assert!(Axis::new([0, 10, 20, 70], 700.0).cuts().is_empty());
        let one = Axis::new([7], 700.0);
        assert_eq!((one.at(7), one.ticks(50.0).len()), (0.0, 0));
        let two = Axis::new([0, 5_000], 700.0);
        assert_eq!((two.cuts().len(), two.at(2_500)), (0, 350.0));
        assert_eq!(Axis::new([], 700.0).at(3), 0.0);
    }
}
