use proptest::prelude::*;

use super::*;

fn inputs(bytes: &[u8]) -> Vec<Input> {
    let mut decoder = Decoder::default();
    let mut out = decoder.feed(bytes);
    out.extend(decoder.settle());
    out
}

fn keys(bytes: &[u8]) -> Vec<Key> {
    let key = |input| match input {
        Input::Key(key) => key,
        other => panic!("{other:?} is no key"),
    };
    inputs(bytes).into_iter().map(key).collect()
}

#[test]
fn every_form_of_a_key_is_known() {
    let forms: [(Key, &[&str]); 14] = [
        (Key::Up, &["\x1b[A", "\x1bOA", "\x1b[1A", "\x1b[1;2A", "\x1b[1;5A", "\x1b[<64;10;2M"]),
        (Key::Down, &["\x1b[B", "\x1bOB", "\x1b[<65;10;2M"]),
        (Key::Right, &["\x1b[C", "\x1bOC"]),
        (Key::Left, &["\x1b[D", "\x1bOD"]),
        (Key::Home, &["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x1b[1;5H"]),
        (Key::End, &["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"]),
        (Key::PageUp, &["\x1b[5~", "\x1b[5;2~"]),
        (Key::PageDown, &["\x1b[6~"]),
        (Key::Delete, &["\x1b[3~"]),
        (Key::F1, &["\x1bOP", "\x1b[11~", "\x1b[[A"]),
        (Key::BackTab, &["\x1b[Z", "\x1b[1;2Z"]),
        (Key::Enter, &["\r"]),
        (Key::Backspace, &["\x7f", "\x08"]),
        (Key::Esc, &["\x1b"]),
    ];
    for (key, texts) in forms {
        for text in texts {
            assert_eq!(keys(text.as_bytes()), [key], "{text:?}");
        }
    }
    assert_eq!(
        keys(b"\0\x01\x03\x1a\t\n"),
        [' ', 'a', 'c', 'z'].map(Key::Ctrl).into_iter().chain([Key::Tab, Key::Ctrl('j')]).collect::<Vec<_>>()
    );
    assert_eq!(keys("aé€😀".as_bytes()), ['a', 'é', '€', '😀'].map(Key::Char));
}

#[test]
fn what_is_not_known_for_certain_does_not_act() {
    let unknown = [
        "\x1ba",
        "\x1b\r",
        "\x1b\x7f",
        "\x1bé",
        "\x1bO",
        "\x1b[",
        "\x1b[1;3A",
        "\x1b[1;9A",
        "\x1b[3;5~",
        "\x1b[1;5P",
        "\x1b[99~",
        "\x1b[27;5;13~",
        "\x1b[13u",
        "\x1b[57414;1u",
        "\x1b[1;2",
        "\x1bO5A",
        "\x1b\x1b[A",
        "\x1b[[B",
        "\x1b[1;;5A",
        "\x1b[0;0A",
        "\x1b]",
        "\x1b[;:A",
    ];
    for text in unknown {
        assert_eq!(keys(text.as_bytes()), [Key::Unknown], "{text:?}");
    }
    let long = format!("\x1b[{}A", "1".repeat(500));
    assert_eq!(keys(long.as_bytes()), [Key::Unknown]);
    for bytes in [&b"\xff"[..], b"\xc3", b"\xc2\x85", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\x1b[1\r"] {
        assert_eq!(keys(bytes), [Key::Unknown], "{bytes:x?}");
    }
}

#[test]
fn answers_and_clicks_are_nothing() {
    for text in ["\x1b[?62;22c", "\x1b[>1;10;0c", "\x1b]11;rgb:00/00/00\x1b\\", "\x1b]11;y\x07", "\x1bP1$r0m\x1b\\", "\x1b[201~"]
    {
        assert_eq!(inputs(text.as_bytes()), [], "{text:?}");
    }
    for text in ["\x1b[<0;10;2M", "\x1b[<0;10;2m", "\x1b[M !q"] {
        assert_eq!(inputs(text.as_bytes()), [], "{text:?}");
    }
}

#[test]
fn an_escape_is_one_key_when_nothing_follows() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.feed(b"\x1b"), []);
    assert!(decoder.waits_for_more());
    assert_eq!(decoder.settle(), [Input::Key(Key::Esc)]);
    assert!(!decoder.waits_for_more());
    assert_eq!(decoder.feed(b"q"), [Input::Key(Key::Char('q'))]);
    assert_eq!(keys(b"\x1b\x1b"), [Key::Esc, Key::Esc]);
    assert_eq!(keys(b"\x1b\x1bx"), [Key::Esc, Key::Unknown]);
}

