//! Reading what a distributed Map has besides.
//!
//! Owns the fields of `ItemReader`, `ItemBatcher` and `ResultWriter`, and what a Label
//! may be. Source: Step Functions developer guide, "Using Map state in Distributed
//! mode", and the page of each field. AWS's wording of what it refuses is not known.

use super::integrations::without_substitutions;
use super::state::Site;
use super::table::DISTRIBUTED;
use super::{Compiler, Object};
use crate::exec::MAX_DATA;
use crate::jsonata::delimited;
use crate::model::{
    Batcher, Distributed, Format, Headers, Language, MachineType, Percentage, Reader, Source,
    Transformation, Writer,
};
use crate::template::Template;
use crate::validate::codes;
use serde_json::Value;

/// The guide: `MaxItems` is at most this, and so, here, is a tolerated number of failures.
const MAX_ITEMS: u64 = 100_000_000;
/// The guide: a Label has at most so many characters.
const MAX_LABEL: usize = 40;
/// Characters that a Label may not have, besides blanks and control characters.
const NOT_IN_LABEL: &str = "?*<>{}[]:;,\\|^~$#%&`\"";

impl Compiler {
    /// The rules that child executions follow; `None` for an inline Map. `map` is the
    /// state's place, `at` the processor's.
    pub(super) fn mode(
        &mut self,
        config: Option<&Value>,
        fields: &Object,
        map: &str,
        at: &str,
    ) -> Option<MachineType> {
        let at = format!("{at}/ProcessorConfig");
        let empty = Object::new();
        let config = match config {
            None => &empty,
            Some(Value::Object(config)) => config,
            Some(_) => {
                self.schema(&at, "Expected value of type [OBJECT]");
                &empty
            }
        };
        self.only(config, &at, &["Mode", "ExecutionType"]);
        let kind = match config.get("ExecutionType").map(Value::as_str) {
            None => None,
            Some(Some("STANDARD")) => Some(MachineType::Standard),
            Some(Some("EXPRESS")) => Some(MachineType::Express),
            Some(_) => {
                self.one_of(&format!("{at}/ExecutionType"), "STANDARD, EXPRESS");
                Some(MachineType::Standard)
            }
        };
        match config.get("Mode").map(Value::as_str) {
            Some(Some("DISTRIBUTED")) => {
                if self.kind == MachineType::Express {
                    self.error(
                        codes::SCHEMA,
                        &at,
                        "A distributed Map is not supported in EXPRESS workflows",
                    );
                }
                if kind.is_none() {
                    self.schema(&at, "These fields are required: [ExecutionType]");
                }
                return Some(kind.unwrap_or_default());
            }
            None | Some(Some("INLINE")) => {}
            Some(_) => self.one_of(&format!("{at}/Mode"), "INLINE, DISTRIBUTED"),
        }
        for name in DISTRIBUTED {
            if fields.contains_key(*name) {
                self.schema(
                    map,
                    format!("Field '{name}' is only supported for a Map with Mode DISTRIBUTED"),
                );
            }
        }
        None
    }

    pub(super) fn distributed(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        kind: MachineType,
    ) -> Option<Distributed> {
        let label = self.label(fields, site.at);
        Some(Distributed {
            kind,
            label,
            reader: match self.object(fields, "ItemReader", site.at)? {
                Some((reader, at)) => Some(self.reader(reader, &at, site)?),
                None => None,
            },
            batcher: self
                .object(fields, "ItemBatcher", site.at)?
                .map(|(batcher, at)| self.batcher(batcher, &at, site)),
            tolerated_count: self.number_within(
                fields,
                "ToleratedFailureCount",
                0..=MAX_ITEMS,
                site,
            ),
            tolerated_percentage: self.percentage(fields, site),
            writer: self
                .object(fields, "ResultWriter", site.at)?
                .map(|(writer, at)| self.writer(writer, &at, site)),
        })
    }

