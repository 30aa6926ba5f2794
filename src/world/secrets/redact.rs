//! Values taken out of bytes: every form of every value that is known, in one pass, also where an output was cut.
//!
//! What commands print has `[secret:NAME]` in their place. What this program's own scripts print is read by their bytes
//! and lines: there a value is covered, and nothing moves.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem;

use crate::model::op::Captured;
use crate::world::secrets::forms::Forms;

/// What covers a byte.
const COVER: u8 = b'*';
/// At an edge where nothing is known to be missing, a shorter part of a form is more likely other text.
const PART: usize = 4;

/// Finds the forms of values.
#[derive(Default)]
pub(super) struct Redactor {
    whole: Finder,
    /// For text without its blanks.
    spread: Finder,
    /// What stands in the place of each value.
    marks: Vec<String>,
    /// Whether each value's mark fits over all of its forms.
    fit: Vec<bool>,
}

/// The forms that one search knows.
#[derive(Default)]
struct Finder {
    search: Option<AhoCorasick>,
    /// Each form, and of which value it is.
    forms: Vec<(Vec<u8>, usize)>,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    at: Range<usize>,
    value: usize,
    /// Whether it is one form in one piece.
    whole: bool,
}

/// The part of a form that stands at an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// How much of the form it is.
    length: usize,
    /// How long the form is.
    of: usize,
    value: usize,
}

/// A part with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    at: Range<usize>,
    value: usize,
    /// Where in its form it begins; none where that is spread.
    from: Option<usize>,
}

impl Finder {
    fn new(forms: Vec<(Vec<u8>, usize)>) -> Self {
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // a dense one of a long value would take gigabytes
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(forms.iter().map(|(form, _)| form));
        // it fails beyond two thousand million bytes of forms alone
        Self { search: search.ok().filter(|_| !forms.is_empty()), forms }
    }

    fn spans<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Span> + 'a {
        let found = self.search.iter().flat_map(move |search| search.find_iter(bytes));
        found.map(|hit| Span { at: hit.range(), value: self.forms[hit.pattern().as_usize()].1, whole: true })
    }

    /// The longest beginning of a form with which the bytes end, of those that are not whole and have at least so many bytes.
    fn begun(&self, bytes: &[u8], least: usize) -> Option<Part> {
        let part = |(form, value): &(Vec<u8>, usize)| {
            let end = &bytes[bytes.len() - bytes.len().min(form.len() - 1)..];
            // of most forms nothing is there, which is seen sooner than how much
            memmem::find(end, form.get(..least)?)?;
            Some(Part { length: overlap(form, end), of: form.len(), value: *value })
        };
        self.forms.iter().filter_map(part).filter(|part| part.length >= least).max()
    }

    /// The longest end of a form with which the bytes begin, likewise.
    fn left(&self, bytes: &[u8], least: usize) -> Option<Part> {
        let backwards = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let part = |(form, value): &(Vec<u8>, usize)| {
            let start = &bytes[..bytes.len().min(form.len() - 1)];
            memmem::find(start, form.get(form.len().checked_sub(least)?..)?)?;
            Some(Part { length: overlap(&backwards(form), &backwards(start)), of: form.len(), value: *value })
        };
        self.forms.iter().filter_map(part).filter(|part| part.length >= least).max()
    }

    fn longest(&self) -> usize {
        self.forms.iter().map(|(form, _)| form.len()).max().unwrap_or(0)
    }
}

/// The length of the longest beginning of `form` with which `text` ends; it takes time for each byte once.
fn overlap(form: &[u8], text: &[u8]) -> usize {
    let mut falls = vec![0; form.len()];
    let mut length = 0;
    for at in 1..form.len() {
        while length > 0 && form[at] != form[length] {
            length = falls[length - 1];
        }
        length += usize::from(form[at] == form[length]);
        falls[at] = length;
    }
    let mut length = 0;
    for byte in text {
        while length > 0 && form.get(length) != Some(byte) {
            length = falls[length - 1];
        }
        length += usize::from(form.get(length) == Some(byte));
    }
    length
}

/// The bytes without what stands between the groups of an encoded text, and where each of them was.
fn squeezed(bytes: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let kept = |byte: u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b':' | 0);
    bytes.iter().enumerate().filter(|(_, byte)| kept(**byte)).map(|(at, byte)| (*byte, at)).unzip()
}

