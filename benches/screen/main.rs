//! 10 to 10,000 hosts: what an event costs the screen, and what drawing it does. `cargo bench --bench screen`.
//!
//! What matters is the growth: an event and a frame cost as much with 10,000 hosts as with 10, but for what is on the
//! screen. The last lines print that ratio for each screen, and the slowest of some keys.

mod record;

use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::ItemsCount;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use runbook::load::{inventory, source};
use runbook::model::event::Event;
use runbook::model::inventory::Inventory;
use runbook::model::time::Timestamp;
use runbook::state::timeline::timeline;
use runbook::tui::draw::draw;
use runbook::tui::input::{Input, Key};
use runbook::tui::keymap::Keymap;
use runbook::tui::model::{Model, Opened, Watched};
use runbook::tui::screen;
use runbook::tui::theme::Theme;
use runbook::tui::ui::{Screen, Shown, Ui};
use runbook::tui::update::update;
use runbook::tui::view::now;

use crate::record::{Until, names, record};

const FLEETS: [usize; 4] = [10, 200, 2_000, 10_000];
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (140, 40);

fn main() {
    divan::main();
    let only_some = std::env::args().skip(1).any(|argument| argument != "--bench");
    if !only_some {
        ratios();
        keys();
    }
}

/// Taking in an event, as the session does: the fold, the index of the fleet, the last events, counters, output.
#[divan::bench(args = FLEETS, sample_count = 5, sample_size = 1)]
fn events(bencher: Bencher<'_, '_>, hosts: usize) {
    let events = record(hosts, Until::Ended);
    bencher.counter(ItemsCount::new(events.len())).bench_local(|| Watched::of(black_box(&events)));
}

/// A frame, from the model to the cells of the screen.
#[divan::bench(args = views(), sample_count = 20)]
fn frames(bencher: Bencher<'_, '_>, view: &View) {
    let mut desk = Desk::new(*view);
    bencher.bench_local(|| desk.frame());
}

/// What is drawn.
#[derive(Debug, Clone, Copy)]
struct View {
    what: What,
    size: (u16, u16),
    hosts: usize,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// The run, folded.
    Run,
    /// The run, a row a host.
    RunHosts,
    /// The run with the cursor on hosts that have failed.
    RunFailed,
    /// The run, after its end.
    RunEnded,
    Preview,
    Hosts,
    /// The hosts with all of them selected.
    HostsAll,
    Timeline,
    /// The timeline with the cursor on a line that many hosts share.
    TimelineMany,
}

const WHATS: [What; 9] = [
    What::Run,
    What::RunHosts,
    What::RunFailed,
    What::RunEnded,
    What::Preview,
    What::Hosts,
    What::HostsAll,
    What::Timeline,
    What::TimelineMany,
];

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{:?} {}x{}", self.what, self.size.0, self.size.1);
        write!(f, "{name:20} {:>6}", self.hosts)
    }
}

fn views() -> Vec<View> {
    let of = |what, size| FLEETS.map(|hosts| View { what, size, hosts });
    WHATS.into_iter().flat_map(|what| [SMALL, LARGE].into_iter().flat_map(move |size| of(what, size))).collect()
}

