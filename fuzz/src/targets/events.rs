//! The record of another program, or of another version of this one: lines of JSON, each an event, in any order.

use std::time::Duration;

use runbook::model::event::Event;
use runbook::model::outcome::RunState as EndState;
use runbook::report::markdown::render;
use runbook::state::choices::choices;
use runbook::state::class::Class;
use runbook::state::foreseen::Foreseen;
use runbook::state::run::RunState;
use runbook::state::summary::{Flags, conclude};
use runbook::state::timeline::timeline;
use runbook::state::told::told;
use runbook::tui::model::Watched;

use super::bytes::{Choices, odd_in_lines};

/// The most events of one story.
const MOST: usize = 300;

/// Reads what can be read, shuffles it as the first line says, and tells it in every way there is.
pub(super) fn events(bytes: &[u8]) {
    let (first, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) if bytes.starts_with(b"#") => (&bytes[1..at], &bytes[at..]),
        _ => (&[][..], bytes),
    };
    let mut story: Vec<Event> = rest.split(|byte| *byte == b'\n').filter_map(event).take(MOST).collect();
    shuffle(&mut story, Choices::new(first));
    tell(&story);
}

fn event(line: &[u8]) -> Option<Event> {
    let event: Event = serde_json::from_slice(line).ok()?;
    let written = serde_json::to_string(&event).expect("what was read can be written");
    let again: Event = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(again, event, "written and read again");
    Some(event)
}

/// Two bytes each: what is done, and where.
fn shuffle(story: &mut Vec<Event>, mut choices: Choices<'_>) {
    while let (Some(how), place) = (choices.next(), choices.byte()) {
        let (count, at) = (story.len(), usize::from(place));
        if count == 0 || count >= MOST {
            return;
        }
        match how % 4 {
            0 => story.rotate_left(at % count),
            1 => story.swap(at % count, usize::from(how) % count),
            2 => drop(story.remove(at % count)),
            _ => story.push(story[at % count].clone()),
        }
    }
}

fn tell(story: &[Event]) {
    let mut watched = Watched::of(story);
    let state = &watched.run;
    assert_eq!(*state, RunState::replay(story), "a fold is a fold");
    let counted: usize = Class::ALL.iter().map(|class| watched.fleet.counts().of(*class)).sum();
    assert_eq!(counted, watched.fleet.len(), "every host is counted once");
    assert!(watched.fleet.rows(0, 1000).len() <= watched.fleet.len());
    let _ = (watched.fleet.group_rows(0, 50), watched.fleet.took(50), watched.fleet.strip(80), watched.trail.lines().count());

    let end = conclude(state, &[], &Flags::default());
    assert_eq!(end.hosts.values().sum::<usize>(), state.hosts.len(), "every host came to something");
    assert_eq!(end.exit_code, end.state.code());
    let said = matches!(end.state, EndState::LeftOpen | EndState::Internal);
    assert!(end.open.is_empty() || said, "something is left open, and it ends as {}", end.state.word());
    if end.state == EndState::Ok {
        assert!(end.hosts.keys().all(|outcome| outcome.word() == "ok"), "all is well: {:?}", end.hosts);
    }
    let _ = (Foreseen::of(state), state.is_over());
    let waiting: Vec<_> = state.waiting.iter().collect();
    let _ = choices(state, &waiting);

    let lines = timeline(story);
    let _ = told(&lines.entries, Duration::from_secs(5), |_| true);
    let mut page = Vec::new();
    render(&mut page, state, &lines, None).expect("it is written into memory");
    let page = String::from_utf8(page).expect("it is text");
    assert_eq!(odd_in_lines(&page), None, "{page:?}");
    watched.abandon();
    let _ = watched.is_live();
}
