//! The record: durable, chained, private, written by one process a run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use runbook::engine::log::{Log, LogError};
use runbook::journal::store::{Journal, JournalError, NewRun};
use runbook::journal::writer::Writer;
use runbook::model::event::{Event, EventKind};
use runbook::model::id::{HostName, RunId, StepId};
use runbook::model::plan::{Section, UnitSpec};
use runbook::model::step::{ClosePolicy, Obligation};
use runbook::model::time::Timestamp;
use serde_json::json;
use tempfile::TempDir;

fn run_id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

fn host(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn note(run: &RunId, seq: u64, text: &str) -> Event {
    let kind = EventKind::Note { by: "ana".to_owned(), text: text.to_owned() };
    Event { seq, ts: Timestamp::from_millis(1_795_000_000_000 + seq as i64), run: run.clone(), kind }
}

fn create(journal: &Journal, run: &RunId) -> Writer {
    let started = Timestamp::from_millis(1_795_000_000_000);
    let plan = r#"{"a":"plan"}"#;
    journal.create_run(&NewRun { run, started, runbook: "restart-loop", selector: "all", plan }).unwrap()
}

fn opened(key: &str) -> EventKind {
    let step = StepId::parse("switch-off").unwrap();
    let closer = UnitSpec { n: 4, ..UnitSpec::new(step.clone(), Section::Close, "kill-switch", serde_json::Map::new()) };
    let obligation = Obligation {
        key: key.to_owned(),
        title: "kill switch enabled".to_owned(),
        was: json!(true),
        set: json!(false),
        close: ClosePolicy::Always,
        closer: Box::new(closer),
    };
    EventKind::ObligationOpened { host: host("web-04"), step, obligation }
}

fn closed(key: &str) -> EventKind {
    EventKind::ObligationClosed {
        host: host("web-04"),
        key: key.to_owned(),
        how: "restored".to_owned(),
        summary: "on".to_owned(),
    }
}

/// A place that is ours alone, whatever the umask.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    (dir, state)
}

fn sql(state: &Path, text: &str) {
    let connection = rusqlite::Connection::open(state.join("journal.db")).unwrap();
    connection.execute_batch(text).unwrap();
}

#[tokio::test]
async fn what_was_appended_is_read_back_in_order() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let run = journal.new_run_id().unwrap();
    assert_eq!(run.as_str().len(), 6);
    let mut writer = create(&journal, &run);
    assert_eq!(writer.next_seq(), 1);
    let events: Vec<Event> = (1..=5).map(|seq| note(&run, seq, "line\nwith \u{1b}[31m bytes")).collect();
    writer.append(&events[..2]).await.unwrap();
    writer.append(&events[2..]).await.unwrap();
    assert_eq!(writer.next_seq(), 6);
    drop(writer);
    assert_eq!(journal.events(&run).unwrap(), events);
    let chain = journal.verify(&run).unwrap();
    assert_eq!((chain.events, chain.broken, chain.finished), (5, None, false));
    assert_eq!(journal.head(&run).unwrap(), Some((5, chain.head)));
    assert_eq!(journal.find_run(&run.as_str()[..3]).unwrap(), run);
    assert_eq!(journal.find_run("last").unwrap(), run);
    let rows = journal.runs(10).unwrap();
    assert_eq!(rows.iter().map(|row| (&row.run, row.runbook.as_str())).collect::<Vec<_>>(), [(&run, "restart-loop")]);
}

#[tokio::test]
async fn a_run_goes_on_where_its_record_ends() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let run = run_id("7f3a9c");
    drop(create(&journal, &run));
    let at = Timestamp::from_millis(1_795_000_100_000);
    let first = journal.append_after(&run, at, vec![opened("a"), opened("b")]).unwrap();
    assert_eq!(first.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
    let mut writer = journal.writer(&run).unwrap();
    assert_eq!(writer.next_seq(), 3);
    let event = Event { seq: 3, ts: at, run: run.clone(), kind: closed("a") };
    writer.append(std::slice::from_ref(&event)).await.unwrap();
    drop(writer);
    let open = journal.open_obligations().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].run, run);
    assert_eq!(open[0].items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["b"]);
    journal.append_after(&run, at, vec![closed("b")]).unwrap();
    assert_eq!(journal.open_obligations().unwrap(), []);
    assert_eq!(journal.verify(&run).unwrap().broken, None);
}

#[tokio::test]
async fn a_gap_in_the_numbers_is_refused_and_final() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let run = run_id("7f3a9c");
    let mut writer = create(&journal, &run);
    let error = writer.append(&[note(&run, 2, "too early")]).await.unwrap_err();
    assert_eq!(error, LogError("event 2 of run 7f3a9c does not follow event 0 of run 7f3a9c".to_owned()));
    assert_eq!(writer.append(&[note(&run, 1, "too late")]).await, Err(error));
    drop(writer);
    assert_eq!(journal.events(&run).unwrap(), []);
}

