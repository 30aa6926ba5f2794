//! Ports of this machine that misbehave in one chosen way, each in threads of its own, so that what a client leaves
//! behind can be counted. They end with the value.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::sshd::free_port;

/// What a port does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ill {
    /// Nobody listens.
    Refuses,
    /// What is sent there is lost.
    Blackhole,
    /// Accepts and says nothing.
    Mute,
    /// Speaks HTTP.
    Http,
    /// Speaks TLS.
    Tls,
    /// Sends bytes that mean nothing.
    Garbage,
    /// Sends text without end before the banner.
    EndlessText,
    /// Sends its banner byte by byte.
    DripsBanner,
    /// Sends its side of the key exchange byte by byte.
    DripsKex,
    /// Has too many connections and says so.
    Sheds,
    /// Hangs up at once.
    HangsUp,
    /// Penalises this address and says so.
    Penalises,
    /// Speaks SSH 1.5.
    OldVersion,
    /// Offers a key exchange of the last century.
    NoCommonAlgorithm,
    /// Hangs up in the key exchange.
    DiesInKex,
    /// Takes its leave in the key exchange.
    LeavesInKex,
    /// Says nothing after its side of the key exchange: large packets do not pass.
    StallsInKex,
    /// Sends packets without a meaning for ever.
    EndlessPackets,
    /// Announces a packet of 2 GiB.
    OversizedPacket,
    /// Sends a packet that is smaller than its padding.
    UndersizedPacket,
    /// Sends random bytes where packets should be.
    RandomPackets,
    /// Sends lists of algorithms that end in the middle.
    MalformedPacket,
    /// Sends a point that is on no curve.
    BadPoint,
}

impl Ill {
    pub(crate) const ALL: [Self; 23] = [
        Self::Refuses,
        Self::Blackhole,
        Self::Mute,
        Self::Http,
        Self::Tls,
        Self::Garbage,
        Self::EndlessText,
        Self::DripsBanner,
        Self::DripsKex,
        Self::Sheds,
        Self::HangsUp,
        Self::Penalises,
        Self::OldVersion,
        Self::NoCommonAlgorithm,
        Self::DiesInKex,
        Self::LeavesInKex,
        Self::StallsInKex,
        Self::EndlessPackets,
        Self::OversizedPacket,
        Self::UndersizedPacket,
        Self::RandomPackets,
        Self::MalformedPacket,
        Self::BadPoint,
    ];

    /// The class it comes to and how often it is tried.
    pub(crate) fn class(self) -> (&'static str, usize) {
        match self {
            Self::Refuses => ("refused", 3),
            Self::Blackhole => ("connect-timeout", 2),
            Self::Mute => ("banner-timeout", 2),
            Self::DripsBanner => ("banner-timeout", 1),
            Self::Http | Self::Tls | Self::Garbage | Self::EndlessText => ("not-ssh", 1),
            Self::StallsInKex => ("kex-timeout", 2),
            Self::DripsKex | Self::EndlessPackets => ("kex-timeout", 1),
            Self::Sheds | Self::HangsUp => ("throttled", 5),
            Self::Penalises => ("penalised", 1),
            Self::OldVersion => ("protocol-version", 1),
            Self::NoCommonAlgorithm => ("algo-mismatch", 1),
            Self::DiesInKex | Self::LeavesInKex => ("kex-lost", 2),
            Self::OversizedPacket | Self::UndersizedPacket | Self::RandomPackets | Self::MalformedPacket | Self::BadPoint => {
                ("protocol-error", 1)
            }
        }
    }

