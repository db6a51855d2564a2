//! Tables for people: laid out for the width of the terminal.
//!
//! An id, a number or a word never breaks. Text breaks between words, code
//! anywhere. When all of it does not fit, columns give way, the least important
//! first; a column that says nothing in any row is left out. Into a file or a
//! pipe nothing breaks and nothing gives way.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Width, presets,
};
use unicode_width::UnicodeWidthStr as _;

use super::colour::{self, Tone};

/// Blanks between columns.
const BETWEEN: usize = 2;
/// The least width of a column of code.
const CODE: usize = 24;

/// How what stands in a column may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Never,
    BetweenWords,
    Anywhere,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    breaks: Breaks,
    rank: u8,
    is_number: bool,
    is_state: bool,
}

impl Column {
    fn new(name: &str, breaks: Breaks) -> Self {
        Self {
            name: name.to_owned(),
            breaks,
            rank: 0,
            is_number: false,
            is_state: false,
        }
    }

    /// … which is left out where there is no room, before all of a lower rank.
    #[must_use]
    pub fn gives_way(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// … whose cells are states, with the colour of what they say.
    #[must_use]
    pub fn states(self) -> Self {
        Self {
            is_state: true,
            ..self
        }
    }
}

/// A column of ids or single words: they never break.
#[must_use]
pub fn word(name: &str) -> Column {
    Column::new(name, Breaks::Never)
}

/// A column of numbers with their units: they never break, and end in one line.
#[must_use]
pub fn number(name: &str) -> Column {
    Column {
        is_number: true,
        ..Column::new(name, Breaks::Never)
    }
}

/// A column of text, which breaks between words.
#[must_use]
pub fn prose(name: &str) -> Column {
    Column::new(name, Breaks::BetweenWords)
}

/// A column of code such as JSON, which may break anywhere.
#[must_use]
pub fn code(name: &str) -> Column {
    Column::new(name, Breaks::Anywhere)
}

/// A table as every report has them: no frame, two blanks between columns.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// An empty table with these columns.
#[must_use]
pub fn table(columns: impl IntoIterator<Item = Column>) -> Table {
    Table {
        columns: columns.into_iter().collect(),
        rows: Vec::new(),
    }
}

impl Table {
    /// Adds a row. What would steer a terminal is escaped before the columns are
    /// laid out, so that they stay in line.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item: AsRef<str>>) {
        let cells = cells.into_iter();
        self.rows.push(
            cells
                .map(|cell| super::inline(cell.as_ref()).into_owned())
                .collect(),
        );
    }

    /// The table as text, without trailing blanks.
    #[must_use]
    pub fn text(&self) -> String {
        let mut inner = comfy_table::Table::new();
        inner
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        let room = inner.width().map(usize::from);
        self.laid_out(inner, room)
    }

    /// The same, in a terminal of so many columns.
    fn laid_out(&self, mut inner: comfy_table::Table, room: Option<usize>) -> String {
        let shown = self.shown(room);
        let width = |at: usize| self.least(at) + BETWEEN;
        let fits = room
            .is_none_or(|room| shown.iter().map(|at| width(*at)).sum::<usize>() <= room + BETWEEN);
        match room {
            // An id that broke would be no id: then lines are too long.
            _ if !fits => inner.set_content_arrangement(ContentArrangement::Disabled),
            // The blanks behind the last column are cut off.
            Some(room) => inner.set_width((room + BETWEEN) as u16),
            None => inner.set_content_arrangement(ContentArrangement::Disabled),
        };
        if colour::is_on() {
            inner.enforce_styling();
        }
        let bold = |name: &str| match colour::is_on() {
            true => Cell::new(name).add_attribute(Attribute::Bold),
            false => Cell::new(name),
        };
        inner.set_header(shown.iter().map(|at| bold(&self.columns[*at].name)));
        for row in &self.rows {
            let cells = shown
                .iter()
                .map(|at| self.cell(*at, row.get(*at).map_or("", String::as_str)));
            inner.add_row(cells);
        }
        for (place, at) in shown.iter().enumerate() {
            let Some(column) = inner.column_mut(place) else {
                continue;
            };
            column.set_padding((0, BETWEEN as u16));
            let least = width(*at) as u16;
            match self.columns[*at].breaks {
                // Where nobody looks no heading breaks, either.
                _ if room.is_none() => {}
                Breaks::Never => {
                    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(least)));
                }
                _ => {
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
                }
            }
            if self.columns[*at].is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        colour::marked(&inner.trim_fmt())
    }

    /// A cell of the column `at`, in the colour of its state if it is one.
    fn cell(&self, at: usize, says: &str) -> Cell {
        let cell = Cell::new(says);
        let has_colour = colour::is_on() && self.columns[at].is_state;
        let tone = has_colour.then(|| colour::tone(says));
        match tone.flatten() {
            Some(Tone::Good) => cell.fg(Color::DarkGreen),
            Some(Tone::Declined) => cell.fg(Color::DarkYellow),
            Some(Tone::Bad) => cell.fg(Color::DarkRed),
            Some(Tone::Moving) => cell.fg(Color::DarkCyan),
            Some(Tone::Heading) | None => cell,
        }
    }

    /// The columns that are shown where there is so much room.
    fn shown(&self, room: Option<usize>) -> Vec<usize> {
        let says = |at: &usize| {
            self.rows.is_empty()
                || self.rows.iter().any(|row| {
                    row.get(*at)
                        .is_some_and(|cell| !matches!(cell.as_str(), "" | "-"))
                })
        };
        let mut shown: Vec<usize> = (0..self.columns.len()).filter(says).collect();
        let Some(room) = room else { return shown };
        loop {
            let taken: usize = shown.iter().map(|at| self.least(*at) + BETWEEN).sum();
            let first = shown
                .iter()
                .enumerate()
                .max_by_key(|(_, at)| self.columns[**at].rank);
            match first {
                Some((place, at)) if taken > room + BETWEEN && self.columns[*at].rank > 0 => {
                    shown.remove(place);
                }
                _ => return shown,
            }
        }
    }

    /// The least width that the column `at` can do with.
    fn least(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at));
        // A heading of several words may break.
        let words = self.columns[at].name.split(' ');
        let header = words.map(|word| word.width()).max().unwrap_or(0);
        let widest = match self.columns[at].breaks {
            Breaks::Never => cells.map(|cell| cell.width()).max(),
            Breaks::BetweenWords => {
                let words = cells.flat_map(|cell| cell.split(' '));
                words.map(|word| word.width()).max()
            }
            Breaks::Anywhere => cells.map(|cell| cell.width().min(CODE)).max(),
        };
        widest.unwrap_or(0).max(header)
    }
}

