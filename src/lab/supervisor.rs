//! The first process of a lab: owns the network the hosts are on, starts and restarts them, relays to them, and takes
//! orders through a socket. When it ends, by whatever means, everything it started ends with it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{WaitOptions, wait};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixListener;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{APP_PORT, MOST_HOSTS, name};
use crate::lab::init::{heard, ip};
use crate::lab::label::{namespace_pids, start_time};
use crate::lab::order::{
    FleetSpec, Form, HostSpec, HostState, LONGEST, Order, Phase, Process, STATE, Said, State, Step, line, parse, socket_path,
};
use crate::lab::place::Place;
use crate::lab::relay;
use crate::lab::view;

/// Labels every link of the lab.
const LINK_GROUP: u32 = 7723;
/// The longest a host may take for one step of its start, its apps left out.
const STEP: Duration = Duration::from_secs(30);
/// The longest PM2 may take, waiting for its turn left out.
const BOOT: Duration = Duration::from_secs(180);

/// The word with which `lab up` lets go of a lab that stands. The end of its line before that ends the lab.
pub(crate) const KEEP: &str = "keep";
/// The same, but the end of the line still ends the lab.
pub(crate) const HOLD: &str = "hold";
/// What is said once orders are taken.
pub(crate) const LISTENING: &str = "listening";

