//! Tests of what is asked for, sent and taken out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::Secrets;
use crate::engine::world::Connected;
use crate::model::host::Facts;
use crate::model::op::{
    Captured, Exit, HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply, Op, Pm2Call, Pm2Method, Pm2Reply, Reply, Shell,
    ShellReply,
};
use crate::model::plan::SecretSource;

fn command(argv: &[&str]) -> SecretSource {
    SecretSource::Command(argv.iter().map(|word| (*word).to_owned()).collect())
}

async fn known(values: &[(&str, &str)]) -> Secrets {
    let sources = values.iter().map(|(name, value)| ((*name).to_owned(), command(&["printf", "%s", value])));
    let secrets = Secrets::new(sources.collect(), None);
    secrets.ask().await;
    secrets
}

fn printed(out: &str) -> Reply {
    let (stdout, stderr) = (Captured::whole(out), Captured::default());
    Reply::Shell(ShellReply { exit: Exit::Code { code: 0 }, stdout, stderr, took: Duration::ZERO })
}

fn text(reply: &Reply) -> String {
    let Reply::Shell(reply) = reply else { panic!("{reply:?}") };
    reply.stdout.text().expect("a text").to_owned()
}

#[tokio::test]
async fn a_value_is_asked_for_once_for_all_hosts_and_a_failure_is_remembered() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("asked").display().to_string();
    let asking = |then: &str| command(&["sh", "-c", &format!("echo x >>'{log}'; sleep 0.1; {then}")]);
    let sources = BTreeMap::from([("good".to_owned(), asking("echo hunter-2")), ("bad".to_owned(), asking("exit 3"))]);
    let secrets = Secrets::new(sources, None);
    futures_util::future::join_all((0..20).map(|_| secrets.ask())).await;
    // a host that is given up does not end it
    secrets.ask().await;
    assert_eq!(std::fs::read_to_string(&log).expect("asked"), "x\nx\n");
    let script = |name: &str| {
        let mut shell = Shell::look("x", "true");
        shell.secrets = vec![name.to_owned()];
        shell
    };
    let equipped = secrets.equip(&script("good"));
    assert_eq!(equipped.map(|script| script.env.get("good").cloned()), Ok(Some("hunter-2".to_owned())));
    for _ in 0..2 {
        let why = secrets.equip(&script("bad")).map(drop).expect_err("it failed");
        assert!(why.starts_with("no-secret: secret `bad`: sh ended with exit status: 3"), "{why}");
    }
    let unknown = secrets.equip(&script("other")).map(drop);
    assert_eq!(unknown, Err("no-secret: secret `other`: the runbook does not say where it is".to_owned()));
    assert_eq!(std::fs::read_to_string(&log).expect("asked"), "x\nx\n");
}

#[tokio::test]
async fn what_one_command_was_given_is_taken_out_of_the_output_of_every_other() {
    let secrets = known(&[("a", "hunter-1"), ("b", "hunter-1-two")]).await;
    let op = Op::Shell(Shell::authored("x".to_owned(), "x".to_owned(), false));
    let mut reply = printed("hunter-1-two, hunter-1");
    secrets.redact(&op, &mut reply);
    assert_eq!(text(&reply), "[secret:b], [secret:a]");
}

#[tokio::test]
async fn looks_of_this_program_keep_their_lengths_lines_and_fields() {
    let secrets = known(&[("pw", "hunter-22"), ("key", "line-one-\nline-two-")]).await;
    let look = Op::Shell(Shell::look("x", "x"));
    let mut reply = printed("12 node hunter-22\0x\n7 line-one-\nline-two- aHVudGVyLTIy\n");
    secrets.redact(&look, &mut reply);
    assert_eq!(
        text(&reply),
        "12 node *********\0x\n7 *********\n********* [secret:pw]*\n".replace("[secret:pw]*", "************")
    );
    let mut files =
        printed("@logs\nfile 5 21 9 12 /a b.log\nx hunter-22\n\nfile 6 4 0 4 /c\nhunt\nfile 7 6 2 4 /d\nr-22\n@end\n");
    secrets.redact(&look, &mut files);
    let want = "@logs\nfile 5 21 9 12 /a b.log\nx *********\n\nfile 6 4 0 4 /c\n****\nfile 7 6 2 4 /d\n****\n@end\n";
    assert_eq!(text(&files), want);
    assert!(crate::read::logs::parse(want.as_bytes()).is_ok());
}

#[tokio::test]
async fn answers_of_services_and_daemons_are_marked_too() {
    let secrets = known(&[("pw", "hunter-2\"ü")]).await;
    let call = HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url: String::new(), timeout: Duration::ZERO };
    let headers = vec![("x-a".to_owned(), "hunter-2\"ü".to_owned())];
    let body = b"{\"a\": \"hunter-2\\\"\\u00fc\", \"b\": \"hunter-2%22%C3%BC\"}".to_vec();
    let mut reply = Reply::Http(HttpReply::Answer(HttpAnswer { status: 200, headers, body, took: Duration::ZERO }));
    secrets.redact(&Op::Http(call), &mut reply);
    let Reply::Http(HttpReply::Answer(answer)) = reply else { panic!("{reply:?}") };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("still JSON");
    assert_eq!(body, json!({"a": "[secret:pw]", "b": "[secret:pw]"}));
    assert_eq!(answer.headers, [("x-a".to_owned(), "[secret:pw]".to_owned())]);
    let call = Pm2Call { home: String::new(), method: Pm2Method::Processes, timeout: Duration::ZERO };
    let value = json!([{"name": "a hunter-2\"ü b", "hunter-2\"ü": [7, "x"]}]);
    let mut reply = Reply::Pm2(Pm2Reply::Answer { value });
    secrets.redact(&Op::Pm2(call), &mut reply);
    let want = json!([{"name": "a [secret:pw] b", "[secret:pw]": [7, "x"]}]);
    assert_eq!(reply, Reply::Pm2(Pm2Reply::Answer { value: want }));
}

#[tokio::test]
async fn what_a_host_says_of_itself_holds_no_value() {
    let secrets = known(&[("pw", "hunter-22")]).await;
    let (word, id) = (|| "a hunter-22".to_owned(), || Some("hunter-22".to_owned()));
    let facts = Facts {
        os: word(),
        arch: word(),
        user: word(),
        uid: 0,
        home: word(),
        hostname: word(),
        boot_id: id(),
        machine_id: id(),
        instance_id: id(),
        skew_ms: 0,
        skew_err_ms: 0,
    };
    let (key_type, fingerprint) = (String::new(), String::new());
    let mut connected = Connected { key_type, fingerprint, facts, took: Duration::ZERO, algorithms: None };
    secrets.redact_connected(&mut connected);
    let told = format!("{:?}", connected.facts);
    assert_eq!((told.contains("hunter"), told.matches("[secret:pw]").count()), (false, 8), "{told}");
}
