//! The ends of log files: what one look read of each, and what was written between looks.
//!
//! Files grow, are cut to nothing and are moved away while they are looked at. Inode, size and the last bytes that were
//! seen say which of it has happened; bytes that no look has read are counted, never taken for quiet ones.

use std::ops::Range;

use crate::model::op::{Op, Reply, Shell};
use crate::model::step::Unreadable;
use crate::read::answer::line;
use crate::read::script::output;

pub(crate) const SCRIPT: &str = include_str!("logs.sh");
const WHAT: &str = "the look at the log files";
/// How much one script brings of all its files: what is kept of an output is bounded.
const ROOM: u64 = 448 * 1024;
/// The most scripts of one look.
const MAX_PARTS: u64 = 8;
/// The most files of one look.
pub const MAX_FILES: usize = 64;
/// The most that one look brings of all files together, in bytes.
pub const MAX_LOOK: u64 = ROOM * MAX_PARTS;
/// How much of the end of what was read is compared with what is read later.
const SEAM: usize = 64;
/// The most of an unfinished line that is kept.
const MAX_LINE: usize = 4096;

/// Which files are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which<'a> {
    /// These, by path; `~/` is the acting user's home.
    Paths(&'a [String]),
    /// The logs of a PM2 app by their default names.
    OfApp {
        /// PM2_HOME; `~/` is the acting user's home.
        home: &'a str,
        /// The app's name.
        app: &'a str,
    },
}

/// The look: `tail` bytes of the end of each file, in as many scripts as that takes.
pub fn probe(which: &Which<'_>, tail: u64) -> Vec<Op> {
    let (files, expected) = match which {
        Which::Paths(paths) => (paths.join("\n"), paths.len()),
        Which::OfApp { .. } => (String::new(), 2),
    };
    let share = tail.min(ROOM / (expected.clamp(1, MAX_FILES) as u64)).max(1);
    let parts = tail.div_ceil(share).clamp(1, MAX_PARTS);
    let part = |number: u64| {
        let shell = Shell::look("log files", SCRIPT)
            .env("LOG_FILES", files.clone())
            .env("LOG_TAIL", tail.to_string())
            .env("LOG_ROOM", ROOM.to_string())
            .env("LOG_PART", number.to_string());
        Op::Shell(match which {
            Which::Paths(_) => shell.env("LOG_STEM", "").env("LOG_HOME", ""),
            Which::OfApp { home, app } => shell.env("LOG_STEM", stem(app)).env("LOG_HOME", *home),
        })
    };
    (0..parts).map(part).collect()
}

/// How PM2 writes an app's name in the names of its files.
fn stem(app: &str) -> String {
    app.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '\\' | '.' | '-') { c } else { '-' }).collect()
}

/// One file of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its path, as the host has it.
    pub path: String,
    /// What was found there.
    pub found: Found,
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file, and the end of it.
    Read(Window),
    /// Nothing.
    Gone,
    /// A link that leads nowhere, or to where we may not look.
    Link,
    /// Something that we may not read, or a directory that we may not enter.
    Denied,
    /// Something that is no regular file.
    Odd,
    /// A file whose size the host does not tell.
    Blind,
}

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The file's inode.
    pub inode: u64,
    /// The file's size.
    pub size: u64,
    /// Where the stretch begins.
    pub start: u64,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

