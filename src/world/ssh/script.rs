//! The shell text this program sends: constants, and one function that quotes values.
//!
//! The one open shell first reads [`DEFINE`]. After that everything it is given is a call of that function whose
//! words are quoted values: nonce, working directory, script, environment. A script is data until `eval` sees it in a
//! subshell of its own, so nothing in it can break what follows.

use crate::model::op::Shell;

/// What the server is asked to execute. The login shell, whatever it is, understands it.
pub(crate) const EXEC: &str = "exec /bin/sh -s";

/// Defines the function that runs one script between two markers. The status comes from the subshell; `cwd` instead of
/// a status says that the working directory is not there and the script was not run.
///
/// A bash would take functions and options from the environment of the login, and a function called `printf` or `kill`
/// would stand between this program and the host: as a privileged shell it starts anew without them. Only a bash has
/// that variable; `exec` and `set` are found before functions in its POSIX mode.
pub(crate) const DEFINE: &str = r#"case ${BASH_VERSINFO-} in ?*) exec /bin/sh -p -s;; esac
case ${BASH_VERSINFO-} in ?*) set +p;; esac
unset CDPATH ENV
__rb() {
printf '\n%s begin\n' "$1"; printf '\n%s begin\n' "$1" >&2
if [ -n "$2" ] && ! ( cd -- "$2" ) </dev/null; then __rb_end=cwd; else
( __rb_dir=$2; __rb_text=$3; shift 3
for __rb_pair do export "$__rb_pair" || exit; done
if [ -n "$__rb_dir" ]; then cd -- "$__rb_dir" || exit; fi
set -- "$__rb_text"; unset __rb_dir __rb_text __rb_pair __rb_end
eval "set --; $1"
) </dev/null
__rb_end=$?; fi
printf '\n%s end %s\n' "$1" "$__rb_end"; printf '\n%s end %s\n' "$1" "$__rb_end" >&2
}
"#;

