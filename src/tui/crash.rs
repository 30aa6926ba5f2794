//! A panic while the screen is up is written to a file: on the screen it would be lost, and it would garble it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::visible::visible_lines;
use crate::tui::private;

/// At most so many files of one run, or of one second.
const MAX_FILES: usize = 20;

static SCREEN: AtomicBool = AtomicBool::new(false);
static PLACE: Mutex<Place> = Mutex::new(Place { dir: None, run: None, took: None, clean: None });

struct Place {
    /// Where the files are written; none before the hook is there.
    dir: Option<PathBuf>,
    run: Option<String>,
    took: Option<PathBuf>,
    clean: Option<fn(String) -> String>,
}

/// Sets the hook, once for the process; a second call only changes the directory. Panics outside of the screen go to the
/// hook that was there before. `clean` takes out of a text what no file may hold.
pub fn install(state_dir: &Path, clean: fn(String) -> String) {
    let mut place = place();
    place.clean = Some(clean);
    let first = place.dir.replace(state_dir.join("crash")).is_none();
    drop(place);
    if first {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| if SCREEN.load(Ordering::SeqCst) { write(panic) } else { before(panic) }));
    }
}

/// The run that is on the screen: its id names the file.
pub fn of_run(id: Option<&str>) {
    place().run = id.map(str::to_owned);
}

/// The first panic since the last call, as the path of its file. Any task may have panicked: ask after each one that ended
/// badly and before the end, leave the screen, and say `runbook crashed; … report PATH`.
pub fn took() -> Option<PathBuf> {
    place().took.take()
}

/// Says whether the screen is up.
pub(super) fn screen(up: bool) {
    SCREEN.store(up, Ordering::SeqCst);
}

fn place() -> MutexGuard<'static, Place> {
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(panic: &PanicHookInfo<'_>) {
    let text = report(panic);
    let mut place = place();
    let text = if let Some(clean) = place.clean { clean(text) } else { text };
    let dir = place.dir.clone().unwrap_or_else(std::env::temp_dir);
    let name = place.run.clone().unwrap_or_else(|| Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string());
    // without room in its place the report is still worth more than none
    let path = put(&dir, &name, &text).or_else(|_| put(&std::env::temp_dir(), &format!("runbook-crash-{name}"), &text));
    if let Ok(path) = path {
        place.took.get_or_insert(path);
    }
}

fn report(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(text, "time      {}", Timestamp::now());
    let _ = writeln!(text, "version   {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "thread    {}", thread.name().unwrap_or("without a name"));
    if let Some(location) = panic.location() {
        let _ = writeln!(text, "place     {location}");
    }
    let _ = writeln!(text, "message   {}", panic.payload_as_str().unwrap_or("not a text"));
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            let _ = writeln!(text, "\n{backtrace}");
        }
        _ => text.push_str("backtrace none; set RUST_BACKTRACE=1 to have one\n"),
    }
    visible_lines(&text).into_owned()
}

fn put(dir: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    private::directory(dir)?;
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    for number in 1..=MAX_FILES {
        let path = if number == 1 { format!("{name}.txt") } else { format!("{name}-{number}.txt") };
        let path = dir.join(path);
        match private::new_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => return file.and_then(|file| fill(file, text)).map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())
}