/// `text` in lines that fit the terminal, all but the first of them behind `indent`
/// blanks; as it is where nobody looks.
#[must_use]
pub fn folded(text: &str, indent: usize) -> String {
    let room = comfy_table::Table::new().width();
    room.map_or_else(
        || text.to_owned(),
        |room| fold(text, indent, usize::from(room)),
    )
}

/// `text` behind `first`, in lines that fit the terminal, all but the first of them
/// behind `rest`; in one line where nobody looks.
#[must_use]
pub fn folded_behind(text: &str, first: &str, rest: &str) -> String {
    let folded = comfy_table::Table::new().width().map(|room| {
        let taken = first.width().max(rest.width());
        fold(text, 0, usize::from(room).saturating_sub(taken))
    });
    let lines = folded.as_deref().unwrap_or(text);
    format!("{first}{}", lines.replace('\n', &format!("\n{rest}")))
}

fn fold(text: &str, indent: usize, room: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let taken = if lines.len() > 1 { indent } else { 0 };
        match lines.last_mut() {
            Some(line) if taken + line.width() + 1 + word.width() <= room && !line.is_empty() => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if line.is_empty() => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Table {
        let mut rows = table([
            word("ORDER"),
            word("VARIANT").gives_way(1),
            prose("OUTCOME").states(),
            number("AGE").gives_way(2),
            prose("WAITS FOR"),
        ]);
        rows.add_row([
            "1a21eeb533c-out-of-stock-eventbridge-1",
            "eventbridge",
            "Rejected(StockUnavailable, OutOfStock)",
            "181 s",
            "",
        ]);
        rows
    }

    fn at(rows: &Table, width: usize) -> String {
        let mut inner = comfy_table::Table::new();
        inner
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        rows.laid_out(inner, Some(width))
    }

    #[test]
    fn ids_never_break_and_columns_give_way_by_rank() {
        let rows = orders();
        for (width, lacks) in [
            (120, vec!["WAITS"]),
            (80, vec!["WAITS", "AGE"]),
            (70, vec!["WAITS", "AGE", "VARIANT"]),
        ] {
            let shown = at(&rows, width);
            assert!(
                shown.contains("1a21eeb533c-out-of-stock-eventbridge-1"),
                "{shown}"
            );
            assert!(shown.contains("Rejected(StockUnavailable,"), "{shown}");
            assert!(
                shown.lines().all(|line| line.width() <= width),
                "{width}: {shown}"
            );
            for name in ["VARIANT", "AGE", "WAITS"] {
                assert_eq!(
                    !shown.contains(name),
                    lacks.contains(&name),
                    "{width}: {shown}"
                );
            }
        }
    }

    #[test]
    fn an_id_that_does_not_fit_makes_a_long_line() {
        let shown = at(&orders(), 30);
        assert!(
            shown.contains("1a21eeb533c-out-of-stock-eventbridge-1"),
            "{shown}"
        );
    }

    #[test]
    fn nothing_gives_way_where_nobody_looks() {
        let shown = orders().text();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(
            lines[1].ends_with("Rejected(StockUnavailable, OutOfStock)  181 s"),
            "{shown}"
        );
    }

    #[test]
    fn a_heading_breaks_in_a_terminal_only() {
        let mut rows = table([word("PART"), number("DEAD LETTERS")]);
        rows.add_row(["one", "7"]);
        assert_eq!(rows.text().lines().count(), 2, "{}", rows.text());
        assert_eq!(at(&rows, 20).lines().count(), 3, "{}", at(&rows, 20));
    }

    #[test]
    fn prose_is_folded_between_words() {
        assert_eq!(fold("one two three four", 2, 9), "one two\n  three\n  four");
        assert_eq!(
            fold("a-word-that-does-not-fit on", 0, 6),
            "a-word-that-does-not-fit\non"
        );
    }
}
