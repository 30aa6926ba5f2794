//! Bytes from a network as text that is safe to show: bounded, one line, nothing a terminal would obey.

/// At most `max` characters of `bytes`, with everything that is not plainly printable escaped.
pub(crate) fn shown(bytes: &[u8], max: usize) -> String {
    // a character takes at most four bytes; what lies beyond can never be shown
    let bytes = &bytes[..bytes.len().min(max.saturating_mul(4))];
    let text = String::from_utf8_lossy(bytes);
    let mut out: String = text.trim().chars().take(max).flat_map(char::escape_debug).collect();
    if text.trim().chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn control_bytes_are_escaped_and_length_is_bounded() {
        assert_eq!(shown(b" a\x1b[31m\nb\xff ", 20), "a\\u{1b}[31m\\nb\u{fffd}");
        assert_eq!(shown("a\u{202e}b".as_bytes(), 20), "a\\u{202e}b");
        assert_eq!(shown(b"abcdef", 3), "abc…");
    }
}
