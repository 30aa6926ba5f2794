//! The HTTP service of a simulated host: the sample service of the practice fleet, on its loopback.

use serde_json::{Value, json};

use crate::model::op::{HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply};
use crate::model::visible::literal;
use crate::read::url::HttpUrl;
use crate::world::sim::machine::{Machine, SERVICE_PORT};

const BUILD: &str = "build-2";

/// Answers a request. Nothing is ever contacted, also not from here.
pub(crate) fn answer(machine: &mut Machine, call: &HttpCall) -> HttpReply {
    let fault = |class: &str, message: String| HttpReply::Fault { class: class.to_owned(), message, sent: false };
    if call.from == HttpFrom::Here {
        return fault("no-route", "sim: nothing real is contacted from a simulated fleet".to_owned());
    }
    let Ok(url) = HttpUrl::parse(&call.url) else {
        return fault("forbidden", format!("`{}` is no http URL", literal(&call.url)));
    };
    let Some(pid) = machine.holder(url.port) else {
        return fault("refused", format!("the host cannot connect to port {}", url.port));
    };
    let (path, query) = url.path.split_once('?').unwrap_or((url.path, ""));
    let (status, location, body) = match (call.method, path) {
        (HttpMethod::Get | HttpMethod::Head, "/health") => ok(json!({ "status": "ok", "pid": pid, "buildId": BUILD })),
        _ if url.port != SERVICE_PORT => missing(),
        (HttpMethod::Get | HttpMethod::Head, "/api/trackier-status") => {
            ok(json!({ "enabled": machine.enabled, "active_offers": 12, "pid": pid, "buildId": BUILD }))
        }
        (HttpMethod::Get | HttpMethod::Head, "/orders") => (307, Some("/auth/login"), Value::Null),
        (HttpMethod::Post, "/api/trackier-emergency-toggle") => toggle(machine, query),
        _ => missing(),
    };
    let body = match (call.method, body) {
        (HttpMethod::Head, _) | (_, Value::Null) => Vec::new(),
        (_, body) => format!("{body}\n").into_bytes(),
    };
    let mut headers = vec![("connection".to_owned(), "close".to_owned())];
    match location {
        Some(to) => headers.push(("location".to_owned(), to.to_owned())),
        None => headers.push(("content-type".to_owned(), "application/json".to_owned())),
    }
    HttpReply::Answer(HttpAnswer { status, headers, body, took: machine.round() })
}

type Page = (u16, Option<&'static str>, Value);

fn ok(body: Value) -> Page {
    (200, None, body)
}

fn missing() -> Page {
    (404, None, json!({ "error": "not found" }))
}

fn toggle(machine: &mut Machine, query: &str) -> Page {
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("enabled="));
    let wanted = match wanted {
        Some("true") => true,
        Some("false") => false,
        _ => return (400, None, json!({ "error": "enabled must be true or false" })),
    };
    if !machine.stuck {
        machine.enabled = wanted;
    }
    ok(json!({ "success": true, "enabled": wanted }))
}
