use super::*;

#[test]
fn every_row_comes_back_at_its_quantiles() {
    for profile in PROFILES.iter().filter(|profile| profile.is_of_aws()) {
        let pace = profile.pace(7);
        for row in &profile.rows {
            let Time::Measured { ms, .. } = &row.time else {
                continue;
            };
            let size = u64::from(row.size.unwrap_or_default());
            let mut all: Vec<f64> = (0..40_000)
                .map(|n| pace.time(row.hop, size, mix(n, 3)) as f64 + share(mix(n, 4)) - 0.5)
                .collect();
            all.sort_by(f64::total_cmp);
            for (share, ms) in ms.known() {
                let drawn = all[(share * all.len() as f64) as usize];
                assert!(
                    (drawn / ms - 1.0).abs() < 0.05,
                    "{} {:?} at {share}: {drawn}, not {ms}",
                    profile.name,
                    row.hop
                );
            }
        }
    }
}

#[test]
fn an_assumption_stays_within_its_range_and_differs_from_world_to_world() {
    for profile in PROFILES.iter() {
        for row in profile.assumed() {
            let Time::Assumed { low, high, .. } = &row.time else {
                continue;
            };
            let median = |draw: u64| {
                let pace = profile.pace(draw);
                let Some(Ready::Curves(curves)) = &pace.ready[row.hop as usize] else {
                    panic!("{:?} has no curve", row.hop);
                };
                interpolated(curves, f64::from(row.size.unwrap_or_default()), 0.5)
            };
            let medians: Vec<f64> = (0..20).map(median).collect();
            let range = low.p50 * 0.999..=high.p50 * 1.001;
            assert!(medians.iter().all(|it| range.contains(it)), "{:?}", row.hop);
            assert!(medians.iter().any(|it| it != &medians[0]));
        }
    }
}

#[test]
fn what_was_left_out_is_predicted_from_what_was_not() {
    let whole = Profile::named("aws-2024").unwrap();
    let left_out = |row: &Row| matches!(row.size, Some(1_024 | 16_384));
    let of_steps = |row: &&Row| row.hop == Hop::StepToStep;
    let fitted = Profile {
        rows: whole
            .rows
            .iter()
            .filter(|row| !left_out(row))
            .cloned()
            .collect(),
        ..Profile::clone(&whole)
    };
    let pace = fitted.pace(0);
    let Some(Ready::Curves(curves)) = &pace.ready[Hop::StepToStep as usize] else {
        panic!("steps have no curve");
    };
    let mut checked = 0;
    for row in whole
        .rows
        .iter()
        .filter(of_steps)
        .filter(|row| left_out(row))
    {
        let Time::Measured { ms, .. } = &row.time else {
            continue;
        };
        for (share, ms) in ms.known() {
            let bound = if share > 0.9 { 0.30 } else { 0.15 };
            let predicted = interpolated(curves, f64::from(row.size.unwrap()), share);
            assert!(
                (predicted / ms - 1.0).abs() < bound,
                "{predicted}, not {ms}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 8);
}

#[test]
fn every_row_of_aws_says_where_it_is_from_and_every_hop_has_a_row_or_lies_in_one() {
    let within = [Hop::InvokeTask, Hop::InvokeBatch];
    for profile in PROFILES.iter().filter(|profile| profile.is_of_aws()) {
        let pace = profile.pace(0);
        let missing = (0..Hop::COUNT).filter(|at| pace.ready[*at].is_none());
        let expected: Vec<usize> = within.map(|hop| hop as usize).into();
        assert_eq!(missing.collect::<Vec<_>>(), expected, "{}", profile.name);
        for row in &profile.rows {
            match &row.time {
                Time::Measured {
                    source, date, how, ..
                } => {
                    assert!(!source.is_empty() && !date.is_empty() && !how.is_empty());
                }
                Time::Assumed { why, .. } => assert!(!why.is_empty()),
                Time::Chosen { .. } => panic!("{:?} is a choice", row.hop),
            }
        }
    }
}
