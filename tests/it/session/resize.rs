//! A window that changes its size while a run is live.

use super::folder::{Folder, WORK, begin, listens, quit};

#[test]
fn a_window_that_changes_its_size_stays_right() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:12?speed=max&fail=exit:1", (140, 40));
    begin(&session);
    session.shows("WAITING FOR YOU");
    let asked = folder.of("decision.asked")[0]["hosts"][0].as_str().unwrap().to_owned();
    session.keys(&format!("/{asked}<Enter>"));
    session.until("the cursor", |lines| lines.iter().any(|line| line.starts_with('›') && line.contains(&asked)));
    for (columns, rows) in [(60, 14), (30, 5), (80, 24), (140, 40), (80, 24)] {
        session.resize(columns, rows);
        let small = columns < 60;
        let lines = session.until("the page in the new size", |lines| {
            let whole = lines.iter().any(|line| line.starts_with('›') && line.contains(&asked))
                && lines.last().is_some_and(|line| line.starts_with("d decide"));
            if small { !lines.concat().trim().is_empty() && !lines.iter().any(|line| line.starts_with('›')) } else { whole }
        });
        assert_eq!(lines.len(), usize::from(rows));
        if !small {
            assert!(lines[0].starts_with("LIVE ") && lines[0].ends_with('Z'), "{lines:#?}");
            assert!(lines[1].contains("WAITING FOR YOU"), "{lines:#?}");
        }
    }
    // what is typed survives a change as well
    session.keys("mbefore and");
    session.shows("before and");
    session.resize(100, 30);
    session.until("what was typed", |lines| lines.len() == 30 && lines.iter().any(|line| line.contains("before and")));
    session.keys(" after<Enter>");
    session.shows("Noted.");
    session.until("the note in the record", |_| !folder.of("note").is_empty());
    assert_eq!(folder.of("note")[0]["text"], "before and after");
    session.keys("d");
    session.shows("letter picks, Enter does it");
    listens();
    session.keys("X");
    session.shows("› X  exclude");
    session.resize(80, 24);
    session.until("the choice", |lines| lines.len() == 24 && lines.iter().any(|line| line.starts_with("› X  exclude")));
    session.keys("<Enter>");
    session.shows("exit code 1");
    assert_eq!(quit(session).code, Some(1));
}
