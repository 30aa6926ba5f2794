//! One path of a host: what lies there, where its links lead, every directory on the way, and what a user may do with it.
//!
//! What a user may do is worked out from modes, owners and groups, as the kernel does, where the user is not the one that
//! looks. What those cannot tell, such as access lists, is unreadable.

use crate::model::op::{Op, Reply, Shell};
use crate::model::step::Unreadable;
use crate::read::answer::line;
use crate::read::script::output;

pub(crate) const SCRIPT: &str = include_str!("file.sh");
const WHAT: &str = "the look at the path";

/// The look at a path, and at what the host knows of these users.
pub fn probe(path: &str, users: &[&str]) -> Op {
    Op::Shell(Shell::look("one path", SCRIPT).env("FILE_PATH", path).env("FILE_USERS", users.join("\n")))
}

/// What a path looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathView {
    /// The path, absolute.
    pub path: String,
    /// The acting user's home.
    pub home: String,
    /// The acting user's id.
    pub me: u32,
    /// The host's clock, in seconds since 1970.
    pub now: i64,
    /// The users that were asked about.
    pub users: Vec<User>,
    /// What lies at the path itself: a link is not followed.
    pub own: Option<Entry>,
    /// Where the link at the path points, as it is written.
    pub target: Option<String>,
    /// What the path leads to, links followed.
    pub leads: Option<Entry>,
    /// The path without links; where something is missing, the first thing that is.
    pub real: String,
    /// How following it ended.
    pub way: Way,
    /// Every directory on the way.
    pub dirs: Vec<(String, Entry)>,
    /// What the acting user may do: `r`, `w`, `x`.
    pub can: String,
    /// Whether the mount it lies on is read-only, where the host tells.
    pub read_only: Option<bool>,
}

/// How following a path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// At what it leads to.
    There,
    /// At something that does not exist.
    Gone,
    /// At a directory that the acting user may not enter.
    Shut,
    /// In a circle of links.
    Circle,
}

/// A user as the host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As it was asked about.
    pub name: String,
    /// Its id; none where the host knows no such user.
    pub uid: Option<u32>,
    /// Its groups; none where the host does not tell.
    pub groups: Option<Vec<u32>>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind of file.
    pub kind: FileType,
    /// The permission bits, up to 0o7777.
    pub mode: u32,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// The owner's name; the id where it has none.
    pub owner: String,
    /// The group's name; the id where it has none.
    pub group: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed last, in seconds since 1970.
    pub changed: i64,
    /// Whether an access list says more than the mode.
    pub acl: bool,
}

impl Entry {
    /// `0644 app:app`.
    pub fn rights(&self) -> String {
        format!("{:04o} {}:{}", self.mode, self.owner, self.group)
    }
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket.
    Socket,
    /// A named pipe.
    Fifo,
    /// A block or character device.
    Device,
}

impl FileType {
    /// The word in runbooks.
    pub fn word(self) -> &'static str {
        match self {
            FileType::File => "file",
            FileType::Directory => "directory",
            FileType::Link => "link",
            FileType::Socket => "socket",
            FileType::Fifo => "fifo",
            FileType::Device => "device",
        }
    }

    fn of(mode: u32) -> Option<Self> {
        Some(match mode >> 12 {
            0o10 => FileType::File,
            0o4 => FileType::Directory,
            0o12 => FileType::Link,
            0o14 => FileType::Socket,
            0o1 => FileType::Fifo,
            0o2 | 0o6 => FileType::Device,
            _ => return None,
        })
    }
}

impl PathView {
    /// Reads the reply to [`probe`].
    pub fn read(reply: &Reply) -> Result<Self, Unreadable> {
        Self::parse(&output(reply, WHAT)?)
    }

