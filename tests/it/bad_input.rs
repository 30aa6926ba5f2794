//! Files and selections that cannot be used: everything wrong with them is told at once, each with its place, the exit code
//! is 2, and nothing is contacted. Every case runs the program itself under strace: it opens no socket and starts no
//! program, and the only host of its inventory is a port on loopback that hears nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::harness::sshd::keygen;

/// Far more than any case needs: what takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(20);
/// System calls by which a host could be contacted or another program be asked to.
const WATCHED: &str = "trace=socket,connect,sendto,sendmsg,sendmmsg,execve";

/// A place with one good inventory, one good runbook, and a host that listens.
pub struct Bench {
    pub dir: tempfile::TempDir,
    host: TcpListener,
}

/// What became of one command.
pub struct Seen {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub calls: Vec<String>,
    took: Duration,
}

const GOOD: &str = "name = \"good\"\ntitle = \"t\"\n[[precheck]]\nid = \"daemon\"\nkind = \"pm2-daemon\"\n";

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let host = TcpListener::bind("127.0.0.1:0").expect("a port");
        host.set_nonblocking(true).expect("not blocking");
        let port = host.local_addr().expect("an address").port();
        fs::create_dir(dir.path().join("runbooks")).expect("a directory");
        let bench = Self { dir, host };
        bench.write(
            "inventory.toml",
            format!("[defaults]\nuser = \"u\"\nport = {port}\n[hosts.web-1]\naddress = \"127.0.0.1\"\n"),
        );
        bench.write("runbooks/good.toml", GOOD);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
    }

    /// The good inventory with more after it.
    pub fn with_inventory(&self, name: &str, more: &str) {
        let good = fs::read_to_string(self.path("inventory.toml")).expect("read");
        self.write(name, good + more);
    }

    /// Runs it under strace, for as long as anything may take.
    pub fn run(&self, words: &[&str]) -> Seen {
        let (out, err, calls) = (self.path(".out"), self.path(".err"), self.path(".calls"));
        let began = Instant::now();
        let child = Command::new("strace")
            .args(["-f", "-qq", "-e", WATCHED, "-e", "signal=none", "-o"])
            .arg(&calls)
            .arg(env!("CARGO_BIN_EXE_runbook"))
            .args(words)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("RUNBOOK_STATE_DIR", self.path("state"))
            // an agent would be contacted here
            .env("SSH_AUTH_SOCK", self.path("agent"))
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("strace does not start ({error}): install strace; .ci/run does"));
        let status = ended(child, &words.join(" "));
        let took = began.elapsed();
        let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).expect("read")).into_owned();
        let calls: Vec<String> = read(&calls).lines().map(str::to_owned).collect();
        let stderr = read(&err);
        assert!(calls.first().is_some_and(|call| call.contains("execve(")), "strace does not see system calls here: {stderr}");
        println!("{:>5} ms  {}", took.as_millis(), words.join(" ").chars().take(90).collect::<String>());
        // the first call is the start of the program itself
        Seen { code: status.code(), stdout: read(&out), stderr, calls: calls[1..].to_vec(), took }
    }

    /// Runs it; it must be refused with exactly these lines, and nothing may be contacted.
    #[track_caller]
    pub fn refused(&self, words: &[&str], want: &[&str]) {
        let seen = self.run(words);
        let lines: Vec<&str> = seen.stderr.lines().map(str::trim_start).collect();
        let fits = lines.len() >= want.len() && lines.iter().zip(want).all(|(line, want)| line.starts_with(want));
        assert!(fits && told_errors(&lines) == told_errors(want), "{words:?}\n{}\nis not\n{want:#?}", seen.stderr);
        assert_eq!((seen.code, seen.stdout.as_str()), (Some(2), ""), "{words:?}\n{}", seen.stderr);
        assert_eq!(seen.calls, [""; 0], "{words:?} contacted something");
        assert!(seen.took < DEADLINE);
        let heard = self.host.accept().map_err(|error| error.kind());
        assert_eq!(heard.err(), Some(io::ErrorKind::WouldBlock), "{words:?} contacted the host");
        assert!(!self.path("state/journal.db").exists(), "{words:?} left a record");
    }

    /// The same for a broken runbook, by every command that reads one: what `run` and `lint` tell is the same.
    #[track_caller]
    pub fn bad_runbook(&self, name: &str, want: &[&str]) {
        let path = format!("runbooks/{name}.toml");
        self.refused(&["run", name, "--hosts", "all", "--yes"], &[&[&*cannot("runbook", &path, want)], want].concat());
        self.linted(&["lint", &path], want);
    }

    /// The same for a broken inventory.
    #[track_caller]
    pub fn bad_inventory(&self, path: &str, want: &[&str]) {
        let first = cannot("inventory", path, want);
        let want = [&[&*first], want].concat();
        self.refused(&["-i", path, "run", "good", "--hosts", "all", "--yes"], &want);
        self.refused(&["-i", path, "exec", "all", "--", "true"], &want);
        self.refused(&["-i", path, "hosts", "--probe"], &want);
        self.linted(&["-i", path, "lint", path], &want[1..]);
    }

    /// `lint` tells the same on standard output.
    #[track_caller]
    pub fn linted(&self, words: &[&str], want: &[&str]) {
        let seen = self.run(words);
        let lines: Vec<&str> = seen.stdout.lines().filter(|line| !line.contains(": warning[")).collect();
        let fits = lines.len() == want.len() && lines.iter().zip(want).all(|(line, want)| line.starts_with(want));
        assert!(fits, "{words:?}\n{}{}\nis not\n{want:#?}", seen.stdout, seen.stderr);
        assert_eq!((seen.code, seen.calls), (Some(2), vec![]), "{words:?}");
    }
}

