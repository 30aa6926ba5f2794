//! Heads of the columns of a matrix of steps: three letters each, no two alike.

use std::collections::BTreeSet;

/// How many columns a head takes.
pub const HEAD: usize = 3;

/// Three letters or fewer for each of these ids, no two alike: the first letters of a word, else of several words, else with
/// a number.
pub fn heads<'i>(ids: impl IntoIterator<Item = &'i str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for id in ids {
        let head = candidates(id).find(|head| !taken.contains(head)).unwrap_or_else(|| first(id, HEAD));
        taken.insert(head.clone());
        all.push(head);
    }
    all
}

fn candidates(id: &str) -> impl Iterator<Item = String> + '_ {
    let words: Vec<&str> = id.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let (one, two) = (words.first().copied().unwrap_or(id), words.last().copied().unwrap_or(id));
    let several = words.len() > 1;
    let mixed = [(1, 2), (2, 1)].map(|(front, back)| format!("{}{}", first(one, front), first(two, back)));
    let plain = [first(one, HEAD)].into_iter();
    let numbered = (2..100).map(move |n: usize| format!("{}{n}", first(one, HEAD - n.to_string().len())));
    plain.chain(mixed.into_iter().filter(move |_| several)).chain(numbered)
}

fn first(word: &str, letters: usize) -> String {
    word.chars().take(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::heads;

    #[test]
    fn heads_are_short_and_different() {
        let ids = ["precheck", "port-conflict", "prepare", "pre-two", "switch-off", "switch-on", "a"];
        assert_eq!(heads(ids), ["pre", "por", "pr2", "ptw", "swi", "son", "a"]);
        let many: Vec<String> = (0..60).map(|n| format!("step-{n}")).collect();
        let made = heads(many.iter().map(String::as_str));
        let different: std::collections::BTreeSet<&String> = made.iter().collect();
        assert_eq!(different.len(), 60);
        assert!(made.iter().all(|head| head.chars().count() <= 3));
    }
}