impl Window {
    /// Where the stretch ends.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Reads the replies to [`probe`], the newest part first.
pub fn read(replies: &[Reply]) -> Result<Vec<LogFile>, Unreadable> {
    let mut parts = replies.iter().map(|reply| parse(&output(reply, WHAT)?));
    let newest = parts.next().ok_or_else(|| Unreadable::new("the log files were not looked at"))??;
    parts.try_fold(newest, |later, earlier| join(earlier?, later))
}

/// Puts an earlier stretch of each file before the later one.
fn join(earlier: Vec<LogFile>, later: Vec<LogFile>) -> Result<Vec<LogFile>, Unreadable> {
    let moved = || Unreadable::new("a log file was rotated while it was read").hint("look again");
    if earlier.len() != later.len() {
        return Err(moved());
    }
    let both = earlier.into_iter().zip(later).map(|(old, new)| match (old.found, new.found) {
        (Found::Read(old), Found::Read(mut late)) => {
            let fits = old.inode == late.inode && old.size >= late.size && old.end() >= late.start;
            let keep = usize::try_from(late.start.saturating_sub(old.start)).ok();
            let before = keep.filter(|_| fits).and_then(|keep| old.bytes.get(..keep)).ok_or_else(moved)?;
            if !before.is_empty() {
                late.bytes.splice(..0, before.iter().copied());
                late.start = old.start;
            }
            Ok(LogFile { path: new.path, found: Found::Read(late) })
        }
        (old, found) if old == found => Ok(LogFile { path: new.path, found }),
        _ => Err(moved()),
    });
    both.collect()
}

/// Reads what the script printed. A length stands before the bytes of a file, so nothing in them can end them.
pub fn parse(text: &[u8]) -> Result<Vec<LogFile>, Unreadable> {
    let mut rest = text.strip_prefix(b"@logs\n").ok_or_else(|| Unreadable::new(format!("{WHAT} has no beginning")))?;
    let mut files = Vec::new();
    loop {
        let head = take_line(&mut rest)?;
        let (word, path) = head.split_once(' ').unwrap_or((head, ""));
        let found = match word {
            "@end" if rest.is_empty() => return Ok(files),
            "many" => {
                return Err(Unreadable::new(format!("there are {} log files; at most {MAX_FILES} are read", line(path, 20)))
                    .hint("name the ones you mean: file = [\"…\"]"));
            }
            "gone" => Found::Gone,
            "link" => Found::Link,
            "denied" => Found::Denied,
            "odd" => Found::Odd,
            "blind" => Found::Blind,
            "file" => {
                files.push(parse_file(path, &mut rest)?);
                continue;
            }
            _ => return Err(Unreadable::new(format!("{WHAT} reads `{}`", line(head, 80)))),
        };
        files.push(LogFile { path: path.to_owned(), found });
    }
}

/// Where in what the script printed the stretches of files are; none where it is not such an answer.
pub fn stretches(text: &[u8]) -> Vec<Range<usize>> {
    let Some(mut rest) = text.strip_prefix(b"@logs\n") else { return Vec::new() };
    let mut stretches = Vec::new();
    while let Ok(head) = take_line(&mut rest) {
        let Some(of) = head.strip_prefix("file ") else { continue };
        let start = text.len() - rest.len();
        let Ok(file) = parse_file(of, &mut rest) else { break };
        if let Found::Read(window) = file.found {
            stretches.push(start..start + window.bytes.len());
        }
    }
    stretches
}

fn take_line<'t>(rest: &mut &'t [u8]) -> Result<&'t str, Unreadable> {
    let cut = || Unreadable::new(format!("{WHAT} was cut short, or a file became shorter meanwhile")).hint("look again");
    let at = rest.iter().position(|b| *b == b'\n').ok_or_else(cut)?;
    let text = std::str::from_utf8(&rest[..at]).map_err(|_| Unreadable::new("the path of a log file is no UTF-8"))?;
    *rest = &rest[at + 1..];
    Ok(text)
}

fn parse_file(head: &str, rest: &mut &[u8]) -> Result<LogFile, Unreadable> {
    let garbled = || Unreadable::new(format!("{WHAT} reads `file {}`", line(head, 80)));
    let mut words = head.splitn(5, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or_else(garbled);
    let (inode, size, start, length) = (number()?, number()?, number()?, number()?);
    let path = words.next().ok_or_else(garbled)?.to_owned();
    if start.checked_add(length).is_none_or(|end| end > size) {
        return Err(garbled());
    }
    let cut = || {
        let what = format!("{} became shorter while it was read, or cannot be read", line(&path, 120));
        Unreadable::new(what).hint("look again")
    };
    let length = usize::try_from(length).map_err(|_| garbled())?;
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(cut)?;
    *rest = after.strip_prefix(b"\n").ok_or_else(cut)?;
    Ok(LogFile { path, found: Found::Read(Window { inode, size, start, bytes: bytes.to_vec() }) })
}

/// A run of bytes without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where those begin that count; what stands before is the beginning of their line.
    pub from: usize,
}

