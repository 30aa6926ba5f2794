//! What a user may do with a path: by asking, where the user is the one that looks, else from modes, owners and groups.

use crate::model::step::Unreadable;
use crate::read::answer::line;
use crate::read::file::{Entry, FileType, PathView, User};

/// What is wanted of a path. Of a directory: to list and enter it, or to make things in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// To read it.
    Read,
    /// To write it.
    Write,
}

/// Why the user may not, in words; none where it may.
pub fn obstacle(view: &PathView, name: &str, want: Want) -> Result<Option<String>, Unreadable> {
    let user = view.user(name).ok_or_else(|| Unreadable::new(format!("the host was not asked about {}", line(name, 80))))?;
    let Some(uid) = user.uid else {
        let what = format!("the host has no user {}", line(name, 80));
        return Err(Unreadable::new(what).hint("a number, such as \"1001\", needs no entry in its user list"));
    };
    let Some(leads) = &view.leads else { return Err(Unreadable::new("the path leads to nothing")) };
    let wants = wanted(leads, want);
    if uid == view.me {
        let can = wants.iter().all(|letter| view.can.contains(*letter));
        return Ok((!can).then(|| by_modes(view, leads, user, want).ok().flatten().unwrap_or_else(|| own_reason(view, want))));
    }
    if want == Want::Write {
        match view.read_only {
            Some(true) => return Ok(Some("it lies on a read-only mount".to_owned())),
            Some(false) => {}
            None => return Err(Unreadable::new("the host does not tell whether it lies on a read-only mount")),
        }
    }
    if uid == 0 {
        return Ok(None);
    }
    by_modes(view, leads, user, want)
}

fn own_reason(view: &PathView, want: Want) -> String {
    match (want, view.read_only) {
        (Want::Write, Some(true)) => "it lies on a read-only mount".to_owned(),
        _ => "the host says no when it is asked".to_owned(),
    }
}

fn wanted(entry: &Entry, want: Want) -> &'static [char] {
    match (want, entry.kind) {
        (Want::Read, FileType::Directory) => &['r', 'x'],
        (Want::Read, _) => &['r'],
        (Want::Write, FileType::Directory) => &['w', 'x'],
        (Want::Write, _) => &['w'],
    }
}

/// The way first, then the thing itself.
fn by_modes(view: &PathView, leads: &Entry, user: &User, want: Want) -> Result<Option<String>, Unreadable> {
    let way = view.dirs.iter().filter(|(path, _)| *path != view.real).map(|(path, dir)| (path.as_str(), dir, &['x'][..]));
    let all = way.chain(std::iter::once((view.real.as_str(), leads, wanted(leads, want))));
    for (path, entry, letters) in all {
        if user.uid != Some(0) && !allowed(path, entry, user, letters)? {
            let (path, rights) = (line(path, 200), entry.rights());
            return Ok(Some(match letters {
                ['x'] => format!("it may not enter {path} ({rights})"),
                _ => format!("{path} is {rights}"),
            }));
        }
    }
    Ok(None)
}