/// How much more a frame of the largest fleet costs than one of the smallest, measured in turns.
fn ratios() {
    println!("\n{:24} {:>10} {:>10} {:>8}", "a frame, median us", FLEETS[0], FLEETS[3], "ratio");
    for (what, size) in WHATS.into_iter().flat_map(|what| [(what, SMALL), (what, LARGE)]) {
        let mut desks = [FLEETS[0], FLEETS[3]].map(|hosts| Desk::new(View { what, size, hosts }));
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..50 {
            for (desk, times) in desks.iter_mut().zip(&mut times) {
                let began = Instant::now();
                desk.frame();
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        let [few, many] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        let name = format!("{what:?} {}x{}", size.0, size.1);
        println!("{name:24} {few:>10.0} {many:>10.0} {:>8.2}", many / few);
    }
}

/// Keys on a screen; those that look through everything are among them.
const TYPED: [(&str, What, &str); 14] = [
    ("run: up and down", What::RunHosts, "jkG\x04\x15g"),
    ("run: next problem", What::RunHosts, "]][["),
    ("run: orders", What::RunHosts, "sss"),
    ("run: find a host", What::RunHosts, "/web-0\x1b"),
    ("run: fold, unfold", What::Run, "jlh+-"),
    ("run: what is open", What::Run, "!jj\x1b"),
    ("run: another screen and back", What::Run, "3426421454"),
    ("preview: unfold all", What::Preview, "+G-g"),
    ("preview: search, found nowhere", What::Preview, "/zz\x1b"),
    ("preview: the same, all unfolded", What::Preview, "+/zz\x1b-"),
    ("hosts: filter", What::HostsAll, "/web-0&!tag:az-a\x1b"),
    ("hosts: select and undo", What::Hosts, "aiiuuu"),
    ("timeline: search, found nowhere", What::Timeline, "/zz\x1b"),
    ("timeline: less, more, folding", What::Timeline, ">><<hhll"),
];

/// The slowest key of each row with its frame, for all sizes.
fn keys() {
    println!("\n{:36}{:>10}{:>10}{:>10}{:>10}", "the slowest key and its frame, us", FLEETS[0], FLEETS[1], FLEETS[2], FLEETS[3]);
    for (name, what, keys) in TYPED {
        print!("{name:36}");
        for hosts in FLEETS {
            let mut desk = Desk::new(View { what, size: LARGE, hosts });
            let mut slowest: Vec<f64> = (0..5).map(|_| desk.slowest(keys)).collect();
            slowest.sort_by(f64::total_cmp);
            print!("{:>10.0}", slowest[slowest.len() / 2]);
        }
        println!();
    }
}

/// A session without a terminal.
struct Desk {
    model: Model,
    ui: Ui,
    buf: Buffer,
}

impl Desk {
    fn new(view: View) -> Self {
        let area = Rect { x: 0, y: 0, width: view.size.0, height: view.size.1 };
        let ui = Ui::new(Theme::UNICODE, Keymap::default(), view.size);
        let model = Model::new("ana", false, Timestamp::from_millis(0));
        let mut desk = Self { model, ui, buf: Buffer::empty(area) };
        desk.model.shelf.inventory = Some(Ok(fleet(view.hosts)));
        desk.model.shelf.read = Some(Timestamp::from_millis(1));
        desk.show(view);
        desk.frame();
        desk
    }

    fn show(&mut self, view: View) {
        let until = match view.what {
            What::Preview => Until::Asked,
            What::RunEnded | What::Timeline | What::TimelineMany => Until::Ended,
            _ => Until::Running,
        };
        let events = record(view.hosts, until);
        self.told(&events);
        match view.what {
            What::Run | What::RunEnded => self.ui.screen = Screen::Run,
            What::RunHosts => self.on(Screen::Run, "+jj"),
            What::RunFailed => self.on(Screen::Run, "]"),
            What::Preview => self.on(Screen::Preview, "jk"),
            What::Hosts => self.on(Screen::Hosts, "j"),
            What::HostsAll => self.on(Screen::Hosts, "a"),
            What::Timeline => self.story(&events, "Gk"),
            What::TimelineMany => self.story(&events, "gj"),
        }
    }

    fn told(&mut self, events: &[Event]) {
        for event in events {
            self.model.tell(event);
            self.model.now = event.ts;
        }
    }

    fn story(&mut self, events: &[Event], keys: &str) {
        let run = events[0].run.clone();
        let (watched, timeline) = (Watched::of(events), timeline(events));
        self.model.opened = Some(Opened { run: run.clone(), watched, timeline });
        self.ui.shown = Shown::Recorded(run);
        self.on(Screen::Timeline, keys);
    }

    fn on(&mut self, screen: Screen, keys: &str) {
        self.ui.screen = screen;
        screen::settle(&mut self.ui, &self.model);
        for key in keys.chars() {
            update(&mut self.ui, &self.model, Input::Key(Key::Char(key)));
            screen::settle(&mut self.ui, &self.model);
        }
    }

    /// Types these keys, with a frame after each: what the slowest took, in microseconds.
    fn slowest(&mut self, keys: &str) -> f64 {
        let mut slowest: f64 = 0.0;
        for key in keys.chars() {
            // a panel takes no key right after it has opened
            self.model.now = self.model.now.plus(Duration::from_secs(1));
            let began = Instant::now();
            black_box(update(&mut self.ui, &self.model, Input::Key(named(key))));
            self.frame();
            slowest = slowest.max(began.elapsed().as_secs_f64() * 1e6);
        }
        slowest
    }

    /// What the session does for a frame, up to the cells that are compared with those before.
    fn frame(&mut self) {
        self.buf.reset();
        screen::settle(&mut self.ui, &self.model);
        let area = self.buf.area;
        draw(&mut self.buf, area, &self.model, &self.ui);
        black_box(now::sentence(&self.model, &self.ui));
    }
}

fn named(key: char) -> Key {
    match key {
        '\x1b' => Key::Esc,
        '\x04' => Key::Ctrl('d'),
        '\x15' => Key::Ctrl('u'),
        key => Key::Char(key),
    }
}

fn fleet(hosts: usize) -> Inventory {
    let names: Vec<_> = names(hosts).into_iter().collect();
    let mut whole: Option<Inventory> = None;
    // a file has at most 5,000
    for part in names.chunks(5_000) {
        let mut text = String::from("[defaults]\nuser = \"app\"\n");
        for (n, name) in part.iter().enumerate() {
            let zone = ["a", "b", "c"][n % 3];
            text.push_str(&format!("[hosts.{name}]\ntags = [\"az-{zone}\"]\n"));
        }
        text.push_str("[groups.web]\nhosts = [\"web-*\"]\nprotected = true\n");
        let source = source::decode(Path::new("inventory.toml"), text.into_bytes()).expect("text");
        let part = inventory::from_source(&source, None).expect("an inventory");
        match &mut whole {
            Some(whole) => {
                whole.hosts.extend(part.hosts);
                whole.groups[0].hosts.extend(part.groups.into_iter().flat_map(|group| group.hosts));
            }
            None => whole = Some(part),
        }
    }
    whole.expect("a host")
}
