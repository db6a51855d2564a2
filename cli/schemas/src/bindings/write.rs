//! The text of a crate.
//!
//! Types are calls of macros whose bodies `rustfmt` leaves as they are, so a line may
//! be as long as a name makes it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Def, Field, Shape, Type};

/// Where the types of a module are named from.
pub(super) struct Module<'a> {
    /// Those that lie in `common`.
    pub(super) common: &'a BTreeSet<String>,
    /// Whether this is `common` itself.
    pub(super) is_common: bool,
}

/// `text` as lines of documentation, or `otherwise` where there is none.
fn docs(out: &mut String, indent: &str, text: &str, otherwise: &str) {
    let text = if text.is_empty() { otherwise } else { text };
    for line in text.lines() {
        // What looks like a link or a tag would be one.
        let line = line
            .trim_end()
            .replace(['[', ']', '<', '>', '\t', '\r'], " ");
        let _ = writeln!(out, "{}", format!("{indent}/// {line}").trim_end());
    }
}

impl Module<'_> {
    fn path(&self, of: &Type) -> String {
        match of {
            Type::Plain(path) => (*path).to_owned(),
            Type::Named(name) if self.common.contains(name) && !self.is_common => {
                format!("crate::common::{name}")
            }
            Type::Named(name) => name.clone(),
            Type::Boxed(inner) => format!("Box<{}>", self.path(inner)),
            Type::Nullable(inner) => format!("Option<{}>", self.path(inner)),
            Type::List(inner) => format!("Vec<{}>", self.path(inner)),
            Type::Map(inner) => {
                format!("std::collections::BTreeMap<String, {}>", self.path(inner))
            }
        }
    }

    /// The definition of the type called `name`.
    pub(super) fn def(&self, name: &str, def: &Def) -> String {
        let mut out = String::new();
        let head = match &def.shape {
            Shape::Object(..) => "object",
            Shape::Text(..) => "text",
            Shape::Whole(..) => "whole",
            Shape::Real(..) => "real",
            Shape::Words(_) => "words",
            Shape::Kinds(..) => "kinds",
            Shape::Either(_) => "either",
            Shape::List(..) => "list",
            Shape::Wrapper(_) => "wrapper",
        };
        let _ = writeln!(out, "{head}! {{");
        docs(&mut out, "    ", &def.about, &format!("`{name}`."));
        let _ = match &def.shape {
            Shape::Object(fields, others) => self.object(&mut out, name, fields, others.as_ref()),
            Shape::Text(least, most, pattern, is_time) => {
                let most = end(*most);
                let pattern = pattern
                    .as_ref()
                    .map_or(String::new(), |it| format!(", {it:?}"));
                let check = if *is_time { "; crate::time::check" } else { "" };
                writeln!(out, "    {name}, {least}, {most}{pattern}{check}")
            }
            Shape::Whole(of, low, high, multiple) => {
                writeln!(out, "    {name}({of}), {low}, {high}, {multiple}")
            }
            Shape::Real(low, high) => writeln!(out, "    {name}, {low}, {high}"),
            Shape::Words(words) => {
                let _ = writeln!(out, "    {name} {{");
                for it in words {
                    docs(&mut out, "        ", &it.about, &format!("`{}`.", it.word));
                    let _ = writeln!(out, "        {} = {:?},", it.name, it.word);
                }
                writeln!(out, "    }}")
            }
            Shape::Kinds(tag, kinds) => {
                let _ = writeln!(out, "    {name} by {tag:?} {{");
                for it in kinds {
                    docs(&mut out, "        ", &it.about, &format!("`{}`.", it.word));
                    let of = self.path(&it.of);
                    let _ = writeln!(out, "        {}({of}) = {:?},", it.name, it.word);
                }
                writeln!(out, "    }}")
            }
            Shape::Either(some) => {
                let _ = writeln!(out, "    {name} {{");
                for it in some {
                    let of = self.path(&it.of);
                    docs(&mut out, "        ", &it.about, &format!("`{of}`."));
                    let _ = writeln!(out, "        {}({of}),", it.name);
                }
                writeln!(out, "    }}")
            }
            Shape::List(of, least, most, differ) => {
                let (of, most) = (self.path(of), end(*most));
                writeln!(out, "    {name}({of}), {least}, {most}, {differ}")
            }
            Shape::Wrapper(of) => writeln!(out, "    {name}({})", self.path(of)),
        };
        out.push_str("}\n");
        out
    }

    /// The inside of the definition of the object called `name`; `others` is the type of
    /// members that are not named, if there may be any.
    fn object(
        &self,
        out: &mut String,
        name: &str,
        fields: &[Field],
        others: Option<&Type>,
    ) -> std::fmt::Result {
        let others = match others {
            None => "closed".to_owned(),
            Some(of) => format!("others {}", self.path(of)),
        };
        writeln!(out, "    {name}, {others} {{")?;
        for field in fields {
            docs(out, "        ", &field.about, &format!("`{}`.", field.json));
            let kind = if field.is_required {
                "required"
            } else {
                "optional"
            };
            let of = self.path(&field.of);
            writeln!(out, "        {} {:?} {kind} {of};", field.name, field.json)?;
        }
        writeln!(out, "    }}")
    }
}

/// The most there may be, as Rust has it.
fn end(most: Option<usize>) -> String {
    most.map_or("usize::MAX".to_owned(), |most| most.to_string())
}

/// The arm of one event in the list of all.
pub(super) fn event(
    variant: &str,
    path: &str,
    source: Option<&str>,
    detail_type: &str,
    about: &str,
) -> String {
    let mut out = String::new();
    docs(&mut out, "        ", about, &format!("`{detail_type}`."));
    let source = source.map_or("_".to_owned(), |it| format!("{it:?}"));
    let _ = writeln!(
        out,
        "        {variant}({path}) = {source}, {detail_type:?};"
    );
    out
}