/// Runs the lab until it is ended.
pub fn run() -> Result<(), LabError> {
    let spec: FleetSpec = parse("the fleet's spec", &heard()?)?;
    let place = Place::new(&spec.dir)?;
    view::mark(&place.path("mnt"), &spec.id)?;
    let status = std::fs::read_to_string("/proc/self/status").doing(|| "read /proc/self/status".to_owned())?;
    let pid = namespace_pids(&status).first().copied().ok_or(LabError::Abandoned)?;
    let outside = own_network()?;
    leave_network()?;
    let inside = own_network()?;
    ip(&format!(
        "link set lo up\nlink add rbl0 type bridge\nlink set rbl0 group {LINK_GROUP} alias runbook-lab:{}\naddr add {}/24 dev rbl0\nlink set rbl0 up\n",
        spec.id,
        spec.network.gateway()
    ))?;
    let state = State {
        id: spec.id.clone(),
        form: Form::Namespaces,
        network: spec.network,
        stands: false,
        supervisor: start_time(pid).map(|start| Process { pid, start }),
        tools: spec.tools.clone(),
        hosts: Vec::new(),
    };
    let lab = Arc::new(Lab {
        starters: Semaphore::new(spec.starters.max(1)),
        // the file itself, however often the program is built anew meanwhile
        program: format!("/proc/{pid}/exe"),
        controls: Mutex::new(BTreeMap::new()),
        state: watch::channel(state).0,
        place,
        outside,
        inside,
        spec,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "start the supervisor's runtime".to_owned())?;
    runtime.block_on(lab.serve())
}

fn own_network() -> Result<OwnedFd, LabError> {
    File::open("/proc/self/ns/net").map(OwnedFd::from).doing(|| "open the network namespace".to_owned())
}

#[expect(deprecated, reason = "the flag that makes this unsafe, a table of descriptors of one's own, is not used")]
fn leave_network() -> Result<(), LabError> {
    rustix::thread::unshare(UnshareFlags::NEWNET).doing(|| "make the lab's network namespace".to_owned())
}

#[derive(Debug)]
struct Lab {
    spec: FleetSpec,
    place: Place,
    program: String,
    outside: OwnedFd,
    inside: OwnedFd,
    starters: Semaphore,
    state: watch::Sender<State>,
    controls: Mutex<BTreeMap<u16, mpsc::Sender<Control>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Stop,
    Reboot,
}

type Heard = Lines<BufReader<tokio::io::Take<Receiver>>>;

/// A host that is being started or runs. Letting go of `words` ends it.
#[derive(Debug)]
struct Running {
    words: Sender,
    heard: Heard,
    outer: i32,
}

impl Lab {
    async fn serve(self: Arc<Self>) -> Result<(), LabError> {
        let (dir, path) = socket_path(&self.place)?;
        let _ = std::fs::remove_file(&path);
        let socket = UnixListener::bind(&path).doing(|| "listen for orders".to_owned())?;
        drop(dir);
        println!("{LISTENING}");
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().doing(|| "keep the starter's line".to_owned())?;
        let gate = self.gate(Receiver::from_owned_fd(stdin).doing(|| "read the starter's line".to_owned())?);
        tokio::pin!(gate);
        let mut kept = false;
        let mut child = signal(SignalKind::child()).doing(|| "watch the children".to_owned())?;
        let mut term = signal(SignalKind::terminate()).doing(|| "watch for SIGTERM".to_owned())?;
        let mut filed = self.state.subscribe();
        loop {
            tokio::select! {
                stands = &mut gate, if !kept => {
                    if !stands {
                        return Err(LabError::Abandoned);
                    }
                    kept = true;
                }
                accepted = socket.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let lab = Arc::clone(&self);
                        tokio::spawn(async move { lab.obey(stream).await });
                    }
                }
                _ = child.recv() => while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {},
                Ok(()) = filed.changed() => {
                    let state = filed.borrow_and_update().clone();
                    // readers believe the labels, not the file
                    let _ = self.place.write_json(STATE, &state);
                }
                _ = term.recv() => return Ok(()),
            }
        }
    }

    /// True once the lab is to stay; false when its starter is gone.
    async fn gate(&self, stdin: Receiver) -> bool {
        let mut lines = BufReader::new(stdin.take(LONGEST)).lines();
        while let Ok(Some(word)) = lines.next_line().await {
            self.state.send_modify(|state| state.stands = true);
            if word == KEEP {
                return true;
            }
        }
        false
    }

    /// Takes one order and tells every change of the state until the other side has heard enough.
    async fn obey(self: Arc<Self>, stream: tokio::net::UnixStream) {
        let (from, mut to) = stream.into_split();
        let mut lines = BufReader::new(from.take(LONGEST)).lines();
        let Ok(Ok(Some(text))) = timeout(STEP, lines.next_line()).await else { return };
        let Ok(order) = parse::<Order>("an order", &text) else { return };
        match order {
            Order::Hosts(count) => self.have(count.min(MOST_HOSTS)).await,
            Order::Reboot(number) => self.control(number, Control::Reboot).await,
        }
        let mut states = self.state.subscribe();
        loop {
            let state = states.borrow_and_update().clone();
            let Ok(text) = line(&state) else { return };
            if to.write_all(text.as_bytes()).await.is_err() {
                return;
            }
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                _ = lines.next_line() => return,
            }
        }
    }

    async fn have(self: &Arc<Self>, count: u16) {
        let known: Vec<u16> = self.controls().keys().copied().collect();
        for number in known.into_iter().filter(|number| *number > count) {
            self.control(number, Control::Stop).await;
        }
        for number in 1..=count {
            let failed =
                self.state.borrow().hosts.iter().any(|host| host.number == number && matches!(host.phase, Phase::Failed(_)));
            let missing = !self.controls().contains_key(&number);
            if missing || failed {
                let (sender, receiver) = mpsc::channel(4);
                self.controls().insert(number, sender);
                self.set(number, |host| *host = HostState { init: None, phase: Phase::Building, ..host.clone() });
                let lab = Arc::clone(self);
                tokio::spawn(async move { lab.keep(number, count, receiver).await });
            }
        }
    }

    async fn control(&self, number: u16, control: Control) {
        let sender = self.controls().get(&number).cloned();
        if control == Control::Stop {
            self.controls().remove(&number);
            self.state.send_modify(|state| state.hosts.retain(|host| host.number != number));
        } else if sender.is_some() {
            // said before it is done: who asked must not take the old state for the new one
            self.set(number, |host| host.phase = Phase::Building);
        }
        if let Some(sender) = sender {
            let _ = sender.send(control).await;
        }
    }

    fn controls(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, mpsc::Sender<Control>>> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, number: u16, change: impl FnOnce(&mut HostState)) {
        self.state.send_modify(|state| {
            let at = state.hosts.iter().position(|host| host.number == number).unwrap_or_else(|| {
                state.hosts.push(HostState { number, name: name(number), init: None, boots: 0, phase: Phase::Building });
                state.hosts.len() - 1
            });
            change(&mut state.hosts[at]);
            state.hosts.sort_by_key(|host| host.number);
        });
    }

    /// Keeps one host running until it is to stop; one that ends by itself is started again, as a machine reboots.
    async fn keep(self: Arc<Self>, number: u16, hosts: u16, mut controls: mpsc::Receiver<Control>) {
        let mut relays = JoinSet::new();
        let failed = match self.relays(number, &mut relays) {
            Err(error) => error,
            Ok(()) => loop {
                match self.start(number, hosts).await {
                    Err(error) => break error,
                    Ok(mut running) => {
                        let control = tokio::select! {
                            () = ended(&mut running.heard) => Control::Reboot,
                            control = controls.recv() => control.unwrap_or(Control::Stop),
                        };
                        if control == Control::Stop {
                            // the addresses first: a new host of this number may be wanted at once
                            relays.shutdown().await;
                        }
                        self.put_down(running).await;
                        if control == Control::Stop {
                            return self.forget(number);
                        }
                        self.set(number, |host| *host = HostState { init: None, phase: Phase::Building, ..host.clone() });
                    }
                }
            },
        };
        if self.controls().contains_key(&number) {
            self.set(number, |host| *host = HostState { init: None, phase: Phase::Failed(failed.to_string()), ..host.clone() });
        }
    }

    /// A host that was told to stop while it started has told of itself once more.
    fn forget(&self, number: u16) {
        if !self.controls().contains_key(&number) {
            self.state.send_modify(|state| state.hosts.retain(|host| host.number != number));
        }
    }

    /// Binds on the machine's loopback and relays into the lab's network.
    fn relays(&self, number: u16, tasks: &mut JoinSet<()>) -> Result<(), LabError> {
        let network = self.spec.network;
        for (port, outside) in [(22, network.ssh(number)), (APP_PORT, network.app(number))] {
            enter(&self.outside)?;
            let bound = TcpListener::bind(outside);
            enter(&self.inside)?;
            let doing = || format!("listen on {outside}");
            let listener = bound.doing(doing)?;
            listener.set_nonblocking(true).doing(doing)?;
            let listener = tokio::net::TcpListener::from_std(listener).doing(doing)?;
            tasks.spawn(relay::serve(listener, std::net::SocketAddrV4::new(network.inside(number), port)));
        }
        Ok(())
    }

    async fn start(&self, number: u16, hosts: u16) -> Result<Running, LabError> {
        let host = name(number);
        let mut running = self.spawn(&host).await?;
        let spec = HostSpec { fleet: self.spec.clone(), number, hosts };
        tell(&mut running.words, &spec).await?;
        expect(&mut running.heard, STEP, |said| (*said == Said::Built).then_some(())).await?;
        // the other end of a veth of an earlier start goes a little later than its host
        let _ = ip(&format!("link del rbl{number}\n"));
        ip(&format!(
            "link add rbl{number} group {LINK_GROUP} type veth peer name eth0 address {} netns {}\n\
             link set rbl{number} alias runbook-lab:{}:{host} master rbl0 up\n",
            self.spec.network.hardware(number),
            running.outer,
            self.spec.id
        ))?;
        tell(&mut running.words, &Step::Go).await?;
        expect(&mut running.heard, STEP, |said| (*said == Said::Ready).then_some(())).await?;
        self.set(number, |host| host.phase = Phase::Ssh);
        let turn = self.starters.acquire().await.map_err(|_| LabError::Abandoned)?;
        tell(&mut running.words, &Step::Boot).await?;
        let well = expect(&mut running.heard, BOOT, |said| match said {
            Said::Booted { ok } => Some(*ok),
            _ => None,
        })
        .await?;
        drop(turn);
        if !well {
            return Err(LabError::Program { doing: "starting its apps".to_owned(), said: "PM2 ended with an error".to_owned() });
        }
        self.set(number, |host| host.phase = Phase::Up);
        Ok(running)
    }

    /// Starts the namespaces with their first process, and hears which process that is.
    async fn spawn(&self, host: &str) -> Result<Running, LabError> {
        let log = self.place.path(&format!("log/{host}.log"));
        let log = OpenOptions::new().create(true).append(true).open(&log).doing(|| format!("open {}", log.display()))?;
        let mut child: Child = Command::new("unshare")
            .args(["--fork", "--kill-child", "--pid", "--mount", "--net", "--uts", "--ipc", "--propagation", "private", "--"])
            .args([&self.program, "lab-init", &self.spec.id, host])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .doing(|| "run unshare".to_owned())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { return Err(LabError::Abandoned) };
        let words = Sender::from_owned_fd(stdin.into()).doing(|| "keep the host's line".to_owned())?;
        let heard = Receiver::from_owned_fd(stdout.into()).doing(|| "keep the host's line".to_owned())?;
        let mut heard = BufReader::new(heard.take(LONGEST)).lines();
        let pids = expect(&mut heard, STEP, |said| match said {
            Said::Pids(pids) => Some(pids.clone()),
            _ => None,
        })
        .await?;
        // this machine's number, ours, its own
        let [machine, .., outer, _] = pids[..] else {
            return Err(LabError::Unreadable { what: "the host's process number".to_owned(), why: format!("{pids:?}") });
        };
        self.set_init(host, machine);
        Ok(Running { words, heard, outer })
    }

    fn set_init(&self, host: &str, pid: i32) {
        let init = start_time(pid).map(|start| Process { pid, start });
        self.state.send_modify(|state| {
            for known in state.hosts.iter_mut().filter(|known| known.name == host) {
                known.init = init;
                known.boots += 1;
            }
        });
    }

    /// Ends a host and waits for its end.
    async fn put_down(&self, running: Running) {
        let Running { words, mut heard, outer } = running;
        if let Some(pid) = rustix::process::Pid::from_raw(outer)
            && start_is_ours(&mut heard).await
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        drop(words);
        let _ = timeout(STEP, ended(&mut heard)).await;
    }
}

