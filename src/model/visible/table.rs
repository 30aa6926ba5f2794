//! Which characters are not what they seem: those that cannot be seen, or change what stands around them.

use unicode_width::UnicodeWidthChar;

/// Characters outside ASCII that are shown as text: C1 controls, format characters (direction marks, joiners, tags), every
/// white space that is not the space, line and paragraph separators, variation selectors, fillers, private use and
/// noncharacters. A test compares it with Unicode's own tables.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{a0}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{1680}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3000}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d159}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
        // the last two of every plane are noncharacters
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Characters that stand on the one before them and take no room of their own.
pub(super) fn is_mark(c: char) -> bool {
    c > '\u{2ff}' && c.width() == Some(0)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use unicode_width::UnicodeWidthChar;

    use super::{is_invisible, is_mark};

    #[test]
    fn the_table_is_what_unicode_says() {
        let hidden = r"[\p{Cc}\p{Cf}\p{Co}\p{Z}\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\p{Bidi_Control}\p{Noncharacter_Code_Point}]";
        let hidden = Regex::new(hidden).expect("a class");
        let mark = Regex::new(r"[\p{Mn}\p{Me}]").expect("a class");
        // blank signs that Unicode counts among the symbols, and unassigned ones beside tags and specials
        let ours = |c| matches!(c, '\u{2800}' | '\u{1d159}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{10ffff}' | '\u{13439}'..='\u{1343f}');
        for c in '\u{80}'..=char::MAX {
            let text = c.to_string();
            let is_hidden = hidden.is_match(&text);
            assert!(is_invisible(c) || !is_hidden, "{c:?} is hidden");
            assert!(is_hidden || !is_invisible(c) || ours(c), "{c:?} can be seen");
            // a mark that takes room covers nothing
            assert!(is_mark(c) || is_invisible(c) || !mark.is_match(&text) || c.width() > Some(0), "{c:?} is a mark");
        }
    }
}