    fn act(self, talk: &mut Talk) {
        match self {
            Self::Refuses | Self::Blackhole => {}
            Self::Mute => talk.wait(),
            Self::Http => talk.say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\x1b[2J"),
            Self::Tls => talk.say(b"\x15\x03\x01\x00\x02\x02\x46"),
            Self::Garbage => talk.say(&noise(2048)),
            Self::EndlessText => talk.repeat(b"\x1b]0;owned\x07 welcome to this machine\r\n"),
            Self::DripsBanner => talk.drip(b"SSH-2.0-OpenSSH_9.2p1 a server that takes its time with this line\r\n"),
            Self::Sheds => talk.say(b"Exceeded MaxStartups\r\n"),
            Self::HangsUp => {}
            Self::Penalises => talk.say(b"Not allowed at this time\r\n"),
            Self::OldVersion => talk.say(b"SSH-1.5-1.2.27\r\n"),
            _ => {
                talk.say(b"SSH-2.0-ill\r\n");
                self.exchange(talk);
            }
        }
    }

    fn exchange(self, talk: &mut Talk) {
        match self {
            Self::DripsKex => talk.drip(&packet(&lists("curve25519-sha256"))),
            Self::NoCommonAlgorithm => {
                talk.say(&packet(&lists("diffie-hellman-group1-sha1")));
                talk.wait();
            }
            Self::DiesInKex => {
                talk.say(&packet(&lists("curve25519-sha256")));
                talk.hear();
            }
            Self::LeavesInKex => {
                let mut leave = vec![1, 0, 0, 0, 11];
                text(&mut leave, "go away \x1b[31m");
                text(&mut leave, "");
                talk.say(&packet(&leave));
                talk.hear();
            }
            Self::StallsInKex => {
                talk.say(&packet(&lists("curve25519-sha256")));
                talk.wait();
            }
            Self::EndlessPackets => talk.repeat(&packet(&[&[2, 0, 0, 1, 0][..], &[b'x'; 256]].concat())),
            Self::OversizedPacket => {
                talk.say(&[0x7f, 0xff, 0xff, 0xff, 4, 20]);
                talk.repeat(&[0; 4096]);
            }
            Self::UndersizedPacket => {
                talk.say(&[&[0, 0, 0, 12, 200, 20][..], &[0; 10]].concat());
                talk.wait();
            }
            Self::RandomPackets => {
                talk.say(&noise(4096));
                talk.wait();
            }
            Self::MalformedPacket => {
                let mut short = lists("curve25519-sha256");
                short.truncate(60);
                talk.say(&packet(&short));
                talk.wait();
            }
            Self::BadPoint => {
                talk.say(&packet(&lists("curve25519-sha256")));
                talk.hear();
                let mut answer = vec![31];
                let mut key = Vec::new();
                text(&mut key, "ssh-ed25519");
                text(&mut key, "abc");
                bytes(&mut answer, &key);
                bytes(&mut answer, &[0; 5]);
                bytes(&mut answer, b"signed");
                talk.say(&packet(&answer));
                talk.wait();
            }
            _ => {}
        }
    }
}

/// Bytes that are the same in every run, and none of which ends a line or begins a banner.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 0x80
    };
    let mut noise: Vec<u8> = (0..count).map(|_| next()).collect();
    noise[1] = 0;
    noise
}

fn bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_be_bytes());
    to.extend_from_slice(bytes);
}

fn text(to: &mut Vec<u8>, text: &str) {
    bytes(to, text.as_bytes());
}

/// The lists of algorithms of a server.
fn lists(kex: &str) -> Vec<u8> {
    let mut all = vec![20];
    all.extend([7; 16]);
    let names = [kex, "ssh-ed25519", "aes256-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""];
    for name in names {
        text(&mut all, name);
    }
    all.extend([0; 5]);
    all
}

/// A packet before there are keys.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8 + 8;
    let mut packet = u32::try_from(payload.len() + padding + 1).expect("short").to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).expect("short"));
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// One connection, seen from the server; it lasts until the client or the endpoint ends it.
pub(crate) struct Talk {
    /// The how manieth connection this is, from 0.
    pub(crate) nth: usize,
    tcp: TcpStream,
    over: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Talk {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Another handle of the connection.
    pub(crate) fn handle(&self) -> TcpStream {
        self.tcp.try_clone().expect("a handle")
    }

    /// Sends this, if there is still somebody.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes);
    }

