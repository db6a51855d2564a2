//! `duet rules`: event patterns and the deployed rules.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::choose::parameter;
use crate::ops::rules::{self, Targets, Template};
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet rules`.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List the rules of the shop's bus: what each wants, and who hears of it.
    #[command(after_help = "Example: duet rules list")]
    List,
    /// Try events against every rule: which match, and why the others do not, the nearest first.
    ///
    /// The rules are those of the shop's bus, or those of any template, without
    /// any target.
    #[command(
        after_help = "Example: echo '{\"source\":\"duet.order\",\"detail-type\":\"NewOrder\"}' | duet rules test -"
    )]
    Test {
        /// An event as a bus delivers it, a list of them, or one a line; `-` is standard input.
        #[arg(value_name = "EVENTS")]
        events: PathBuf,
        #[command(flatten)]
        /// The rules, if not those of the bus.
        template: OfTemplate,
    },
    /// Show what a target receives of an event, by its input transformer, without any target.
    ///
    /// Exits with 1 if nothing is delivered.
    #[command(
        group(ArgGroup::new("what").required(true).args(["target", "rule"])),
        after_help = "Example: echo '{\"InputPathsMap\":{\"id\":\"$.detail.id\"},\"InputTemplate\":\"{\\\"order\\\": <id>}\"}' > target.json; echo '{\"detail\":{\"id\":\"o-1\"}}' | duet rules transform --target target.json --event -"
    )]
    Transform {
        /// A target as PutTargets takes it, or its InputTransformer alone.
        #[arg(long, value_name = "FILE")]
        target: Option<PathBuf>,
        /// In place of a file: all targets of this rule of the template.
        #[arg(long, value_name = "RULE", requires = "template")]
        rule: Option<String>,
        #[command(flatten)]
        /// The rules, if not those of the bus.
        template: OfTemplate,
        /// The event; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        event: PathBuf,
    },
    /// Tell which deployed rules, transformers and schemas use a field.
    #[command(after_help = "Example: duet rules users detail.data.kind")]
    Users {
        /// The field's dotted path.
        #[arg(value_name = "FIELD")]
        field: String,
    },
    /// Match one event against one pattern, without any target: 0 match, 1 no match, 2 invalid.
    #[command(
        after_help = "Example: echo '{\"source\":[\"duet.order\"]}' > pattern.json; echo '{\"source\":\"duet.order\"}' | duet rules match --pattern pattern.json --event -"
    )]
    Match {
        /// The pattern.
        #[arg(long, value_name = "FILE")]
        pattern: PathBuf,
        /// The event; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        event: PathBuf,
    },
}

/// Rules that are not deployed yet.
#[derive(Debug, Args)]
pub struct OfTemplate {
    /// The template whose rules to take, of SAM or CloudFormation; nested ones are read from where it says.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A parameter of the template, such as Fraud=off; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter, requires = "template")]
    parameters: Vec<(String, String)>,
}

impl OfTemplate {
    fn named(&self) -> Option<Template> {
        let path = self.template.clone()?;
        let parameters = self.parameters.iter().cloned().collect();
        Some(Template { path, parameters })
    }
}

/// Lists rules, tries an event against them, or one pattern, or finds who uses a field.
pub(super) async fn run(global: &Global, args: &Rules) -> Outcome<Exit> {
    let format = global.output;
    match args {
        Rules::Match { pattern, event } => rules::matches(pattern, event, format),
        Rules::List => {
            look_on!(Target::new(global)?, world => print(&rules::list(world).await?, format))
        }
        Rules::Test { events, template } => match template.named() {
            Some(template) => print(&rules::test_template(&template, events)?, format),
            None => {
                look_on!(Target::new(global)?, world => print(&rules::test(world, events).await?, format))
            }
        },
        Rules::Transform {
            target,
            rule,
            template,
            event,
        } => {
            let template = template.named();
            let targets = match (target, rule, &template) {
                (Some(file), ..) => Targets::File(file),
                (None, Some(rule), Some(template)) => Targets::Rule(template, rule),
                // The command line asks for one of them.
                _ => return Err(Problem::usage("either --target, or --rule and --template")),
            };
            print(&rules::transform(&targets, event)?, format)
        }
        Rules::Users { field } => {
            look_on!(Target::new(global)?, world => print(&rules::users(world, field).await?, format))
        }
    }
}