/// Waits for the end; ends it, with everything it started, where there is none.
fn ended(mut child: Child, what: &str) -> ExitStatus {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process_group(group, Signal::KILL).expect("ended");
    child.wait().expect("ended");
    panic!("`{what}` hangs: it had not ended after {DEADLINE:?}");
}

fn cannot(what: &str, path: &str, want: &[&str]) -> String {
    let count = if want.len() == 1 { "1 error".to_owned() } else { format!("{} errors", want.len()) };
    format!("error: the {what} {path} cannot be used: {count}")
}

/// How many errors of a file are told.
fn told_errors(lines: &[&str]) -> usize {
    lines.iter().filter(|line| line.contains(".toml:") || line.contains(": error[")).count()
}

/// Everything that nests ten thousand deep.
fn depths() -> Vec<(&'static str, String)> {
    let n = 10_000;
    vec![
        ("open-lists", format!("a = {}", "[".repeat(n))),
        ("lists", format!("a = {}1{}", "[".repeat(n), "]".repeat(n))),
        ("tables", format!("a = {}1{}", "{b=".repeat(n), "}".repeat(n))),
        ("dotted-key", format!("{}a = 1", "a.".repeat(n))),
        ("header", format!("[{}a]", "a.".repeat(n))),
        ("array-header", format!("[[{}a]]", "a.".repeat(n))),
        ("mixed", format!("a = {}1{}", "[{b.c.d = ".repeat(n), "}]".repeat(n))),
    ]
}

#[test]
fn what_is_good_does_contact_the_host() {
    // without this the silence of the others would prove nothing
    let bench = Bench::new();
    fs::create_dir(bench.path(".ssh")).expect("a directory");
    keygen(&bench.path(".ssh/id_ed25519"), &[]);
    let host = bench.host.try_clone().expect("the same port");
    host.set_nonblocking(false).expect("blocking");
    let heard = std::thread::spawn(move || host.accept().map(|(mut peer, _)| peer.write_all(b"no ssh here\r\n")).is_ok());
    let seen = bench.run(&["hosts", "--probe"]);
    assert!(heard.join().expect("no panic"), "{}", seen.stderr);
    assert_eq!(seen.code, Some(3), "{}", seen.stderr);
    assert!(seen.calls.iter().any(|call| call.contains("connect(") && call.contains("AF_INET")), "{:?}", seen.calls);
}

#[test]
fn a_runbook_is_told_everything_that_is_wrong_with_it() {
    let bench = Bench::new();
    let text = "name = \"many\"\ntitle = \"t\"\ntitel = \"u\"\n\n\
        [[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\ntimout = \"3s\"\n\n\
        [[precheck]]\nid = \"a\"\nkind = \"port\"\nport = \"{{ prot }}\"\nwhen = \"steps.b.verdict == 'x'\"\n\n\
        [[precheck]]\nid = \"c\"\nkind = \"no-kind\"\n";
    bench.write("runbooks/many.toml", text);
    bench.bad_runbook(
        "many",
        &[
            "runbooks/many.toml:3:1: error[E201]: `titel`",
            "runbooks/many.toml:8:1: error[E201]: `timout`",
            "runbooks/many.toml:11:6: error[E310]: the id `a` is there twice",
            "runbooks/many.toml:13:9: error[E301]: there is no `prot` here",
            "runbooks/many.toml:14:9: error[E312]: there is no step `b`",
            "runbooks/many.toml:18:8: error[E306]: there is no kind `no-kind`",
        ],
    );
    bench.write("runbooks/syntax.toml", "name = \"syntax\"\ntitle = t\n[[step]]\nid = \"a\"\nid = \"b\"\n[[step\n");
    bench.bad_runbook(
        "syntax",
        &[
            "runbooks/syntax.toml:2:9: error[E103]: ",
            "runbooks/syntax.toml:5:1: error[E103]: ",
            "runbooks/syntax.toml:6:7: error[E103]: ",
        ],
    );
}