    /// Hears something, or that the client is gone.
    fn hear(&mut self) {
        let mut room = [0; 4096];
        while !self.is_over() {
            match self.tcp.read(&mut room) {
                Ok(0) => return,
                Ok(count) => {
                    self.heard.lock().expect("not poisoned").extend_from_slice(&room[..count]);
                    // the client's banner and its lists may come apart
                    if self.heard.lock().expect("not poisoned").len() > 200 {
                        return;
                    }
                }
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    /// Says nothing until the client is gone.
    pub(crate) fn wait(&mut self) {
        let mut room = [0; 4096];
        while !self.is_over() {
            match self.tcp.read(&mut room) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    fn repeat(&mut self, bytes: &[u8]) {
        while !self.is_over() && self.tcp.write_all(bytes).is_ok() {}
    }

    fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().cycle() {
            if self.is_over() || self.tcp.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Hands the connection on to another port of this machine.
    pub(crate) fn forward(&mut self, port: u16) {
        let there = TcpStream::connect(("127.0.0.1", port)).expect("the port answers");
        let (mut up, mut to) = (self.tcp.try_clone().expect("a handle"), there.try_clone().expect("a handle"));
        for tcp in [&up, &there] {
            tcp.set_read_timeout(None).expect("a timeout");
            tcp.set_nodelay(true).expect("an option");
        }
        let upwards = thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut &there, &mut self.tcp);
        let _ = self.tcp.shutdown(Shutdown::Both);
        let _ = there.shutdown(Shutdown::Both);
        upwards.join().expect("ended");
    }
}

/// A listening port.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    full: Option<(OwnedFd, Vec<TcpStream>)>,
}

impl Endpoint {
    pub(crate) fn start(ill: Ill) -> Self {
        match ill {
            Ill::Refuses => Self::nothing(free_port()),
            Ill::Blackhole => Self::full(),
            ill => Self::serving(move |talk| ill.act(talk)),
        }
    }

    /// Does this with each connection.
    pub(crate) fn serving(serve: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut endpoint = Self::nothing(listener.local_addr().expect("an address").port());
        let accepted = Arc::clone(&endpoint.accepted);
        let (over, heard, open) = (Arc::clone(&endpoint.over), Arc::clone(&endpoint.heard), Arc::clone(&endpoint.open));
        let serve = Arc::new(serve);
        endpoint.thread = Some(thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                tcp.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
                tcp.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout");
                let nth = accepted.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
                let mut talk = Talk { nth, tcp, over: Arc::clone(&over), heard: Arc::clone(&heard) };
                let (serve, open) = (Arc::clone(&serve), Arc::clone(&open));
                thread::spawn(move || {
                    serve(&mut talk);
                    // what the client sent must be read, or closing would reset the connection before it read ours
                    let _ = talk.tcp.shutdown(Shutdown::Write);
                    talk.wait();
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }));
        endpoint
    }

    fn nothing(port: u16) -> Self {
        Self {
            port,
            accepted: Arc::default(),
            open: Arc::default(),
            heard: Arc::default(),
            over: Arc::default(),
            thread: None,
            full: None,
        }
    }

    /// A listener whose queue is full: what else arrives is dropped without a word.
    fn full() -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        listen(&listener, 0).expect("it listens");
        let address = SocketAddr::try_from(getsockname(&listener).expect("an address")).expect("an IP address");
        let mut waiting = Vec::new();
        while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(tcp);
            assert!(waiting.len() < 20, "the queue is never full");
        }
        let mut endpoint = Self::nothing(address.port());
        endpoint.full = Some((listener, waiting));
        endpoint
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many there are now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// What clients sent to those who listen.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().expect("not poisoned").clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.full = None;
        if let Some(thread) = self.thread.take() {
            // it waits for a connection
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            let _ = thread.join();
        }
    }
}
