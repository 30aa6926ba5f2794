//! What an expression means for a fleet: which of its hosts, or what in it is unknown or matches nothing.

use std::ops::Range;

use crate::model::pattern::Pattern;
use crate::model::selector::pick::Pick;
use crate::model::selector::set::HostSet;
use crate::model::selector::{Atom, Expr, Fleet, MAX_COMPARED, RunAtom, SelectorError};
use crate::model::visible::literal;

pub(super) struct Judge<'f> {
    pub(super) fleet: &'f Fleet<'f>,
}

type Chosen = Result<HostSet, SelectorError>;

/// A pick that is a term of an `&` chain: its place and whether what it picks is left out.
fn picking(expr: &Expr) -> Option<(Pick, &Range<usize>, bool)> {
    match expr {
        Expr::Atom(Atom::Pick(pick), at) => Some((*pick, at, false)),
        Expr::Not(inner) => picking(inner).map(|(pick, at, out)| (pick, at, !out)),
        _ => None,
    }
}

impl Judge<'_> {
    pub(super) fn judge(&self, expr: &Expr) -> Chosen {
        match expr {
            Expr::Atom(atom, at) => self.atom(atom, at),
            Expr::Not(inner) => Ok(self.judge(inner)?.not()),
            Expr::All(parts) => self.chain(parts),
            Expr::Any(parts) => {
                let mut any = self.none();
                for part in parts {
                    any.or(&self.judge(part)?);
                }
                Ok(any)
            }
        }
    }

    /// An `&` chain: its picks come last, whatever their places, and choose from what is left by then.
    fn chain(&self, parts: &[Expr]) -> Chosen {
        let mut left = self.every();
        for part in parts.iter().filter(|part| picking(part).is_none()) {
            left.and(&self.judge(part)?);
        }
        for (pick, at, out) in parts.iter().filter_map(picking) {
            let picked = self.pick(pick, at, &left)?;
            left.and(&if out { picked.not() } else { picked });
        }
        Ok(left)
    }

    fn none(&self) -> HostSet {
        HostSet::none(self.fleet.hosts.len())
    }

    fn every(&self) -> HostSet {
        HostSet::all(self.fleet.hosts.len())
    }

    fn atom(&self, atom: &Atom, at: &Range<usize>) -> Chosen {
        match atom {
            Atom::Everything => Ok(self.every()),
            Atom::Host(name)
                if !self.fleet.index.contains_key(name.as_str()) && self.fleet.states.contains_key(name.as_str()) =>
            {
                let hosts = self.fleet.states.get(name.as_str()).into_iter().flatten();
                self.some(hosts.copied(), at, || format!("no host is known to be {name}"))
            }
            Atom::Host(name) => {
                let mut chosen = self.none();
                chosen.insert(self.index(name, at)?);
                Ok(chosen)
            }
            Atom::Pattern(pattern) => self.pattern(pattern, at),
            Atom::Group(name) => {
                let Some(members) = self.fleet.groups.get(name.as_str()) else {
                    return Err(self.unknown(name, at, "group", "@", self.fleet.groups.keys().copied()));
                };
                self.some(members.iter().copied(), at, || format!("group `{name}` has no hosts"))
            }
            Atom::Tag(tag) => {
                let tagged = self.places(|tags| tags.contains(tag));
                let known = self.fleet.hosts.iter().flat_map(|(_, tags)| tags.iter().map(String::as_str));
                self.some(tagged, at, String::new).map_err(|_| self.unknown(tag, at, "tag", "tag:", known))
            }
            Atom::Run(atom) => self.run(atom, at),
            Atom::Pick(pick) => self.pick(*pick, at, &self.every()),
        }
    }

    fn places(&self, tagged: impl Fn(&[String]) -> bool) -> impl Iterator<Item = usize> {
        self.fleet.hosts.iter().enumerate().filter(move |(_, (_, tags))| tagged(tags)).map(|(at, _)| at)
    }

    /// These hosts, or an error where there are none.
    fn some(&self, places: impl Iterator<Item = usize>, at: &Range<usize>, none: impl FnOnce() -> String) -> Chosen {
        let mut chosen = self.none();
        places.for_each(|place| chosen.insert(place));
        if chosen.is_empty() { Err(SelectorError::new(at.clone(), none())) } else { Ok(chosen) }
    }

    fn pattern(&self, pattern: &Pattern, at: &Range<usize>) -> Chosen {
        // where there were enough already no more are made
        let names = if self.fleet.compare(0) { pattern.names() } else { None };
        if !self.fleet.compare(names.as_ref().map_or(self.fleet.hosts.len(), Vec::len)) {
            let message = format!("the globs and sets up to here are compared with more than {MAX_COMPARED} names");
            return Err(SelectorError::new(at.clone(), message).hint("make groups of them, or name fewer"));
        }
        let Some(names) = names else {
            let hosts = self.fleet.hosts.iter().enumerate();
            let matching = hosts.filter(|(_, (name, _))| pattern.matches(name)).map(|(place, _)| place);
            return self.some(matching, at, || format!("none of {} hosts matches this", self.fleet.hosts.len()));
        };
        let mut chosen = self.none();
        for name in names {
            chosen.insert(self.index(&name, at)?);
        }
        Ok(chosen)
    }

    fn run(&self, atom: &RunAtom, at: &Range<usize>) -> Chosen {
        let Some(hosts) = self.fleet.recorded.and_then(|recorded| recorded.get(atom)) else {
            return Err(SelectorError::new(at.clone(), format!("`{atom}` needs the record of runs, and it is not read here")));
        };
        let (says, run) = (atom.became.says(), &atom.run);
        let here = hosts.iter().filter_map(|host| self.fleet.index.get(host.as_str()).copied());
        self.some(here, at, || match hosts.len() {
            0 => format!("no host {says} in run `{run}`"),
            n => format!("of the {n} hosts of which run `{run}` says this none is in the inventory"),
        })
    }

    fn pick(&self, pick: Pick, at: &Range<usize>, from: &HostSet) -> Chosen {
        let hosts: Vec<(usize, &str)> = from.iter().filter_map(|place| Some((place, self.fleet.hosts.get(place)?.0))).collect();
        let Some(picked) = pick.from(&hosts) else {
            let message = format!("`{pick}` asks for more hosts than there are to pick from: {}", hosts.len());
            return Err(SelectorError::new(at.clone(), message));
        };
        let mut chosen = self.none();
        picked.into_iter().for_each(|place| chosen.insert(place));
        Ok(chosen)
    }

    fn index(&self, name: &str, at: &Range<usize>) -> Result<usize, SelectorError> {
        if let Some(index) = self.fleet.index.get(name) {
            return Ok(*index);
        }
        let error = self.unknown(name, at, "host", "", self.fleet.index.keys().copied());
        if self.fleet.terse {
            return Err(error);
        }
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
        let error = SelectorError::new(at.clone(), format!("no {what} `{}` in the inventory", literal(name)));
        let exact_elsewhere = what == "host" && self.fleet.groups.contains_key(name);
        if self.fleet.terse || exact_elsewhere {
            return error;
        }
        match near(name, known) {
            near if near.is_empty() => error,
            near => error
                .hint(format!("did you mean {}?", near.iter().map(|n| format!("`{sign}{n}`")).collect::<Vec<_>>().join(" or "))),
        }
    }
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
