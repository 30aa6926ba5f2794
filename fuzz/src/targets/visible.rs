//! What comes from a host and goes to a terminal or into a document.

use std::num::NonZeroU16;
use std::time::Duration;

use runbook::cli::fold::{Answer, render};
use runbook::fuzzing::markdown;
use runbook::model::id::HostName;
use runbook::model::op::{Captured, Exit, ShellReply};
use runbook::model::visible::{self as sanitiser, Newline, clip, visible_bytes, visible_lines, width};
use runbook::read::answer::line;
use runbook::read::proc::clean;
use runbook::tui::theme::{Theme, Tone};
use runbook::tui::view::cells::Cells;

use super::bytes::{is_odd, odd_in_lines};

/// Whatever came is text that can only be read, wherever it is shown.
pub(super) fn visible(bytes: &[u8]) {
    let raw = String::from_utf8_lossy(bytes);
    let folded = visible_bytes(bytes, Newline::Fold);
    let lines = visible_bytes(bytes, Newline::Keep);
    assert_eq!(folded.chars().find(|c| is_odd(*c)), None);
    assert_eq!(odd_in_lines(&lines), None);
    assert_eq!(sanitiser::visible(&folded), folded, "what is visible stays as it is");
    assert_eq!(visible_lines(&lines), lines, "what is visible stays as it is");
    // a byte is `\xNN` at most, and a tab in lines up to eight spaces
    assert!(folded.len() <= 4 * bytes.len() && lines.len() <= 8 * bytes.len(), "it grew without bound");

    one_line(&raw, &folded);
    in_markdown(&raw);
    printed(bytes);
    on_a_terminal(&lines);
}

fn one_line(raw: &str, folded: &str) {
    for columns in [0, 1, 2, 7, 80] {
        assert!(width(&clip(folded, columns)) <= columns, "clipped to {columns}");
        for theme in [Theme::UNICODE, Theme::ASCII] {
            let cells = Cells::of(theme, Tone::Plain, raw).cell(Tone::Bad, raw, 5).right(Tone::Dim, raw, 20);
            let line = cells.line(columns);
            let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
            assert_eq!(text.chars().find(|c| is_odd(*c)), None);
            assert!(width(&text) <= columns, "{} of {columns} columns: {text:?}", width(&text));
        }
    }
    assert_eq!(clean(raw).chars().find(|c| c.is_control()), None);
    assert!(clean(raw).chars().count() <= 500);
    let short = line(raw, 80);
    assert_eq!(short.chars().find(|c| c.is_control()), None);
    assert!(short.chars().count() <= 81);
}

/// No sign of Markdown or HTML stands without its escape, and a cell of a table stays one.
fn in_markdown(raw: &str) {
    let text = markdown(raw);
    let mut escaped = false;
    for c in text.chars() {
        assert!(!is_odd(c), "{c:?}");
        assert!(!matches!(c, '<' | '>'), "{text:?}");
        assert!(escaped || !matches!(c, '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~'), "{c:?} in {text:?}");
        escaped = c == '\\' && !escaped;
    }
}

/// The output of `runbook exec`.
fn printed(bytes: &[u8]) {
    let (stdout, stderr) = bytes.split_at(bytes.len() / 2);
    let mut cut = Captured::whole(stderr);
    (cut.tail, cut.total) = (stdout.to_vec(), bytes.len() as u64 + 9);
    let stdout = Captured::whole(stdout);
    let reply = ShellReply { exit: Exit::Code { code: 0 }, stdout, stderr: cut, took: Duration::ZERO };
    let host = HostName::parse("web-04").expect("a name");
    let text = render(&[(host, Answer::Reply(reply))]);
    assert_eq!(odd_in_lines(&text), None, "{text:?}");
    assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "a line of a host stands where ours do: {text:?}");
}

/// Nothing happens on a terminal but that text stands on it.
fn on_a_terminal(lines: &str) {
    let size = |n: u16| NonZeroU16::new(n).expect("not zero");
    let mut terminal = vt100::Parser::new_with_callbacks(size(12), size(80), 0, Silent);
    terminal.process(lines.replace('\n', "\r\n").as_bytes());
    let screen = terminal.screen();
    let fresh = vt100::Parser::new(size(12), size(80), 0);
    assert_eq!(screen.attributes_formatted(), fresh.screen().attributes_formatted(), "a style was left on");
    assert_eq!(screen.input_mode_formatted(), fresh.screen().input_mode_formatted(), "a mode was changed");
    assert!(!screen.hide_cursor() && !screen.alternate_screen());
    assert_eq!(odd_in_lines(&screen.contents()), None);
}

/// A terminal on which nothing may happen.
struct Silent;

impl vt100::Callbacks for Silent {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        panic!("it rang");
    }

    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        panic!("it flashed");
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        panic!("it set the title {title:?}");
    }

    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, name: &[u8]) {
        panic!("it set the name {name:?}");
    }

    fn resize(&mut self, _: &mut vt100::Screen, size: (u16, u16)) {
        panic!("it asked for {size:?}");
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        panic!("it copied {data:?}");
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        panic!("it asked for the clipboard");
    }

    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, byte: u8) {
        panic!("it got an escape sequence that ends with {byte}");
    }

    fn unhandled_csi(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, _: &[&[u16]], end: char) {
        panic!("it got a control sequence that ends with {end:?}");
    }

    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        panic!("it got the control character {byte}");
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, parameters: &[&[u8]]) {
        panic!("it got {parameters:?}");
    }
}
