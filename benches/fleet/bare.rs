//! The least that a client on this SSH library can do: connect, check the host key, log in, execute, count what is
//! printed. A channel a command, 50 hosts at a time.

use std::path::Path;
use std::sync::Arc;

use russh::client::{Config, Handler, connect};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Error};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const FORKS: usize = 50;

struct Client {
    known: Arc<PublicKey>,
}

impl Handler for Client {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(shown.public_key().key_data() == self.known.key_data())
    }
}

/// `PORT KEY KNOWN_HOSTS HOSTS COMMANDS`.
pub(crate) fn main(arguments: &[String]) {
    let [port, key, known, hosts, commands] = arguments else { panic!("PORT KEY KNOWN_HOSTS HOSTS COMMANDS") };
    let port: u16 = port.parse().expect("a port");
    let key = Arc::new(load_secret_key(Path::new(key), None).expect("a key"));
    let line = std::fs::read_to_string(known).expect("known hosts");
    let known = line.split_once(' ').map(|(_, key)| PublicKey::from_openssh(key.trim()).expect("a key")).expect("a line");
    let known = Arc::new(known);
    let (hosts, commands): (usize, usize) = (hosts.parse().expect("a number"), commands.parse().expect("a number"));
    let user = std::process::Command::new("id").arg("-un").output().expect("id").stdout;
    let user: Arc<str> = String::from_utf8(user).expect("utf-8").trim().into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        let forks = Arc::new(Semaphore::new(FORKS));
        let mut tasks = JoinSet::new();
        for n in 1..=hosts {
            let (key, known, user, forks) = (Arc::clone(&key), Arc::clone(&known), Arc::clone(&user), Arc::clone(&forks));
            tasks.spawn(async move {
                let _turn = forks.acquire().await.expect("open");
                let printed = one(port, &user, key, known, commands).await.expect("a host that works");
                println!("web-{n:04}: {printed} bytes");
            });
        }
        tasks.join_all().await;
    });
}

async fn one(port: u16, user: &str, key: Arc<PrivateKey>, known: Arc<PublicKey>, commands: usize) -> Result<usize, Error> {
    let config = Arc::new(Config { nodelay: true, ..Config::default() });
    let mut handle = connect(config, ("127.0.0.1", port), Client { known }).await?;
    let login = handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, None)).await?;
    assert!(login.success(), "the key is accepted");
    let mut printed = 0;
    for _ in 0..commands {
        let mut channel = handle.channel_open_session().await?;
        channel.exec(true, "true").await?;
        let mut status = None;
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => printed += data.len(),
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
        assert_eq!(status, Some(0));
    }
    Ok(printed)
}
