//! Results on standard output: text, and tables that are aligned on a terminal and tab-separated on a pipe.

use std::io::{ErrorKind, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::model::visible::visible;
use crate::report::json;
use crate::report::signs::Signs;
use crate::report::sink;
use crate::state::words;

/// Writes a result for a program or a file. A reader that has seen enough (`| head`) is no failure of ours; a full disk is.
pub fn print(text: &str) -> Result<(), Failure> {
    write(sink::out(Signs::default(), false), text)
}

/// Writes a result for a person, in signs that they can take.
pub fn present(settings: &Settings, text: &str) -> Result<(), Failure> {
    write(settings.out(), text)
}

fn write(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(70, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes whole lines to standard error, in one piece: other lines are written beside them.
pub fn say(signs: Signs, lines: &str) {
    // nobody is left to tell when standard error is closed
    let _ = sink::err(signs, false).write_all(lines.as_bytes());
}

/// Writes a result for a program: one line of JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let line = json::line(value).map_err(|error| Failure::new(70, format!("the result cannot be written as JSON: {error}")))?;
    print(&line)
}

/// Says on standard error of simulated hosts that they are.
pub fn note_sim(sim: bool) {
    if sim {
        say(Signs::default(), &format!("SIM {}\n", words::SIMULATED));
    }
}

/// A table: aligned, or with tabs.
pub fn table(header: &[&str], rows: &[Vec<String>], aligned: bool) -> String {
    let head = header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> =
        [&head].into_iter().chain(rows).map(|row| row.iter().map(|cell| visible(cell).into_owned()).collect()).collect();
    let width = |column: usize| lines.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    for row in &lines {
        if aligned {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
            }
            out.push_str(line.trim_end());
        } else {
            out.push_str(&row.join("\t"));
        }
        out.push('\n');
    }
    out
}

/// `1 host`, `6 hosts`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn tables_are_aligned_or_tabbed() {
        let rows =
            [vec!["web-01".to_owned(), "é".to_owned(), "x".to_owned()], vec!["a".to_owned(), "b\n".to_owned(), String::new()]];
        assert_eq!(table(&["HOST", "N", "TAGS"], &rows, true), "HOST    N   TAGS\nweb-01  é   x\na       b\n");
        assert_eq!(table(&["HOST", "N", "TAGS"], &rows, false), "HOST\tN\tTAGS\nweb-01\té\tx\na\tb \t\n");
    }
}
