//! Many host names as one short text: `web-[01-06,09]`.
//!
//! What this writes, the selector reads: padding is kept, and the same names always give the same text.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::HostName;

/// The most digits of a number that is folded; longer ones stay as they are.
const DIGITS: usize = 18;

/// A name cut at one of its numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut<'n> {
    before: &'n str,
    after: &'n str,
}

/// The names as a set expression, in the order in which they first appear.
pub fn fold(names: &[HostName]) -> String {
    let mut seen = BTreeSet::new();
    let names: Vec<&str> = names.iter().map(HostName::as_str).filter(|name| seen.insert(*name)).collect();
    let mut common: BTreeMap<Cut<'_>, usize> = BTreeMap::new();
    for name in &names {
        for (cut, _) in cuts(name) {
            *common.entry(cut).or_default() += 1;
        }
    }
    // of the numbers in a name the one counts that most other names differ in; the last one of equals
    let chosen: Vec<Option<(Cut<'_>, &str)>> =
        names.iter().map(|name| cuts(name).into_iter().max_by_key(|(cut, _)| common.get(cut).copied())).collect();
    let mut members: BTreeMap<&Cut<'_>, Vec<&str>> = BTreeMap::new();
    for (cut, number) in chosen.iter().flatten() {
        members.entry(cut).or_default().push(number);
    }
    let mut parts = Vec::new();
    for (name, choice) in names.iter().zip(&chosen) {
        match choice {
            None => parts.push((*name).to_owned()),
            Some((cut, _)) => match members.remove(cut) {
                None => {}
                Some(numbers) if numbers.len() == 1 => parts.push((*name).to_owned()),
                Some(numbers) => parts.push(format!("{}[{}]{}", cut.before, ranges(numbers), cut.after)),
            },
        }
    }
    parts.join(",")
}

/// Every way to cut a name at one of its numbers.
fn cuts(name: &str) -> Vec<(Cut<'_>, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    let ends = name.char_indices().map(|(at, c)| (at, c.is_ascii_digit())).chain([(name.len(), false)]);
    for (at, digit) in ends {
        match (digit, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                if at - from <= DIGITS {
                    found.push((Cut { before: &name[..from], after: &name[at..] }, &name[from..at]));
                }
            }
            _ => {}
        }
    }
    found
}

/// `01-06,09`: a range goes on while the next number is there, written the way the range's first one is.
fn ranges(numbers: Vec<&str>) -> String {
    let mut left: BTreeSet<(u64, usize, String)> =
        numbers.into_iter().filter_map(|text| Some((text.parse().ok()?, text.len(), text.to_owned()))).collect();
    let mut parts = Vec::new();
    while let Some((low, _, first)) = left.pop_first() {
        let width = padding(&first);
        let mut last = None;
        for value in low + 1.. {
            let text = written(value, width);
            if !left.remove(&(value, text.len(), text.clone())) {
                break;
            }
            last = Some(text);
        }
        parts.push(match last {
            Some(last) => format!("{first}-{last}"),
            None => first,
        });
    }
    parts.join(",")
}

/// The width that a number's text asks for: none unless it starts with a zero.
pub(crate) fn padding(text: &str) -> usize {
    if text.len() > 1 && text.starts_with('0') { text.len() } else { 0 }
}

/// A number in a set, at least `width` digits long.
pub(crate) fn written(value: u64, width: usize) -> String {
    format!("{value:0width$}")
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::model::id::HostName;

    fn folded(names: &[&str]) -> String {
        let names: Vec<HostName> = names.iter().map(|n| HostName::parse(n).expect("a name")).collect();
        fold(&names)
    }

    #[test]
    fn numbers_fold_and_keep_their_padding() {
        assert_eq!(folded(&[]), "");
        assert_eq!(folded(&["web-01"]), "web-01");
        assert_eq!(folded(&["web-01", "web-02", "web-03", "web-09"]), "web-[01-03,09]");
        assert_eq!(folded(&["web9", "web10", "web11"]), "web[9-11]");
        assert_eq!(folded(&["web-08", "web-09", "web-10", "web-11"]), "web-[08-11]");
        assert_eq!(folded(&["b", "a-1", "a-2", "c"]), "b,a-[1-2],c");
        assert_eq!(folded(&["web-01.eu2", "web-02.eu2"]), "web-[01-02].eu2");
        assert_eq!(folded(&["x1", "x01", "x2", "x02"]), "x[1-2,01-02]");
        assert_eq!(folded(&["web-1", "web-1"]), "web-1");
    }
}
