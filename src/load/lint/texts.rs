//! What is wrong in any text of a step, shell or not: names that resolve to two addresses, credentials, module-level
//! namespaces.

use serde_json::Value;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Node, Tree};
use crate::load::lint::credentials;
use crate::load::source::Source;

/// What is wrong with `localhost`.
pub(super) const LOCALHOST: &str = "`localhost` can be either of two addresses";
/// What to write instead.
pub(super) const NUMBERS: &str = "write 127.0.0.1 or [::1]";

/// Warns of what stands in a value, however deep. `words` are for people and are only searched for credentials.
pub(super) fn warn(source: &Source, node: &Node, words: bool, found: &mut Vec<Diagnostic>) {
    walk(source, node, "", words, found);
}

fn walk(source: &Source, node: &Node, key: &str, words: bool, found: &mut Vec<Diagnostic>) {
    match &node.tree {
        Tree::Plain(Value::String(text)) => {
            for (at, what) in credentials::find(text) {
                found.push(told(what, source.inside(node, &at)));
            }
            if !words {
                address(source, node, text, key, found);
                namespace(source, node, text, found);
            }
        }
        Tree::Plain(_) => {}
        Tree::List(items) => items.iter().for_each(|item| walk(source, item, key, words, found)),
        Tree::Table(entries) => entries.iter().for_each(|entry| walk(source, &entry.node, &entry.key, words, found)),
    }
}

/// Warns of the defaults of variables.
pub(super) fn defaults(source: &Source, vars: &Node, found: &mut Vec<Diagnostic>) {
    for var in vars.entries().unwrap_or_default() {
        for entry in var.node.entries().unwrap_or_default().iter().filter(|entry| entry.key == "default") {
            let before = found.len();
            walk(source, &entry.node, &entry.key, false, found);
            let literal = matches!(&entry.node.tree, Tree::Plain(Value::String(text)) if !text.is_empty());
            if found.len() == before && literal && credentials::names(&var.key) {
                found.push(told("this is a credential by its name", entry.node.span.clone()));
            }
        }
    }
}

fn told(what: &str, at: std::ops::Range<usize>) -> Diagnostic {
    let help = "declare where it is: [secrets] NAME = { env = \"NAME\" }, and name it in the step: secrets = [\"NAME\"]";
    Diagnostic::warning("W308", format!("{what}, and everybody who reads this file has it")).at(at, "").help(help)
}

fn address(source: &Source, node: &Node, text: &str, key: &str, found: &mut Vec<Diagnostic>) {
    // one line: a script is judged by its commands
    if text.contains('\n') || text.contains(' ') {
        return;
    }
    let at = localhost(text).or_else(|| (key == "url" && is_local(text)).then_some(0));
    if let Some(at) = at {
        let place = source.inside(node, &(at..at + "localhost".len()));
        found.push(Diagnostic::warning("W306", LOCALHOST).at(place, "").help(NUMBERS));
    }
}

/// Where a URL in a text names `localhost`.
pub(super) fn localhost(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find("://").map(|n| from + n + "://".len()) {
        if is_local(text.get(at..)?) {
            return Some(at);
        }
        from = at;
    }
    None
}

/// Whether a text begins with the name `localhost`, alone or with a port or a path.
pub(super) fn is_local(text: &str) -> bool {
    let rest = text.strip_prefix("localhost");
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

/// A `namespace` beside `apps` rather than inside of them: PM2 ignores it, and the apps land in `default`.
fn namespace(source: &Source, node: &Node, text: &str, found: &mut Vec<Diagnostic>) {
    if let Some(at) = module_namespace(text) {
        let message = "PM2 ignores a namespace at module level: the apps land in `default`";
        let place = source.inside(node, &(at..at + "namespace".len()));
        found.push(Diagnostic::warning("W312", message).at(place, "").help("write it inside each entry of `apps`"));
    }
}

/// Where the object that a module exports has a key `namespace` of its own.
fn module_namespace(text: &str) -> Option<usize> {
    let exports = text.find("module.exports")?;
    let open = exports + text.get(exports..)?.find('{')?;
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (open, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return None;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
            }
            b'n' if depth == 1 && is_key(text, at, "") => return Some(at),
            b'\'' | b'"' if depth == 1 && is_key(text, at + 1, &text[at..=at]) => return Some(at + 1),
            b'\'' | b'"' | b'`' => {
                let end = bytes[at + 1..].iter().position(|other| other == byte);
                at += end.map_or(bytes.len() - at, |n| n + 1);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether the key `namespace` stands at `at`, in these quotes: before a colon, and not at the end of a longer name.
fn is_key(text: &str, at: usize, quote: &str) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let longer = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '$'));
    let rest = text.get(at..).and_then(|rest| rest.strip_prefix("namespace")?.strip_prefix(quote));
    !longer && rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::{is_local, localhost, module_namespace};

    #[test]
    fn only_the_name_itself_is_localhost() {
        assert_eq!(localhost("http://localhost:3000/"), Some(7));
        assert_eq!(localhost("see https://a/ and http://localhost"), Some(26));
        for text in ["http://localhost.example.com/", "http://localhosts/", "http://127.0.0.1/localhost", "localhost"] {
            assert_eq!(localhost(text), None, "{text}");
        }
        assert!(is_local("localhost/x") && !is_local("my.localhost"));
    }

    #[test]
    fn a_namespace_is_at_module_level_or_inside_an_app() {
        let hits = [
            "module.exports = { namespace: 'test', apps: [{ name: 'a' }] }",
            "cat > e.js <<'E'\nmodule.exports = {\n  apps: [{ name: 'a' }],\n  // by hand\n  \"namespace\" : 'x',\n};\nE",
        ];
        for text in hits {
            let at = module_namespace(text).expect(text);
            assert_eq!(text.get(at..at + 9), Some("namespace"), "{text}");
        }
        let misses = [
            "module.exports = { apps: [{ name: 'a', namespace: 'test' }] }",
            "module.exports = { my_namespace: 1, apps: [] }; const o = { namespace: 1 }",
            "module.exports = { about: 'namespace: none', apps: [] }",
            "module.exports = {\n  // namespace: 'x'\n  apps: [] }",
            "namespace: test",
        ];
        for text in misses {
            assert_eq!(module_namespace(text), None, "{text}");
        }
    }
}