impl Redactor {
    /// One that finds these values; each is named.
    pub(super) fn new<'v>(values: impl Iterator<Item = (&'v str, &'v str)>) -> Self {
        let (mut whole, mut spread, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut room = Vec::new();
        for (value, (name, text)) in values.enumerate() {
            let forms = Forms::of(text);
            // one that has lines is covered line by line
            room.push(if text.contains('\n') { 0 } else { forms.whole.iter().map(Vec::len).min().unwrap_or(0) });
            whole.extend(forms.whole.into_iter().map(|form| (form, value)));
            spread.extend(forms.spread.into_iter().map(|form| (form, value)));
            names.push(name);
        }
        let mut found = Self { whole: Finder::new(whole), spread: Finder::new(spread), ..Self::default() };
        let mark = |name: &&str| {
            let marks = [format!("[secret:{name}]"), "[secret]".to_owned(), "[*]".to_owned()];
            // a value that is a part of its own mark
            marks.into_iter().find(|mark| found.spans(mark.as_bytes()).is_empty()).unwrap_or_default()
        };
        let marks: Vec<String> = names.iter().map(mark).collect();
        found.fit = marks.iter().zip(room).map(|(mark, room)| mark.len() <= room).collect();
        found.marks = marks;
        found
    }

    /// Whether it knows no value.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Where values are, in their order; none touches another.
    fn spans(&self, bytes: &[u8]) -> Vec<Span> {
        let mut spans: Vec<Span> = self.whole.spans(bytes).collect();
        if self.spread.search.is_some() {
            let (text, places) = squeezed(bytes);
            if text.len() < bytes.len() {
                let apart = self.spread.spans(&text);
                spans.extend(apart.map(|span| {
                    let at = places[span.at.start]..places[span.at.end - 1] + 1;
                    Span { whole: at.len() == span.at.len(), at, ..span }
                }));
            }
        }
        spans.sort_by_key(|span| (span.at.start, std::cmp::Reverse(span.at.end)));
        let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match apart.last_mut() {
                Some(last) if span.at.end <= last.at.end => {}
                Some(last) if span.at.start < last.at.end => (last.at.end, last.whole) = (span.at.end, false),
                _ => apart.push(span),
            }
        }
        apart
    }

    /// The beginning of a form with which the bytes end.
    fn begun(&self, bytes: &[u8], least: usize) -> Option<Edge> {
        let whole = self.whole.begun(bytes, least);
        let whole = whole.map(|part| Edge { at: bytes.len() - part.length..bytes.len(), value: part.value, from: Some(0) });
        let (text, places) = squeezed(bytes);
        let spread = self.spread.begun(&text, least);
        let spread = spread.map(|part| (places[text.len() - part.length], part.value));
        let spread = spread.map(|(at, value)| Edge { at: at..bytes.len(), value, from: None });
        whole.into_iter().chain(spread).min_by_key(|edge| edge.at.start)
    }

    /// The end of a form with which the bytes begin.
    fn left(&self, bytes: &[u8], least: usize) -> Option<Edge> {
        let whole = self.whole.left(bytes, least);
        let whole = whole.map(|part| Edge { at: 0..part.length, value: part.value, from: Some(part.of - part.length) });
        let (text, places) = squeezed(bytes);
        let spread = self.spread.left(&text, least);
        let spread = spread.map(|part| Edge { at: 0..places[part.length - 1] + 1, value: part.value, from: None });
        spread.into_iter().chain(whole).max_by_key(|edge| edge.at.end)
    }

    /// The bytes with marks in the places of values.
    pub(super) fn marked<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let spans = if self.is_empty() { Vec::new() } else { self.spans(bytes) };
        if spans.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned(self.put(bytes, 0..bytes.len(), &spans)) }
    }

    /// Of the bytes those of a stretch, with a mark for each value that reaches into it.
    fn put(&self, bytes: &[u8], of: Range<usize>, spans: &[Span]) -> Vec<u8> {
        let mut out = Vec::with_capacity(of.len());
        let mut from = of.start;
        for span in spans.iter().filter(|span| span.at.end > of.start && span.at.start < of.end) {
            out.extend_from_slice(bytes.get(from..span.at.start).unwrap_or_default());
            out.extend_from_slice(self.marks[span.value].as_bytes());
            from = span.at.end;
        }
        out.extend_from_slice(bytes.get(from..of.end).unwrap_or_default());
        out
    }

    /// Of bytes that go on, those in which no value can begin any more, marked; the others stay.
    pub(super) fn settled(&self, held: &mut Vec<u8>) -> Vec<u8> {
        // where it is spread, up to every second byte is a blank
        let reach = self.whole.longest().max(self.spread.longest() * 2);
        if held.len() < reach * 2 {
            // seldom and much: each byte is looked at a few times at most
            return Vec::new();
        }
        let spans = self.spans(held);
        let sure = held.len() - reach;
        let end = spans.iter().find(|span| span.at.start < sure && sure < span.at.end).map_or(sure, |span| span.at.end);
        let out = self.put(held, 0..end, &spans);
        held.drain(..end);
        out
    }

    /// A text with marks in the places of values.
    pub(super) fn text(&self, text: &mut String) {
        if let Cow::Owned(marked) = self.marked(text.as_bytes()) {
            *text = String::from_utf8_lossy(&marked).into_owned();
        }
    }

    /// Marks what a command printed, as far as it was kept.
    pub(super) fn output(&self, captured: &mut Captured) {
        if self.is_empty() {
            return;
        }
        if captured.is_cut() {
            let (head, tail) = (&captured.head, &captured.tail);
            // the cut may go through a value
            let end = self.begun(head, 1).map_or(head.len(), |edge| edge.at.start);
            let start = self.left(tail, 1).map_or(0, |edge| edge.at.end);
            let head = self.put(head, 0..end, &self.spans(head));
            let tail = self.put(tail, start..tail.len(), &self.spans(tail));
            (captured.head, captured.tail) = (head, tail);
            // what was cut stays cut, however long the names are that stand in it now
            captured.total = captured.total.max((captured.head.len() + captured.tail.len()) as u64 + 1);
            // what is left out could be guessed and tried against it
            captured.sha256 = None;
            return;
        }
        // nothing is missing between head and tail, and a value may lie across both
        let both = [captured.head.as_slice(), captured.tail.as_slice()].concat();
        if let Cow::Owned(marked) = self.marked(&both) {
            // what is whole stays whole: its length is that of what is kept
            *captured = Captured { held: captured.held, ..Captured::whole(marked) };
        }
    }

    /// Covers the values in what a script of this program printed. `windows` are stretches of files, whose edges may go
    /// through a value as well.
    pub(super) fn evidence(&self, captured: &mut Captured, windows: impl Fn(&[u8]) -> Vec<Range<usize>>) {
        if self.is_empty() {
            return;
        }
        if captured.is_cut() {
            let (head, tail) = (&mut captured.head, &mut captured.tail);
            let (begun, left) = (self.begun(head, PART), self.left(tail, PART));
            self.cover(head, begun);
            self.cover(tail, left);
            captured.sha256 = None;
            return;
        }
        let at = captured.head.len();
        let mut both = std::mem::take(&mut captured.head);
        both.append(&mut captured.tail);
        let mut edges = Vec::new();
        for window in windows(&both) {
            let Some(bytes) = both.get(window.clone()) else { continue };
            let found = [self.left(bytes, PART), self.begun(bytes, PART)].into_iter().flatten();
            edges.extend(found.map(|edge| Edge { at: edge.at.start + window.start..edge.at.end + window.start, ..edge }));
        }
        self.cover(&mut both, edges);
        captured.tail = both.split_off(at);
        captured.head = both;
    }

    fn cover(&self, bytes: &mut [u8], edges: impl IntoIterator<Item = Edge>) {
        let spans = self.spans(bytes);
        // the whole ones last: what begins one may look as if it ended another
        for Edge { at, value, from } in edges {
            self.hide(bytes, at, value, from);
        }
        for Span { at, value, whole } in spans {
            self.hide(bytes, at, value, whole.then_some(0));
        }
    }

    /// Covers bytes, but none that ends a line or a field. A part is covered as it would be in the whole: looks at a file
    /// that grows are compared.
    fn hide(&self, bytes: &mut [u8], at: Range<usize>, value: usize, from: Option<usize>) {
        let mark = self.marks[value].as_bytes();
        let from = from.filter(|_| self.fit[value]).unwrap_or(mark.len());
        let covered = bytes.get_mut(at).unwrap_or_default();
        for (byte, place) in covered.iter_mut().zip(from..).filter(|(byte, _)| !matches!(byte, b'\n' | 0)) {
            *byte = mark.get(place).copied().unwrap_or(COVER);
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::Redactor;
    use crate::model::op::Captured;

    fn redactor(value: &str) -> Redactor {
        Redactor::new([("t", value)].into_iter())
    }

    fn text(redactor: &Redactor, text: &str) -> String {
        String::from_utf8_lossy(&redactor.marked(text.as_bytes())).into_owned()
    }

    #[test]
    fn a_value_is_taken_out_of_an_output_also_at_its_cut() {
        let redactor = redactor("hunter-2");
        let clean = |head: &str, tail: &str, total: u64| {
            let mut captured = Captured { head: head.into(), tail: tail.into(), total, ..Captured::default() };
            redactor.output(&mut captured);
            (
                String::from_utf8_lossy(&captured.head).into_owned(),
                String::from_utf8_lossy(&captured.tail).into_owned(),
                captured.total,
            )
        };
        let got = |head: &str, tail: &str, total: u64| (head.to_owned(), tail.to_owned(), total);
        assert_eq!(clean("a hunter-2 b hunter-2", "", 21), got("a [secret:t] b [secret:t]", "", 25));
        assert_eq!(clean("x hunt", "er-2 y hunter-2", 1000), got("x ", " y [secret:t]", 1000));
        assert_eq!(clean("x aHVudG", "LTI= y", 1000), got("x ", " y", 1000));
        assert_eq!(clean("x 68 75 6e", "72 2d 32 y", 1000), got("x ", " y", 1000));
        let (.., total) = clean("hunter-2", "hunter-2", 17);
        assert!(total > 20, "what was cut stays cut: {total}");
        assert_eq!(clean("x hunt", "er-2 y", 12), got("x [secret:t] y", "", 14));
        // the whole one at the end is more than the beginning of the next one that it also is
        assert_eq!(Redactor::new([("a", "abcdefga")].into_iter()).marked(b"x abcdefga").as_ref(), b"x [secret:a]");
        let mut captured =
            Captured { head: b"x abcdefga".to_vec(), tail: b"abcdefga".to_vec(), total: 1000, ..Captured::default() };
        Redactor::new([("a", "abcdefga")].into_iter()).output(&mut captured);
        assert_eq!((captured.head, captured.tail), (b"x [secret:a]".to_vec(), b"[secret:a]".to_vec()));
    }

    #[test]
    fn what_is_broken_into_lines_and_groups_is_found() {
        let value = "a long value that a program breaks into lines when it encodes it, as they do";
        let redactor = redactor(value);
        let encoded = STANDARD.encode(format!("user:{value}"));
        let broken: Vec<&str> = encoded.as_bytes().chunks(20).map(|part| std::str::from_utf8(part).expect("ascii")).collect();
        let got = text(&redactor, &format!("before\n{}\nafter", broken.join("\r\n")));
        assert!(
            got.starts_with("before\ndXNlcj") && got.ends_with("[secret:t]==\nafter") || got.ends_with("[secret:t]\nafter"),
            "{got}"
        );
        let hex: Vec<String> = value.bytes().map(|byte| format!("{byte:02X}")).collect();
        for between in [":", " ", "\n"] {
            assert_eq!(text(&redactor, &format!("x {} y", hex.join(between))), "x [secret:t] y");
        }
    }

    #[test]
    fn a_value_that_is_a_part_of_its_mark_is_not_put_back_by_it() {
        for (name, value) in [("password1", "password1"), ("x", "[secret]"), ("x", "[secret:")] {
            let redactor = Redactor::new([(name, value)].into_iter());
            let got = text(&redactor, &format!("a {value} b"));
            assert!(!got.contains(value), "{got}");
        }
    }

    #[test]
    fn a_key_of_many_lines_is_looked_for_at_the_edges_of_many_stretches() {
        let line = |n: u32| format!("{:08x}", n.wrapping_mul(0x9e37_79b9)).repeat(8);
        let value: String = (0..30).map(|n| line(n) + "\n").collect();
        let redactor = redactor(&value);
        let (begun, left) = (&line(7)[..20], &line(9)[40..]);
        for n in 0..64 {
            let mut captured = Captured::whole(format!("{left} {} {begun}", "nothing ".repeat(n)));
            let length = captured.head.len();
            redactor.evidence(&mut captured, |bytes| std::iter::once(0..bytes.len()).collect());
            let (head, tail) = (&captured.head[..left.len()], &captured.head[length - begun.len()..]);
            assert!(head.iter().chain(tail).all(|byte| *byte == b'*'), "{:?}", captured.text());
        }
    }

    #[test]
    fn the_longest_value_there_may_be_takes_bounded_time_and_memory() {
        let value: String = (0..6000_u32).map(|n| format!("\"k{n}/é+\n")).collect();
        let redactor = redactor(&value[..value.floor_char_boundary(64 * 1024)]);
        let text = "x".repeat(1024 * 1024);
        assert_eq!(redactor.marked(text.as_bytes()).len(), text.len());
    }

    type Encoding = fn(&str) -> Vec<u8>;

    fn encodings() -> impl Strategy<Value = Encoding> {
        prop_oneof![
            Just((|v| v.as_bytes().to_vec()) as Encoding),
            Just((|v| STANDARD.encode(v).into_bytes()) as Encoding),
            Just((|v| STANDARD.encode(format!("u:{v}!")).into_bytes()) as Encoding),
            Just((|v| STANDARD.encode(format!("x{v}\n")).into_bytes()) as Encoding),
            Just((|v| URL_SAFE_NO_PAD.encode(format!("ab{v}")).into_bytes()) as Encoding),
            Just((|v| v.bytes().map(|b| format!("{b:02x}")).collect::<String>().into_bytes()) as Encoding),
            Just((|v| v.bytes().map(|b| format!("{b:02X} ")).collect::<String>().into_bytes()) as Encoding),
            Just((|v| v.bytes().map(|b| format!("%{b:02X}")).collect::<String>().into_bytes()) as Encoding),
            Just((|v| serde_json::to_vec(v).expect("json")) as Encoding),
            Just((|v| v.replace('\'', "'\\''").into_bytes()) as Encoding),
            Just((|v| v.escape_debug().to_string().into_bytes()) as Encoding),
            Just((|v| v.encode_utf16().flat_map(u16::to_le_bytes).collect()) as Encoding),
        ]
    }

    /// Values that no text around them makes by chance, and of which no encoding is a part of another's.
    fn values() -> impl Strategy<Value = String> {
        prop_oneof!["[A-Za-z0-9]{8,40}", "[ -~]{6}[A-Za-z0-9]{6}[ -~é日😀]{0,20}[A-Za-z0-9]"]
            .prop_filter("a value", |value| value.trim().len() >= 8)
    }

    proptest! {
        #[test]
        fn no_value_gets_through_in_any_encoding_and_any_pieces(
            value in values(),
            encode in encodings(),
            before in prop::collection::vec(any::<u8>(), 0..60),
            after in prop::collection::vec(any::<u8>(), 0..60),
            pieces in prop::collection::vec(1_usize..50, 0..40),
        ) {
            let redactor = redactor(&value);
            let secret = encode(&value);
            // the part that is the value's alone: what is encoded with others shares characters with them
            let core = &secret[3.min(secret.len() / 4)..secret.len() - 5.min(secret.len() / 4)];
            let all = [&before[..], &secret[..], &after[..]].concat();
            let holds = |bytes: &[u8]| memchr::memmem::find(bytes, core).is_some();
            assert!(!holds(&redactor.marked(&all)), "whole: {value:?}");
            let (mut held, mut out, mut rest) = (Vec::new(), Vec::new(), &all[..]);
            for piece in pieces {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                held.extend_from_slice(now);
                out.extend(redactor.settled(&mut held));
                rest = later;
            }
            held.extend_from_slice(rest);
            out.extend_from_slice(&redactor.marked(&held));
            assert_eq!(out, redactor.marked(&all).into_owned(), "in pieces: {value:?}");
            for cut in 0..=all.len() {
                let mut captured = Captured { head: all[..cut].to_vec(), tail: all[cut..].to_vec(), total: all.len() as u64 + 9, ..Captured::default() };
                redactor.output(&mut captured);
                assert!(!holds(&captured.head) && !holds(&captured.tail), "cut at {cut}: {value:?}");
                let joined = [captured.head, captured.tail].concat();
                assert!(!holds(&joined), "joined at {cut}: {value:?}");
            }
            let mut look = Captured::whole(all.clone());
            redactor.evidence(&mut look, |_| Vec::new());
            assert!(!holds(&look.head) && look.head.len() == all.len(), "look: {value:?}");
        }

        #[test]
        fn what_holds_no_value_is_not_altered(
            value in "[g-z]{8,20}",
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'\n')], 0..400),
            cut in 0_usize..400,
        ) {
            let redactor = redactor(&value);
            assert_eq!(redactor.marked(&text).as_ref(), &text[..]);
            let cut = cut.min(text.len());
            let mut captured = Captured { head: text[..cut].to_vec(), tail: text[cut..].to_vec(), total: text.len() as u64, ..Captured::default() };
            let before = captured.clone();
            redactor.output(&mut captured);
            assert_eq!(captured, before);
            redactor.evidence(&mut captured, |bytes| std::iter::once(0..bytes.len()).collect());
            let same = captured.head.iter().chain(&captured.tail).zip(&text).filter(|(a, b)| a == b).count();
            // but for an edge that looks like the beginning of one
            assert!(same + 40 >= text.len() && captured.total == before.total);
            let mut held = text.repeat(20);
            let mut out = redactor.settled(&mut held);
            out.append(&mut held);
            assert_eq!(out, text.repeat(20));
        }
    }
}
