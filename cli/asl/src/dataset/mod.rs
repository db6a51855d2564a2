//! The items of a distributed Map that lie in objects.
//!
//! Owns the formats: CSV, JSON, JSON Lines, lists of objects and S3 inventories.
//! Where the objects are is the port's ([`Objects`]).
//!
//! Source: Step Functions developer guide, "ItemReader (Map)"; causes: recorded
//! executions, as far as there are any.

mod csv;

use crate::Millis;
use crate::env::digest;
use crate::model::{Format, Headers, Reader, Source};
use crate::objects::Objects;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Read;

/// The guide: headers have at most 10 KB.
const MAX_HEADERS: usize = 10 * 1_024;
/// What a compressed object may become, ours: AWS takes 10 GB.
const MAX_BYTES: u64 = 1 << 30;

/// One item, and its key where the dataset is an object.
pub(crate) type Item = (Value, Option<String>);

/// Where the items are, and how many are wanted.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// `Bucket`, and `Key` or `Prefix`.
    pub(crate) arguments: &'a Value,
    /// `MaxItems`; 0 is no limit.
    pub(crate) limit: u64,
    /// When objects count as modified last: nothing here knows better.
    pub(crate) now: Millis,
}

/// Reads the items that `reader` asks for.
///
/// # Errors
/// The cause of a `States.ItemReaderFailed`.
pub(crate) fn read(
    reader: &Reader,
    place: &Place<'_>,
    objects: &dyn Objects,
) -> Result<Vec<Item>, String> {
    let limit = match usize::try_from(place.limit).unwrap_or(usize::MAX) {
        0 => usize::MAX,
        n => n,
    };
    let bucket =
        named(place.arguments, "Bucket")?.ok_or("The field 'Bucket' is required to read items.")?;
    for unknown in ["VersionId", "StartAfter"] {
        if place.arguments.get(unknown).is_some_and(|it| !it.is_null()) {
            return Err(format!("The field '{unknown}' is not supported here."));
        }
    }
    let mut items = Vec::new();
    match (reader.source, &reader.format) {
        (Source::Object, format) => {
            let key = named(place.arguments, "Key")?
                .ok_or("The field 'Key' is required to read an object.")?;
            let text = text(objects, &bucket, &key)?;
            match format {
                None => inventory(&text, objects, limit, &mut items)?,
                Some(format) => parse(format, &text, limit, &mut items)?,
            }
        }
        (Source::List, format) => {
            let prefix = named(place.arguments, "Prefix")?.unwrap_or_default();
            let mut keys = objects.keys(&bucket, &prefix).map_err(|e| e.to_string())?;
            keys.sort_unstable();
            for key in keys {
                if items.len() >= limit {
                    break;
                }
                match format {
                    None => items.push((metadata(objects, &bucket, key, place.now)?, None)),
                    Some(format) => {
                        let text = text(objects, &bucket, &key)?;
                        parse(format, &text, limit, &mut items)?;
                    }
                }
            }
        }
    }
    items.truncate(limit);
    Ok(items)
}

/// Reads items that are given as text, in place of an object's.
///
/// # Errors
/// The cause of a `States.ItemReaderFailed`.
pub(crate) fn given(reader: &Reader, text: &str, limit: u64) -> Result<Vec<Item>, String> {
    let limit = match usize::try_from(limit).unwrap_or(usize::MAX) {
        0 => usize::MAX,
        n => n,
    };
    let mut items = Vec::new();
    // What lists and inventories come to is given as a JSON list.
    let list = Format::Json { pointer: None };
    parse(
        reader.format.as_ref().unwrap_or(&list),
        text,
        limit,
        &mut items,
    )?;
    items.truncate(limit);
    Ok(items)
}

/// A text among the arguments.
fn named(arguments: &Value, name: &str) -> Result<Option<String>, String> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("The field '{name}' is not a string: {other}")),
    }
}

/// An object's text, decompressed.
fn text(objects: &dyn Objects, bucket: &str, key: &str) -> Result<String, String> {
    let mut bytes = objects.get(bucket, key).map_err(|e| e.to_string())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut whole = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .take(MAX_BYTES + 1)
            .read_to_end(&mut whole)
            .map_err(|e| format!("The object '{key}' is no whole gzip file: {e}"))?;
        if whole.len() as u64 > MAX_BYTES {
            return Err(format!(
                "The object '{key}' has more than {MAX_BYTES} bytes."
            ));
        }
        bytes = whole;
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(format!(
            "The object '{key}' is compressed by ZSTD, which is not supported here: use GZIP."
        ));
    }
    String::from_utf8(bytes).map_err(|_| format!("The object '{key}' is not text in UTF-8."))
}

