//! A run whose hosts do everything to tell: in every encoding, in pieces, at the cut, in failures, in files, services and
//! process lists. The values arrive, and are nowhere afterwards.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Bench, both, forms};
use crate::harness::sshd::Sshd;

const PW: &str = "pä55 w'o\"rd/+&<x>-%7-Zq";
const TOKEN: &str = "eyJhbGciOi.J/IUzI1+NiIs=InR5-cCI6Ik_pXVCJ9";
const KEY: &str = "-----BEGIN TEST KEY-----\nMIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAq7BF\nUpkGp3+LQmlQYx7eqzDV+xeG8kx/sQFV18S5JhzGeIJNA72wSeuk\n-----END TEST KEY-----";
const VALUES: [&str; 3] = [PW, TOKEN, KEY];

fn bench() -> Bench {
    let mut bench = Bench::new(Sshd::start());
    bench.env.push(("RB_PW".to_owned(), PW.to_owned()));
    bench.put("token", format!("{TOKEN}\n"));
    bench.put("key", format!("{KEY}\n"));
    let all: Vec<u8> =
        VALUES.iter().flat_map(|value| forms::of(value)).flat_map(|form| [form, b"\n".to_vec()].concat()).collect();
    bench.put("leak", all);
    bench
}

fn head(bench: &Bench) -> String {
    format!(
        "name = \"leaky\"\ntitle = \"t\"\n[secrets]\npw = {{ env = \"RB_PW\" }}\nkey = {{ file = \"{}\" }}\n\
         token = {{ command = [\"cat\", \"{}\"] }}\n",
        bench.shown("key"),
        bench.shown("token")
    )
}

fn step(id: &str, run: &str, more: &str) -> String {
    let secrets = "secrets = [\"pw\", \"key\", \"token\"]\n";
    format!("[[step]]\nid = \"{id}\"\nkind = \"exec\"\n{secrets}{more}run = '''\n{run}\n'''\n")
}

/// Everything that this program has written below a directory.
fn assert_clean_below(dir: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += assert_clean_below(&path);
        } else {
            files += 1;
            forms::assert_none(path.to_string_lossy().as_bytes(), &VALUES, "a name");
            forms::assert_none(&fs::read(&path).expect("read"), &VALUES, &path.display().to_string());
        }
    }
    files
}

/// Everything that can be shown of the last run.
fn assert_clean(bench: &Bench, ran: &std::process::Output) -> String {
    forms::assert_none(&ran.stdout, &VALUES, "standard output");
    forms::assert_none(&ran.stderr, &VALUES, "standard error");
    let state = bench.path("state");
    assert!(assert_clean_below(&state) >= 2, "a journal and a log");
    assert_clean_below(&bench.path("tmp"));
    let history = bench.run(&["history", "-o", "json"]);
    forms::assert_none(&history.stdout, &VALUES, "history");
    let last = ["last"];
    for what in
        [&["timeline"][..], &["timeline", "--export", "md"], &["show"], &["-o", "json", "timeline"], &["-o", "json", "show"]]
    {
        let shown = bench.run(&[what, &last[..]].concat());
        assert!(shown.status.success(), "{what:?}: {}", both(&shown));
        forms::assert_none(&[&shown.stdout[..], &shown.stderr[..]].concat(), &VALUES, &format!("{what:?}"));
    }
    both(ran)
}

fn hash(value: &str) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum");
    child.stdin.take().expect("piped").write_all(value.as_bytes()).expect("written");
    let out = String::from_utf8(child.wait_with_output().expect("ended").stdout).expect("utf-8");
    out.split(' ').next().expect("a hash").to_owned()
}

