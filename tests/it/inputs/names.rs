//! Names of hosts, users and labels: allow-lists, and the code point of what is refused.

use crate::bad_input::Bench;

#[test]
fn a_byte_order_mark_and_carriage_returns_move_no_place() {
    let bench = Bench::new();
    let book = "\u{feff}name = \"crlf\"\r\ntitle = \"t\"\r\n[[precheck]]\r\nid = \"a\"\r\nkind = \"pm2-daemon\"\r\n";
    bench.write("runbooks/crlf.toml", book);
    let seen = bench.run(&["lint", "runbooks/crlf.toml"]);
    assert_eq!((seen.code, seen.stdout.as_str()), (Some(0), ""), "{}", seen.stderr);
    bench.write("runbooks/crlf.toml", book.replace("name =", "nmae =") + "timout = \"3s\"\r\nwhen = 5\r\n");
    bench.bad_runbook(
        "crlf",
        &[
            "runbooks/crlf.toml:1:1: error[E203]: `name` is missing",
            "runbooks/crlf.toml:1:1: error[E201]: `nmae` is no key here",
            "runbooks/crlf.toml:6:1: error[E201]: `timout` is no key here",
            "runbooks/crlf.toml:7:8: error[E202]: `when` must be a text, not 5",
        ],
    );
    bench.write("crlf.toml", "\u{feff}[defaults]\r\nuser = \"u\"\r\n[hosts.web-1]\r\naddress = \"127.0.0.1\"\r\nadress = 1\r\n");
    bench.bad_inventory("crlf.toml", &["crlf.toml:5:1: error[E201]: `adress`"]);
}

#[test]
fn characters_that_nobody_sees_are_named_wherever_they_stand() {
    let bench = Bench::new();
    let unseen = [
        ('\u{202e}', "U+202E (it changes the direction of text)"),
        ('\u{2066}', "U+2066 (it changes the direction of text)"),
        ('\u{200b}', "U+200B (it has no width)"),
        ('\u{200d}', "U+200D (it has no width)"),
        ('\u{feff}', "U+FEFF (it has no width)"),
        ('\u{ad}', "U+00AD (it cannot be seen)"),
        ('\u{e0041}', "U+E0041 (it cannot be seen)"),
    ];
    for (c, told) in unseen {
        let book =
            format!("name = \"odd\"\ntitle = \"t{c}\" # c{c}\n[[precheck]]\nid = \"a\"\nkind = \"require\"\nrun = \"x{c}\"\n");
        bench.write("runbooks/odd.toml", &book);
        let at =
            |place: &str| format!("runbooks/odd.toml:{place}: error[E102]: a character that cannot be read stands here: {told}");
        bench.bad_runbook("odd", &[&at("2:11"), &at("2:17"), &at("6:9")]);
        bench.write("odd.toml", format!("[defaults]\nuser = \"u\"\n[hosts.\"web{c}-1\"]\n# {c}\n"));
        let at = |place: &str| format!("odd.toml:{place}: error[E102]: a character that cannot be read stands here: {told}");
        bench.bad_inventory("odd.toml", &[&at("3:12"), &at("4:3")]);
    }
    // how a sign is drawn hides nothing
    bench.write("runbooks/fine.toml", "name = \"fine\"\ntitle = \"\u{26a0}\u{fe0f} 網 é\" # \u{26a0}\u{fe0f}\n[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\n");
    let seen = bench.run(&["lint", "runbooks/fine.toml"]);
    assert_eq!((seen.code, seen.stdout.as_str()), (Some(0), ""), "{}", seen.stderr);
}

