//! The practice fleet itself: real namespaces, real sshd, real PM2.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::lab::{Lab, Network, Pm2Process, assert_nothing_left, assert_well, lab_command, processes_of, up_command};

const LONG: Duration = Duration::from_secs(60);

fn get(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.take(65536).read_to_string(&mut answer).unwrap();
    answer
}

fn stdout(out: &std::process::Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn brief(processes: &[Pm2Process]) -> Vec<(u32, &str, &str)> {
    processes.iter().map(|one| (one.id, one.name.as_str(), one.status.as_str())).collect()
}

#[test]
fn hosts_are_apart_and_reached_strictly() {
    let lab = Lab::up(2);
    for host in ["proxy-1", "proxy-2"] {
        let told = lab.told(
            host,
            "hostname; id -un; pwd; command -v pm2; bash -lc 'command -v pm2'; cat /etc/machine-id | wc -c; ps -e | wc -l",
        );
        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        assert_eq!(lines[..6], [host, "app", "/home/app", "/opt/pm2/bin/pm2", "/opt/pm2/bin/pm2", "33"]);
        assert!(lines[6].parse::<u32>().unwrap() < 15, "it sees its own processes only: {told}");
        assert_eq!(brief(&lab.pm2_processes(host)), [(0, "proxy-service", "online")]);
        assert!(get(lab.service(host), "GET /health").starts_with("HTTP/1.1 200 "));
    }
    let boot_ids: Vec<String> = ["proxy-1", "proxy-2"].map(|host| lab.told(host, "cat /proc/sys/kernel/random/boot_id")).to_vec();
    assert_ne!(boot_ids[0], boot_ids[1]);

    // the global flags do not disturb it, and the inventory names what is there
    let status = lab.runbook(&["lab", "status", "--dir", lab.dir().to_str().unwrap()]).output().unwrap();
    assert_eq!(stdout(&status).lines().filter(|line| line.ends_with(" answers  healthy")).count(), 2);
    assert_eq!(fs::read_to_string(lab.inventory()).unwrap().matches("\naddress = ").count(), 2);

    // its own switch, in its own process
    let toggled = get(lab.service("proxy-1"), "POST /api/trackier-emergency-toggle?enabled=false");
    assert!(toggled.starts_with("HTTP/1.1 200 "), "{toggled}");
    assert!(get(lab.service("proxy-1"), "GET /api/trackier-status").contains("\"enabled\":false,\"active_offers\":12"));
    assert!(get(lab.service("proxy-2"), "GET /api/trackier-status").contains("\"enabled\":true,\"active_offers\":12"));
    assert!(get(lab.service("proxy-1"), "GET /orders").contains("location: /auth/login\r\n"));

    // neither the machine nor the programs can be written to
    let refused = lab.exec("proxy-1", "touch /usr/x /opt/pm2/x /etc/x");
    assert_eq!(refused.status.code(), Some(1));

    // a key that is not the recorded one is no host of ours
    let known = lab.dir().join("known_hosts");
    let right = fs::read_to_string(&known).unwrap();
    let mut lines: Vec<Vec<&str>> = right.lines().map(|line| line.split(' ').collect()).collect();
    let other = lines[1][2];
    lines[0][2] = other;
    fs::write(&known, lines.iter().map(|line| line.join(" ") + "\n").collect::<String>()).unwrap();
    let wrong = lab.exec("proxy-1", "true");
    assert_eq!(wrong.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("Host key verification failed."));
    fs::write(&known, right).unwrap();
    assert_well(&lab.exec("proxy-1", "true"));
}

#[test]
fn a_restart_loop_loops_until_it_is_taken_back() {
    let lab = Lab::up(2);
    let before = lab.pm2_processes("proxy-1");
    lab.fault("restart-loop", "proxy-1");
    let looping = lab.pm2_processes("proxy-1");
    assert_eq!(looping.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["proxy-service", "proxy-server"]);
    assert!(looping[1].restarts >= 2, "{looping:?}");
    let late = Instant::now() + LONG;
    loop {
        let now = lab.pm2_processes("proxy-1");
        if now[1].restarts >= looping[1].restarts + 2 {
            assert_eq!(now[1].status, "online", "it fails too late to be called unstable");
            break;
        }
        assert!(Instant::now() < late, "the counter stands: {now:?}");
    }
    assert_eq!(brief(&lab.pm2_processes("proxy-2")), [(0, "proxy-service", "online")]);
    assert!(lab.told("proxy-1", "cat .pm2/dump.pm2").contains("\"proxy-server\""), "it would come back at the next boot");
    assert!(
        stdout(&lab.lab(&["status"]))
            .lines()
            .any(|line| line.starts_with("proxy-1 ") && line.ends_with("healthy    restart-loop"))
    );
    assert_eq!(
        stdout(&lab.lab(&["fault", "restart-loop"])),
        "proxy-1: already there\nproxy-2: proxy-server fails and is restarted\n"
    );

    lab.undo("restart-loop", "proxy-2");
    assert_eq!(stdout(&lab.lab(&["fault", "restart-loop", "--undo"])), "proxy-1: proxy-server is deleted\nproxy-2: not there\n");
    let after = lab.pm2_processes("proxy-1");
    assert_eq!(after, before, "the service was never touched");
    assert!(!lab.told("proxy-1", "cat .pm2/dump.pm2").contains("proxy-server"));
    assert!(!stdout(&lab.lab(&["status"])).contains("restart-loop"));
}

#[test]
fn a_host_without_pm2_comes_back() {
    let lab = Lab::up(1);
    lab.fault("no-daemon", "proxy-1");
    assert_eq!(lab.told("proxy-1", "ls .pm2/rpc.sock 2>/dev/null; ps -e -o comm= | grep -c -e PM2 -e node || true"), "0\n");
    // nobody listens: the relay ends the connection at once and sends nothing
    let mut stream = TcpStream::connect(lab.service("proxy-1")).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let end = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    lab.undo("no-daemon", "proxy-1");
    assert!(get(lab.service("proxy-1"), "GET /health").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_host_that_dies_boots_again_with_its_home() {
    let lab = Lab::up(1);
    let boot = |lab: &Lab| lab.exec("proxy-1", "cat /proc/sys/kernel/random/boot_id");
    let first = stdout(&boot(&lab));
    lab.told("proxy-1", "echo kept > note; echo lost > /tmp/note");
    let init: serde_json::Value = serde_json::from_str(&fs::read_to_string(lab.dir().join("lab.json")).unwrap()).unwrap();
    let pid = i32::try_from(init["hosts"][0]["init"]["pid"].as_i64().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    let late = Instant::now() + LONG;
    loop {
        let out = boot(&lab);
        if out.status.success() && stdout(&out) != first {
            break;
        }
        assert!(Instant::now() < late, "it does not come back");
    }
    assert_eq!(lab.told("proxy-1", "cat note; ls /tmp"), "kept\n");
    // up waits for what is booting
    assert_well(&up_command(lab.dir(), lab_network(&lab), 1).output().unwrap());
    assert_eq!(brief(&lab.pm2_processes("proxy-1")), [(0, "proxy-service", "online")]);
}

fn lab_network(lab: &Lab) -> u8 {
    match lab.service("proxy-1").ip() {
        std::net::IpAddr::V4(address) => address.octets()[1],
        std::net::IpAddr::V6(_) => panic!("not IPv4"),
    }
}

#[test]
fn up_again_changes_only_the_number() {
    let network = Network::take();
    let temp = tempfile::Builder::new().prefix("runbook-lab-test-").tempdir().unwrap();
    let dir = temp.path();
    let status = || lab_command(dir, &["status"]).output().unwrap();
    let hosts = || stdout(&status()).lines().filter(|line| line.starts_with("proxy-")).count();
    let boot = || stdout(&lab_command(dir, &["ssh", "proxy-1", "--", "cat /proc/sys/kernel/random/boot_id"]).output().unwrap());

    assert_eq!((status().status.code(), hosts()), (Some(3), 0));
    assert_well(&up_command(dir, network.number, 2).output().unwrap());
    assert_eq!((status().status.code(), hosts()), (Some(0), 2));
    let first = boot();
    assert_eq!(first.len(), 37);
    for wanted in [2, 1, 3] {
        let out = up_command(dir, network.number, wanted).output().unwrap();
        assert_well(&out);
        assert_eq!(hosts(), usize::from(wanted));
        assert_eq!(boot(), first, "what is up stays up");
    }
    let left = fs::read_dir("/sys/class/net")
        .unwrap()
        .filter(|link| link.as_ref().unwrap().file_name().to_string_lossy().starts_with("rbl"))
        .count();
    assert_eq!(left, 0, "the machine's own network is not touched");
    // a state file that lies is not believed
    fs::remove_file(dir.join("lab.json")).unwrap();
    assert_well(&lab_command(dir, &["down"]).output().unwrap());
    assert_nothing_left(dir);
    assert_well(&lab_command(dir, &["down"]).output().unwrap());
    assert_eq!(status().status.code(), Some(3));
}

#[test]
fn killed_midway_nothing_is_left() {
    let network = Network::take();
    let temp = tempfile::Builder::new().prefix("runbook-lab-test-").tempdir().unwrap();
    let dir = temp.path();
    let name = dir.file_name().unwrap().to_str().unwrap();
    let mut seen = 0;
    for millis in [1, 20, 60, 120, 250, 500, 900] {
        let mut up = up_command(dir, network.number, 2).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        seen = seen.max(processes_of(name).len());
        up.kill().unwrap();
        up.wait().unwrap();
        assert_well(&lab_command(dir, &["down"]).output().unwrap());
        assert_nothing_left(dir);
    }
    assert!(seen > 2, "the kill came before there was anything to kill");
    assert_well(&up_command(dir, network.number, 1).output().unwrap());
    assert_well(&lab_command(dir, &["down"]).output().unwrap());
    assert_nothing_left(dir);
}

#[test]
fn without_namespaces_there_is_the_loopback_form() {
    let lab = Lab::up_as(2, "loopback");
    let told = stdout(&lab.lab(&["status"]));
    assert!(told.starts_with("the lab is up: loopback form: one sshd a host as the current user, no namespaces\n"), "{told}");
    assert_eq!(
        lab.told("proxy-2", "pwd; echo $HOME").lines().map(|line| line.ends_with("/hosts/proxy-2/home/app")).collect::<Vec<_>>(),
        [true, true]
    );
    lab.fault("restart-loop", "proxy-2");
    assert_eq!(brief(&lab.pm2_processes("proxy-1")), [(0, "proxy-service", "online")]);
    assert_eq!(lab.pm2_processes("proxy-2").len(), 2);
    lab.undo("restart-loop", "proxy-2");
    assert_eq!(brief(&lab.pm2_processes("proxy-2")), [(0, "proxy-service", "online")]);
}
