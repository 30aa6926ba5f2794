//! Values that could become something else on their way, and what is too much of anything.

use crate::bad_input::Bench;

const BOOK: &str = "[[precheck]]\nid = \"a\"\nkind = \"require\"\nrun = \"true\"\n";

/// A runbook with variables, that checks with a command.
fn with_vars(bench: &Bench, name: &str, vars: &str) {
    bench.write(&format!("runbooks/{name}.toml"), format!("name = \"{name}\"\ntitle = \"t\"\n[vars]\n{vars}\n{BOOK}"));
}

#[test]
fn a_value_that_no_command_can_be_given_is_refused_by_name() {
    let bench = Bench::new();
    let long = "x".repeat(128 * 1024);
    let too_long = |at: &str| format!("{at}is 131072 bytes long: no command can be given more than 127 KiB in one value");
    bench.with_inventory(
        "bad.toml",
        &format!("[hosts.web-2]\nvars = {{ app = \"{long}\", nul = \"a\\u0000b\", list = [\"{long}\"] }}\n"),
    );
    bench.bad_inventory(
        "bad.toml",
        &[
            &too_long("bad.toml:7:16: error[E204]: `app` "),
            "bad.toml:7:131098: error[E204]: `nul` contains a NUL byte: no command can be given it",
            "bad.toml:7:131117: error[E204]: `list` is 131073 bytes long",
        ],
    );
    with_vars(&bench, "long", &format!("app = {{ default = \"{long}\" }}\nnul = {{ default = \"\\u0000\" }}"));
    bench.bad_runbook(
        "long",
        &[
            &too_long("runbooks/long.toml:4:19: error[E302]: the default of `app` "),
            "runbooks/long.toml:5:19: error[E302]: the default of `nul` contains a NUL",
        ],
    );
    with_vars(&bench, "set", "app = { type = \"string\" }");
    // as long as an argument can be, and longer than a variable
    let set = format!("app={}", "x".repeat(127 * 1024 + 1));
    let told = "--set app: is 130049 bytes long: no command can be given more than 127 KiB in one value";
    bench.refused(&["run", "set", "--hosts", "all", "--set", &set], &["error: `set` cannot be planned for these hosts", told]);
    let set = format!("app={}", "x".repeat(127 * 1024));
    assert_eq!(bench.run(&["-i", "sim:1", "run", "set", "--hosts", "all", "--set", &set]).code, Some(0));
}

#[test]
fn all_values_of_a_host_together_are_bounded() {
    let bench = Bench::new();
    let vars = |count: usize| (0..count).map(|n| format!("v{n} = {{ type = \"string\" }}\n")).collect::<String>();
    let values = |count: usize| (0..count).map(|n| format!("v{n} = \"{}\"\n", "x".repeat(100 * 1024))).collect::<String>();
    // an inventory is no larger than what one host can be given; the values of hosts and --set add up
    with_vars(&bench, "many", &vars(11));
    bench.with_inventory("many.toml", &format!("[hosts.web-1.vars]\n{}", values(10)));
    let set = format!("v10={}", "x".repeat(100 * 1024));
    bench.refused(
        &["-i", "many.toml", "run", "many", "--hosts", "all", "--set", &set],
        &[
            "error: `many` cannot be planned for these hosts",
            "the variables come to more than 1024 KiB: no command can be given so much",
        ],
    );
}