#[test]
fn labels_do_not_come_to_what_nobody_sees_by_an_escape() {
    let bench = Bench::new();
    let text = "name = \"la\"\ntitle = \"a\\u202eb\"\nabout = \"x\\u001b[2J\"\ntags = [\"\u{430}\", \"a\\u200b\", \"\"]\n\
        [[phase]]\nname = \"a\\nb\"\n[[precheck]]\nid = \"\u{430}\"\nname = \"q\\u2066\"\nkind = \"pm2-daemon\"\n\
        tags = [\"-x\"]\n[[precheck]]\nid = \"b\"\nname = \"two\\nlines\"\nkind = \"pm2-daemon\"\n";
    bench.write("runbooks/la.toml", text);
    bench.bad_runbook(
        "la",
        &[
            "runbooks/la.toml:2:9: error[E204]: character 2 of `title` cannot be read: U+202E",
            "runbooks/la.toml:3:9: error[E204]: character 2 of `about` cannot be read: U+001B",
            "runbooks/la.toml:4:9: error[E204]: `\u{430}` is not a tag: ",
            "runbooks/la.toml:4:14: error[E204]: `a\\u{200b}` is not a tag: ",
            "runbooks/la.toml:4:25: error[E204]: `` is not a tag: ",
            "runbooks/la.toml:6:8: error[E204]: `a\\x0ab` is not the name of a phase: ",
            "runbooks/la.toml:8:6: error[E204]: `\u{430}` is not a step id: ",
            "runbooks/la.toml:9:8: error[E204]: character 2 of `name` cannot be read: U+2066",
            "runbooks/la.toml:11:9: error[E204]: `-x` is not a tag: ",
            "runbooks/la.toml:14:8: error[E204]: character 4 of `name` cannot be read: U+000A",
        ],
    );
}

/// What no name may be, as TOML writes it.
const HOSTILE: [&str; 12] = [
    "-oProxyCommand=x",
    "a b",
    "a\\nb",
    "a\\u0000b",
    "a\\u001b[2J",
    "a;reboot",
    "$(reboot)",
    "a|b",
    "root@a",
    "w\u{435}b",
    "a\\u200bb",
    "b\u{fc}cher.example",
];

#[test]
fn what_a_host_is_reached_by_follows_an_allow_list() {
    let bench = Bench::new();
    let more = ["127.1", "0x7f000001", "0177.0.0.1", "2130706433", "127.0.0.1:22", "[::1]", "[::1]:22", "::1%-x", "0.0.0.0", "*"];
    for address in HOSTILE.iter().chain(&more) {
        bench.write("bad.toml", format!("[defaults]\nuser = \"u\"\n[hosts.web-1]\naddress = \"{address}\"\n"));
        bench.bad_inventory("bad.toml", &["bad.toml:4:11: error[E204]: `"]);
    }
    let keys = ["user", "host_key_alias"];
    for (key, text) in keys.iter().flat_map(|key| HOSTILE.iter().map(move |text| (key, text))) {
        let user = if *key == "user" { "" } else { "user = \"u\"\n" };
        bench.write("bad.toml", format!("[hosts.web-1]\naddress = \"127.0.0.1\"\n{user}{key} = \"{text}\"\n"));
        let line = if *key == "user" { 3 } else { 4 };
        bench.bad_inventory("bad.toml", &[&format!("bad.toml:{line}:{}: error[E204]: `", key.len() + 4)]);
    }
    for port in ["0", "65536", "-1", "\"22\"", "1e3", "nan", "22.5"] {
        bench.write("bad.toml", format!("[defaults]\nuser = \"u\"\n[hosts.web-1]\naddress = \"127.0.0.1\"\nport = {port}\n"));
        bench.bad_inventory("bad.toml", &["bad.toml:5:8: error["]);
    }
    for (key, value) in [("identity", "\"a\\u0000b\""), ("identity", "\"a\\u202eb\""), ("known_hosts", "[\"k\", \"a\\nb\"]")] {
        bench.write("bad.toml", format!("[defaults]\nuser = \"u\"\n{key} = {value}\n[hosts.web-1]\n"));
        bench.bad_inventory("bad.toml", &["bad.toml:3:"]);
    }
}

