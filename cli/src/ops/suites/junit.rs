//! What came of test files, for continuous integration. Times are virtual seconds, so
//! that the file is the same each time.

use crate::ops::suites::Ran;
use crate::ops::suites::told::difference;
use crate::terminal::junit::{self, Case, Ended, Suite};

/// What came of `all` as JUnit XML; a file whose coverage is below `require` has a
/// failed case of that name.
#[must_use]
pub fn junit(all: &[Ran], require: Option<f64>) -> String {
    let suites: Vec<Suite> = all.iter().map(|ran| suite(ran, require)).collect();
    junit::junit("duet asl test", &suites)
}

fn suite(ran: &Ran, require: Option<f64>) -> Suite {
    let file = ran.file.display().to_string();
    let case = |name: &str, millis: i64, ended: Ended| Case {
        class: file.clone(),
        name: name.to_owned(),
        millis,
        ended,
    };
    let cases = ran.cases.iter().map(|it| {
        let ended = match (&it.stopped, it.differences.as_slice()) {
            (Some(why), _) => Ended::Stopped("not run to its end".to_owned(), why.clone()),
            (None, []) => Ended::Well,
            (None, some) => {
                let places: Vec<&str> = some.iter().map(|it| &*it.place).collect();
                let texts: Vec<String> = some.iter().map(difference).collect();
                Ended::Failed(places.join(", "), texts.join("\n"))
            }
        };
        case(&it.name, it.elapsed, ended)
    });
    let mut cases: Vec<Case> = cases.collect();
    if let Some(least) = require {
        let percent = ran.coverage.percent();
        let missed: Vec<&str> = ran
            .coverage
            .missed()
            .map(|it| &*it.possible.place)
            .collect();
        let says = format!("{percent:.1} % reached, {least} % required");
        let ended = match percent < least {
            true => Ended::Failed(says, missed.join("\n")),
            false => Ended::Well,
        };
        cases.push(case("coverage", 0, ended));
    }
    Suite { name: file, cases }
}