/// What was written to a file after it was first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fresh {
    /// What was written, as far as it was read.
    pub stretches: Vec<Stretch>,
    /// How many bytes those are.
    pub total: u64,
    /// How many bytes no look has read.
    pub missed: u64,
    /// The last look that found another file in its place, or a cut one, or none: the new one counts from its beginning. What
    /// was written to the former one after the look before that is not known, not even how much it was.
    pub rotated: Option<usize>,
}

/// Follows a file over the looks, oldest first; `None` where it was not there. What the first look read is old.
pub fn fresh<'w>(looks: impl IntoIterator<Item = Option<&'w Window>>) -> Fresh {
    let mut fresh = Fresh::default();
    let mut looks = looks.into_iter();
    let mut known: Option<(u64, u64, Vec<u8>)> = None;
    let mut open = Stretch::default();
    if let Some(Some(first)) = looks.next() {
        open = unfinished(first);
        known = Some((first.inode, first.end(), seam(first)));
    }
    for (at_look, window) in (1..).zip(looks) {
        let Some(window) = window else {
            fresh.rotated = known.take().map(|_| at_look).or(fresh.rotated);
            fresh.stretches.push(std::mem::take(&mut open));
            continue;
        };
        let same = known.as_ref().filter(|(inode, end, last)| goes_on(window, *inode, *end, last));
        let at = same.map_or(0, |(_, end, _)| *end);
        if same.is_none() {
            fresh.rotated = known.take().map(|_| at_look).or(fresh.rotated);
            fresh.stretches.push(std::mem::take(&mut open));
        }
        let gap = window.start.saturating_sub(at);
        if gap > 0 {
            fresh.missed += gap;
            fresh.stretches.push(std::mem::take(&mut open));
        }
        let old = usize::try_from(at.saturating_sub(window.start)).unwrap_or(usize::MAX);
        let new = window.bytes.get(old..).unwrap_or_default();
        open.bytes.extend_from_slice(new);
        fresh.total += new.len() as u64;
        known = Some((window.inode, window.end(), seam(window)));
    }
    fresh.stretches.push(open);
    fresh.stretches.retain(|stretch| stretch.bytes.len() > stretch.from);
    fresh
}

/// Whether this is the same file, only longer: a file that was cut and has grown past its old size reads differently.
fn goes_on(window: &Window, inode: u64, end: u64, last: &[u8]) -> bool {
    if window.inode != inode || window.end() < end {
        return false;
    }
    let seen = usize::try_from(end.saturating_sub(window.start)).unwrap_or(usize::MAX).min(window.bytes.len());
    let both = seen.min(last.len());
    window.start > end || window.bytes[seen - both..seen] == last[last.len() - both..]
}

fn seam(window: &Window) -> Vec<u8> {
    window.bytes[window.bytes.len().saturating_sub(SEAM)..].to_vec()
}

