//! What a value looks like in every encoding, written without the code that takes it out.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Every form that may be nowhere.
pub(crate) fn of(value: &str) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = one(value);
    if value.contains('\n') {
        value.lines().filter(|line| line.len() >= 8 && !line.starts_with("-----")).for_each(|line| forms.extend(one(line)));
    }
    forms.sort();
    forms.dedup();
    forms
}

fn one(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let hex = |pattern: &dyn Fn(u8) -> String| bytes.iter().map(|byte| pattern(*byte)).collect::<String>();
    let special = |upper: bool| {
        hex(&|byte| match (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (_, true) => format!("%{byte:02X}"),
            (_, false) => format!("%{byte:02x}"),
        })
    };
    let json = serde_json::to_string(value).expect("json").trim_matches('"').to_owned();
    let ascii: String = json
        .chars()
        .map(|c| {
            if c.is_ascii() { c.to_string() } else { c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect() }
        })
        .collect();
    let html =
        value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;");
    let texts = [
        value.to_owned(),
        hex(&|byte| format!("{byte:02x}")),
        hex(&|byte| format!("{byte:02X}")),
        hex(&|byte| format!("%{byte:02x}")),
        hex(&|byte| format!("%{byte:02X}")),
        special(true),
        special(false),
        json.replace('/', "\\/"),
        json,
        ascii,
        value.replace('\'', "'\\''"),
        html,
    ];
    let mut forms: Vec<Vec<u8>> = texts.map(String::into_bytes).to_vec();
    forms.push(value.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.push(value.encode_utf16().flat_map(u16::to_be_bytes).collect());
    for before in 0..3 {
        let shifted = [&vec![b'u'; before], bytes].concat();
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            // the characters that are the value's alone
            forms.push(text.as_bytes()[(before * 8).div_ceil(6)..shifted.len() * 8 / 6].to_vec());
        }
    }
    forms
}

/// Fails if a form is in the bytes, also where they are broken into lines.
pub(crate) fn assert_none(bytes: &[u8], values: &[&str], place: &str) {
    let joined: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    for value in values {
        for form in of(value) {
            let shown = String::from_utf8_lossy(&form).into_owned();
            assert!(memchr::memmem::find(bytes, &form).is_none(), "{place} holds {shown:?}");
            let spread = form.len() >= 16 && form.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
            assert!(!spread || memchr::memmem::find(&joined, &form).is_none(), "{place} holds {shown:?} in pieces");
        }
    }
}
