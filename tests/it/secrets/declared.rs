//! What a runbook may say of a secret: where it is, and which command gets it. All else is refused before anything is
//! contacted.

use super::{Bench, both};
use crate::harness::sshd::Sshd;

const HEAD: &str = "name = \"declared\"\ntitle = \"t\"\n[secrets]\ntoken = { env = \"RB_NEVER_SET\" }\n";

fn refused(bench: &Bench, text: &str, more: &[&str]) -> String {
    bench.put("runbooks/declared.toml", text);
    let ran = bench.run(&[&["run", "declared", "--hosts", "web-1", "--yes"][..], more].concat());
    let told = both(&ran);
    assert_eq!(ran.status.code(), Some(2), "{text}\n{told}");
    told
}

#[test]
fn a_secret_is_no_variable_anywhere() {
    let bench = Bench::new(Sshd::start());
    let step = "[[step]]\nid = \"a\"\nkind = \"exec\"\nsecrets = [\"token\"]\nrun = \"true\"\n";
    let uses = [
        ("field", "[[precheck]]\nid = \"b\"\nkind = \"http\"\nurl = \"http://127.0.0.1:3000/{{ token }}\"\n".to_owned()),
        (
            "header",
            "[[precheck]]\nid = \"b\"\nkind = \"http\"\nurl = \"http://127.0.0.1:3000/\"\nheader = { x = \"{{ token }}\" }\n"
                .to_owned(),
        ),
        ("label", "[[step]]\nid = \"b\"\nname = \"{{ token }}\"\nkind = \"exec\"\nrun = \"true\"\n".to_owned()),
        ("cwd", "[[step]]\nid = \"b\"\nkind = \"exec\"\ncwd = \"/{{ token }}\"\nrun = \"true\"\n".to_owned()),
        ("when", "[[step]]\nid = \"b\"\nkind = \"exec\"\nwhen = \"token == 'x'\"\nrun = \"true\"\n".to_owned()),
    ];
    for (place, text) in uses {
        let told = refused(&bench, &format!("{HEAD}{step}{text}"), &[]);
        assert!(
            told.contains("declared.toml:") && (told.contains("token") || told.contains("no placeholder")),
            "{place}: {told}"
        );
    }
    let told = refused(&bench, &format!("{HEAD}{step}"), &["--set", "token=abcdefgh"]);
    assert!(told.contains("it is a secret: on a command line everybody on this machine could read it"), "{told}");
    let other = HEAD.replace("env = \"RB_NEVER_SET\"", "keyring = \"x\"");
    let told = refused(&bench, &format!("{other}{step}"), &[]);
    assert!(told.contains("keyring"), "{told}");
    let literal = HEAD.replace("{ env = \"RB_NEVER_SET\" }", "\"abcdefgh\"");
    let told = refused(&bench, &format!("{literal}{step}"), &[]);
    assert!(told.contains("the secret itself stands in no file"), "{told}");
}
