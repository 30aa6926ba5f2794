//! What is switched on when the screen comes up, and how all of it is undone.

/// The title is put aside, and how the wheel worked (DECSET 1007 is on by default in some terminals); then the alternate
/// screen, no cursor, pastes in brackets, focus events, the wheel as arrow keys. No mouse, no other keyboard protocol.
pub const ENTER: &[u8] = b"\x1b[22;0t\x1b[?1007s\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1004h\x1b[?1007h";
/// [`ENTER`] for a screen that is up and that somebody else wrote on: the title is not put aside twice.
pub(super) const AGAIN: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1004h\x1b[?1007h";
/// Undoes [`ENTER`] in reverse, and whatever may be open on top of it: a cut-off string, a frame, clicks, colours, the form
/// of the cursor. It does no harm where nothing is to be undone but the title, which is taken from a stack.
pub const LEAVE: &[u8] = b"\x1b\\\x1b[?2026l\x1b[0m\x1b[0 q\x1b[?1006l\x1b[?1000l\
    \x1b[?1007l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l\x1b[?1007r\x1b[23;0t";
/// Before a frame: the terminal shows nothing until it is whole.
pub(super) const FRAME: &[u8] = b"\x1b[?2026h";
/// After a frame.
pub(super) const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Captures clicks.
pub(super) const MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1006h";
/// Leaves clicks to the terminal.
pub(super) const NO_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1000l";