#[tokio::test]
async fn one_process_writes_a_run() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let run = run_id("7f3a9c");
    let writer = create(&journal, &run);
    let refused = Journal::open(&state).unwrap().writer(&run).unwrap_err().to_string();
    let pid = std::process::id();
    assert_eq!(refused, format!("run 7f3a9c is being written by another process (pid {pid})"));
    // another run is no matter
    drop(create(&journal, &run_id("5c01e8")));
    drop(writer);
    drop(journal.writer(&run).unwrap());
    assert_eq!(fs::read_dir(state.join("locks")).unwrap().count(), 0);
}

#[tokio::test]
async fn runs_are_found_by_a_prefix_that_names_one() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    for run in ["7f3a9c", "7f3a9cab", "7f0000"] {
        drop(create(&journal, &run_id(run)));
    }
    assert_eq!(journal.find_run("7f3a9c").unwrap(), run_id("7f3a9c"));
    assert_eq!(journal.find_run("7f0").unwrap(), run_id("7f0000"));
    assert_eq!(journal.find_run("7f3").unwrap_err().to_string(), "`7f3` could be 7f3a9c, 7f3a9cab");
    assert_eq!(journal.find_run("aa").unwrap_err().to_string(), "there is no run `aa`");
    assert_eq!(journal.find_run("7f%").unwrap_err().to_string(), "there is no run `7f%`");
}

#[tokio::test]
async fn any_edit_is_found() {
    for (edit, first_broken) in [
        ("UPDATE events SET body = replace(body, 'line', 'lies') WHERE seq = 3", 3),
        ("UPDATE events SET ts = ts + 1 WHERE seq = 2", 2),
        ("UPDATE events SET type = 'heartbeat' WHERE seq = 4", 4),
        ("DELETE FROM events WHERE seq = 2", 2),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 5", 5),
        ("UPDATE events SET seq = 9 WHERE seq = 5", 5),
        ("UPDATE runs SET plan = '{\"another\":\"plan\"}'", 1),
    ] {
        let (_dir, state) = place();
        let journal = Journal::open(&state).unwrap();
        let run = run_id("7f3a9c");
        let mut writer = create(&journal, &run);
        let events: Vec<Event> = (1..=5).map(|seq| note(&run, seq, "line")).collect();
        writer.append(&events).await.unwrap();
        drop(writer);
        sql(&state, edit);
        assert_eq!(journal.verify(&run).unwrap().broken, Some(first_broken), "{edit}");
    }
}

#[tokio::test]
async fn rows_of_a_newer_program_are_passed_over() {
    let (_dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let run = run_id("7f3a9c");
    let mut writer = create(&journal, &run);
    writer.append(&[note(&run, 1, "one"), note(&run, 2, "two")]).await.unwrap();
    drop(writer);
    sql(&state, r#"UPDATE events SET type = 'host.danced', body = '{"type":"host.danced"}' WHERE seq = 1"#);
    assert_eq!(journal.events(&run).unwrap(), [note(&run, 2, "two")]);
    sql(&state, r#"UPDATE events SET body = '{"type":"note"}' WHERE seq = 2"#);
    let error = journal.events(&run).unwrap_err().to_string();
    assert_eq!(error, "event 2 of run 7f3a9c does not read: missing field `by`");
}

#[test]
fn a_newer_schema_is_left_untouched() {
    let (_dir, state) = place();
    drop(Journal::open(&state).unwrap());
    sql(&state, "PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE);");
    let file = state.join("journal.db");
    let before = fs::read(&file).unwrap();
    let error = Journal::open(&state).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 99, known: 1, .. }), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let mut names: Vec<_> = fs::read_dir(&state).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["journal.db"]);
}

