//! Reading single fields: numbers, paths, assignments, retriers, resources.

use super::{Compiler, Object};
use crate::jsonata::delimited;
use crate::model::{
    Assign, Catcher, Language, MAX_SECONDS, Number, Recovery, ResultPath, Retrier, Selected,
};
use crate::parse::state::Site;
use crate::path::{Path, Root, is_identifier};
use crate::template::Template;
use serde_json::Value;
use std::ops::RangeInclusive;

/// The guide, "Handling errors": `MaxDelaySeconds` is at most this.
const MAX_DELAY_SECONDS: u64 = 31_622_400;

impl Compiler {
    /// A whole number from `min` up.
    pub(super) fn whole(&mut self, value: &Value, at: &str, min: u64) -> Option<u64> {
        self.whole_within(value, at, min..=MAX_SECONDS)
    }

    /// A whole number within limits.
    fn whole_within(
        &mut self,
        value: &Value,
        at: &str,
        allowed: RangeInclusive<u64>,
    ) -> Option<u64> {
        let (min, max) = allowed.into_inner();
        match value.as_u64() {
            Some(n) if n < min => {
                self.schema(at, format!("Minimum value is {min}"));
                None
            }
            Some(n) if n > max => {
                self.schema(at, format!("Maximum value is {max}"));
                None
            }
            Some(n) => Some(n),
            None => {
                self.schema(at, "Expected value of type [INTEGER]");
                None
            }
        }
    }

    /// `name`, or `namePath` in JSONPath, or an expression in JSONata.
    pub(super) fn number(
        &mut self,
        fields: &Object,
        name: &str,
        min: u64,
        site: &Site<'_>,
    ) -> Option<Number> {
        self.number_within(fields, name, min..=MAX_SECONDS, site)
    }

    /// As [`Self::number`]; what is written down is within limits.
    pub(super) fn number_within(
        &mut self,
        fields: &Object,
        name: &str,
        allowed: RangeInclusive<u64>,
        site: &Site<'_>,
    ) -> Option<Number> {
        let path_name = format!("{name}Path");
        if site.language == Language::JsonPath && fields.contains_key(&path_name) {
            if fields.contains_key(name) {
                self.schema(
                    site.at,
                    format!(
                        "There should only be one of the following fields: [{name}, {path_name}]"
                    ),
                );
            }
            return self
                .reference(&fields[&path_name], &format!("{}/{path_name}", site.at))
                .map(|p| Number::Path(Box::new(p)));
        }
        let value = fields.get(name)?;
        let at = format!("{}/{name}", site.at);
        if let (Language::Jsonata, Some(source)) =
            (site.language, value.as_str().and_then(delimited))
        {
            return self
                .expression(source, &at, &format!("{}{name}", site.prefix), false)
                .map(|e| Number::Jsonata(Box::new(e)));
        }
        self.whole_within(value, &at, allowed).map(Number::Const)
    }

    /// A path to one place in the input or in a variable.
    pub(super) fn reference(&mut self, value: &Value, at: &str) -> Option<Path> {
        let path = self.path(value, at)?;
        if path.reference().is_none() || *path.root() == Root::Context {
            self.schema(at, "Value is not a Reference Path");
            return None;
        }
        Some(path)
    }

    pub(super) fn path(&mut self, value: &Value, at: &str) -> Option<Path> {
        match value.as_str().map(Path::parse) {
            Some(Ok(path)) => Some(path),
            Some(Err(why)) => {
                self.schema(at, format!("Value is not a valid JSONPath: {why}"));
                None
            }
            None => {
                self.schema(at, "Expected value of type [STRING]");
                None
            }
        }
    }

    /// `InputPath` or `OutputPath`.
    pub(super) fn selected(&mut self, fields: &Object, name: &str, at: &str) -> Option<Selected> {
        match fields.get(name)? {
            Value::Null => Some(Selected::Nothing),
            value => {
                let path = self.path(value, &format!("{at}/{name}"))?;
                // `$` changes nothing: leave it out of the walk.
                (&**path.source() != "$").then(|| Selected::Path(Box::new(path)))
            }
        }
    }

    pub(super) fn result_path(&mut self, fields: &Object, at: &str) -> ResultPath {
        let at = format!("{at}/ResultPath");
        match fields.get("ResultPath") {
            None => ResultPath::Replace,
            Some(Value::Null) => ResultPath::Discard,
            Some(value) => {
                let Some(path) = self.path(value, &at) else {
                    return ResultPath::Replace;
                };
                match path.reference() {
                    Some([]) if *path.root() == Root::Current => ResultPath::Replace,
                    Some(steps) if *path.root() == Root::Current => {
                        ResultPath::Inject((&**path.source()).into(), steps.to_vec())
                    }
                    _ => {
                        self.schema(&at, "Value is not a Reference Path");
                        ResultPath::Replace
                    }
                }
            }
        }
    }