#[test]
fn one_value_cannot_be_filled_in_for_ever() {
    let bench = Bench::new();
    let text = format!(
        "name = \"laughs\"\ntitle = \"t\"\n[vars]\nx = {{ default = \"{}\" }}\n[[precheck]]\nid = \"a\"\nkind = \"file\"\npath = \"/{}\"\n",
        "x".repeat(60_000),
        "{{ x }}".repeat(50_000)
    );
    bench.write("runbooks/laughs.toml", text);
    bench.bad_runbook("laughs", &["runbooks/laughs.toml:8:129: error[E301]: with its values this comes to more than 1024 KiB"]);
    // each level names the one before it ten times
    std::fs::create_dir(bench.path("runbooks/lib")).expect("a directory");
    for level in 1..=8 {
        let next = if level == 8 {
            BOOK.to_owned()
        } else {
            format!("[[precheck]]\nuse = \"lib/l{}\"\nwith = {{ x = \"{}\" }}\n", level + 1, "{{ x }}".repeat(1_000))
        };
        bench.write(&format!("runbooks/lib/l{level}.toml"), format!("[vars]\nx = {{ type = \"string\" }}\n{next}"));
    }
    bench.write(
        "runbooks/deep.toml",
        "name = \"deep\"\ntitle = \"t\"\n[[precheck]]\nuse = \"lib/l1\"\nwith = { x = \"xxxxxxxxxx\" }\n",
    );
    let seen = bench.run(&["run", "deep", "--hosts", "all"]);
    assert_eq!((seen.code, seen.calls.len()), (Some(2), 0), "{}", seen.stderr);
    let told = "runbooks/lib/l2.toml:5:743: error[E301]: with its values this comes to more than 1024 KiB";
    assert!(seen.stderr.contains(told), "{}", seen.stderr);
}

#[test]
fn a_variable_is_not_made_of_variables() {
    let bench = Bench::new();
    with_vars(
        &bench,
        "rec",
        "a = { default = \"{{ b }}\" }\nb = { default = \"x{{ b }}\" }\nc = { default = [\"{{ host.name }}\"] }\nd = { default = \"{{.Names}}\" }",
    );
    bench.bad_runbook(
        "rec",
        &[
            "runbooks/rec.toml:4:17: error[E302]: a default takes no placeholder, and `b` is one",
            "runbooks/rec.toml:5:17: error[E302]: a default takes no placeholder, and `b` is one",
            "runbooks/rec.toml:6:17: error[E302]: a default takes no placeholder, and `host.name` is one",
        ],
    );
}

#[test]
fn a_step_that_can_never_run_is_an_error() {
    let bench = Bench::new();
    let port = |id: &str, when: &str| format!("[[precheck]]\nid = \"{id}\"\nkind = \"port\"\nport = 1\nwhen = \"{when}\"\n");
    let vars = "name = \"never\"\ntitle = \"t\"\n[vars]\nmode = { type = \"enum\", values = [\"a\", \"b\"], default = \"a\" }\non = { default = true }\n";
    let steps = [
        port("a", "on"),
        port("b", "false"),
        port("c", "mode == 'c'"),
        port("d", "steps.a.verdict == 'free' and steps.a.verdict == 'owned'"),
        port("e", "on and not on and host.name == 'x'"),
        port("f", "mode != 'a' and mode != 'b'"),
        port("g", "steps.a.verdict == 'free' and on and mode != 'a'"),
        port("h", "steps.a.verdict != 'free' and host.name == 'x'"),
    ];
    bench.write("runbooks/never.toml", format!("{vars}{}", steps.concat()));
    bench.bad_runbook(
        "never",
        &[
            "runbooks/never.toml:15:8: error[E313]: this is never true, so `b` would never run",
            "runbooks/never.toml:20:17: error[E313]: `mode` is never `c`",
            "runbooks/never.toml:25:8: error[E313]: this is never true, so `d` would never run",
            "runbooks/never.toml:30:8: error[E313]: this is never true, so `e` would never run",
            "runbooks/never.toml:35:8: error[E313]: this is never true, so `f` would never run",
        ],
    );
}