/// Adds the items of a text, until there are `limit` of them or a few more.
fn parse(format: &Format, text: &str, limit: usize, items: &mut Vec<Item>) -> Result<(), String> {
    match format {
        Format::Csv { delimiter, headers } => {
            let mut rows = csv::rows(text, *delimiter).into_iter();
            let headers = match headers {
                Headers::Given(names) => names.clone(),
                Headers::FirstRow => rows.next().unwrap_or_default(),
            };
            table(&headers, rows, limit, items)
        }
        Format::Json { pointer } => {
            let value: Value =
                serde_json::from_str(text).map_err(|e| format!("The object is no JSON: {e}"))?;
            let node = match pointer {
                None => value,
                Some(pointer) => value.pointer(pointer).cloned().ok_or_else(|| {
                    format!("The ItemsPointer '{pointer}' points to nothing in the object.")
                })?,
            };
            match node {
                Value::Array(values) => items.extend(values.into_iter().map(|it| (it, None))),
                // By today's guide; in 2023 AWS was recorded to refuse an object.
                Value::Object(fields) => items.extend(
                    fields
                        .into_iter()
                        .map(|(key, value)| (json!({"Key": key, "Value": value}), Some(key))),
                ),
                _ => return Err("Attempting to map over non-iterable node.".to_owned()),
            }
            Ok(())
        }
        Format::JsonLines => {
            for (i, line) in text.lines().enumerate() {
                if items.len() >= limit {
                    break;
                }
                if line.trim().is_empty() {
                    continue;
                }
                let item = serde_json::from_str(line)
                    .map_err(|e| format!("Line {} of the object is no JSON: {e}", i + 1))?;
                items.push((item, None));
            }
            Ok(())
        }
    }
}

/// Adds an item for each row: missing fields are empty, further ones are left out.
fn table(
    headers: &[String],
    rows: impl Iterator<Item = Vec<String>>,
    limit: usize,
    items: &mut Vec<Item>,
) -> Result<(), String> {
    if headers.iter().map(|name| name.len() + 1).sum::<usize>() > MAX_HEADERS {
        return Err(format!("CSV headers have more than {MAX_HEADERS} bytes."));
    }
    let different: HashSet<&String> = headers.iter().collect();
    if different.len() < headers.len() {
        return Err("CSV headers cannot contain duplicates.".to_owned());
    }
    for row in rows {
        if items.len() >= limit {
            break;
        }
        let mut fields = row.into_iter();
        let item: Map<String, Value> = headers
            .iter()
            .map(|name| (name.clone(), fields.next().unwrap_or_default().into()))
            .collect();
        items.push((Value::Object(item), None));
    }
    Ok(())
}

/// Adds what the files of an S3 inventory list; `text` is its manifest.
fn inventory(
    text: &str,
    objects: &dyn Objects,
    limit: usize,
    items: &mut Vec<Item>,
) -> Result<(), String> {
    let manifest: Value =
        serde_json::from_str(text).map_err(|e| format!("The manifest is no JSON: {e}"))?;
    let field = |name: &str| {
        let value = manifest.get(name).and_then(Value::as_str);
        value.ok_or_else(|| format!("The manifest has no '{name}'."))
    };
    let format = field("fileFormat")?;
    if format != "CSV" {
        return Err(format!(
            "The inventory's files are {format}, and only CSV is supported."
        ));
    }
    let headers: Vec<String> = field("fileSchema")?
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    let destination = field("destinationBucket")?;
    let bucket = destination.rsplit(':').next().unwrap_or(destination);
    let files = manifest.get("files").and_then(Value::as_array);
    for file in files.ok_or("The manifest has no 'files'.")? {
        if items.len() >= limit {
            break;
        }
        let key = file.get("key").and_then(Value::as_str);
        let key = key.ok_or("A file of the manifest has no 'key'.")?;
        let rows = csv::rows(&self::text(objects, bucket, key)?, ',');
        table(&headers, rows.into_iter(), limit, items)?;
    }
    Ok(())
}

/// An object as a list shows it.
fn metadata(
    objects: &dyn Objects,
    bucket: &str,
    key: String,
    now: Millis,
) -> Result<Value, String> {
    let bytes = objects.get(bucket, &key).map_err(|e| e.to_string())?;
    let digest = digest(&bytes, "MD5").unwrap_or_default();
    Ok(json!({
        "Etag": format!("\"{digest}\""),
        "Key": key,
        "LastModified": now as f64 / 1_000.0,
        "Size": bytes.len(),
        "StorageClass": "STANDARD",
    }))
}