/// Whether the host has not ended yet: its number may be another's after that.
async fn start_is_ours(heard: &mut Heard) -> bool {
    timeout(Duration::ZERO, ended(heard)).await.is_err()
}

fn enter(network: &OwnedFd) -> Result<(), LabError> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .doing(|| "change the network namespace".to_owned())
}

async fn tell<T: serde::Serialize>(words: &mut Sender, what: &T) -> Result<(), LabError> {
    words.write_all(line(what)?.as_bytes()).await.doing(|| "tell the host".to_owned())
}

/// Waits for what is wanted; anything else but a failure is passed over.
async fn expect<T>(heard: &mut Heard, limit: Duration, wanted: impl Fn(&Said) -> Option<T>) -> Result<T, LabError> {
    let search = async {
        loop {
            match heard.next_line().await {
                Ok(Some(text)) => match parse::<Said>("the host's word", &text)? {
                    Said::Failed(said) => return Err(LabError::Program { doing: "its start".to_owned(), said }),
                    said => {
                        if let Some(found) = wanted(&said) {
                            return Ok(found);
                        }
                    }
                },
                Ok(None) => {
                    return Err(LabError::Program { doing: "its start".to_owned(), said: "its first process ended".to_owned() });
                }
                Err(source) => return Err(LabError::Io { doing: "hear from the host".to_owned(), source }),
            }
        }
    };
    timeout(limit, search)
        .await
        .unwrap_or(Err(LabError::Late { what: "a step of its start".to_owned(), seconds: limit.as_secs() }))
}

/// Waits for the end of a host.
async fn ended(heard: &mut Heard) {
    while matches!(heard.next_line().await, Ok(Some(_))) {}
}
