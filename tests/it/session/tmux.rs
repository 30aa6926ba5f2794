//! The same in a terminal that people use: tmux, with a server of its own.

use std::process::{Command, Output};
use std::time::Instant;

use super::folder::{Folder, WORK, listens};
use super::person::LONG;

struct Tmux {
    folder: Folder,
}

impl Tmux {
    fn start(folder: Folder, hosts: &str) -> Self {
        let tmux = Self { folder };
        let program = env!("CARGO_BIN_EXE_runbook");
        let command = format!("'{program}' -i '{hosts}'; echo \"left with $?\"; exec sleep 600");
        let out = tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", &command]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        tmux
    }

    fn run(&self, args: &[&str]) -> Output {
        // its socket is in the test's own folder: no other server is talked to
        let mut command = Command::new("tmux");
        command.args(["-L", "runbook-test", "-u"]).args(args).env_clear().envs(self.folder.environment());
        command.env("TMUX_TMPDIR", self.folder.path()).current_dir(self.folder.path());
        command.output().unwrap_or_else(|error| panic!("tmux: {error}; apt-get install tmux"))
    }

    fn keys(&self, keys: &[&str]) {
        assert!(self.run(&[&["send-keys"], keys].concat()).status.success());
    }

    fn page(&self) -> String {
        String::from_utf8(self.run(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// Waits until the pane shows these words, and returns it.
    fn shows(&self, words: &str) -> String {
        let late = Instant::now() + LONG;
        loop {
            let page = self.page();
            if page.contains(words) {
                return page;
            }
            assert!(Instant::now() < late, "waited in vain for {words:?}:\n{page}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn a_failing_run_is_begun_decided_told_and_left_in_tmux() {
    let tmux = Tmux::start(Folder::new(WORK), "sim:3?speed=max&fail=exit:1");
    tmux.shows("› work ");
    tmux.keys(&["Enter"]);
    tmux.shows("No host is selected");
    tmux.keys(&["a"]);
    tmux.shows("3 of 3 selected");
    tmux.keys(&["Enter"]);
    tmux.shows("Enter confirm");
    tmux.keys(&["Enter"]);
    let page = tmux.shows("and press Enter");
    let (_, after) = page.split_once("Type   ").unwrap();
    let phrase = after.split_once("   and press Enter").unwrap().0.to_owned();
    listens();
    tmux.keys(&["-l", &phrase]);
    tmux.shows(&format!("> {phrase}"));
    tmux.keys(&["Enter"]);
    tmux.shows("WAITING FOR YOU");
    tmux.keys(&["d"]);
    tmux.shows("letter picks, Enter does it");
    listens();
    tmux.keys(&["Tab"]);
    tmux.keys(&["-l", "seen in tmux"]);
    tmux.shows("seen in tmux");
    tmux.keys(&["Tab", "X"]);
    tmux.shows("› X  exclude");
    tmux.keys(&["Enter"]);
    tmux.shows("exit code 1");
    tmux.keys(&["5"]);
    tmux.shows("exclude by kai@");
    tmux.keys(&["1"]);
    tmux.shows("READY ");
    tmux.keys(&["q"]);
    let page = tmux.shows("left with 1");
    assert!(page.contains("FAILED SIM run") && !page.contains("READY "), "{page}");
    let made = tmux.folder.of("decision.made");
    assert_eq!((made.len(), made[0]["option"].as_str(), made[0]["note"].as_str()), (1, Some("exclude"), Some("seen in tmux")));
    // the screen was given back: what was there before is there again, and the cursor shows
    let modes = tmux.run(&["display-message", "-p", "#{alternate_on}#{cursor_flag}#{mouse_any_flag}"]);
    assert_eq!(String::from_utf8(modes.stdout).unwrap().trim(), "010");
}