#[test]
fn values_arrive_and_come_back_in_no_encoding_no_pieces_and_no_failure() {
    let bench = bench();
    let leak = bench.shown("leak");
    let got = format!(
        "h() {{ printf %s \"$1\" | sha256sum | cut -d' ' -f1; }}\n\
         [ \"$(h \"$pw\")\" = {} ] && [ \"$(h \"$key\")\" = {} ] && [ \"$(h \"$token\")\" = {} ]",
        hash(PW),
        hash(KEY),
        hash(TOKEN)
    );
    let pieces = format!(
        "for n in 40 41 42 1000; do head -c $n '{leak}'; head -c $n '{leak}' >&2; sleep 0.1; tail -c +$((n+1)) '{leak}'; \
         tail -c +$((n+1)) '{leak}' >&2; done"
    );
    let encoders = "for v in \"$pw\" \"$key\" \"$token\"; do printf '%s' \"$v\" | base64; printf 'user:%s' \"$v\" | base64; \
                    printf '%s' \"$v\" | base64 -w0; printf '%s' \"$v\" | od -An -v -tx1; printf '%s' \"$v\" | xxd -p; \
                    echo $v; set -x; : \"$v\"; set +x; done";
    let text = head(&bench)
        + &step("got", &got, "")
        + &step("pieces", &pieces, "")
        + &step("encoders", encoders, "")
        + &step("taken", "printf '%s' \"$token\"", "capture = { it = { from = \"stdout:trim\" } }\n")
        + "[[step]]\nid = \"used\"\nkind = \"exec\"\nwhen = \"steps.taken.it == '[secret:token]'\"\nrun = '[ \"$it\" = \"[secret:token]\" ]'\n"
        + &step("fails", &format!("cat '{leak}' >&2; exit 3"), "optional = true\n")
        + &step("killed", &format!("cat '{leak}'; kill -KILL $$"), "optional = true\n");
    bench.put("runbooks/leaky.toml", text);
    let ran = bench.run(&["run", "leaky", "--hosts", "web-1", "--yes", "--with-output"]);
    let told = assert_clean(&bench, &ran);
    // only the two that are optional may fail: what was captured is the mark, and the values are what they should be
    assert!(!told.contains("skipped") && told.matches("FAILED").count() == 2, "{told}");
    assert_eq!(ran.status.code(), Some(0), "{told}");
    for form in ["json", "quiet"] {
        let ran = bench.run(&["-o", form, "run", "leaky", "--hosts", "web-1", "--yes", "--with-output"]);
        let told = assert_clean(&bench, &ran);
        let marks = ["[secret:pw]", "[secret:key]", "[secret:token]"];
        assert!(form == "quiet" || marks.iter().all(|mark| told.contains(mark)), "{told}");
    }
    let dry = bench.run(&["run", "leaky", "--hosts", "web-1", "--dry-run"]);
    assert_clean(&bench, &dry);
}

#[test]
fn nothing_comes_through_at_the_cut_of_a_long_output() {
    let bench = bench();
    let leak = bench.shown("leak");
    let fill = |n: u32| format!("head -c {n} /dev/zero | tr '\\0' .; ");
    let steps: Vec<String> = [0_u32, 7, 300]
        .iter()
        .map(|n| {
            let (before, after) = (fill(131_072 - 800 - n), fill(131_072 - 900 - n));
            step(&format!("cut-{n}"), &format!("{before} cat '{leak}'; {} cat '{leak}'; {after}", fill(40_000)), "")
        })
        .collect();
    bench.put("runbooks/leaky.toml", head(&bench) + &steps.concat());
    let ran = bench.run(&["run", "leaky", "--hosts", "web-1", "--yes", "--with-output"]);
    let told = assert_clean(&bench, &ran);
    assert_eq!(ran.status.code(), Some(0), "{told}");
}

/// A process that listens on a port, with a value on its command line.
struct Told(Child, u16);

