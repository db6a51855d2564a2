//! `duet show` and `duet watch`.

use clap::Args;
use duet_core::OrderId;

use crate::ops::{against, show, timeline, trace};
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::{Format, print};
use crate::world::World;

/// What `duet show` can print.
pub(super) const OUTPUTS: [Format; 6] = [
    Format::Text,
    Format::Json,
    Format::Otlp,
    Format::Perfetto,
    Format::Mermaid,
    Format::Svg,
];

/// `duet show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// As one tree of cause and effect across services, with what is still missing.
    #[arg(long)]
    pub timeline: bool,
    /// Beside another order, of the same or of another variant: what both did, what only one did, and what came out differently.
    #[arg(long, value_name = "ORDER", conflicts_with = "timeline")]
    pub against: Option<OrderId>,
    /// How to print it: text and json as every command; otlp (OpenTelemetry's JSON), perfetto (for ui.perfetto.dev), mermaid (a flowchart) and svg (a picture) of the timeline.
    // In place of the one of every command, which has fewer values: `global.output`
    // has what is given here.
    #[arg(
        id = "output",
        long = "output",
        alias = "format",
        default_value = "text",
        value_name = "OUTPUT",
        value_parser = Format::among(&OUTPUTS)
    )]
    pub output: Format,
}

/// `duet watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub within: u64,
}

/// Shows an order.
pub(super) async fn run(global: &Global, args: &Show) -> Outcome<Exit> {
    let (order, format) = (args.order.as_str(), global.output);
    if args.against.is_some() && !Format::COMMON.contains(&format) {
        return Err(Problem::usage(format!(
            "two orders side by side cannot be printed as {}",
            format.word()
        ))
        .hint("choose --output text or --output json, or show each order by itself"));
    }
    if format == Format::Perfetto {
        let remedy = format!("`duet show {order} --output perfetto > {order}.pftrace`");
        terminal::no_terminal().map_err(|problem| problem.hint(remedy))?;
    }
    look_on!(Target::new(global)?, world => {
        match &args.against {
            Some(other) => print(&against::read(world, order, other.as_str()).await?, format),
            None => shown(world, order, args.timeline, format).await,
        }
    })
}

/// Prints one order as `format`.
async fn shown<W: World>(
    world: &W,
    order: &str,
    as_timeline: bool,
    format: Format,
) -> Outcome<Exit> {
    if !as_timeline && Format::COMMON.contains(&format) {
        return print(&show::show(world, order).await?, format);
    }
    let timeline = timeline::read(world, order).await?;
    match format {
        Format::Mermaid => terminal::line(&timeline.mermaid())?,
        Format::Svg => terminal::line(&timeline.svg())?,
        Format::Otlp => {
            let trace = trace::read(world, &timeline).await?;
            terminal::line(&trace.otlp()?)?;
        }
        Format::Perfetto => {
            let trace = trace::read(world, &timeline).await?;
            terminal::bytes(&trace.perfetto())?;
        }
        _ => return print(&timeline, format),
    }
    Ok(Exit::Done)
}

/// Follows it.
pub(super) async fn watch(global: &Global, args: &Watch) -> Outcome<Exit> {
    let order = args.order.as_str();
    look_on!(Target::new(global)?, world => {
        show::watch(world, order, args.within, global.output).await
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn output(line: &str) -> Result<Format, clap::Error> {
        let words = std::iter::once("duet").chain(line.split(' '));
        let cli = crate::commands::Cli::try_parse_from(words);
        cli.map(|cli| cli.global.output)
    }

    #[test]
    fn an_output_is_read_before_and_behind_the_command() {
        crate::commands::Cli::command().debug_assert();
        for (line, read) in [
            ("show o-1", Format::Text),
            ("show o-1 --output otlp", Format::Otlp),
            ("show o-1 --format mermaid --timeline", Format::Mermaid),
            ("--output json show o-1", Format::Json),
            ("--output svg show o-1", Format::Svg),
            ("orders --output json", Format::Json),
        ] {
            assert_eq!(output(line).unwrap(), read, "{line}");
        }
        assert!(output("show o-1 --output md").is_err());
        assert!(output("show o-1 --timeline --against o-2").is_err());
    }

    #[tokio::test]
    async fn what_a_command_cannot_print_is_refused() {
        for (line, hint) in [
            ("orders --output svg", "choose one of: text, json"),
            (
                "--output md show o-1",
                "choose one of: text, json, otlp, perfetto",
            ),
            ("compare --output otlp", "choose one of: text, json, md"),
            (
                "show o-1 --against o-2 --output svg",
                "show each order by itself",
            ),
        ] {
            let words = std::iter::once("duet").chain(line.split(' '));
            let cli = crate::commands::Cli::try_parse_from(words).unwrap();
            let refused = crate::commands::run(cli).await.unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{line}");
            assert!(refused.to_string().contains(hint), "{refused}");
        }
    }
}