    /// A text written down, pointed at (`namePath`) or computed.
    pub(super) fn text(
        &mut self,
        fields: &Object,
        name: &str,
        site: &Site<'_>,
    ) -> Option<Template> {
        let path_name = format!("{name}Path");
        if site.language == Language::JsonPath
            && let Some(value) = fields.get(&path_name)
        {
            let at = format!("{}/{path_name}", site.at);
            if fields.contains_key(name) {
                self.schema(
                    site.at,
                    format!(
                        "There should only be one of the following fields: [{name}, {path_name}]"
                    ),
                );
            }
            return Some(self.dynamic(value, &at, &path_name));
        }
        let value = fields.get(name)?;
        let at = format!("{}/{name}", site.at);
        if !value.is_string() {
            self.schema(&at, "Expected value of type [STRING]");
        }
        Some(self.template(value, &at, name, site.language, false))
    }

    /// A template field, such as `Parameters` or `Output`.
    pub(super) fn field(
        &mut self,
        fields: &Object,
        name: &str,
        site: &Site<'_>,
    ) -> Option<Template> {
        let value = fields.get(name)?;
        let at = format!("{}/{name}", site.at);
        let location = format!("{}{name}", site.prefix);
        if name == "Parameters" || name == "ResultSelector" || name == "ItemSelector" {
            self.warn_no_dollar(value, &at, site.language);
        }
        Some(self.template(value, &at, &location, site.language, site.in_catch))
    }

    pub(super) fn assign(&mut self, fields: &Object, site: &Site<'_>) -> Option<Assign> {
        let value = fields.get("Assign")?;
        let at = format!("{}/Assign", site.at);
        let Value::Object(map) = value else {
            self.schema(&at, "Expected value of type [OBJECT]");
            return None;
        };
        let mut assign = Assign::with_capacity(map.len());
        for (name, value) in map {
            let here = format!("{at}/{name}");
            let (plain, dynamic) = match name.strip_suffix(".$") {
                Some(plain) if site.language == Language::JsonPath => (plain, true),
                _ => (name.as_str(), false),
            };
            if plain == "states" {
                self.schema(&here, "Variable name 'states' is reserved");
            } else if !is_identifier(plain) {
                self.schema(
                    &here,
                    format!("'{plain}' is not a variable name: use up to 80 letters, digits and underscores, not starting with a digit"),
                );
            }
            let template = if dynamic {
                self.dynamic(value, &here, name)
            } else {
                self.warn_no_dollar(value, &here, site.language);
                let location = format!("{}Assign/{name}", site.prefix);
                self.template(value, &here, &location, site.language, site.in_catch)
            };
            assign.push((plain.into(), template));
        }
        Some(assign)
    }

    pub(super) fn recovery(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        to: &mut super::state::Edges<'_, '_>,
    ) -> Recovery {
        Recovery {
            retry: self.retriers(fields, site),
            catch: self.catchers(fields, site, to),
        }
    }