/// The first class that fits decides, as in the kernel: an owner without a bit is not saved by the others' bit.
fn allowed(path: &str, entry: &Entry, user: &User, letters: &[char]) -> Result<bool, Unreadable> {
    let path = line(path, 200);
    if entry.acl {
        let what = format!("{path} has an access list, which its mode does not tell");
        return Err(Unreadable::new(what).hint("look as that user: become = \"…\""));
    }
    let bits = letters
        .iter()
        .fold(0, |bits, letter| bits | [('r', 4), ('w', 2), ('x', 1)].iter().find(|(l, _)| l == letter).map_or(0, |(_, b)| *b));
    let class = |shift: u32| (entry.mode >> shift) & bits == bits;
    if user.uid == Some(entry.uid) {
        return Ok(class(6));
    }
    match &user.groups {
        Some(groups) if groups.contains(&entry.gid) => Ok(class(3)),
        Some(_) => Ok(class(0)),
        None if class(3) == class(0) => Ok(class(0)),
        None => {
            let what = format!("whether {} is in the group of {path} ({}) is not known", line(&user.name, 80), entry.rights());
            Err(Unreadable::new(what).hint("the host has no entry for that user"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Want, obstacle};
    use crate::read::file::PathView;

    const APP: &str = "1001:1001 27:app";

    fn view(me: u32, users: &str, dir: &str, leads: &str, rest: &str) -> PathView {
        let text = format!(
            "path /srv/x\0home /home/x\0me {me}\0now 9\0user {users}\0self {leads}\0dir 41ed 0 0 0 0 /\0dir {dir} /srv/\0\
             state there\0real /srv/x\0leads {leads}\0{rest}\0end \0"
        );
        PathView::parse(text.as_bytes()).expect("readable")
    }

    fn may(view: &PathView, name: &str, want: Want) -> String {
        match obstacle(view, name, want) {
            Ok(None) => "yes".to_owned(),
            Ok(Some(why)) => why,
            Err(unreadable) => format!("? {}", unreadable.what),
        }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        for (leads, read, write) in [
            ("8180 1001 0 0 0", "yes", "yes"),
            ("8024 1001 27 0 0", "/srv/x is 0044 1001:27", "/srv/x is 0044 1001:27"),
            ("81b0 0 27 0 0", "yes", "yes"),
            ("8104 0 27 0 0", "/srv/x is 0404 0:27", "/srv/x is 0404 0:27"),
            ("81a4 0 0 0 0", "yes", "/srv/x is 0644 0:0"),
            ("41ec 0 0 0 0", "/srv/x is 0754 0:0", "/srv/x is 0754 0:0"),
            ("41f8 0 27 0 0", "yes", "yes"),
        ] {
            let view = view(0, APP, "41ed 0 0 0 0", leads, "mount rw");
            assert_eq!(
                (may(&view, "app", Want::Read), may(&view, "app", Want::Write)),
                (read.to_owned(), write.to_owned()),
                "{leads}"
            );
        }
    }

    #[test]
    fn every_directory_on_the_way_must_let_it_in() {
        let shut = view(0, APP, "41c0 0 0 0 0", "81b6 0 0 0 0", "mount rw");
        assert_eq!(may(&shut, "app", Want::Read), "it may not enter /srv (0700 0:0)");
        let root = view(1000, "0:0:root", "41c0 7 7 0 0", "8000 7 7 0 0", "mount rw");
        assert_eq!(may(&root, "root", Want::Write), "yes");
    }

    #[test]
    fn what_modes_do_not_tell_is_not_known() {
        let listed = view(0, APP, "41ed 0 0 0 0", "81b6 0 0 0 0 +", "mount rw");
        assert_eq!(may(&listed, "app", Want::Read), "? /srv/x has an access list, which its mode does not tell");
        let no_mount = view(0, APP, "41ed 0 0 0 0", "81b6 0 0 0 0", "can rw");
        assert_eq!(may(&no_mount, "app", Want::Write), "? the host does not tell whether it lies on a read-only mount");
        assert_eq!(may(&no_mount, "bob", Want::Read), "? the host was not asked about bob");
        let number = view(0, "1001:?:1001", "41ed 0 0 0 0", "81a0 0 27 0 0", "mount rw");
        assert_eq!(may(&number, "1001", Want::Read), "? whether 1001 is in the group of /srv/x (0640 0:27) is not known");
        let same = view(0, "1001:?:1001", "41ed 0 0 0 0", "81a4 0 27 0 0", "mount rw");
        assert_eq!(may(&same, "1001", Want::Read), "yes");
    }

    #[test]
    fn the_acting_user_is_asked_rather_than_worked_out() {
        let listed = view(1001, APP, "41c0 0 0 0 0 +", "8000 0 0 0 0 +", "can r");
        assert_eq!(
            (may(&listed, "app", Want::Read), may(&listed, "app", Want::Write).as_str()),
            ("yes".to_owned(), "the host says no when it is asked")
        );
        let mount = view(1001, APP, "41ed 0 0 0 0", "81b6 0 0 0 0", "can r\0mount ro");
        assert_eq!(may(&mount, "app", Want::Write), "it lies on a read-only mount");
        let closed = view(1001, APP, "41ed 0 0 0 0", "8180 0 0 0 0", "can ");
        assert_eq!(may(&closed, "app", Want::Read), "/srv/x is 0600 0:0");
    }
}