    /// A field that is an object, if it is there; `None` when it is something else.
    fn object<'a>(
        &mut self,
        fields: &'a Object,
        name: &str,
        at: &str,
    ) -> Option<Option<(&'a Object, String)>> {
        let at = format!("{at}/{name}");
        match fields.get(name) {
            None => Some(None),
            Some(Value::Object(object)) => Some(Some((object, at))),
            Some(_) => {
                self.schema(&at, "Expected value of type [OBJECT]");
                None
            }
        }
    }

    fn one_of(&mut self, at: &str, words: &str) {
        self.schema(
            at,
            format!("Value should be one of the following: [{words}]"),
        );
    }

    /// A field that is one of some words; `None` when it is not there, or another.
    fn word<'a>(
        &mut self,
        fields: &'a Object,
        name: &str,
        at: &str,
        words: &str,
    ) -> Option<&'a str> {
        let value = fields.get(name)?;
        let known = |it: &&str| words.split(", ").any(|word| word == *it);
        let word = value.as_str().filter(known);
        if word.is_none() {
            self.one_of(&format!("{at}/{name}"), words);
        }
        word
    }

    fn label(&mut self, fields: &Object, at: &str) -> Option<std::sync::Arc<str>> {
        let value = fields.get("Label")?;
        let at = format!("{at}/Label");
        let Some(label) = value.as_str() else {
            self.schema(&at, "Expected value of type [STRING]");
            return None;
        };
        let fits = !label.is_empty()
            && label.chars().count() <= MAX_LABEL
            && !label
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || NOT_IN_LABEL.contains(c));
        if !fits {
            self.schema(
                &at,
                format!("A Label has 1 to {MAX_LABEL} characters, without blanks, control characters and any of {NOT_IN_LABEL}"),
            );
        } else if !self.labels.insert(label.to_owned()) {
            self.schema(&at, format!("Another Map has the Label '{label}' too"));
        }
        Some(label.into())
    }

    fn percentage(&mut self, fields: &Object, site: &Site<'_>) -> Option<Percentage> {
        const NAME: &str = "ToleratedFailurePercentage";
        match fields.get(NAME) {
            Some(Value::Number(n)) if !fields.contains_key("ToleratedFailurePercentagePath") => {
                let share = n.as_f64().filter(|n| (0.0..=100.0).contains(n));
                if share.is_none() {
                    self.schema(
                        &format!("{}/{NAME}", site.at),
                        "Value should be between 0 and 100",
                    );
                }
                share.map(Percentage::Const)
            }
            _ => self
                .number_within(fields, NAME, 0..=100, site)
                .map(Percentage::Number),
        }
    }

    /// `Parameters`, or `Arguments` in JSONata.
    fn given(
        &mut self,
        fields: &Object,
        at: &str,
        prefix: &str,
        site: &Site<'_>,
    ) -> Option<Template> {
        let name = match site.language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        let inner = Site {
            at,
            prefix,
            ..*site
        };
        let value = fields.get(name)?;
        let computed = site.language == Language::Jsonata
            && value.as_str().is_some_and(|it| delimited(it).is_some());
        if !value.is_object() && !computed {
            self.schema(&format!("{at}/{name}"), "Expected value of type [OBJECT]");
            return None;
        }
        self.field(fields, name, &inner)
    }

    fn reader(&mut self, fields: &Object, at: &str, site: &Site<'_>) -> Option<Reader> {
        let arguments = match site.language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        self.only(fields, at, &["Resource", "ReaderConfig", arguments]);
        let source = match fields.get("Resource").and_then(Value::as_str).map(resource) {
            Some(Some("s3:getObject")) => Some(Source::Object),
            Some(Some("s3:listObjectsV2")) => Some(Source::List),
            _ => {
                self.error(
                    codes::INVALID_RESOURCE,
                    &format!("{at}/Resource"),
                    "The Resource of an ItemReader is arn:aws:states:::s3:getObject or arn:aws:states:::s3:listObjectsV2",
                );
                None
            }
        };
        let given = self.given(fields, at, "ItemReader/", site);
        if given.is_none() && !fields.contains_key(arguments) {
            self.schema(at, format!("These fields are required: [{arguments}]"));
        }
        let empty = Object::new();
        let (config, config_at) = match self.object(fields, "ReaderConfig", at)? {
            Some((config, at)) => (config, at),
            None => (&empty, format!("{at}/ReaderConfig")),
        };
        let mut allowed = vec![
            "InputType",
            "ManifestType",
            "Transformation",
            "CSVHeaderLocation",
            "CSVHeaders",
            "CSVDelimiter",
            "ItemsPointer",
            "MaxItems",
        ];
        if site.language == Language::JsonPath {
            allowed.push("MaxItemsPath");
        }
        self.only(config, &config_at, &allowed);
        let inner = Site {
            at: &config_at,
            prefix: "ItemReader/ReaderConfig/",
            ..*site
        };
        let max_items = self.number_within(config, "MaxItems", 0..=MAX_ITEMS, &inner);
        let source = source?;
        let format = self.format(config, &config_at, source);
        Some(Reader {
            source,
            format,
            arguments: given,
            max_items,
        })
    }

    /// What the objects hold; `None` for an inventory, and for a list of metadata.
    fn format(&mut self, config: &Object, at: &str, source: Source) -> Option<Format> {
        let kind = self.word(
            config,
            "InputType",
            at,
            "CSV, JSON, JSONL, PARQUET, MANIFEST",
        );
        let manifest = self.word(config, "ManifestType", at, "ATHENA_DATA, S3_INVENTORY");
        let flat = self.word(config, "Transformation", at, "NONE, LOAD_AND_FLATTEN")
            == Some("LOAD_AND_FLATTEN");
        if kind == Some("PARQUET") {
            self.refuse_here(
                &format!("{at}/InputType"),
                "PARQUET",
                "use CSV, JSON or JSONL",
            );
            return None;
        }
        if manifest == Some("ATHENA_DATA") {
            let at = format!("{at}/ManifestType");
            self.refuse_here(
                &at,
                "a manifest of Athena",
                "use S3_INVENTORY, or read the files",
            );
            return None;
        }
        if source == Source::List {
            match (flat, kind) {
                (false, _) => return None,
                (true, None | Some("MANIFEST")) => {
                    self.schema(
                        at,
                        "These fields are required: [InputType], of CSV, JSON and JSONL",
                    );
                    return None;
                }
                (true, Some(_)) => {}
            }
        } else if manifest == Some("S3_INVENTORY") {
            if kind.is_some_and(|kind| kind != "MANIFEST") {
                self.schema(
                    at,
                    "InputType cannot be given with ManifestType S3_INVENTORY",
                );
            }
            return None;
        } else if kind.is_none() && !config.contains_key("InputType") {
            self.schema(at, "These fields are required: [InputType]");
            return None;
        }
        match kind? {
            "CSV" => Some(self.csv(config, at)),
            "JSON" => Some(Format::Json {
                pointer: self.pointer(config, at),
            }),
            "JSONL" => Some(Format::JsonLines),
            _ => None,
        }
    }

    fn csv(&mut self, config: &Object, at: &str) -> Format {
        let delimiter = match self.word(
            config,
            "CSVDelimiter",
            at,
            "COMMA, PIPE, SEMICOLON, SPACE, TAB",
        ) {
            Some("PIPE") => '|',
            Some("SEMICOLON") => ';',
            Some("SPACE") => ' ',
            Some("TAB") => '\t',
            _ => ',',
        };
        let location = self.word(config, "CSVHeaderLocation", at, "FIRST_ROW, GIVEN");
        if !config.contains_key("CSVHeaderLocation") {
            self.schema(at, "These fields are required: [CSVHeaderLocation]");
        }
        let headers = match location {
            Some("GIVEN") => {
                let names: Option<Vec<String>> = config
                    .get("CSVHeaders")
                    .and_then(Value::as_array)
                    .filter(|names| !names.is_empty())
                    .and_then(|names| {
                        let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                        names.collect()
                    });
                if names.is_none() {
                    self.schema(
                        &format!("{at}/CSVHeaders"),
                        "CSVHeaders must be a non-empty array of strings",
                    );
                }
                Headers::Given(names.unwrap_or_default())
            }
            _ => Headers::FirstRow,
        };
        Format::Csv { delimiter, headers }
    }

    fn pointer(&mut self, config: &Object, at: &str) -> Option<String> {
        let value = config.get("ItemsPointer")?;
        let pointer = value
            .as_str()
            .filter(|it| it.is_empty() || it.starts_with('/'));
        if pointer.is_none() {
            self.schema(
                &format!("{at}/ItemsPointer"),
                "Value is not a JSON Pointer such as /inventory/featured",
            );
        }
        pointer.map(str::to_owned)
    }

    fn batcher(&mut self, fields: &Object, at: &str, site: &Site<'_>) -> Batcher {
        let mut allowed = vec!["MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"];
        if site.language == Language::JsonPath {
            allowed.extend(["MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"]);
        }
        self.only(fields, at, &allowed);
        let inner = Site {
            at,
            prefix: "ItemBatcher/",
            ..*site
        };
        let max_items = self.number_within(fields, "MaxItemsPerBatch", 1..=MAX_ITEMS, &inner);
        let most = MAX_DATA as u64;
        let max_bytes = self.number_within(fields, "MaxInputBytesPerBatch", 1..=most, &inner);
        let limited = fields.keys().any(|name| name.starts_with("Max"));
        if !limited {
            self.schema(
                at,
                "One of the following fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]",
            );
        }
        Batcher {
            max_items,
            max_bytes,
            input: self.field(fields, "BatchInput", &inner),
        }
    }

    fn writer(&mut self, fields: &Object, at: &str, site: &Site<'_>) -> Writer {
        let arguments = match site.language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        self.only(fields, at, &["Resource", arguments, "WriterConfig"]);
        let exports = fields.contains_key("Resource") || fields.contains_key(arguments);
        let target = self.given(fields, at, "ResultWriter/", site);
        if exports {
            if fields
                .get("Resource")
                .and_then(Value::as_str)
                .and_then(resource)
                != Some("s3:putObject")
            {
                self.error(
                    codes::INVALID_RESOURCE,
                    &format!("{at}/Resource"),
                    "The Resource of a ResultWriter is arn:aws:states:::s3:putObject",
                );
            }
            if !fields.contains_key(arguments) {
                self.schema(at, format!("These fields are required: [{arguments}]"));
            }
        } else if !fields.contains_key("WriterConfig") {
            self.schema(
                at,
                format!("These fields are required: [WriterConfig], or [Resource, {arguments}]"),
            );
        }
        let mut writer = Writer {
            target,
            transformation: if exports {
                Transformation::None
            } else {
                Transformation::Compact
            },
            lines: false,
        };
        if let Some(Some((config, at))) = self.object(fields, "WriterConfig", at) {
            self.only(config, &at, &["Transformation", "OutputType"]);
            match self.word(config, "Transformation", &at, "NONE, COMPACT, FLATTEN") {
                Some("NONE") => writer.transformation = Transformation::None,
                Some("COMPACT") => writer.transformation = Transformation::Compact,
                Some("FLATTEN") => writer.transformation = Transformation::Flatten,
                _ => {}
            }
            writer.lines = self.word(config, "OutputType", &at, "JSON, JSONL") == Some("JSONL");
        }
        writer
    }
}

/// The integration that an ARN names, if it is one of objects.
fn resource(arn: &str) -> Option<&'static str> {
    let plain = without_substitutions(arn);
    let parts: Vec<&str> = plain.splitn(6, ':').collect();
    let ["arn", _, "states", _, _, rest] = parts[..] else {
        return None;
    };
    ["s3:getObject", "s3:listObjectsV2", "s3:putObject"]
        .into_iter()
        .find(|known| *known == rest)
}