    fn retriers(&mut self, fields: &Object, site: &Site<'_>) -> Vec<Retrier> {
        let mut retriers = Vec::new();
        for (_, last, value, at) in self.entries(fields, "Retry", site.at) {
            let errors = self.error_equals(&value, &at, last);
            let seconds = |c: &mut Self, name: &str, min: u64| {
                let v = value.get(name)?;
                c.whole(v, &format!("{at}/{name}"), min)
            };
            let interval = seconds(self, "IntervalSeconds", 1);
            let max_attempts = seconds(self, "MaxAttempts", 0);
            let max_delay = seconds(self, "MaxDelaySeconds", 1);
            if max_delay.is_some_and(|delay| delay > MAX_DELAY_SECONDS) {
                self.schema(
                    &format!("{at}/MaxDelaySeconds"),
                    format!("Maximum value is {MAX_DELAY_SECONDS}"),
                );
            }
            if max_delay.is_some_and(|delay| delay <= interval.unwrap_or(1)) {
                self.schema(
                    &format!("{at}/MaxDelaySeconds"),
                    "MaxDelaySeconds must be greater than IntervalSeconds",
                );
            }
            let backoff_rate = match value.get("BackoffRate") {
                None => 2.0,
                Some(v) => v.as_f64().filter(|r| *r >= 1.0).unwrap_or_else(|| {
                    self.schema(&format!("{at}/BackoffRate"), "Minimum value is 1.0");
                    2.0
                }),
            };
            let full_jitter = match value.get("JitterStrategy").map(Value::as_str) {
                None | Some(Some("NONE")) => false,
                Some(Some("FULL")) => true,
                Some(_) => {
                    self.schema(
                        &format!("{at}/JitterStrategy"),
                        "Value should be one of the following: [NONE, FULL]",
                    );
                    false
                }
            };
            self.only(
                &value,
                &at,
                &[
                    "ErrorEquals",
                    "IntervalSeconds",
                    "MaxAttempts",
                    "BackoffRate",
                    "MaxDelaySeconds",
                    "JitterStrategy",
                    "Comment",
                ],
            );
            retriers.push(Retrier {
                errors,
                interval_seconds: interval.unwrap_or(1) as f64,
                max_attempts: u32::try_from(max_attempts.unwrap_or(3)).unwrap_or(u32::MAX),
                backoff_rate,
                max_delay_seconds: max_delay.map(|n| n as f64),
                full_jitter,
            });
        }
        retriers
    }

    fn catchers(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        to: &mut super::state::Edges<'_, '_>,
    ) -> Vec<Catcher> {
        let mut catchers = Vec::new();
        for (i, last, value, at) in self.entries(fields, "Catch", site.at) {
            let errors = self.error_equals(&value, &at, last);
            let catch_site = Site {
                at: &at,
                prefix: &format!("Catch[{i}]/"),
                language: site.language,
                in_catch: true,
            };
            let next = to.target(self, &value, "Next", &at);
            let jsonata = site.language == Language::Jsonata;
            self.only(
                &value,
                &at,
                &[
                    "ErrorEquals",
                    "Next",
                    "Assign",
                    "Comment",
                    if jsonata { "Output" } else { "ResultPath" },
                ],
            );
            let output = if jsonata {
                self.field(&value, "Output", &catch_site)
            } else {
                None
            };
            catchers.push(Catcher {
                errors,
                next: next.unwrap_or(crate::model::StateId(0)),
                result_path: if jsonata {
                    ResultPath::Replace
                } else {
                    self.result_path(&value, &at)
                },
                assign: self.assign(&value, &catch_site),
                output,
            });
        }
        catchers
    }

    /// The entries of an array of objects: index, whether it is the last, fields, place.
    pub(super) fn entries(
        &mut self,
        fields: &Object,
        name: &str,
        at: &str,
    ) -> Vec<(usize, bool, Object, String)> {
        let Some(value) = fields.get(name) else {
            return Vec::new();
        };
        let at = format!("{at}/{name}");
        let Value::Array(items) = value else {
            self.schema(&at, "Expected value of type [ARRAY]");
            return Vec::new();
        };
        let count = items.len();
        items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| {
                let here = format!("{at}[{i}]");
                match item {
                    Value::Object(o) => Some((i, i + 1 == count, o.clone(), here)),
                    _ => {
                        self.schema(&here, "Expected value of type [OBJECT]");
                        None
                    }
                }
            })
            .collect()
    }

    fn error_equals(&mut self, fields: &Object, at: &str, last: bool) -> Vec<Box<str>> {
        let Some(value) = fields.get("ErrorEquals") else {
            self.schema(at, "These fields are required: [ErrorEquals]");
            return Vec::new();
        };
        let at = format!("{at}/ErrorEquals");
        let names: Option<Vec<Box<str>>> = value
            .as_array()
            .filter(|a| !a.is_empty())
            .and_then(|a| a.iter().map(|v| v.as_str().map(Into::into)).collect());
        let Some(names) = names else {
            self.schema(&at, "ErrorEquals must be a non-empty array of strings");
            return Vec::new();
        };
        if names.iter().any(|n| **n == *crate::failure::ALL) {
            if names.len() > 1 {
                self.schema(&at, "States.ALL must appear alone in ErrorEquals");
            }
            if !last {
                self.schema(&at, "States.ALL must be in the last Retrier or Catcher");
            }
        }
        names
    }

    /// Reports fields other than those `allowed`.
    pub(super) fn only(&mut self, fields: &Object, at: &str, allowed: &[&str]) {
        for name in fields.keys() {
            if !allowed.contains(&name.as_str()) {
                self.schema(at, format!("Field '{name}' is not supported"));
            }
        }
    }
}