/// The line that had been begun: what is written next may be its end.
fn unfinished(window: &Window) -> Stretch {
    let begun = window.bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let begun = begun.max(window.bytes.len().saturating_sub(MAX_LINE));
    let bytes = window.bytes[begun..].to_vec();
    Stretch { from: bytes.len(), bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Found, LogFile, Stretch, Window, fresh, join, parse, stem};

    fn window(inode: u64, start: u64, text: &str) -> Window {
        Window { inode, size: start + text.len() as u64, start, bytes: text.as_bytes().to_vec() }
    }

    fn new(stretches: &[Stretch]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        stretches.iter().map(|s| (text(&s.bytes[..s.from]), text(&s.bytes[s.from..]))).collect()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
    }

    #[test]
    fn only_what_came_after_the_first_look_is_new() {
        let looks = [window(1, 0, "a\nhalf"), window(1, 4, "lf line\nc\n"), window(1, 9, "ne\nc\nd\n")];
        let got = fresh(looks.iter().map(Some));
        assert_eq!(new(&got.stretches), pairs(&[("half", " line\nc\nd\n")]));
        assert_eq!((got.total, got.missed, got.rotated), (10, 0, None));
        assert_eq!(fresh([Some(&looks[0]), Some(&looks[0])]).stretches, []);
        assert_eq!(fresh([]).stretches, []);
    }

    #[test]
    fn a_file_that_was_rotated_counts_from_its_beginning() {
        let old = window(1, 0, "aaaa\nbbbb\n");
        for (what, next) in [
            ("another inode", window(2, 0, "cc\n")),
            ("cut", window(1, 0, "cc\n")),
            ("cut and grown again", window(1, 0, "cccc\ndddd\neeee\n")),
        ] {
            let got = fresh([Some(&old), Some(&next)]);
            let want = String::from_utf8_lossy(&next.bytes).into_owned();
            assert_eq!((new(&got.stretches), got.rotated), (pairs(&[("", &want)]), Some(1)), "{what}");
        }
        let got = fresh([Some(&old), None, Some(&window(1, 0, "x\n"))]);
        assert_eq!((new(&got.stretches), got.rotated, got.missed), (pairs(&[("", "x\n")]), Some(1), 0));
        let got = fresh([None, Some(&window(1, 0, "x\n"))]);
        assert_eq!((new(&got.stretches), got.rotated), (pairs(&[("", "x\n")]), None), "it was not there before");
    }

    #[test]
    fn bytes_that_no_look_has_read_are_counted() {
        let got = fresh([Some(&window(1, 0, "half")), Some(&window(1, 10, "tail\n"))]);
        assert_eq!((new(&got.stretches), got.missed, got.total), (pairs(&[("", "tail\n")]), 6, 5));
    }

    #[test]
    fn parts_of_a_file_that_grows_are_put_together() {
        let file = |window| vec![LogFile { path: "/l".to_owned(), found: Found::Read(window) }];
        let newest = window(1, 4, "efgh");
        let older = Window { size: 9, ..window(1, 1, "bcde") };
        let want = Window { size: 8, ..window(1, 1, "bcdefgh") };
        assert_eq!(join(file(older), file(newest.clone())), Ok(file(want)));
        let nothing = Window { size: 8, ..window(1, 0, "") };
        assert!(join(file(nothing), file(newest.clone())).is_err(), "a gap");
        let whole = window(1, 0, "abc");
        let empty = Window { size: 3, ..window(1, 0, "") };
        assert_eq!(join(file(empty), file(whole.clone())), Ok(file(whole)), "the newest part has all of it");
        assert!(join(file(window(2, 0, "abcdefgh")), file(newest)).is_err(), "another file");
    }

    #[test]
    fn a_length_stands_before_the_bytes_so_nothing_in_them_can_end_them() {
        let text = b"@logs\nfile 7 21 9 12 /a b\n@end\ngone x\nodd /dev/null\ngone /n\n@end\n";
        let got = parse(text.as_slice()).expect_err("the length is wrong");
        assert!(got.what.starts_with("/a b became shorter"), "{}", got.what);
        let text = b"@logs\nfile 7 21 9 12 /a b\n@end\ngone x\n\nodd /dev/null\ngone /n\n@end\n";
        let files = parse(text.as_slice()).expect("readable");
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/a b", "/dev/null", "/n"]);
        let Found::Read(window) = &files[0].found else { panic!("a file") };
        assert_eq!((window.inode, window.size, window.end()), (7, 21, 21));
        for at in 0..text.len() {
            assert!(parse(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn names_of_files_are_those_of_pm2() {
        assert_eq!(stem("proxy_service/../x y.1-a"), "proxy-service-..-x-y.1-a");
    }

    proptest! {
        #[test]
        fn any_output_is_read_or_refused(bytes in any::<Vec<u8>>(), text in "(file [0-9 ]{0,20}|gone /x|@end|\\n){0,8}") {
            let _ = parse(&bytes);
            let _ = parse(format!("@logs\n{text}").as_bytes());
        }

        #[test]
        fn any_course_of_a_file_is_followed(course in proptest::collection::vec((1u64..3, 0u64..40, "[ab\\n]{0,20}"), 0..6)) {
            let windows: Vec<Window> = course.iter().map(|(inode, start, text)| window(*inode, *start, text)).collect();
            let got = fresh(windows.iter().map(Some));
            let kept: usize = got.stretches.iter().map(|s| s.bytes.len() - s.from).sum();
            proptest::prelude::prop_assert_eq!(kept as u64, got.total);
        }
    }
}