/// Defines the function that runs one script between two markers as another user. The script goes through a pipe:
/// what stands on a command line is in every process list, and `sudo` writes it to the log. `user` instead of a status
/// says that `sudo` would not, or wanted a password, and that the script was not run. A shell whose `printf` is a program
/// has a `print` of its own, which takes scripts of any length and is in no process list; what does not arrive is not run.
/// `sudo` runs as root and cannot be ended by us: after five seconds it is not waited for any more.
pub(crate) const DEFINE_AS: &str = r#"__rbs() {
( sudo -n -H -u "$1" -- /bin/sh -c : </dev/null; exit $? ) & __rb_pid=$!
( __rb_left=5; while [ "$__rb_left" -gt 0 ]; do sleep 1; __rb_left=$((__rb_left - 1)); done
kill -s KILL "$__rb_pid" ) </dev/null >/dev/null 2>&1 & __rb_clock=$!
wait "$__rb_pid" 2>/dev/null; __rb_end=$?
if kill -s KILL "$__rb_clock" 2>/dev/null; then wait "$__rb_clock" 2>/dev/null
else echo 'runbook: sudo did not answer within 5 s' >&2; fi
return "$__rb_end"
}
__rbu() {
printf '\n%s begin\n' "$1"; printf '\n%s begin\n' "$1" >&2
if __rbs "$2"; then
{ case $(command -v printf) in /*) print -r -- "$3";; *) printf '%s\n' "$3";; esac || echo 'exit 126'; } |
sudo -n -H -u "$2" -- /bin/sh -s
__rb_end=$?
else __rb_end=user; fi
printf '\n%s end %s\n' "$1" "$__rb_end"; printf '\n%s end %s\n' "$1" "$__rb_end" >&2
}
"#;

/// Says which process group the shell leads, if it leads one.
pub(crate) const HELLO: &str = r#"pid=$$; group=
if [ -r "/proc/$pid/stat" ]; then
IFS= read -r line <"/proc/$pid/stat"; set -- ${line##*\) }; group=$3
else group=$(ps -o pgid= -p "$pid" 2>/dev/null); fi
printf '%s %s\n' "$pid" $group"#;

/// What the host says of itself, separated by NUL.
pub(crate) const FACTS: &str = r#"LC_ALL=C; export LC_ALL; boot=; machine=
{ IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
{ IFS= read -r machine </etc/machine-id; } 2>/dev/null
printf '%s\0%s\0%s\0%s\0%s\0%s\0' "$(uname -snm)" "$(id)" "$HOME" "$boot" "$machine" "$(date +%s%N)""#;

/// Ends the process group `RB_GROUP` (unless `RB_WATCH` is set: then it only looks) and says `gone` with the signal
/// that did it, or `alive`. A group is gone when the kernel says so, or when all that is left of it are zombies.
pub(crate) const END: &str = r#"LC_ALL=C; export LC_ALL
alive() {
why=$(kill -s 0 -- "-$RB_GROUP" 2>&1) || case $why in *[Nn]o\ such*) return 1;; *) return 0;; esac
[ -r /proc/1/stat ] || return 0
for file in /proc/[0-9]*/stat; do
{ IFS= read -r line <"$file"; } 2>/dev/null || continue
set -- ${line##*\) }
[ "$3" = "$RB_GROUP" ] && [ "$1" != Z ] && [ "$1" != X ] && return 0
done
return 1
}
nap() { sleep 0.1 2>/dev/null || { sleep 1; left=$((left - 9)); }; }
gone() { left=20; while [ "$left" -gt 0 ]; do alive || return 0; nap; left=$((left - 1)); done; return 1; }
if [ -n "$RB_WATCH" ]; then
if gone; then echo gone; else echo alive; fi
exit
fi
alive || { echo gone; exit; }
kill -s TERM -- "-$RB_GROUP" 2>/dev/null
if gone; then echo gone TERM; exit; fi
kill -s KILL -- "-$RB_GROUP" 2>/dev/null
if gone; then echo gone KILL; else echo alive; fi"#;

/// A value that cannot be part of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("nul-byte")]
    Nul,
    #[error("bad-variable-name")]
    Name,
}

/// One word of POSIX shell that stands for exactly `value`.
pub(crate) fn quote(value: &str, out: &mut String) -> Result<(), Unsendable> {
    if value.contains('\0') {
        return Err(Unsendable::Nul);
    }
    out.push('\'');
    for (index, part) in value.split('\'').enumerate() {
        if index > 0 {
            out.push_str("'\\''");
        }
        out.push_str(part);
    }
    out.push('\'');
    Ok(())
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The call that runs `script` between markers with `nonce`. `home` is what `~/` in the working directory means.
pub(crate) fn call(nonce: &str, script: &Shell, home: &str) -> Result<String, Unsendable> {
    if let Some(user) = &script.acts_as {
        return call_as(nonce, script, user);
    }
    let mut line = String::from("__rb");
    let mut word = |value: &str| {
        line.push(' ');
        quote(value, &mut line)
    };
    word(nonce)?;
    word(&script.cwd.as_deref().map(|cwd| at_home(cwd, home)).unwrap_or_default())?;
    word(script.text())?;
    for (name, value) in &script.env {
        if !is_name(name) {
            return Err(Unsendable::Name);
        }
        word(&[name, "=", value].concat())?;
    }
    line.push('\n');
    Ok(line)
}

/// The call that runs `script` as `user`. All of it is one compound command, so that the shell has read it to its end
/// before any of it runs and reads its input. A directory that is not there ends it with 126.
fn call_as(nonce: &str, script: &Shell, user: &str) -> Result<String, Unsendable> {
    let mut program = String::from("( unset CDPATH ENV; ");
    for (name, value) in &script.env {
        if !is_name(name) {
            return Err(Unsendable::Name);
        }
        program.push_str("export ");
        quote(&[name, "=", value].concat(), &mut program)?;
        program.push_str(" || exit 126; ");
    }
    if let Some(cwd) = &script.cwd {
        program.push_str("cd -- ");
        match cwd.strip_prefix("~") {
            // the home of that user, which `sudo -H` sets
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                program.push_str("\"$HOME\"");
                quote(rest, &mut program)?;
            }
            _ => quote(cwd, &mut program)?,
        }
        program.push_str(" || exit 126; ");
    }
    program.push_str("eval ");
    quote(script.text(), &mut program)?;
    program.push_str("\n) </dev/null");
    let mut line = String::from("__rbu");
    for value in [nonce, user, program.as_str()] {
        line.push(' ');
        quote(value, &mut line)?;
    }
    line.push('\n');
    Ok(line)
}

/// A path on a host: `~/` is the acting user's home there.
pub(crate) fn at_home(path: &str, home: &str) -> String {
    match path.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => [home.trim_end_matches('/'), rest].concat(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unsendable, at_home, call};
    use crate::model::op::Shell;

    #[test]
    fn words_are_quoted_and_names_are_checked() {
        let script = Shell::look("x", "echo 'a'").env("V", "it's\n$x").cwd(Some("~/a b".to_owned()));
        assert_eq!(call("n", &script, "/h/"), Ok("__rb 'n' '/h/a b' 'echo '\\''a'\\''' 'V=it'\\''s\n$x'\n".to_owned()));
        assert_eq!(call("n", &Shell::look("x", "a\0b"), ""), Err(Unsendable::Nul));
        assert_eq!(call("n", &Shell::look("x", "a").env("A", "\0"), ""), Err(Unsendable::Nul));
        assert_eq!(call("n", &Shell::look("x", "a").env("A B", "c"), ""), Err(Unsendable::Name));
        assert_eq!(call("n", &Shell::look("x", "a").env("", "c"), ""), Err(Unsendable::Name));
    }

    #[test]
    fn only_ones_own_home_is_expanded() {
        assert_eq!(at_home("~", "/h"), "/h");
        assert_eq!(at_home("~/x", "/h"), "/h/x");
        assert_eq!(at_home("~bob/x", "/h"), "~bob/x");
        assert_eq!(at_home("/~/x", "/h"), "/~/x");
    }
}
