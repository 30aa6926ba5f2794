//! The `[vars]` of a runbook.

use serde_json::{Map, Value};

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Entry, Node, Table, Tree, wrong_type};
use crate::model::fields::nearest;
use crate::model::id::VarName;
use crate::model::runbook::{VarDecl, VarType};
use crate::model::template::placeholders;
use crate::model::vars::{RESERVED, shadows, whole};
use crate::model::visible::literal;

/// The most variables, and the most secrets, of a file.
pub(super) const MOST: usize = 256;

/// Reads the declarations.
pub(super) fn declarations(entries: &[Entry], found: &mut Vec<Diagnostic>) -> Vec<VarDecl> {
    let vars: Vec<VarDecl> = entries.iter().filter_map(|entry| declaration(entry, found)).collect();
    for entry in entries {
        no_template(entry, &vars, found);
    }
    vars
}

/// A default is a value and never filled in, so what would be a placeholder of ours elsewhere was meant to be one.
fn no_template(entry: &Entry, vars: &[VarDecl], found: &mut Vec<Diagnostic>) {
    let Some(default) = entry.node.entries().and_then(|entries| entries.iter().find(|entry| entry.key == "default")) else {
        return;
    };
    let fields = Map::from_iter([("default".to_owned(), default.node.value())]);
    let ours = |name: &str| {
        vars.iter().any(|var| var.name.as_str() == name) || ["host.", "steps."].iter().any(|own| name.starts_with(own))
    };
    if let Some(first) = placeholders(&fields).into_iter().find(|placeholder| ours(&placeholder.name)) {
        let message = format!("a default takes no placeholder, and `{}` is one", first.name);
        let help = "variables are not made of variables: put both where the value is used";
        found.push(Diagnostic::error("E302", message).at(default.node.span.clone(), "").help(help));
    }
}

fn declaration(entry: &Entry, found: &mut Vec<Diagnostic>) -> Option<VarDecl> {
    let name = name(entry, found);
    let mut table = match &entry.node.tree {
        Tree::Table(_) => Table::of(&entry.node, &entry.key, entry.key_span.clone(), found)?,
        _ => {
            let example = entry.node.value();
            let help = format!("write {} = {{ default = {example} }}", entry.key);
            found.push(wrong_type(&entry.key, "a table", &entry.node).help(help));
            return None;
        }
    };
    let values: Vec<String> =
        table.strings("values", found).unwrap_or_default().into_iter().map(|(word, _)| word.to_owned()).collect();
    let default = table.entry("default").map(|entry| &entry.node);
    let ty = ty(&mut table, default, found);
    let pattern = table.string("pattern", found).map(str::to_owned);
    if let Some(Err(message)) = pattern.as_deref().map(whole) {
        found.push(Diagnostic::error("E204", message).at(table.find("pattern"), ""));
    }
    let allow_empty = table.bool("allow_empty", found).unwrap_or(false);
    let about = table.lines("about", found).map(str::to_owned);
    if ty == Some(VarType::Enum) && values.is_empty() {
        table.need("values", None::<()>, "[\"…\"]", found);
    }
    if ty.is_some_and(|ty| ty != VarType::Enum) && !values.is_empty() {
        let message = "`values` belongs to type = \"enum\"";
        found.push(Diagnostic::error("E204", message).at(table.find("values"), ""));
    }
    texts_only(ty, &table, found);
    table.finish(found);
    let mut decl = VarDecl { name: name?, ty: ty?, default: None, pattern, values, allow_empty, about };
    if let Some(node) = default {
        match decl.accept(&node.value()) {
            Ok(value) => decl.default = Some(value),
            // a broken pattern was told where it stands
            Err(_) if decl.pattern.as_deref().map(whole).is_some_and(|p| p.is_err()) => {}
            Err(message) => {
                let message = format!("the default of `{}` {}", decl.name, predicate(&message));
                found.push(Diagnostic::error("E302", message).at(node.span.clone(), ""));
                decl.default = Some(decl.stand_in());
            }
        }
    }
    Some(decl)
}

/// Keys that judge texts, where the type is none or has a form of its own.
fn texts_only(ty: Option<VarType>, table: &Table<'_>, found: &mut Vec<Diagnostic>) {
    let Some((word, ty)) = ty.and_then(|ty| VarType::WORDS.iter().find(|(_, own)| *own == ty)) else { return };
    let has_no_text = matches!(ty, VarType::Int | VarType::Port | VarType::Bool);
    let has_form = has_no_text || matches!(ty, VarType::Duration | VarType::Size | VarType::Enum);
    for (key, wrong) in [("pattern", has_no_text), ("allow_empty", has_form)] {
        if wrong && table.has(key) {
            let message = format!("`{key}` has no meaning for type = \"{word}\"");
            found.push(Diagnostic::error("E204", message).at(table.find(key), "").help("leave it out"));
        }
    }
}

/// `must be …` and `is …` follow a subject; what begins with the value follows a colon.
pub(super) fn predicate(message: &str) -> String {
    if message.starts_with('`') { format!("does not fit: {message}") } else { message.to_owned() }
}

/// The name of something that reaches commands as an environment variable.
pub(super) fn name(entry: &Entry, found: &mut Vec<Diagnostic>) -> Option<VarName> {
    let mut refuse = |message: String, help: Option<&str>| {
        let at = entry.key_span.clone();
        found.push(Diagnostic::error("E303", message).at(at, "").help_if(help.map(str::to_owned)));
    };
    if RESERVED.contains(&entry.key.as_str()) {
        refuse(format!("`{}` has a meaning of its own in templates and conditions", entry.key), Some("choose another name"));
        return None;
    }
    if shadows(&entry.key) {
        let help = "variables reach commands as environment; choose another name, such as one in lower case";
        refuse(format!("`{}` would change what shells and programs do", entry.key), Some(help));
    }
    match VarName::parse(&entry.key) {
        Ok(name) => Some(name),
        Err(error) => {
            refuse(error.to_string(), None);
            None
        }
    }
}

fn ty(table: &mut Table<'_>, default: Option<&Node>, found: &mut Vec<Diagnostic>) -> Option<VarType> {
    let words = || VarType::WORDS.iter().map(|(word, _)| *word);
    if let Some(text) = table.string("type", found) {
        let ty = VarType::WORDS.iter().find(|(word, _)| *word == text).map(|(_, ty)| *ty);
        if ty.is_none() {
            let help = match nearest(text, words()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("one of: {}", words().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("`{}` is no type", literal(text));
            found.push(Diagnostic::error("E204", message).at(table.find("type"), "").help(help));
        }
        return ty;
    }
    match default.map(Node::value) {
        Some(Value::String(_)) => Some(VarType::String),
        Some(Value::Bool(_)) => Some(VarType::Bool),
        Some(Value::Number(n)) if n.is_i64() => Some(VarType::Int),
        Some(Value::Array(_)) => Some(VarType::List),
        Some(_) => {
            found.push(Diagnostic::error("E204", "no type has such a default").at(table.find("default"), ""));
            None
        }
        None => table.need("type", None, "\"string\"", found),
    }
}
