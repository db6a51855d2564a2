//! The schemas in EventBridge's registry: listed, and read back.

use std::path::{Path, PathBuf};

use duet_lab::Registered;
use serde::Serialize;
use serde_json::Value;

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::lab::Lab;

/// The schemas that are registered.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// One row each.
    schemas: Vec<Row>,
}

/// A schema.
#[derive(Debug, Serialize)]
struct Row {
    registry: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
}

/// Lists the schemas in the registries of the lab's stack.
///
/// # Errors
/// [`Problem`] for one that EventBridge would refuse.
pub fn list(world: &Lab) -> Outcome<Listed> {
    let schemas = registered(world)?.into_iter().map(|it| Row {
        registry: it.registry,
        name: it.name,
        kind: it.kind,
        description: it.description,
    });
    Ok(Listed {
        schemas: schemas.collect(),
    })
}

fn registered(world: &Lab) -> Outcome<Vec<Registered>> {
    let read = world.with(|lab| lab.definitions().registered());
    read.map_err(Problem::environment)
}

impl Report for Listed {
    fn text(&self) -> String {
        if self.schemas.is_empty() {
            return "no schema is registered".to_owned();
        }
        let mut rows = table([
            table::word("REGISTRY").gives_way(2),
            table::word("SCHEMA"),
            table::word("TYPE").gives_way(3),
            table::prose("DESCRIPTION"),
        ]);
        for one in &self.schemas {
            rows.add_row([&one.registry, &one.name, &one.kind, &one.description]);
        }
        rows.text()
    }
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// Where.
    folder: PathBuf,
    /// The files, each a schema.
    files: Vec<String>,
}

/// Writes each registered schema into a file of its name in the folder `out`, which
/// has to hold nothing else.
///
/// # Errors
/// [`Problem`] when the folder holds something else, or cannot be written.
pub fn export(world: &Lab, out: &Path) -> Outcome<Exported> {
    let failed = |e: std::io::Error| Problem::environment(format!("{}: {e}", out.display()));
    let all = registered(world)?;
    let files: Vec<String> = all.iter().map(|it| format!("{}.json", it.name)).collect();
    for there in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let name = there.file_name();
        if !files.iter().any(|it| *name == **it) {
            let why = format!("{} holds something else: {}", out.display(), name.display());
            return Err(Problem::usage(why)
                .hint("name a folder that is new, or empty, or was written by this command"));
        }
    }
    std::fs::create_dir_all(out).map_err(failed)?;
    for (one, file) in all.iter().zip(&files) {
        let schema: Value = serde_json::from_str(&one.content).map_err(Problem::environment)?;
        let text = serde_json::to_string_pretty(&schema).map_err(Problem::environment)?;
        std::fs::write(out.join(file), format!("{text}\n")).map_err(failed)?;
    }
    Ok(Exported {
        folder: out.to_path_buf(),
        files,
    })
}

impl Report for Exported {
    fn text(&self) -> String {
        format!("{} schemas: {}", self.files.len(), self.folder.display())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use duet_lab::Config;

    use super::*;
    use crate::ops::schemas::check::check;
    use crate::shop::contracts::registered;
    use crate::terminal::exit::Exit;
    use crate::world::lab::definitions;

    #[test]
    fn what_the_template_registers_is_read_back_and_checked() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        let world = Lab::new(&definitions, Config::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let told = export(&world, &out).unwrap();
        let all = registered::all().unwrap();
        assert_eq!(told.files.len(), all.len());
        for one in &all {
            let text = std::fs::read_to_string(out.join(format!("{}.json", one.name))).unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(back, one.schema, "{}: run `duet contracts`", one.name);
        }
        let listed = list(&world).unwrap();
        assert_eq!(listed.schemas.len(), all.len());
        assert!(listed.text().contains("duet.payment@PaymentCaptured"));
        // Again, and against itself; then with a member that nobody may take away.
        export(&world, &out).unwrap();
        let place = |dir: &Path| dir.display().to_string();
        let same = check(&place(&out), &place(&out), None, false).unwrap();
        assert_eq!(same.exit(), Exit::Done, "{}", same.text());
        let less = dir.path().join("less");
        export(&world, &less).unwrap();
        let file = less.join("duet.order@NewOrder.json");
        let mut schema: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let data = &mut schema["definitions"]["NewOrderData"];
        data["properties"].as_object_mut().unwrap().remove("total");
        data["required"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it != "total");
        std::fs::write(&file, schema.to_string()).unwrap();
        let broken = check(&place(&out), &place(&less), None, false).unwrap();
        assert_eq!(broken.exit(), Exit::Failed);
        assert!(broken.text().contains("total"), "{}", broken.text());
        std::fs::write(out.join("mine.txt"), "").unwrap();
        let refused = export(&world, &out).unwrap_err().to_string();
        assert!(refused.contains("mine.txt"), "{refused}");
    }
}
