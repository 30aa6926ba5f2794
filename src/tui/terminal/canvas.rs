//! Where ratatui draws: into memory, one frame at a time.

use std::io;
use std::sync::Arc;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::modes::{FRAME, FRAME_END};
use super::tty::Tty;

/// Collects what changes, and asks the terminal for nothing but its size.
#[derive(Debug)]
pub(super) struct Canvas {
    tty: Arc<Tty>,
    bytes: Vec<u8>,
    /// Where the cursor shall be seen.
    cursor: Option<Position>,
    /// Where the terminal shows it.
    shown: Option<Position>,
}

impl Canvas {
    pub(super) fn new(tty: Arc<Tty>) -> Self {
        Self { tty, bytes: Vec::new(), cursor: None, shown: None }
    }

    /// The frame that was drawn, between its marks; none where nothing changed.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let drawn = std::mem::take(&mut self.bytes);
        (!drawn.is_empty()).then(|| [FRAME, &drawn, FRAME_END].concat())
    }

    /// The screen came up again, empty and without a cursor.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
        self.shown = None;
    }

    fn out(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.bytes)
    }
}

impl Backend for Canvas {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        // even no cell at all would be followed by a reset of the colours
        if content.peek().is_none() {
            return Ok(());
        }
        self.out().draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor.unwrap_or(Position::ORIGIN))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = Some(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.out().clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.out().clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.tty.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.tty.size()?, pixels: Size::ZERO })
    }

    /// The last step of a frame: the cursor, where it must move or was moved by what was drawn.
    fn flush(&mut self) -> io::Result<()> {
        if self.cursor == self.shown && (self.bytes.is_empty() || self.cursor.is_none()) {
            return Ok(());
        }
        let cursor = self.cursor;
        let mut out = self.out();
        match cursor {
            Some(position) => {
                out.set_cursor_position(position)?;
                out.show_cursor()?;
            }
            None => out.hide_cursor()?,
        }
        self.shown = cursor;
        Ok(())
    }
}
