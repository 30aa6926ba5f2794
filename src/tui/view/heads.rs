//! Heads of the columns of a matrix of hosts and steps.

/// How many letters a head has.
pub const HEAD: usize = 3;

/// A head of at most three letters for each id, all different: `pre`, `por`, `swi`. What is plain is tried first: the
/// beginning, then letters of its words, then the beginning with letters from further on, then a number.
pub fn heads<'s>(ids: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let mut heads: Vec<String> = Vec::new();
    for id in ids {
        let n = heads.len() + 1;
        let free = candidates(id).into_iter().find(|head| !head.is_empty() && !heads.contains(head));
        // a number may have been taken by an id that is one
        let head = free.or_else(|| (n..).map(|n| n.to_string()).find(|head| !heads.contains(head)));
        heads.push(head.unwrap_or_default());
    }
    heads
}

fn candidates(id: &str) -> Vec<String> {
    let words: Vec<Vec<char>> =
        id.split(['-', '_', '.']).map(|word| word.chars().filter(|c| c.is_ascii_alphanumeric()).collect()).collect();
    let words: Vec<Vec<char>> = words.into_iter().filter(|word: &Vec<char>| !word.is_empty()).collect();
    let Some((first, others)) = words.split_first() else { return Vec::new() };
    let all: Vec<char> = words.concat();
    let start = |word: &[char], n: usize| word.iter().take(n).collect::<String>();
    let mut tried = vec![start(first, HEAD)];
    if let Some(last) = others.last() {
        tried.push(start(&words.iter().map(|word| word[0]).collect::<Vec<_>>(), HEAD));
        tried.push(format!("{}{}", start(first, 2), start(last, 1)));
        tried.push(format!("{}{}", start(first, 1), start(last, 2)));
    }
    tried.extend(all.iter().skip(2).map(|c| format!("{}{c}", start(&all, 2))));
    tried
        .extend(all.iter().skip(1).flat_map(|b| all.iter().rev().map(move |c| (b, c))).map(|(b, c)| format!("{}{b}{c}", all[0])));
    tried
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::heads;
    use proptest::prelude::*;

    #[test]
    fn a_head_is_the_beginning_of_the_name() {
        assert_eq!(heads(["precheck", "port-conflict", "switch-off", "one-process"]), ["pre", "por", "swi", "one"]);
        assert_eq!(heads(["up", "a-b"]), ["up", "a"]);
    }

    #[test]
    fn names_that_begin_alike_are_told_apart_by_their_words() {
        assert_eq!(heads(["restart-api", "restart-web", "restart"]), ["res", "rw", "ret"]);
    }

    #[test]
    fn the_same_name_many_times_ends_in_numbers() {
        assert_eq!(heads(["a", "a", "a", "3"]), ["a", "2", "3", "4"]);
    }

    proptest! {
        #[test]
        fn heads_are_short_and_all_different(ids in prop::collection::vec("[a-z]{1,6}(-[a-z0-9]{1,4}){0,2}", 0..60)) {
            let heads = heads(ids.iter().map(String::as_str));
            let different: BTreeSet<&String> = heads.iter().collect();
            prop_assert_eq!(different.len(), ids.len());
            prop_assert!(heads.iter().all(|head| (1..=3).contains(&head.len())), "{:?}", heads);
        }
    }
}
