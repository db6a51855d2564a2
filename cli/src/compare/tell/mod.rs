//! The comparison for people: blocks of rows, one column a variant, and a
//! sentence under each that says how to read it.

mod blocks;
mod words;

use self::blocks::Block;
use self::words::dollars;
pub(super) use self::words::{decimal, ranged};
use super::Comparison;
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::terminal::table::{self, folded, table};

impl Comparison {
    /// A line a variant, and what follows of it.
    pub(super) fn in_short(&self) -> String {
        let header = [
            "COMPARED",
            "MEDIAN, MS",
            "USD A MILLION ORDERS",
            "USD A MONTH, IDLE",
            "DEPENDENCIES",
        ];
        let mut rows = table(header.map(table::prose));
        for name in self.names() {
            let (time, money) = (&self.time[name], &self.money[name]);
            rows.add_row([
                name.clone(),
                ranged(&time.decided_ms, "p50", time.decided_ms.p50),
                dollars(money.per_million_usd["total"]),
                dollars(money.standing_month_usd),
                self.coupling[name].services.edges.to_string(),
            ]);
        }
        format!(
            "\n{}\n{}\nMore, and how it comes about: duet compare, docs/comparison.md",
            rows.text(),
            table::folded(&self.time_reading(), 0)
        )
    }

    fn heading(&self) -> String {
        let it = &self.settings;
        let faults = match it.faults.as_slice() {
            [] => String::new(),
            some => format!(", with {}", some.join(", ")),
        };
        format!(
            "Scenario {}{faults}; {} draws of {} orders for each variant, seed {}.\nLab, profile {}: {} rows measured, {} assumed; patience {} s.",
            it.scenario,
            it.draws,
            it.orders,
            it.seed,
            it.profile,
            it.measured_rows,
            it.assumed_rows,
            it.patience_s
        )
    }

    /// The block called `title`, as Markdown without its heading.
    pub(super) fn block(&self, title: &str) -> Option<String> {
        let mut blocks = self.blocks().into_iter();
        let block = blocks.find(|block| block.title.eq_ignore_ascii_case(title))?;
        Some(self.table(&block))
    }

    fn table(&self, block: &Block) -> String {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let mut header = vec![String::new()];
        header.extend(self.names().map(|name| format!("`{name}`")));
        let rule: Vec<String> = header.iter().map(|_| "---".to_owned()).collect();
        let mut lines = vec![line(&header), line(&rule)];
        lines.extend(block.rows.iter().map(|row| line(row)));
        format!("{}\n\n{}", lines.join("\n"), block.reading)
    }
}

impl Report for Comparison {
    fn text(&self) -> String {
        let mut parts = vec![self.heading()];
        for block in self.blocks() {
            let names = self.names().map(String::as_str);
            let header = std::iter::once(block.title).chain(names);
            let mut rows = table(header.map(table::prose));
            block.rows.into_iter().for_each(|row| rows.add_row(row));
            let mut said = vec![rows.text(), folded(&format!("({})", block.about), 1)];
            said.extend(block.reading.lines().map(|line| folded(line, 0)));
            parts.push(said.join("\n"));
        }
        parts.join("\n\n")
    }

    fn markdown(&self) -> Option<String> {
        let mut parts = vec![self.heading()];
        for block in self.blocks() {
            let title = &block.title[..1];
            let rest = block.title[1..].to_lowercase();
            parts.push(format!(
                "## {title}{rest}\n\n{}.\n\n{}",
                block.about,
                self.table(&block)
            ));
        }
        Some(parts.join("\n\n"))
    }

    fn exit(&self) -> Exit {
        self.verdict()
    }
}