impl Told {
    fn start() -> Self {
        let text = "import socket,sys,time\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen()\n\
                    print(s.getsockname()[1],flush=True)\ntime.sleep(600)";
        let mut child = Command::new("python3")
            .args(["-c", text, "--token", TOKEN, &format!("--pw={PW}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = Vec::new();
        let mut out = child.stdout.take().expect("piped");
        let mut byte = [0];
        while out.read_exact(&mut byte).is_ok() && byte != *b"\n" {
            line.push(byte[0]);
        }
        let port = String::from_utf8(line).expect("utf-8").trim().parse().expect("a port");
        Self(child, port)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service that says everything, in a header and in its body.
fn service(body: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut asked = [0; 2048];
            let _ = stream.read(&mut asked);
            let head =
                format!("HTTP/1.1 500 No\r\nX-Token: {TOKEN}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            let _ = stream.shutdown(Shutdown::Write);
        }
    });
    port
}

#[test]
fn what_is_seen_on_a_host_before_a_value_is_used_holds_none() {
    let bench = bench();
    let leak = fs::read(bench.path("leak")).expect("read");
    let lines: Vec<u8> = leak.split(|b| *b == b'\n').flat_map(|line| [b"oops ", line, b" end\n"].concat()).collect();
    bench.put("app.log", &lines);
    let (told, port) = (Told::start(), service(leak));
    let checks = format!(
        "[[precheck]]\nid = \"held\"\nkind = \"port\"\nport = {}\nobserve = true\n\
         [[precheck]]\nid = \"answers-well\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\nobserve = true\nheader = {{ x-token = \"x\" }}\nstatus = 500\n\
         [[precheck]]\nid = \"logs\"\nkind = \"log-scan\"\nfile = \"{}\"\npattern = \"oops\"\nobserve = true\n\
         [[precheck]]\nid = \"own\"\nkind = \"require\"\nrun = \"ps -ef; cat '{}'\"\nobserve = true\n",
        told.1,
        bench.shown("app.log"),
        bench.shown("leak")
    );
    bench.put("runbooks/leaky.toml", head(&bench) + &checks + &step("last", "true", ""));
    for more in [&["--dry-run"][..], &["--yes", "--with-output"]] {
        let ran = bench.run(&[&["run", "leaky", "--hosts", "web-1"][..], more].concat());
        let words = assert_clean(&bench, &ran);
        let pid = format!("pid {}", told.0.id());
        let record = both(&bench.run(&["-o", "json", "timeline", "last"]));
        assert!(words.contains(&pid) || record.contains(&pid), "the process is recognised: {words}");
        assert!(words.contains("lines") || record.contains("oops"), "the log is read: {words}");
    }
}

#[test]
fn a_value_that_cannot_be_had_is_told_to_the_step_and_asked_for_once() {
    let bench = bench();
    let asked = bench.shown("asked");
    let text = format!(
        "name = \"once\"\ntitle = \"t\"\n[secrets]\nbad = {{ command = [\"sh\", \"-c\", \"echo x >>'{asked}'; echo told-nobody >&2; exit 4\"] }}\n\
         other = {{ command = [\"touch\", \"{asked}-other\"] }}\n\
         [[step]]\nid = \"plain\"\nkind = \"exec\"\nrun = \"true\"\n\
         [[step]]\nid = \"needs\"\nkind = \"exec\"\nsecrets = [\"bad\"]\nrun = \"touch '{asked}-run'\"\n\
         [[step]]\nid = \"needs-other\"\nkind = \"exec\"\nsecrets = [\"other\"]\nrun = \"true\"\n"
    );
    bench.put("runbooks/once.toml", text);
    let ran =
        bench.run(&["run", "once", "--hosts", "all", "--yes", "--batch", "2", "--skip", "needs-other", "--on-fail", "continue"]);
    let told = both(&ran);
    assert!(told.contains("secret `bad`: sh ended with exit status: 4"), "{told}");
    assert!(!told.contains("told-nobody"), "{told}");
    assert_eq!(fs::read_to_string(&asked).expect("asked"), "x\n", "two hosts, once");
    assert!(!bench.path("asked-run").exists() && !bench.path("asked-other").exists(), "{told}");
    assert!(bench.run(&["run", "once", "--hosts", "web-1", "--yes", "--only", "plain"]).status.success());
    assert_eq!(fs::read_to_string(&asked).expect("asked"), "x\n", "what names no secret asks for none");
}
