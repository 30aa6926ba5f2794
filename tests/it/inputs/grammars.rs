//! Numbers, shares and times: what has no unit, no end or no sense is an error with its place, never rounded to something.

use crate::bad_input::Bench;

const CHECK: &str = "[[precheck]]\nid = \"a\"\nkind = \"port\"\nport = 1\n";

/// The place that is told of a runbook with this in it, on the line after its title.
fn told(bench: &Bench, text: &str, want: &str) {
    bench.write("runbooks/form.toml", format!("name = \"form\"\ntitle = \"t\"\n{text}\n"));
    bench.bad_runbook("form", &[&format!("runbooks/form.toml:{want}")]);
}

#[test]
fn sizes_of_batches_and_shares_are_counts_or_percentages() {
    let bench = Bench::new();
    let bad = [
        "0",
        "-1",
        "+5",
        "200%",
        "0%",
        "101%",
        "-5%",
        "50%%",
        "5.5",
        "1e3",
        "NaN",
        "inf",
        "",
        " ",
        "99999999999999999999",
        "100001",
        "half",
        "٣",
    ];
    for text in bad {
        told(&bench, &format!("[rollout]\nbatches = [\"1\", \"{text}\"]\n{CHECK}"), "4:17: error[E204]: `");
        for key in ["max_failures", "max_out"] {
            told(
                &bench,
                &format!("[rollout]\n{key} = \"{text}\"\n{CHECK}"),
                &format!("4:{}: error[E204]: `{key}` must be a count", key.len() + 4),
            );
        }
        if !text.starts_with('-') {
            bench.refused(&["run", "good", "--hosts", "all", "--batch", text, "--dry-run"], &["error: `"]);
        }
    }
    for text in ["0", "-1", "nan", "1.5", "inf", "true", "[1]", "100001", "9223372036854775807"] {
        told(&bench, &format!("[rollout]\nmax_failures = {text}\n{CHECK}"), "4:16: error[E");
        // a number that is none is told where it stands, a wrong entry where the list does
        let column = if matches!(text, "nan" | "inf") { 12 } else { 11 };
        told(&bench, &format!("[rollout]\nbatches = [{text}]\n{CHECK}"), &format!("4:{column}: error[E"));
    }
    told(&bench, &format!("[rollout]\nbatches = []\n{CHECK}"), "4:11: error[E204]: `batches` is empty");
}

/// What is no time.
const TIMES: [&str; 14] = [
    "0",
    "20",
    "-1s",
    "+1s",
    "1.5s",
    "1e3s",
    "NaNs",
    "infs",
    "s",
    "1 s",
    "1S",
    "18446744073709551615ms",
    "99999999999999999999h",
    "4000d",
];

#[test]
fn times_have_a_unit_and_an_end() {
    let bench = Bench::new();
    let exec = "[[step]]\nid = \"a\"\nkind = \"exec\"\nrun = \"true\"\n";
    for text in TIMES.iter().chain(&["25h"]) {
        told(&bench, &format!("[rollout]\nsoak = \"{text}\"\n{CHECK}"), "4:8: error[E204]: `");
        told(&bench, &format!("[[phase]]\nname = \"p\"\nbudget = \"{text}\"\n{CHECK}"), "5:10: error[E204]: `");
        told(&bench, &format!("{CHECK}timeout = \"{text}\""), "7:11: error[E204]: `");
        told(&bench, &format!("{exec}retry = {{ times = 1, delay = \"{text}\" }}"), "7:30: error[E204]: `");
        let wait = "[[step]]\nid = \"a\"\nkind = \"wait\"\n";
        told(&bench, &format!("{wait}for = \"{text}\""), "6:7: error[E204]: `");
    }
    told(&bench, &format!("{CHECK}timeout = \"0s\""), "7:11: error[E204]: `timeout` cannot be zero");
    for text in TIMES {
        told(&bench, &format!("[vars]\nx = {{ type = \"duration\", default = \"{text}\" }}\n{CHECK}"), "4:36: error[E302]: ");
        told(
            &bench,
            &format!("[[precheck]]\nid = \"a\"\nkind = \"file\"\npath = \"/x\"\nmax_age = \"{text}\""),
            "7:11: error[E204]: `",
        );
    }
    for text in ["0s", "20", "25h", "+1s", "1e3s", "99999d", ""] {
        bench.refused(&["exec", "all", "--timeout", text, "--", "true"], &["error: invalid value"]);
        bench.refused(&["hosts", "--probe", "--timeout", text], &["error: invalid value"]);
    }
}