    /// Reads the records that the look printed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let body = bytes.strip_suffix(b"end \0").filter(|body| body.is_empty() || body.ends_with(b"\0"));
        let body = body.ok_or_else(|| Unreadable::new(format!("{WHAT} was cut short")))?;
        let mut records = Vec::new();
        for record in body.split(|b| *b == 0).filter(|record| !record.is_empty()) {
            let text = String::from_utf8_lossy(record);
            let (word, value) = text.split_once(' ').ok_or_else(|| garbled(&text))?;
            records.push((word.to_owned(), value.to_owned()));
        }
        let all = Records(&records);
        if let Some(what) = all.get("lacks") {
            let hint = "install coreutils or busybox on it; a path that is made or removed right now: look again";
            return Err(Unreadable::new(format!("the host cannot tell: {}", line(what, 200))).hint(hint));
        }
        let (own, leads) = (all.entry("self", "owner", "group")?, all.entry("leads", "leads-owner", "leads-group")?);
        let way = match all.need("state")? {
            "there" if leads.is_some() && own.is_some() => Way::There,
            "there" => return Err(Unreadable::new("the path changed while it was looked at").hint("look again")),
            "gone" => Way::Gone,
            "shut" => Way::Shut,
            "loop" => Way::Circle,
            other => return Err(Unreadable::new(format!("following the path ended as `{}`", line(other, 40)))),
        };
        let users = records.iter().filter_map(|(word, value)| match word.as_str() {
            "user" => Some(parse_user(value)),
            "nobody" => Some(Ok(User { name: value.clone(), uid: None, groups: None })),
            _ => None,
        });
        Ok(PathView {
            path: all.need("path")?.to_owned(),
            home: all.need("home")?.to_owned(),
            me: all.number("me")?,
            now: all.number("now")?,
            users: users.collect::<Result<_, _>>()?,
            own,
            target: all.get("target").map(str::to_owned),
            leads,
            real: all.need("real")?.to_owned(),
            way,
            dirs: records
                .iter()
                .filter(|(word, _)| word == "dir")
                .map(|(_, value)| parse_dir(value))
                .collect::<Result<_, _>>()?,
            can: all.get("can").unwrap_or_default().to_owned(),
            read_only: match all.get("mount") {
                None => None,
                Some("ro") => Some(true),
                Some("rw") => Some(false),
                Some(other) => return Err(garbled(other)),
            },
        })
    }

    /// The user of that name, among those that were asked about.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }
}

fn garbled(text: &str) -> Unreadable {
    Unreadable::new(format!("{WHAT} reads `{}`", line(text, 80)))
}

struct Records<'r>(&'r [(String, String)]);

impl<'r> Records<'r> {
    fn get(&self, word: &str) -> Option<&'r str> {
        self.0.iter().find(|(name, _)| name == word).map(|(_, value)| value.as_str())
    }

    fn need(&self, word: &str) -> Result<&'r str, Unreadable> {
        self.get(word).ok_or_else(|| Unreadable::new(format!("{WHAT} does not tell `{word}`")))
    }

    fn number<T: std::str::FromStr>(&self, word: &str) -> Result<T, Unreadable> {
        let text = self.need(word)?;
        text.parse().map_err(|_| garbled(&format!("{word} {text}")))
    }

    fn entry(&self, word: &str, owner: &str, group: &str) -> Result<Option<Entry>, Unreadable> {
        let Some(text) = self.get(word) else { return Ok(None) };
        let (mut entry, rest) = parse_entry(text)?;
        if !rest.is_empty() {
            return Err(garbled(text));
        }
        let named = |name: &str| !name.is_empty() && name != "UNKNOWN";
        if let Some(name) = self.get(owner).filter(|name| named(name)) {
            entry.owner = line(name, 80);
        }
        if let Some(name) = self.get(group).filter(|name| named(name)) {
            entry.group = line(name, 80);
        }
        Ok(Some(entry))
    }
}