#[test]
fn the_rest_of_an_arrow_that_came_late_is_no_letter() {
    let mut decoder = Decoder::default();
    decoder.feed(b"\x1b");
    assert_eq!(decoder.settle(), [Input::Key(Key::Esc)]);
    assert_eq!(decoder.feed(b"[A"), [Input::Key(Key::Up)]);
    decoder.feed(b"\x1b");
    decoder.settle();
    assert_eq!(decoder.feed(b"["), [Input::Key(Key::Char('['))]);
    assert_eq!(decoder.feed(b"[A"), [Input::Key(Key::Char('[')), Input::Key(Key::Char('A'))]);
}

#[test]
fn ctrl_c_is_heard_wherever_it_comes() {
    assert_eq!(keys(b"\x1b\x03"), [Key::Esc, Key::Ctrl('c')]);
    for bytes in [&b"\x1b[1;\x03"[..], b"\x1bO\x03", b"\x1b]11;rgb\x03", b"\xe2\x82\x03"] {
        assert_eq!(keys(bytes), [Key::Unknown, Key::Ctrl('c')], "{bytes:x?}");
    }
}

#[test]
fn focus_and_pastes_are_told() {
    assert_eq!(inputs(b"\x1b[I\x1b[O"), [Input::Focus(true), Input::Focus(false)]);
    let text = "rm -rf /\r\n\x1b[A\x1b\x1b[20\x03é\u{1b}";
    let bytes = format!("\x1b[200~{text}\x1b[201~q");
    assert_eq!(inputs(bytes.as_bytes()), [Input::Paste(text.to_owned()), Input::Key(Key::Char('q'))]);
}

#[test]
fn a_long_paste_is_cut_and_the_rest_is_counted() {
    let mut decoder = Decoder::default();
    let mut bytes = b"\x1b[200~x".to_vec();
    bytes.extend("é".repeat(MAX_PASTE).as_bytes());
    bytes.extend(b"\x1b[201~");
    let got = decoder.feed(&bytes);
    let [Input::Paste(text)] = got.as_slice() else { panic!("{} inputs", got.len()) };
    assert_eq!(text.len(), MAX_PASTE - 1);
    assert!(text.ends_with('é'));
    assert_eq!(decoder.dropped(), MAX_PASTE as u64 + 1);
}

#[test]
fn a_paste_without_an_end_swallows_what_follows() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.feed(b"\x1b[200~abc"), []);
    assert!(!decoder.waits_for_more());
    assert_eq!(decoder.settle(), []);
    assert_eq!(decoder.feed(b"y\r"), []);
}

/// Bytes that are often the interesting ones.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => any::<u8>().prop_map(|byte| vec![byte]),
        4 => "[ -~]".prop_map(String::into_bytes),
        4 => "\\PC".prop_map(String::into_bytes),
        3 => Just(b"\x1b".to_vec()),
        3 => "\x1b[\\[O][0-9;<]{0,6}[A-Za-z~]".prop_map(String::into_bytes),
        1 => Just(b"\x1b[200~".to_vec()),
        1 => Just(b"\x1b[201~".to_vec()),
        1 => Just(b"\x1b[20".to_vec()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn how_bytes_are_split_makes_no_difference(bytes in bytes(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut decoder = Decoder::default();
        let mut got = Vec::new();
        let mut from = 0;
        for cut in cuts {
            got.extend(decoder.feed(&bytes[from..cut]));
            from = cut;
        }
        got.extend(decoder.settle());
        prop_assert_eq!(got, inputs(&bytes));
    }

    #[test]
    fn a_paste_is_never_a_key(text in bytes()) {
        let inner: Vec<u8> = String::from_utf8_lossy(&text).replace("\x1b[201~", "").into_bytes();
        let whole = [&b"\x1b[200~"[..], &inner, b"\x1b[201~"].concat();
        let got = inputs(&whole);
        prop_assert!(matches!(got.as_slice(), [Input::Paste(_)]), "{:?}", got);
    }

    #[test]
    fn a_control_character_is_never_typed(bytes in bytes()) {
        for input in inputs(&bytes) {
            if let Input::Key(Key::Char(c)) = input {
                prop_assert!(!c.is_control());
            }
        }
    }
}