#[test]
fn counts_ports_and_sizes_are_within_bounds() {
    let bench = Bench::new();
    let exec = "[[step]]\nid = \"a\"\nkind = \"exec\"\nrun = \"true\"\n";
    for text in ["0", "11", "-1", "nan", "1.5", "\"3\"", "9223372036854775807"] {
        told(&bench, &format!("{exec}retry = {{ times = {text} }}"), "7:19: error[E");
    }
    told(&bench, &format!("{exec}retry = {{ times = 9223372036854775808 }}"), "7:19: error[E1");
    for text in ["0", "65536", "-1", "nan", "\"0\"", "\"22x\"", "\"+22 \"", "1e3"] {
        told(&bench, &format!("[[precheck]]\nid = \"a\"\nkind = \"port\"\nport = {text}"), "6:8: error[E");
    }
    for text in ["1", "1 Mi", "-1MiB", "+1MiB", "1e3MiB", "NaNMiB", "99999999999TiB", "MiB", "1mib"] {
        told(&bench, &format!("[vars]\nx = {{ type = \"size\", default = \"{text}\" }}\n{CHECK}"), "4:32: error[E302]: ");
    }
    for forks in ["0", "65536", "1e3", "18446744073709551616", "x"] {
        bench.refused(&["run", "good", "--hosts", "all", "-f", forks], &["error: invalid value"]);
        bench.refused(&["exec", "all", "-f", forks, "--", "true"], &["error: invalid value"]);
    }
    for fleet in [
        "sim:",
        "sim:0",
        "sim:-1",
        "sim:1e3",
        "sim:100001",
        "sim:3?speed=NaN",
        "sim:3?speed=0",
        "sim:3?fail=200%",
        "sim:3?seed=1e99",
    ] {
        bench.refused(&["-i", fleet, "hosts"], &["error: -i: "]);
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let bench = Bench::new();
    let two = "[[step]]\nid = \"a\"\nkind = \"exec\"\nrun = \"true\"\n[[step]]\nid = \"b\"\nkind = \"exec\"\nrun = \"true\"\n";
    bench.write("runbooks/two.toml", format!("name = \"two\"\ntitle = \"t\"\n{two}"));
    let run = |more: &[&'static str]| [&["run", "two", "--hosts", "all"], more].concat();
    let first = "error: `two` cannot be planned for these hosts";
    bench.refused(&run(&["--only", "a", "--skip", "a"]), &[first, "--only and --skip both name `a`"]);
    bench.refused(&run(&["--yes", "--detailed-exitcode"]), &["error: the following required arguments were not provided:"]);
    bench.refused(&run(&["--yes", "--no-journal"]), &["error: unexpected argument '--no-journal' found"]);
    bench.refused(&run(&["--yes", "--confirm", "two 2"]), &["error: --confirm says 'two 2', this plan is 'two 1'"]);
    bench.refused(&run(&["--yes", "--expect-hosts", "2"]), &["error: --expect-hosts says 2, the selection has 1"]);
    bench.refused(&run(&["--no-input"]), &["error: this run needs a confirmation and there is no terminal to ask on"]);
    bench.refused(&run(&["--dry-run", "--dry-run"]), &["error: the argument '--dry-run' cannot be used multiple times"]);
}
