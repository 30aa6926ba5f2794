//! The small languages: selectors, conditions, templates, durations, sizes, addresses. Every text is given to all of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use runbook::load::inventory::from_source;
use runbook::load::source::decode;
use runbook::model::hostset::fold;
use runbook::model::id::{HostName, RunId};
use runbook::model::inventory::Inventory;
use runbook::model::plan::BatchSize;
use runbook::model::selector::Selector;
use runbook::model::template::{fill, placeholders, reads};
use runbook::model::time::{Timestamp, parse_duration};
use runbook::model::vars::{parse_size, whole};
use runbook::model::when::{Lookup, When};
use runbook::read::size::size;
use runbook::read::url::{HttpUrl, encode};
use serde_json::{Map, Value, json};

use super::bytes::odd_in_lines;

const FLEET: &str = include_str!("../../corpus/inventory/inventory.toml");

/// Read or refused with a place that is in it; what is written is read again as the same.
pub(super) fn language(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    selector(text);
    names(text);
    condition(text);
    template(text);
    amounts(text);
    url(text);
}

/// The place of an error is a part of the text.
fn is_place(text: &str, at: &Range<usize>) {
    assert!(text.get(at.clone()).is_some(), "{at:?} is no part of {text:?}");
}

fn fleet() -> Inventory {
    let source = decode(Path::new("inventory.toml"), FLEET.as_bytes().to_vec()).expect("it is text");
    from_source(&source, None).expect("it loads")
}

fn selector(text: &str) {
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            is_place(text, &error.at);
            assert!(error.column(text) >= 1);
            assert_eq!(odd_in_lines(&error.message), None, "{:?}", error.message);
            return;
        }
    };
    assert_eq!(selector.text(), text);
    assert_eq!(Selector::parse(&selector.to_string()).as_ref(), Ok(&selector));
    let last = BTreeMap::from([("last".to_owned(), RunId::parse("7f3a9c").expect("an id"))]);
    let pinned = selector.pinned(&last);
    assert!(Selector::parse(&pinned).is_ok(), "{pinned:?} was written");
    let fleet = fleet();
    match fleet.select(&selector) {
        Err(error) => is_place(text, &error.at),
        Ok(hosts) => {
            let written = fleet.selector_of(&hosts);
            let read = Selector::parse(&written).and_then(|selector| fleet.select(&selector));
            assert_eq!(read.as_ref(), Ok(&hosts), "{written:?} was written for {text:?}");
        }
    }
}

/// Names that are folded into sets are the same names when the sets are read.
fn names(text: &str) {
    let mut names: Vec<HostName> = Vec::new();
    for name in text.split([' ', ',', '\n']).filter_map(|word| HostName::parse(word).ok()).take(200) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return;
    }
    let folded = fold(&names);
    let hosts = names.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    let fleet = runbook::model::selector::Fleet::new(hosts);
    let read = Selector::parse(&folded).and_then(|selector| selector.select(&fleet));
    // names that are words of the language cannot be meant by a selector
    let plain = names.iter().all(|name| {
        Selector::parse(name.as_str()).and_then(|selector| selector.select(&fleet)).is_ok_and(|found| found.len() == 1)
    });
    if plain {
        assert_eq!(read, Ok((0..names.len()).collect()), "{folded:?}");
    }
}

fn condition(text: &str) {
    let when = match When::parse(text) {
        Ok(when) => when,
        Err(error) => {
            is_place(text, &error.at);
            assert_eq!(odd_in_lines(&error.message), None, "{:?}", error.message);
            return;
        }
    };
    for name in when.names() {
        assert_eq!(text.get(name.at.clone()), Some(name.to_string().as_str()), "a name and its place");
    }
    for (_, _, at) in when.compared() {
        is_place(text, &at);
    }
    let values = [json!(true), json!(7), json!("web"), json!([1, "web"]), Value::Null];
    let known = values.into_iter().map(Lookup::Value).chain([Lookup::NotKnown, Lookup::Absent]);
    for value in known {
        if let Err(error) = when.judge(&|_| value.clone()) {
            is_place(text, &error.at);
        }
    }
}

/// A value is put in once and never read again; shell text is left as it is.
fn template(text: &str) {
    let mut fields = Map::new();
    fields.insert("url".to_owned(), json!(text));
    fields.insert("list".to_owned(), json!([text, {"deep": text}]));
    let found = placeholders(&fields);
    for placeholder in &found {
        let part = text.get(placeholder.at.clone()).expect("a part of the text");
        assert!(part.starts_with("{{") && part.ends_with("}}") && part.contains(&placeholder.name), "{part:?}");
    }
    let value = "{{ again }}";
    match fill(&fields, &|_| Some(json!(value)), &["again"]) {
        Err(errors) => errors.iter().for_each(|error| is_place(text, &error.at)),
        Ok(filled) => {
            let inserted = found.iter().filter(|one| one.path == ["url"]).count();
            let times = |map: &Map<String, Value>| map["url"].as_str().map_or(0, |text| text.matches(value).count());
            assert!(times(&filled) >= inserted, "a value was read as a template");
            assert!(!found.is_empty() || filled == fields, "nothing was to be filled in");
        }
    }
    let mut shell = Map::new();
    shell.insert("run".to_owned(), json!(text));
    assert!(placeholders(&shell).is_empty());
    let _ = reads(&shell, "app");
}

fn amounts(text: &str) {
    if let Ok(duration) = parse_duration(text) {
        let millis = duration.as_millis();
        assert_eq!(parse_duration(&format!("{millis}ms")), Ok(duration));
        assert!(Duration::from_millis(u64::try_from(millis).expect("it fits")) == duration);
    }
    if let Ok(bytes) = parse_size(text) {
        assert_eq!(odd_in_lines(&size(bytes)), None);
    }
    if let Ok(batch) = BatchSize::parse(text) {
        for total in [1, 2, 7, 1000] {
            assert!(batch.of(total) >= 1, "a batch of none never ends");
        }
    }
    if let Ok(at) = Timestamp::try_from(text.to_owned()) {
        assert_eq!(Timestamp::try_from(at.to_string()).ok(), Some(at), "{at}");
    }
    if text.len() < 200 {
        let _ = whole(text);
    }
}

fn url(text: &str) {
    let encoded = encode(text);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{encoded:?}");
    let Ok(url) = HttpUrl::parse(text) else { return };
    assert!(url.port > 0 && url.path.starts_with('/'));
    assert!(!url.host.contains(['/', '@', '?', '#']) && text.is_ascii());
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.to_owned() };
    let whole = format!("http://{host}:{}{}", url.port, url.path);
    let again = HttpUrl::parse(&whole).unwrap_or_else(|error| panic!("{whole:?} was written: {error}"));
    assert_eq!((again.host, again.port, again.path), (url.host, url.port, url.path));
}
