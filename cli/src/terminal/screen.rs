//! A whole screen that is drawn anew: entered, drawn on, asked for keys, left.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use ratatui::{Frame, Terminal};

use crate::terminal::colour;
use crate::terminal::exit::{Outcome, Problem};

/// A key that means something on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Leave.
    Quit,
    /// The line above.
    Up,
    /// The line below.
    Down,
    /// Look closer.
    Enter,
    /// Back to the list.
    Back,
    /// Another letter.
    Letter(char),
}

/// What stands on a screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In the top line.
    pub title: String,
    /// Below it, as it is.
    pub head: Vec<String>,
    /// The lines to choose from, or to read; long ones are cut.
    pub body: Vec<String>,
    /// Which of these is chosen, if any can be.
    pub chosen: Option<usize>,
    /// In the bottom line: what was done last, or which keys there are.
    pub foot: String,
}

/// The terminal, as one screen. It is given back as it was when this is dropped.
#[derive(Debug)]
pub struct Screen(DefaultTerminal);

fn trouble(error: std::io::Error) -> Problem {
    Problem::environment(format!("the terminal cannot be used: {error}"))
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// [`Problem`] when that is not possible.
    pub fn enter() -> Outcome<Self> {
        let terminal = ratatui::try_init().map_err(trouble)?;
        super::IS_SCREEN.store(true, Ordering::Relaxed);
        Ok(Self(terminal))
    }

    /// Draws `page`.
    ///
    /// # Errors
    /// [`Problem`] when the terminal does not take it.
    pub fn draw(&mut self, page: &Page) -> Outcome<()> {
        let drawn = self.0.draw(|frame| page.draw(frame));
        drawn.map(drop).map_err(trouble)
    }

    /// The next key, if one comes within `wait`.
    ///
    /// # Errors
    /// [`Problem`] when the terminal cannot be read.
    pub fn key(&self, wait: Duration) -> Outcome<Option<Key>> {
        if !event::poll(wait).map_err(trouble)? {
            return Ok(None);
        }
        let Event::Key(pressed) = event::read().map_err(trouble)? else {
            return Ok(None);
        };
        if pressed.kind == KeyEventKind::Release {
            return Ok(None);
        }
        let is_control = pressed.modifiers.contains(KeyModifiers::CONTROL);
        Ok(match pressed.code {
            KeyCode::Char('c') if is_control => Some(Key::Quit),
            KeyCode::Char('q') => Some(Key::Quit),
            KeyCode::Char('k') | KeyCode::Up => Some(Key::Up),
            KeyCode::Char('j') | KeyCode::Down => Some(Key::Down),
            KeyCode::Enter => Some(Key::Enter),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => Some(Key::Back),
            KeyCode::Char(letter) => Some(Key::Letter(letter)),
            _ => None,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
        super::IS_SCREEN.store(false, Ordering::Relaxed);
    }
}

impl Page {
    fn draw(&self, frame: &mut Frame<'_>) {
        let head = self.head.len() as u16;
        let areas = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(head),
            Constraint::Min(3),
            Constraint::Length(1),
        ]);
        let [title, top, middle, foot] = areas.areas(frame.area());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        // Colours are a text's on its way to a stream; here they would be letters.
        let shown = |text: &str| {
            let plain = colour::escapes(text.into(), false);
            super::inline(&plain).into_owned()
        };
        frame.render_widget(Line::styled(shown(&self.title), bold), title);
        let lines = |some: &[String]| some.iter().map(|line| Line::raw(shown(line))).collect();
        let text: Vec<Line<'_>> = lines(&self.head);
        frame.render_widget(Paragraph::new(text), top);
        let mut text: Vec<Line<'_>> = lines(&self.body);
        // The chosen line stays in sight.
        let room = usize::from(middle.height.saturating_sub(1)).max(1);
        let first = self.chosen.map_or(0, |at| at.saturating_sub(room - 1));
        if let Some(line) = self.chosen.and_then(|at| text.get_mut(at)) {
            *line = line
                .clone()
                .style(Style::new().add_modifier(Modifier::REVERSED));
        }
        let block = Block::new().borders(Borders::TOP);
        let text = Text::from(text.split_off(first.min(text.len())));
        let body = Paragraph::new(text).block(block);
        let body = match self.chosen {
            Some(_) => body,
            None => body.wrap(Wrap { trim: false }),
        };
        frame.render_widget(body, middle);
        frame.render_widget(Line::styled(shown(&self.foot), bold), foot);
    }

    /// The page as it would stand on a screen of this size, line by line.
    #[must_use]
    pub fn lines(&self, width: u16, height: u16) -> Vec<String> {
        let backend = ratatui::backend::TestBackend::new(width, height);
        let Ok(mut terminal) = Terminal::new(backend);
        let Ok(_) = terminal.draw(|frame| self.draw(frame));
        let buffer = terminal.backend().buffer();
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        let lines = cells.chunks(usize::from(width).max(1));
        lines
            .map(|line| line.concat().trim_end().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_its_screen_and_the_chosen_line_is_in_sight() {
        let page = Page {
            title: "orders".to_owned(),
            head: vec!["two lines".to_owned(), "of facts".to_owned()],
            body: (0..40).map(|n| format!("order o-{n}")).collect(),
            chosen: Some(30),
            foot: "q leaves".to_owned(),
        };
        let lines = page.lines(40, 12);
        assert_eq!(lines.len(), 12);
        assert_eq!(lines[0], "orders");
        assert_eq!(lines[11], "q leaves");
        assert!(lines.iter().any(|line| line == "order o-30"), "{lines:#?}");
        assert!(!lines.iter().any(|line| line == "order o-2"), "{lines:#?}");
    }

    #[test]
    fn what_others_wrote_steers_no_screen() {
        let page = Page {
            body: vec!["\u{1b}[2Jgone".to_owned()],
            ..Page::default()
        };
        assert!(
            page.lines(40, 6)
                .iter()
                .any(|line| line == "\\u001b[2Jgone")
        );
    }
}
