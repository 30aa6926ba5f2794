//! Selectors: expressions that name hosts of an inventory. Text in, hosts of a fleet out; nothing is ever contacted.
//!
//! `expr = and {("," | "|") and}; and = not {"&" not}; not = "!" not | "(" expr ")" | atom`

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::model::fields::nearest;
use crate::model::pattern::Pattern;

/// The longest selector that is read: two thousand long names and some.
const MAX_TEXT: usize = 256 * 1024;
/// The deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;
/// The longest atom.
const MAX_ATOM: usize = 512;
/// Atoms that need a record of runs.
const RUN_ATOMS: &[&str] = &["failed", "unreachable", "not-started", "changed", "pick"];

/// A selector that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    text: String,
    expr: Expr,
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Atom(Atom, Range<usize>),
    Not(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum Atom {
    Everything,
    Host(String),
    Pattern(Pattern),
    Group(String),
    Tag(String),
}

/// A selector that cannot be read, or that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: Range<usize>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SelectorError {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The column, from 1, in characters.
    pub fn column(&self, text: &str) -> usize {
        text.get(..self.at.start).map_or(1, |before| before.chars().count() + 1)
    }
}

/// What selectors are judged against.
#[derive(Debug, Clone, Default)]
pub struct Fleet<'a> {
    /// Every host with its tags, in file order.
    pub hosts: Vec<(&'a str, &'a [String])>,
    /// Every group with the indexes of its hosts.
    pub groups: BTreeMap<&'a str, Vec<usize>>,
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_TEXT {
            return Err(SelectorError::new(0..0, format!("the selector is longer than {} KiB", MAX_TEXT / 1024)));
        }
        let mut reader = Reader { text, at: 0, depth: 0 };
        reader.space();
        if reader.at == text.len() {
            return Err(SelectorError::new(0..text.len(), "the selector is empty").hint("write `all` for every host"));
        }
        let expr = reader.any()?;
        match reader.peek() {
            None => Ok(Self { text: text.to_owned(), expr }),
            Some(c) => Err(SelectorError::new(reader.at..reader.at + c.len_utf8(), format!("unexpected `{}`", c.escape_debug()))
                .hint("join names with `,` (either), `&` (both) or `!` (not)")),
        }
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The groups it names, in the order in which they stand.
    pub fn groups(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.expr.groups(&mut found);
        found
    }

    /// The hosts it names, as indexes in file order. Whatever is unknown or matches nothing is an error.
    pub fn select(&self, fleet: &Fleet<'_>) -> Result<Vec<usize>, SelectorError> {
        let names: BTreeMap<&str, usize> = fleet.hosts.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
        let chosen = Judge { fleet, names }.judge(&self.expr)?;
        let hosts: Vec<usize> = chosen.iter().enumerate().filter(|(_, yes)| **yes).map(|(i, _)| i).collect();
        if hosts.is_empty() {
            return Err(SelectorError::new(0..self.text.len(), "no host is selected"));
        }
        Ok(hosts)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expr {
    fn groups<'e>(&'e self, found: &mut Vec<&'e str>) {
        match self {
            Expr::Atom(Atom::Group(name), _) => found.push(name),
            Expr::Atom(..) => {}
            Expr::Not(inner) => inner.groups(found),
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| part.groups(found)),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes one of `signs`, with the space after it.
    fn take(&mut self, signs: &[char]) -> bool {
        let found = self.peek().filter(|c| signs.contains(c));
        if let Some(c) = found {
            self.at += c.len_utf8();
            self.space();
        }
        found.is_some()
    }

    fn any(&mut self) -> Result<Expr, SelectorError> {
        let mut parts = vec![self.all()?];
        while self.take(&[',', '|']) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self) -> Result<Expr, SelectorError> {
        let mut parts = vec![self.not()?];
        while self.take(&['&']) {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn not(&mut self) -> Result<Expr, SelectorError> {
        let from = self.at;
        if self.depth == MAX_DEPTH {
            return Err(SelectorError::new(from..from + 1, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let expr = if self.take(&['!']) {
            Expr::Not(Box::new(self.not()?))
        } else if self.take(&['(']) {
            let inner = self.any()?;
            if !self.take(&[')']) {
                return Err(SelectorError::new(from..from + 1, "this `(` is not closed"));
            }
            inner
        } else {
            self.atom()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn atom(&mut self) -> Result<Expr, SelectorError> {
        let from = self.at;
        let mut inside = false;
        let length = self
            .rest()
            .find(|c: char| {
                match c {
                    '[' => inside = true,
                    ']' => inside = false,
                    _ => {}
                }
                c.is_whitespace() || c.is_control() || "|&!()".contains(c) || (c == ',' && !inside)
            })
            .unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        self.at += length;
        let at = from..self.at;
        self.space();
        if word.len() > MAX_ATOM {
            return Err(SelectorError::new(at, format!("this is longer than {MAX_ATOM} bytes")));
        }
        if word.is_empty() {
            let what = match self.rest().chars().next() {
                Some(c) => format!("expected a host, @group or tag:NAME, not `{}`", c.escape_debug()),
                None => "expected a host, @group or tag:NAME after this".to_owned(),
            };
            let end = (from + self.rest().chars().next().map_or(0, char::len_utf8)).min(self.text.len());
            return Err(SelectorError::new(from..end, what));
        }
        Ok(Expr::Atom(read_atom(word, &at)?, at))
    }
}

fn read_atom(word: &str, at: &Range<usize>) -> Result<Atom, SelectorError> {
    if word == "all" {
        return Ok(Atom::Everything);
    }
    if let Some(group) = word.strip_prefix('@') {
        return named(group, at, "@", "a group").map(Atom::Group);
    }
    match word.split_once(':') {
        Some(("tag", tag)) => named(tag, at, "tag:", "a tag").map(Atom::Tag),
        Some((run, _)) if RUN_ATOMS.contains(&run) => {
            Err(SelectorError::new(at.clone(), format!("`{run}:` is not built yet")).hint("name the hosts instead"))
        }
        Some((other, _)) => {
            let error = SelectorError::new(at.clone(), format!("`{}:` is no kind of selection", other.escape_debug()));
            Err(match nearest(other, ["tag"]) {
                Some(word) => error.hint(format!("did you mean `{word}:`?")),
                None => error.hint("hosts are named by name, glob, set, @group or tag:NAME, never by address"),
            })
        }
        None if word.contains(['*', '?', '[', ']']) => Pattern::parse(word)
            .map(Atom::Pattern)
            .map_err(|message| SelectorError::new(at.clone(), message).hint("a set is written web[01-06,09]")),
        None => Ok(Atom::Host(word.to_owned())),
    }
}

fn named(name: &str, at: &Range<usize>, sign: &str, what: &str) -> Result<String, SelectorError> {
    if name.is_empty() {
        return Err(SelectorError::new(at.clone(), format!("`{sign}` needs the name of {what}")));
    }
    if name.contains(['*', '?', '[', ']']) {
        return Err(SelectorError::new(at.clone(), format!("{what} is named exactly, without `*`, `?` or `[`")));
    }
    Ok(name.to_owned())
}

struct Judge<'f> {
    fleet: &'f Fleet<'f>,
    names: BTreeMap<&'f str, usize>,
}

impl Judge<'_> {
    fn judge(&self, expr: &Expr) -> Result<Vec<bool>, SelectorError> {
        match expr {
            Expr::Atom(atom, at) => self.atom(atom, at),
            Expr::Not(inner) => Ok(self.judge(inner)?.into_iter().map(|yes| !yes).collect()),
            Expr::All(parts) => self.join(parts, true, |a, b| a && b),
            Expr::Any(parts) => self.join(parts, false, |a, b| a || b),
        }
    }

    fn join(&self, parts: &[Expr], start: bool, with: fn(bool, bool) -> bool) -> Result<Vec<bool>, SelectorError> {
        let mut all = vec![start; self.fleet.hosts.len()];
        for part in parts {
            for (sum, yes) in all.iter_mut().zip(self.judge(part)?) {
                *sum = with(*sum, yes);
            }
        }
        Ok(all)
    }

    fn atom(&self, atom: &Atom, at: &Range<usize>) -> Result<Vec<bool>, SelectorError> {
        let mut chosen = vec![false; self.fleet.hosts.len()];
        match atom {
            Atom::Everything => chosen.fill(true),
            Atom::Host(name) => chosen[self.index(name, at)?] = true,
            Atom::Pattern(pattern) => match pattern.names() {
                Some(names) => {
                    for name in names {
                        chosen[self.index(&name, at)?] = true;
                    }
                }
                None => {
                    for (yes, (name, _)) in chosen.iter_mut().zip(&self.fleet.hosts) {
                        *yes = pattern.matches(name);
                    }
                    nothing(&chosen, at, || "no host matches this".to_owned())?;
                }
            },
            Atom::Group(name) => {
                let Some(members) = self.fleet.groups.get(name.as_str()) else {
                    return Err(self.unknown(name, at, "group", "@", self.fleet.groups.keys().copied()));
                };
                for index in members {
                    chosen[*index] = true;
                }
                nothing(&chosen, at, || format!("group `{name}` has no hosts"))?;
            }
            Atom::Tag(tag) => {
                for (yes, (_, tags)) in chosen.iter_mut().zip(&self.fleet.hosts) {
                    *yes = tags.contains(tag);
                }
                let known = self.fleet.hosts.iter().flat_map(|(_, tags)| tags.iter().map(String::as_str));
                if !chosen.contains(&true) {
                    return Err(self.unknown(tag, at, "tag", "tag:", known));
                }
            }
        }
        Ok(chosen)
    }

    fn index(&self, name: &str, at: &Range<usize>) -> Result<usize, SelectorError> {
        if let Some(index) = self.names.get(name) {
            return Ok(*index);
        }
        let error = self.unknown(name, at, "host", "", self.names.keys().copied());
        if error.hint.is_none() && self.fleet.groups.contains_key(name) {
            return Err(error.hint(format!("there is a group of that name: `@{name}`")));
        }
        if error.hint.is_none() && self.fleet.hosts.iter().any(|(_, tags)| tags.iter().any(|tag| tag == name)) {
            return Err(error.hint(format!("there is a tag of that name: `tag:{name}`")));
        }
        Err(error)
    }

    fn unknown<'c>(
        &self,
        name: &str,
        at: &Range<usize>,
        what: &str,
        sign: &str,
        known: impl Iterator<Item = &'c str>,
    ) -> SelectorError {
        let error = SelectorError::new(at.clone(), format!("no {what} `{}` in the inventory", name.escape_debug()));
        let exact_elsewhere = what == "host" && self.fleet.groups.contains_key(name);
        match near(name, known) {
            near if near.is_empty() || exact_elsewhere => error,
            near => error
                .hint(format!("did you mean {}?", near.iter().map(|n| format!("`{sign}{n}`")).collect::<Vec<_>>().join(" or "))),
        }
    }
}

fn nothing(chosen: &[bool], at: &Range<usize>, message: impl FnOnce() -> String) -> Result<(), SelectorError> {
    if chosen.contains(&true) { Ok(()) } else { Err(SelectorError::new(at.clone(), message())) }
}

/// The three nearest names, nearest first.
fn near<'c>(word: &str, known: impl Iterator<Item = &'c str>) -> Vec<&'c str> {
    // one slip of the finger is near however short the word is
    let score = |name| if strsim::osa_distance(word, name) == 1 { 0.99 } else { strsim::jaro_winkler(word, name) };
    let mut scored: Vec<(f64, &str)> = known.map(|name| (score(name), name)).filter(|(score, _)| *score > 0.82).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop, proptest};

    use super::{Fleet, Selector};
    use crate::model::hostset::fold;
    use crate::model::id::HostName;

    const HOSTS: [&str; 6] = ["web-01", "web-02", "web-03", "web-10", "db1", "bastion"];

    fn choose(text: &str) -> Result<Vec<&'static str>, String> {
        let (a, b, none) = (["az-a".to_owned()], ["az-b".to_owned()], []);
        let tags: [&[String]; 6] = [&a, &b, &a, &b, &none, &none];
        let hosts = HOSTS.into_iter().zip(tags).collect();
        let groups = BTreeMap::from([("web", vec![0, 1, 2, 3]), ("empty", vec![]), ("dbs", vec![4])]);
        let fleet = Fleet { hosts, groups };
        let chosen = Selector::parse(text).and_then(|s| s.select(&fleet));
        chosen.map(|found| found.into_iter().map(|i| HOSTS[i]).collect()).map_err(|e| {
            let hint = e.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"));
            format!("{}: {}{hint}", e.column(text), e.message)
        })
    }

    #[test]
    fn selectors_name_hosts_in_file_order() {
        let all = HOSTS.to_vec();
        let table: [(&str, &[&str]); 16] = [
            ("all", &all),
            (" all ", &all),
            ("db1,web-01", &["web-01", "db1"]),
            ("db1|web-01", &["web-01", "db1"]),
            ("web-*", &["web-01", "web-02", "web-03", "web-10"]),
            ("web-0?", &["web-01", "web-02", "web-03"]),
            ("web-[01-03,10]", &["web-01", "web-02", "web-03", "web-10"]),
            ("web-[01-02],db[1]", &["web-01", "web-02", "db1"]),
            ("web-*[1-2]", &["web-01", "web-02"]),
            ("@web & tag:az-a", &["web-01", "web-03"]),
            ("@web&!web-01", &["web-02", "web-03", "web-10"]),
            ("!@web", &["db1", "bastion"]),
            ("!(@web,db1)", &["bastion"]),
            ("db1,web-01&tag:az-b,bastion", &["db1", "bastion"]),
            ("(db1,web-01)&tag:az-a", &["web-01"]),
            ("!!db1", &["db1"]),
        ];
        for (text, want) in table {
            assert_eq!(choose(text), Ok(want.to_vec()), "{text}");
        }
    }

    #[test]
    fn what_is_empty_unknown_or_wrong_is_an_error_with_its_place() {
        let table = [
            ("", "1: the selector is empty (write `all` for every host)"),
            ("  ", "1: the selector is empty (write `all` for every host)"),
            ("web-9", "1: no host `web-9` in the inventory (did you mean `web-01` or `web-02` or `web-03`?)"),
            ("db1,web", "5: no host `web` in the inventory (there is a group of that name: `@web`)"),
            ("az-a", "1: no host `az-a` in the inventory (there is a tag of that name: `tag:az-a`)"),
            ("@wbe", "1: no group `wbe` in the inventory (did you mean `@web`?)"),
            ("tag:az-c", "1: no tag `az-c` in the inventory (did you mean `tag:az-a` or `tag:az-b`?)"),
            ("@empty", "1: group `empty` has no hosts"),
            ("mail-*", "1: no host matches this"),
            ("all&!mail-*", "6: no host matches this"),
            ("db1&@web", "1: no host is selected"),
            ("!all", "1: no host is selected"),
            ("web-[01-04]", "1: no host `web-04` in the inventory (did you mean `web-01` or `web-02` or `web-03`?)"),
            ("db1,,db1", "5: expected a host, @group or tag:NAME, not `,`"),
            ("db1,", "5: expected a host, @group or tag:NAME after this"),
            ("(db1", "1: this `(` is not closed"),
            ("db1)", "4: unexpected `)` (join names with `,` (either), `&` (both) or `!` (not))"),
            ("db1 db1", "5: unexpected `d` (join names with `,` (either), `&` (both) or `!` (not))"),
            ("web[1", "1: this `[` is not closed (a set is written web[01-06,09])"),
            ("web[]", "1: `` is neither a number nor a range of numbers (a set is written web[01-06,09])"),
            ("web[3-1]", "1: `3-1` runs backwards (a set is written web[01-06,09])"),
            ("web[01-6]", "1: `01-6` is padded on one side only (a set is written web[01-06,09])"),
            ("web[1-99999]", "1: this set has more than 10000 members (a set is written web[01-06,09])"),
            ("failed:7f3a9c", "1: `failed:` is not built yet (name the hosts instead)"),
            ("pick:3", "1: `pick:` is not built yet (name the hosts instead)"),
            ("@", "1: `@` needs the name of a group"),
            (
                "10.0.0.1:22",
                "1: `10.0.0.1:` is no kind of selection (hosts are named by name, glob, set, @group or tag:NAME, never by address)",
            ),
            ("10.0.0.1", "1: no host `10.0.0.1` in the inventory"),
        ];
        for (text, want) in table {
            assert_eq!(choose(text), Err(want.to_owned()), "{text}");
        }
        assert_eq!(choose(&"(".repeat(10_000)), Err("65: nested deeper than 64".to_owned()));
        assert_eq!(choose(&"!".repeat(10_000)), Err("65: nested deeper than 64".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn any_text_of_its_signs_is_read_or_refused(text in "[a-c0-3\\[\\]\\-,|&!() *?@:]{0,40}") {
            let _ = choose(&text);
        }

        #[test]
        fn folded_names_select_the_same_hosts(
            names in prop::collection::btree_set("([a-b]{1,2}|x-)[0-1]{0,3}[0-9]{0,2}(-[a-b]?[0-9]{0,2})?", 1..40),
            extra in prop::collection::vec("[a-b]{1,2}[0-9]{1,3}", 0..10),
            from in 0usize..40,
        ) {
            let mut order: Vec<HostName> = names.iter().map(|n| HostName::parse(n).expect("a name")).collect();
            let half = from % order.len();
            order.rotate_left(half);
            let folded = fold(&order);
            let mut fleet = Fleet::default();
            for name in order.iter().map(HostName::as_str).chain(extra.iter().map(String::as_str)) {
                if !fleet.hosts.iter().any(|(n, _)| *n == name) {
                    fleet.hosts.push((name, &[]));
                }
            }
            let chosen = Selector::parse(&folded).and_then(|s| s.select(&fleet)).expect("what was folded is read");
            proptest::prop_assert_eq!(chosen, (0..order.len()).collect::<Vec<_>>(), "{}", folded);
        }
    }
}