/// `MODE UID GID SIZE TIME`, with ` +` for an access list; and what follows it.
fn parse_entry(text: &str) -> Result<(Entry, &str), Unreadable> {
    let bad = || garbled(text);
    let mut words = text.splitn(6, ' ');
    let mut next = || words.next().ok_or_else(bad);
    let raw = u32::from_str_radix(next()?, 16).map_err(|_| bad())?;
    let kind = FileType::of(raw).ok_or_else(bad)?;
    let uid: u32 = next()?.parse().map_err(|_| bad())?;
    let gid: u32 = next()?.parse().map_err(|_| bad())?;
    let size = next()?.parse().map_err(|_| bad())?;
    let changed = next()?.parse().map_err(|_| bad())?;
    let rest = words.next().unwrap_or_default();
    let listed = rest.strip_prefix('+');
    let (owner, group) = (uid.to_string(), gid.to_string());
    let entry = Entry { kind, mode: raw & 0o7777, uid, gid, owner, group, size, changed, acl: listed.is_some() };
    Ok((entry, listed.unwrap_or(rest)))
}

fn parse_dir(text: &str) -> Result<(String, Entry), Unreadable> {
    let (entry, rest) = parse_entry(text)?;
    let path = rest.trim_start_matches(' ');
    if !path.starts_with('/') {
        return Err(garbled(text));
    }
    let cut = path.trim_end_matches('/');
    Ok((if cut.is_empty() { "/".to_owned() } else { cut.to_owned() }, entry))
}

/// `UID:GID GID…:NAME`; `?` where the groups are not told.
fn parse_user(text: &str) -> Result<User, Unreadable> {
    let bad = || garbled(text);
    let mut parts = text.splitn(3, ':');
    let uid = parts.next().and_then(|uid| uid.parse().ok()).ok_or_else(bad)?;
    let groups = match parts.next().ok_or_else(bad)? {
        "?" => None,
        list => Some(list.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(|_| bad())?),
    };
    let name = parts.next().ok_or_else(bad)?.to_owned();
    Ok(User { name, uid: Some(uid), groups })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{FileType, PathView, Way};

    const LINK: &str = "path /srv/x\0home /home/x\0me 1000\0now 1795262245\0user 1001:1001 27:app\0user 5:?:5\0nobody ghost\0\
        self a1ff 0 0 4 1795262245\0owner root\0group UNKNOWN\0target a b\nc\0\
        dir 41ed 0 0 4096 1795259331 /\0dir 41c0 7 8 4096 1795259331 + /srv/\0\
        state there\0real /srv/a b\nc\0leads 81a4 1001 1001 5 1795262240\0leads-owner app\0leads-group app\0can r\0mount ro\0end \0";

    #[test]
    fn a_look_is_read() {
        let view = PathView::parse(LINK.as_bytes()).expect("readable");
        assert_eq!((view.way, view.target.as_deref(), view.real.as_str()), (Way::There, Some("a b\nc"), "/srv/a b\nc"));
        let own = view.own.expect("it is there");
        assert_eq!((own.kind, own.rights()), (FileType::Link, "0777 root:0".to_owned()));
        assert_eq!(view.leads.expect("it is there").rights(), "0644 app:app");
        let dirs: Vec<(&str, bool, u32)> = view.dirs.iter().map(|(path, dir)| (path.as_str(), dir.acl, dir.mode)).collect();
        assert_eq!(dirs, [("/", false, 0o755), ("/srv", true, 0o700)]);
        let users: Vec<(Option<u32>, Option<Vec<u32>>)> = view.users.iter().map(|u| (u.uid, u.groups.clone())).collect();
        assert_eq!(users, [(Some(1001), Some(vec![1001, 27])), (Some(5), None), (None, None)]);
        assert_eq!(view.read_only, Some(true));
    }

    #[test]
    fn a_look_that_was_cut_anywhere_is_no_look() {
        for at in 0..LINK.len() {
            assert!(PathView::parse(&LINK.as_bytes()[..at]).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_or_refused(bytes in any::<Vec<u8>>(), at in 0usize..400, with in "[ -~\\x00]{0,30}") {
            let _ = PathView::parse(&bytes);
            let (front, back) = LINK.split_at(at.min(LINK.len()));
            let _ = PathView::parse(format!("{front}{with}{back}").as_bytes());
        }
    }
}
