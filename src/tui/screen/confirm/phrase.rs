//! In what a typed phrase differs from the one that is asked for; compared exactly, character by character.

/// What differs, in words.
pub(super) fn differs(typed: &str, wanted: &str) -> String {
    let number = |text: &str| text.rsplit_once(' ').map(|(name, n)| (name.to_owned(), n.to_owned()));
    match (number(typed), number(wanted)) {
        _ if typed.is_empty() => format!("nothing is typed yet: {wanted}"),
        _ if typed.trim() == wanted => "there is a space before or after it; spaces count".to_owned(),
        _ if typed.to_lowercase() == wanted.to_lowercase() => "capitals count: it must be typed as it stands".to_owned(),
        (Some((name, n)), Some((wanted_name, wanted_n))) if name == wanted_name && n != wanted_n => {
            format!("the number differs: it is {wanted_n}, and {n} is typed")
        }
        _ => {
            let same = typed.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
            let rest = |text: &str| text.chars().skip(same).collect::<String>();
            match (rest(typed), rest(wanted)) {
                (typed, wanted) if typed.is_empty() => format!("it ends too early: `{wanted}` is missing"),
                (typed, wanted) if wanted.is_empty() => format!("it is too long: `{typed}` is too much"),
                (typed, wanted) => format!("from character {} on `{typed}` is typed, it must be `{wanted}`", same + 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::differs;

    #[test]
    fn a_wrong_phrase_is_told_what_differs() {
        let said = |typed: &str| differs(typed, "restart-loop 6");
        assert_eq!(said(""), "nothing is typed yet: restart-loop 6");
        assert_eq!(said("restart-loop 6 "), "there is a space before or after it; spaces count");
        assert_eq!(said("Restart-Loop 6"), "capitals count: it must be typed as it stands");
        assert_eq!(said("restart-loop 5"), "the number differs: it is 6, and 5 is typed");
        assert_eq!(said("restart-loop"), "it ends too early: ` 6` is missing");
        assert_eq!(said("restart-loop 6x"), "the number differs: it is 6, and 6x is typed");
        assert_eq!(said("restart-lop 6"), "from character 11 on `p 6` is typed, it must be `op 6`");
        assert_eq!(differs("yes", "y"), "it is too long: `es` is too much");
    }
}
