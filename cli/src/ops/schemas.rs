//! Schemas as people name them: a file, a folder, or what git has of either.

pub mod bindings;
pub mod check;
pub mod discover;
pub mod registry;

use std::path::{Path, PathBuf};
use std::process::Command;

use duet_schemas::contract::{self, Contract};

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::read;

/// The folder of what was released, which is no part of today's schemas.
const RELEASED: &str = "released";

/// The contracts that `place` names: a file, `-` for standard input, a folder with
/// all that is below it, or `REV:path` for either in a revision of git. With
/// `strict` all of them are commands.
///
/// # Errors
/// [`Problem`] when there is no such thing, or something in it is no schema.
pub fn contracts(place: &str, strict: bool) -> Outcome<Vec<Contract>> {
    let mut found = Vec::new();
    for (path, text) in texts(place)? {
        let contracts = contract::read(&path, &text, strict).map_err(Problem::usage)?;
        found.extend(contracts);
    }
    if found.is_empty() {
        return Err(Problem::usage(format!("{place} has no schema"))
            .hint("a schema is a file that ends in .json"));
    }
    let mut names: Vec<_> = found.iter().map(|it| (it.kind, &it.name)).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
        return Err(Problem::usage(format!(
            "{place} has two schemas called {}",
            twice[0].1
        )));
    }
    Ok(found)
}

/// The files that `place` names, and what they say.
fn texts(place: &str) -> Outcome<Vec<(String, String)>> {
    let path = Path::new(place);
    if path.is_dir() {
        let mut files = Vec::new();
        below(path, &mut files)?;
        let each = files.into_iter().map(|file| {
            let name = file.display().to_string();
            Ok((name, read::text(&file)?))
        });
        return each.collect();
    }
    match place.split_once(':') {
        Some((revision, path)) if !Path::new(place).exists() => of_git(revision, path),
        _ => Ok(vec![(place.to_owned(), read::text(path)?)]),
    }
}

/// What lies in `folder`, in order of name.
fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let failed = |e| Problem::usage(format!("{} cannot be read: {e}", folder.display()));
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let entries = entries.map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.iter().map(|it| it.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Gathers the JSON files below `folder`, in order.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    for path in entries(folder)? {
        if path.is_dir() && !path.ends_with(RELEASED) {
            below(&path, files)?;
        } else if path.extension().is_some_and(|it| it == "json") && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// The JSON files at and below `path` in `revision`.
fn of_git(revision: &str, path: &str) -> Outcome<Vec<(String, String)>> {
    if revision.starts_with('-') {
        return Err(Problem::usage(format!("{revision} is no revision")));
    }
    let whole = format!("{revision}:{path}");
    let kind = git(&["cat-file", "-t", &whole])?;
    if kind.trim() == "blob" {
        return Ok(vec![(path.to_owned(), git(&["cat-file", "blob", &whole])?)]);
    }
    let names = git(&["ls-tree", "-r", "-z", "--name-only", &whole])?;
    let kept = names.split('\0').filter(|name| {
        let is_released = name.split('/').any(|step| step == RELEASED);
        name.ends_with(".json") && !is_released
    });
    let each = kept.map(|name| {
        let name = match path.trim_end_matches('/') {
            "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        let text = git(&["cat-file", "blob", &format!("{revision}:{name}")])?;
        Ok((name, text))
    });
    each.collect()
}

/// What git says.
fn git(words: &[&str]) -> Outcome<String> {
    let output = Command::new("git").args(words).output();
    let output = output.map_err(|e| {
        Problem::environment(format!("git cannot be run: {e}"))
            .hint("name a file or a folder that is there, or install git")
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    let why = why.lines().next().unwrap_or("it failed");
    let what = words.last().unwrap_or(&"it");
    Err(Problem::usage(format!("{what} is not there: {why}"))
        .hint("name a file, a folder, or REVISION:path from the top of the repository"))
}

/// The releases below `folder`, oldest first by name: one folder each.
///
/// # Errors
/// As [`contracts`].
pub fn releases(folder: &Path) -> Outcome<Vec<duet_schemas::compatibility::Release>> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.is_dir());
    let each = paths.iter().map(|path| {
        let version = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(duet_schemas::compatibility::Release {
            version: version.into_owned(),
            contracts: contracts(&path.display().to_string(), false)?,
        })
    });
    each.collect()
}
