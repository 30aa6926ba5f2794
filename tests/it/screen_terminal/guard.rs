//! The guard by itself.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::pty::{Pty, eventually};
use runbook::tui::guard::{COMMAND, Guard};
use runbook::tui::terminal::modes::LEAVE;

/// A guard that is ready, and the terminal made raw as its parent does.
fn guard(pty: &Pty) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(pty.end())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"r");
    let mut raw = tcgetattr(pty.end()).unwrap();
    raw.make_raw();
    tcsetattr(pty.end(), OptionalActions::Now, &raw).unwrap();
    child
}

#[test]
fn it_restores_when_its_parent_says_nothing() {
    let mut pty = Pty::open();
    let mut child = guard(&pty);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(pty.is_as_before());
    eventually("the screen is left", || pty.seen().starts_with(LEAVE));
    pty.assert_nobody_is_left();
}

#[test]
fn it_is_silent_when_all_is_well() {
    let mut pty = Pty::open();
    let mut child = guard(&pty);
    let raw = pty.settings();
    child.stdin.as_mut().unwrap().write_all(b"k").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!((pty.seen(), pty.settings()), (Vec::new(), raw));
    pty.assert_nobody_is_left();
}

#[test]
fn it_leaves_alone_what_a_shell_has_set_since() {
    let pty = Pty::open();
    let mut child = guard(&pty);
    let mut shells = tcgetattr(pty.end()).unwrap();
    shells.local_modes |= LocalModes::ISIG;
    tcsetattr(pty.end(), OptionalActions::Now, &shells).unwrap();
    let set = pty.settings();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(pty.settings(), set);
}

#[test]
fn it_ends_with_its_terminal() {
    let pty = Pty::open();
    let mut child = guard(&pty);
    let line = child.stdin.take();
    pty.hang_up();
    assert!(child.wait().unwrap().success());
    drop(line);
}

#[test]
fn it_ends_though_the_terminal_takes_nothing() {
    let pty = Pty::open();
    let mut child = guard(&pty);
    pty.stall(true);
    let end = pty.end();
    rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&end, &[b'x'; 4096]).is_ok() {}
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(pty.is_as_before());
}

#[test]
fn a_program_that_is_no_guard_is_not_waited_for() {
    let pty = Pty::open();
    assert!(Guard::start("/bin/false".as_ref(), pty.end().as_fd()).is_err());
    assert!(Guard::start("/there/is/no/such/program".as_ref(), pty.end().as_fd()).is_err());
}

#[test]
fn it_ends_when_it_is_dismissed() {
    let mut pty = Pty::open();
    let guard = Guard::start(env!("CARGO_BIN_EXE_runbook").as_ref(), pty.end().as_fd()).unwrap();
    guard.dismiss();
    assert_eq!(pty.seen(), b"");
    pty.assert_nobody_is_left();
}

#[test]
fn it_restores_from_the_background_of_a_session_that_goes_on() {
    let pty = Pty::open();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["screen_terminal::guard::role_leads_a_session", "--exact", "--ignored", "--nocapture"]);
    let status = command.stdin(pty.end()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    assert!(pty.is_as_before());
    eventually("the screen is left", || pty.seen().starts_with(LEAVE));
}

#[test]
#[ignore = "a role that another test starts: what a shell is to a killed session"]
fn role_leads_a_session() {
    rustix::process::setsid().unwrap();
    let tty = std::io::stdin();
    rustix::process::ioctl_tiocsctty(&tty).unwrap();
    // even writing from the background would stop a process
    let mut settings = tcgetattr(&tty).unwrap();
    let before = format!("{settings:?}");
    let guard = Guard::start(env!("CARGO_BIN_EXE_runbook").as_ref(), tty.as_fd()).unwrap();
    settings.make_raw();
    settings.local_modes |= LocalModes::TOSTOP;
    tcsetattr(&tty, OptionalActions::Now, &settings).unwrap();
    drop(guard);
    eventually("the terminal is set as before", || format!("{:?}", tcgetattr(&tty).unwrap()) == before);
}
