//! Two thousand hosts of which some fail for two reasons: what happened is read in sixteen lines, and every command that
//! is printed to be typed next does what it says, as it stands.

use super::fleet::{Fleet, Said, Schemas};

const HOSTS: &str = "sim:2000?fail=disk:23,exit:12&speed=max";

/// The lines of the closing block, and what they tell to type next.
struct End {
    lines: Vec<String>,
    next: Vec<String>,
}

/// For a person: after the last empty line, with a verb in front; further commands stand under the first.
fn for_a_person(out: &str) -> End {
    let block = out.rsplit("\n\n").next().expect("a block");
    let lines: Vec<String> = block.lines().map(str::to_owned).collect();
    let commands = lines.iter().filter_map(|line| line.find("runbook ").map(|at| (at, line)));
    let next = commands.filter(|(at, _)| *at == 13).map(|(at, line)| line[at..].to_owned()).collect();
    End { lines, next }
}

/// On a pipe: from the first cause on, with a stamp, `SIM` and a word in front.
fn on_a_pipe(out: &str) -> End {
    let word = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
    let lines = out.lines().skip_while(|line| word(line).as_deref() != Some("cause"));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    let next = lines.iter().filter(|line| word(line).as_deref() == Some("next"));
    let next = next.filter_map(|line| line.find("runbook ").map(|at| line[at..].to_owned())).collect();
    End { lines, next }
}

/// The names in a JSON stream that ended so.
fn named(lines: &[serde_json::Value], outcome: &str) -> Vec<String> {
    let ended = lines.iter().filter(|line| line["type"] == "host.finished" && line["outcome"] == outcome);
    let mut names: Vec<String> = ended.filter_map(|line| Some(line["host"].as_str()?.to_owned())).collect();
    names.sort();
    names
}

/// How many hosts a line speaks of: `23 hosts`.
fn counts(lines: &[String]) -> Vec<usize> {
    let of = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.windows(2).find(|pair| pair[1] == "hosts").and_then(|pair| pair[0].parse().ok())
    };
    lines.iter().filter_map(of).collect()
}

fn goes_on_by_pasting(fleet: &Fleet, ran: &Said, end: &End) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    let text = end.lines.join("\n");
    assert!((1..=16).contains(&end.lines.len()), "{} lines\n{text}", end.lines.len());
    assert_eq!(counts(&end.lines)[..2], [23, 12], "both causes, the more frequent first\n{text}");
    assert!(text.contains("No space left on device") && text.contains("status 7"), "both say why\n{text}");
    assert!(text.contains("sim-"), "and where\n{text}");

    let run = fleet.last_run();
    let (_, failed) = fleet.json(&Schemas::printed(), "show-run", &["show", &run]);
    let failed: Vec<&str> = failed[0]["hosts"]["failed"].as_array().expect("hosts").iter().filter_map(|v| v.as_str()).collect();
    assert_eq!(failed.len(), 35);
    let reruns: Vec<&String> = end.next.iter().filter(|line| line.starts_with("runbook run ")).collect();
    let [rerun] = reruns.as_slice() else { panic!("one command that reruns: {:?}", end.next) };
    assert!(rerun.contains(&format!("failed:{run}")) && rerun.contains("--dry-run"), "{rerun}");
    let again = fleet.pasted(&format!("{rerun} -o json"));
    let lines = Schemas::printed().lines("events", &again.out);
    let planned = lines.iter().find(|line| line["type"] == "run.planned").unwrap_or_else(|| panic!("{}", again.err));
    let planned: Vec<&str> = planned["hosts"].as_array().expect("hosts").iter().filter_map(|v| v.as_str()).collect();
    assert_eq!(planned, failed, "exactly those");
    let finished = lines.last().expect("a last line");
    assert_eq!((finished["type"].as_str(), again.code), (Some("run.finished"), 0), "{finished}");
    assert_eq!(named(&lines, "ok").len(), 35);
    assert!(end.next.len() >= 3, "{:?}", end.next);
    for line in &end.next {
        let said = fleet.pasted(line);
        assert_eq!(said.code, 0, "{line}\n{}{}", said.out, said.err);
        assert!(said.out.contains("SIM "), "{line}\n{}", said.out);
    }
}

#[test]
fn a_failed_run_of_two_thousand_is_read_in_sixteen_lines_and_gone_on_with_by_pasting_one() {
    let fleet = Fleet::new(HOSTS);
    let ran = fleet.runbook(&["run", "work", "--hosts", "all", "--confirm", "work 2000", "--progress", "bar"]);
    goes_on_by_pasting(&fleet, &ran, &for_a_person(&ran.out));
}

#[test]
fn on_a_pipe_it_is_read_and_gone_on_with_alike_and_every_line_says_that_the_fleet_is_simulated() {
    let fleet = Fleet::new(HOSTS);
    let ran = fleet.runbook(&["run", "work", "--hosts", "all", "--confirm", "work 2000"]);
    for line in ran.out.lines() {
        assert_eq!(line.split(' ').nth(1), Some("SIM"), "{line}");
    }
    goes_on_by_pasting(&fleet, &ran, &on_a_pipe(&ran.out));
}