#[test]
fn what_is_too_much_is_refused_and_soon() {
    let bench = Bench::new();
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let head = |name: &str| format!("name = \"{name}\"\ntitle = \"t\"\n");
    let step = |n: usize| format!("[[precheck]]\nid = \"a{n}\"\nkind = \"pm2-daemon\"\n");
    let book = |name: &str, text: String, want: &str| {
        bench.write(&format!("runbooks/{name}.toml"), head(name) + &text);
        let want = format!("runbooks/{name}.toml:{want}");
        bench.bad_runbook(name, &[&want]);
    };
    book("steps", many(15_000, &step), "3003:1: error[E304]: there are more than 1000 steps");
    book(
        "phases",
        many(30_000, &|n| format!("[[phase]]\nname = \"p{n}\"\n")) + &step(0),
        "203:1: error[E204]: there are more than 100 phases",
    );
    let var = |n: usize| format!("v{n} = {{ default = 1 }}\n");
    book("vars", format!("[vars]\n{}{}", many(30_000, &var), BOOK), "260:1: error[E204]: `vars` has more than 256 entries");
    let list = many(50_000, &|_| "\"1\",".to_owned());
    book(
        "batches",
        format!("[rollout]\nbatches = [{list}]\n{}", step(0)),
        "4:11: error[E204]: `batches` has more than 100 sizes",
    );
    book(
        "tags",
        format!("tags = [{}]\n{}", many(9_000, &|n| format!("\"t{n}\",")), step(0)),
        "3:8: error[E204]: `tags` has more than 256 entries",
    );
    let size = "Compiled regex exceeds size limit";
    let pattern = "((a{0,60}){0,60}){0,60}";
    book(
        "regex",
        format!("[[precheck]]\nid = \"r\"\nkind = \"require\"\nrun = \"x\"\nstdout = {{ match = \"{pattern}\" }}\n"),
        &format!("7:20: error[E204]: `match` is no regular expression: {size}"),
    );
    let nested = format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000));
    book(
        "nested",
        format!("[vars]\nx = {{ type = \"string\", pattern = \"{nested}\" }}\n{}", step(0)),
        "4:34: error[E204]: the pattern is no regular expression: exceed the maximum number of nested",
    );
    book(
        "long",
        format!("[vars]\nx = {{ type = \"string\", pattern = \"{}\" }}\n{}", "a".repeat(5_000), step(0)),
        "4:34: error[E204]: the pattern is no regular expression: it is longer than 4096 bytes",
    );

    let inventory = |name: &str, text: String, want: &str| {
        bench.write(name, format!("[defaults]\nuser = \"u\"\n{text}"));
        bench.bad_inventory(name, &[&format!("{name}:{want}")]);
    };
    let hosts = |count| many(count, &|n| format!("[hosts.h{n}]\n"));
    inventory("hosts.toml", hosts(50_000), "5003:8: error[E401]: there are more than 5000 hosts");
    inventory(
        "groups.toml",
        hosts(1) + &many(6_000, &|n| format!("[groups.g{n}]\nhosts = [\"h0\"]\n")),
        "10004:9: error[E401]: there are more than 5000 groups",
    );
    inventory(
        "tags.toml",
        format!("{}tags = [{}]\n", hosts(1), many(100, &|n| format!("\"t{n}\","))),
        "4:8: error[E401]: there are more than 64 tags",
    );
}

#[test]
fn a_file_of_nothing_but_mistakes_is_told_soon_and_in_part() {
    let bench = Bench::new();
    let keys: String = (0..60_000).map(|n| format!("k{n} = 1\n")).collect();
    bench.write("runbooks/keys.toml", format!("name = \"keys\"\ntitle = \"t\"\n{keys}"));
    let seen = bench.run(&["run", "keys", "--hosts", "all"]);
    assert_eq!((seen.code, seen.calls.len()), (Some(2), 0));
    assert_eq!(seen.stderr.lines().last().map(str::trim), Some("runbooks/keys.toml: and 59950 more"));
    assert_eq!(seen.stderr.lines().count(), 52);
    let long = "k".repeat(500_000);
    bench.write(
        "runbooks/key.toml",
        format!("name = \"key\"\ntitle = \"t\"\n{long} = 1\n[[precheck]]\nid = \"{long}\"\nkind = \"{long}\"\n"),
    );
    let seen = bench.run(&["run", "key", "--hosts", "all"]);
    assert_eq!(seen.code, Some(2));
    assert!(seen.stderr.len() < 4_000, "{} bytes are told of it", seen.stderr.len());
}