#[test]
fn an_inventory_is_told_everything_that_is_wrong_with_it() {
    let bench = Bench::new();
    let more = "adress = \"x\"\n[hosts.web-2]\naddress = \"127.0.0.1:22\"\njump = \"b\"\n\
        [groups.a]\nhosts = [\"@b\", \"nobody\", \"db*\", \"(web-1\"]\n\
        [groups.b]\nhosts = [\"@c\"]\n[groups.c]\nhosts = [\"web-1\", \"@a\"]\n\
        [groups.d]\nhosts = [\"failed:last\", \"@none\"]\n[sources.aws]\nx = 1\n";
    bench.with_inventory("many.toml", more);
    bench.bad_inventory(
        "many.toml",
        &[
            "many.toml:6:1: error[E201]: `adress`",
            "many.toml:8:11: error[E204]: `127.0.0.1:22` is not an address or a DNS name",
            "many.toml:9:1: error[E206]: `jump`",
            "many.toml:11:17: error[E402]: no host `nobody`",
            "many.toml:11:27: error[E402]: none of 2 hosts",
            "many.toml:11:34: error[E402]: this `(` is not closed",
            "many.toml:15:19: error[E404]: group `a` contains itself: a > b > c > a",
            "many.toml:17:11: error[E402]: `failed:last` cannot make a group",
            "many.toml:17:26: error[E402]: no group `none`",
            "many.toml:18:2: error[E206]: `sources`",
        ],
    );
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let bench = Bench::new();
    for (name, bytes, place) in
        [("latin", &b"name = \"a\"\ntitle = \"caf\xe9\"\n"[..], "2:13"), ("nul", b"# \xc3\xa9\0\n", "1:4")]
    {
        let file = format!("runbooks/{name}.toml");
        bench.write(&file, bytes);
        bench.bad_runbook(name, &[&format!("{file}:{place}: error[E102]: ")]);
        let file = format!("{name}.toml");
        bench.write(&file, bytes);
        bench.bad_inventory(&file, &[&format!("{file}:{place}: error[E102]: ")]);
    }
}

#[test]
fn what_nests_too_deep_is_refused() {
    let bench = Bench::new();
    for (name, text) in depths() {
        let file = format!("runbooks/{name}.toml");
        bench.write(&file, format!("name = \"{name}\"\n{text}\n"));
        bench.bad_runbook(name, &[&format!("{file}:2:")]);
        bench.write(&format!("{name}.toml"), format!("\n{text}\n"));
        bench.bad_inventory(&format!("{name}.toml"), &[&format!("{name}.toml:2:")]);
    }
    let (open, not) = ("(".repeat(10_000), "not ".repeat(10_000));
    for (name, when) in [("brackets", open.as_str()), ("negations", &not), ("signs", &"!".repeat(10_000))] {
        let file = format!("runbooks/{name}.toml");
        bench.write(
            &file,
            format!("name = \"{name}\"\ntitle = \"t\"\n[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\nwhen = \"{when}\"\n"),
        );
        bench.bad_runbook(name, &[&format!("{file}:6:")]);
    }
    bench.with_inventory("groups.toml", &format!("[groups.a]\nhosts = [\"{open}web-1\", \"{}web-1\"]\n", "!".repeat(10_000)));
    bench.bad_inventory(
        "groups.toml",
        &["groups.toml:7:75: error[E402]: nested deeper", "groups.toml:7:10084: error[E402]: nested deeper"],
    );
    bench.refused(&["hosts", &open], &["error: selector: nested deeper than 64"]);
}