#[test]
fn files_that_are_no_journal_are_left_alone() {
    let (_dir, state) = place();
    drop(Journal::open(&state).unwrap());
    let file = state.join("journal.db");
    fs::write(&file, b"notes of somebody, longer than a hundred bytes: ".repeat(4)).unwrap();
    let error = Journal::open(&state).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is not a journal", file.canonicalize().unwrap().display()));
    fs::remove_file(&file).unwrap();
    for theirs in ["CREATE TABLE theirs (x);", "PRAGMA application_id = 7; PRAGMA user_version = 1;"] {
        sql(&state, theirs);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let before = fs::read(&file).unwrap();
        let error = Journal::open(&state).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn only_its_owner_can_read_it() {
    let (dir, state) = place();
    let journal = Journal::open(&state).unwrap();
    let _writer = create(&journal, &run_id("7f3a9c"));
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("locks")), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&state).unwrap().chain(fs::read_dir(state.join("locks")).unwrap()) {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
            files += 1;
        }
    }
    // the database, its log and the log's index, the lock
    assert_eq!(files, 4);

    let real = state.canonicalize().unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Journal::open(&state).unwrap_err().to_string();
    assert_eq!(error, format!("{} can be read or written by others", state.display()));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(state.join("journal.db"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = Journal::open(&state).unwrap_err().to_string();
    assert_eq!(error, format!("{} can be read or written by others", real.join("journal.db").display()));

    let link = dir.path().join("link");
    symlink(&state, &link).unwrap();
    let error = Journal::open(&link).unwrap_err().to_string();
    assert_eq!(error, format!("{} is a symbolic link", link.display()));
    let other = dir.path().join("other");
    drop(Journal::open(&other).unwrap());
    fs::remove_file(other.join("journal.db")).unwrap();
    symlink(real.join("journal.db"), other.join("journal.db")).unwrap();
    let error = Journal::open(&other).unwrap_err().to_string();
    assert_eq!(error, format!("{} is a symbolic link", other.canonicalize().unwrap().join("journal.db").display()));
}

/// Starts this very binary in one of the roles below; its working directory is the state directory's parent.
fn start_role(role: &str, dir: &Path, limit: Option<&str>) -> Child {
    let binary = std::env::current_exe().unwrap();
    let script = match limit {
        // ignored, the signal becomes an error of the write that exceeds the limit
        Some(blocks) => format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
        None => "exec \"$0\" \"$@\"".to_owned(),
    };
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(binary).args([role, "--exact", "--ignored", "--nocapture"]);
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
#[ignore = "a role that another test starts: appends and acknowledges until it is killed or the disk says no"]
fn role_appends_for_ever() {
    let state = PathBuf::from("state");
    let journal = Journal::open(&state).unwrap();
    let run = run_id("7f3a9c");
    let mut writer = create(&journal, &run);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!();
    runtime.block_on(async {
        for seq in 1..1_000_000 {
            let text = "x".repeat(1_000);
            match writer.append(&[note(&run, seq, &text)]).await {
                Ok(()) => println!("ack {seq}"),
                Err(error) => {
                    println!("error {error}");
                    // the disk would take this one, were it asked
                    let again = writer.append(&[note(&run, seq, "small")]).await;
                    println!("again {}", again.is_err());
                    return;
                }
            }
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    for acks in [1, 37, 250] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = start_role("journal::role_appends_for_ever", dir.path(), None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        for line in lines.by_ref() {
            if line.unwrap().starts_with("ack ") {
                acknowledged += 1;
                if acknowledged == acks {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // what it acknowledged between the line we read and its death
        acknowledged += lines.filter(|line| line.as_ref().is_ok_and(|l| l.starts_with("ack "))).count() as u64;
        assert!(acknowledged >= acks);
        let journal = Journal::open(&dir.path().join("state")).unwrap();
        let run = run_id("7f3a9c");
        let chain = journal.verify(&run).unwrap();
        assert_eq!(chain.broken, None);
        assert!(chain.events >= acknowledged && chain.events <= acknowledged + 1, "{} of {acknowledged}", chain.events);
        assert_eq!(journal.events(&run).unwrap().len() as u64, chain.events);
        // its lock died with it
        let mut writer = journal.writer(&run).unwrap();
        assert_eq!(writer.next_seq(), chain.events + 1);
        let next = note(&run, writer.next_seq(), "the next one");
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(writer.append(&[next])).unwrap();
    }
}

#[test]
fn the_first_disk_error_is_final() {
    let dir = tempfile::tempdir().unwrap();
    // 256 KiB in blocks of 512 bytes
    let child = start_role("journal::role_appends_for_ever", dir.path(), Some("512"));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let acknowledged = text.lines().filter(|line| line.starts_with("ack ")).count() as u64;
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error ") || line.starts_with("again ")).collect();
    assert!(acknowledged > 10, "{text}");
    assert_eq!(errors, ["error the journal cannot be written: disk I/O error", "again true"], "{text}");
    let journal = Journal::open(&dir.path().join("state")).unwrap();
    let chain = journal.verify(&run_id("7f3a9c")).unwrap();
    assert_eq!((chain.events, chain.broken), (acknowledged, None));
}

#[test]
fn several_may_open_a_new_journal_at_once() {
    for _ in 0..10 {
        let (_dir, state) = place();
        let open = || {
            let journal = Journal::open(&state)?;
            let run = journal.new_run_id()?;
            drop(create(&journal, &run));
            journal.append_after(&run, Timestamp::from_millis(0), vec![closed("a")])
        };
        let results: Vec<Result<_, JournalError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for result in results {
            result.unwrap();
        }
        assert_eq!(Journal::open(&state).unwrap().runs(100).unwrap().len(), 6);
    }
}