#[test]
fn what_selects_hosts_follows_an_allow_list() {
    let bench = Bench::new();
    for text in HOSTILE {
        let more = format!("[hosts.\"{text}\"]\naddress = \"127.0.0.2\"\n[groups.\"{text}\"]\nhosts = [\"all\"]\n");
        bench.with_inventory("bad.toml", &more);
        bench.bad_inventory("bad.toml", &["bad.toml:6:8: error[E204]: `", "bad.toml:8:9: error[E204]: `"]);
        bench.with_inventory(
            "bad.toml",
            &format!("tags = [\"fine\", \"{text}\"]\ntargets = {{ alb = \"{text}\" }}\n[target_groups.alb]\n"),
        );
        bench.bad_inventory("bad.toml", &["bad.toml:6:17: error[E204]: `", "bad.toml:7:19: error[E204]: `"]);
    }
    let table = [
        ("w\u{435}b-1", "`\u{435}` is U+0435: no name of a host, group or tag has it"),
        ("@we\u{200b}b", "`\\u{200b}` is U+200B (it has no width): "),
        ("tag:\u{202e}a", "`\\u{202e}` is U+202E (it changes the direction of text): "),
        ("web[1-999999999]", "this set has more than 10000 members"),
        ("web[1-18446744073709551616]", "`1-18446744073709551616` is neither a number nor a range of numbers"),
        ("-oProxyCommand=x", "no host `-oProxyCommand=x` in the inventory"),
    ];
    for (selector, why) in table {
        bench.refused(&["run", "good", &format!("--hosts={selector}"), "--yes"], &[&format!("error: selector: {why}")]);
    }
    let deep = ["(".repeat(100_000), "!".repeat(100_000)];
    for selector in &deep {
        bench.refused(&["hosts", &format!("{selector}web-1")], &["error: selector: nested deeper than 64"]);
    }
    bench.refused(&["hosts", &"[".repeat(100_000)], &["error: selector: this is longer than 512 bytes"]);
    bench.refused(&["-i", "sim:3?x=\u{202e}", "hosts"], &["error: -i: a simulated fleet has no `x`"]);
    bench.refused(&["-i", "sim:-oProxyCommand=x", "hosts"], &["error: -i: "]);
    let ticket = ["run", "good", "--hosts", "all", "--ticket", "INC\u{202e}-1"];
    bench.refused(&ticket, &["error: --ticket: `INC\\u{202e}-1` is not a ticket: "]);
}

#[test]
fn one_machine_has_one_name() {
    let bench = Bench::new();
    let pairs = [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8::1", "2001:DB8:0:0:0:0:0:1"),
        ("web.example.com", "WEB.example.com."),
    ];
    for (one, other) in pairs {
        let hosts = format!("[hosts.a]\naddress = \"{one}\"\n[hosts.b]\naddress = \"{other}\"\nport = 22\n");
        bench.write("two.toml", format!("[defaults]\nuser = \"u\"\n{hosts}"));
        bench.bad_inventory("two.toml", &["two.toml:6:11: error[E406]: hosts `a` and `b` are one: both are port 22 of "]);
    }
    bench.write("two.toml", "[defaults]\nuser = \"u\"\n[hosts.a]\n[hosts.b]\naddress = \"a\"\n");
    bench.bad_inventory("two.toml", &["two.toml:5:11: error[E406]: hosts `a` and `b` are one"]);
    bench.write("two.toml", "[defaults]\nuser = \"u\"\n[hosts.a]\n[hosts.b]\n[hosts.a]\n");
    bench.bad_inventory("two.toml", &["two.toml:5:8: error[E103]: duplicate key"]);
    let targets = "[hosts.a]\ntargets = { alb = \"i-1\" }\n[hosts.b]\ntargets = { alb = \"i-1\" }\n[target_groups.alb]\n";
    bench.write("two.toml", format!("[defaults]\nuser = \"u\"\n{targets}"));
    bench.bad_inventory("two.toml", &["two.toml:6:19: error[E406]: hosts `a` and `b` are both `i-1` in `alb`"]);
    let twice = "[hosts.a]\ninstance_id = \"i-1\"\n[hosts.b]\ninstance_id = \"i-1\"\n";
    bench.write("two.toml", format!("[defaults]\nuser = \"u\"\n{twice}"));
    bench.bad_inventory("two.toml", &["two.toml:5:8: error[E406]: hosts `a` and `b` are one: both are instance i-1"]);
    // two doors of one address are two machines behind it, and nothing says otherwise
    bench.write(
        "two.toml",
        "[defaults]\nuser = \"u\"\n[hosts.a]\naddress = \"10.0.0.1\"\n[hosts.b]\naddress = \"10.0.0.1\"\nport = 2222\n",
    );
    assert_eq!(bench.run(&["-i", "two.toml", "hosts"]).code, Some(0));
}