#[test]
fn only_files_of_a_bounded_size_are_read() {
    let bench = Bench::new();
    // as text and as a hole: neither is read to its end
    bench.write("runbooks/big.toml", "# nothing to see here, over and over\n".repeat(1_420_000));
    File::create(bench.path("runbooks/hole.toml")).and_then(|file| file.set_len(50 << 20)).expect("a sparse file");
    let fifo = bench.path("runbooks/fifo.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    fs::create_dir(bench.path("runbooks/dir.toml")).expect("a directory");
    symlink("/dev/zero", bench.path("runbooks/device.toml")).expect("a link");
    symlink("loop.toml", bench.path("runbooks/loop.toml")).expect("a link");
    symlink("nowhere", bench.path("runbooks/dangling.toml")).expect("a link");
    let why = [
        ("big", "it is larger than 1024 KiB"),
        ("hole", "it is larger than 1024 KiB"),
        ("fifo", "it is no regular file"),
        ("dir", "it is a directory"),
        ("device", "it is no regular file"),
        ("loop", "Too many levels of symbolic links"),
        ("dangling", "there is no such file"),
    ];
    for (name, why) in why {
        let path = format!("runbooks/{name}.toml");
        let want = format!("{path}: error[E101]: cannot read {path}: {why}");
        bench.bad_runbook(name, &[&want]);
        bench.bad_inventory(&path, &[&want]);
    }
    for (path, why) in
        [("/dev/zero", "it is no regular file"), (".", "it is a directory"), ("none.toml", "there is no such file")]
    {
        let want = format!("{path}: error[E101]: cannot read {path}: {why}");
        let first = cannot("inventory", path, &[&want]);
        bench.refused(&["-i", path, "run", "good", "--hosts", "all", "--yes"], &[&first, &want]);
    }
    bench.refused(
        &["run", "none.toml", "--hosts", "all", "--yes"],
        &[&cannot("runbook", "none.toml", &[""]), "none.toml: error[E101]: "],
    );
    bench.refused(
        &["run", "goood", "--hosts", "all", "--yes"],
        &["error: there is no runbook `goood` in runbooks", "try: did you mean `good`?"],
    );
}

#[test]
fn a_selection_that_is_empty_unknown_or_matches_nothing_is_refused() {
    let bench = Bench::new();
    let table = [
        ("", "the selector is empty"),
        (" ", "the selector is empty"),
        (",", "expected a host, @group or tag:NAME, not `,`"),
        ("web-1,", "expected a host, @group or tag:NAME after this"),
        ("web-9", "no host `web-9` in the inventory"),
        ("db-*", "none of 1 hosts matches this"),
        ("@prod", "no group `prod` in the inventory"),
        ("tag:az-a", "no tag `az-a` in the inventory"),
        ("!all", "no host is selected: 0 of 1"),
        ("127.0.0.1", "no host `127.0.0.1` in the inventory"),
        ("root@127.0.0.1", "no host `root@127.0.0.1` in the inventory"),
        ("failed:last", "no run is recorded in "),
        ("pick:2", "`pick:2` asks for more hosts than there are to pick from: 1"),
        ("web-1\u{1b}[2J", "unexpected `\\x1b`"),
    ];
    for (selector, why) in table {
        let want = format!("error: selector: {why}");
        bench.refused(&["run", "good", "--hosts", selector, "--yes"], &[&want]);
        bench.refused(&["exec", selector, "--", "true"], &[&want]);
        bench.refused(&["hosts", "--probe", selector], &[&want]);
    }
    bench.refused(&["run", "good", "--hosts", "all", "-x", "all", "--yes"], &["error: selector: no host is selected: 0 of 1"]);
    bench.refused(&["run", "good", "--hosts", "all", "-l", "", "--yes"], &["error: selector: --limit: the selector is empty"]);
}

#[test]
fn a_plan_that_cannot_be_made_is_refused() {
    let bench = Bench::new();
    let text = "name = \"vars\"\ntitle = \"t\"\n[vars]\napp = { type = \"string\" }\nport = { type = \"port\" }\n\
        [[precheck]]\nid = \"a\"\nkind = \"port\"\nport = \"{{ port }}\"\napp = \"{{ app }}\"\n";
    bench.write("runbooks/vars.toml", text);
    let run = |more: &[&'static str]| [&["run", "vars", "--hosts", "all", "--yes"], more].concat();
    let first = "error: `vars` cannot be planned for these hosts";
    bench.refused(&run(&[]), &[first, "", ""]);
    bench.refused(&run(&["--set", "app=x", "--set", "port=99999", "--set", "nope=1"]), &[first, "", ""]);
    bench.refused(&run(&["--set", "app"]), &["error: --set takes NAME=VALUE, not `app`"]);
}
