//! The shell text this program sends: constants, and one function that quotes values.
//!
//! The one open shell first reads [`DEFINE`]. After that everything it is given is a call of that function whose
//! words are quoted values: nonce, working directory, script, environment. A script is data until `eval` sees it in a
//! subshell of its own, so nothing in it can break what follows.

use zeroize::Zeroizing;

use crate::model::op::Shell;

/// What the server is asked to execute. The login shell, whatever it is, understands it.
pub(crate) const EXEC: &str = "exec /bin/sh -s";

/// Defines the function that runs one script between two markers, on each stream. The status comes from the subshell;
/// `cwd` instead of a status says that the working directory is not there and the script was not run.
///
/// After a script that may change something `+` behind its status says that the stream is held: processes have it open
/// that had not when the shell began. What is just about to close it gets a moment. Where the host does not tell, nothing
/// is said of it; a process that redirects one of its streams just then is seen by the other. Streams are told apart by
/// the names that `ls` reads of them: to look at a file itself (`-ef`, `stat`) would wait for ever where the output of any
/// process is on a file system that does not answer.
///
/// A bash would take functions and options from the environment of the login, and a function called `printf` or `kill`
/// would stand between this program and the host: as a privileged shell it starts anew without them. Only a bash has
/// that variable; `exec` and `set` are found before functions in its POSIX mode.
pub(crate) const DEFINE: &str = r#"case ${BASH_VERSINFO-} in ?*) exec /bin/sh -p -s;; esac
case ${BASH_VERSINFO-} in ?*) set +p;; esac
unset CDPATH ENV
__rb_n= __rb_was= __rb_keep=
__rbh() { __rb_n=; }
if [ -e /proc/self/fd/2 ]; then
__rb_b=$(ls -ln /proc/self/fd/2); { __rb_a=$(ls -ln /proc/self/fd/2); } 2>&1
__rb_1="-> ${__rb_a##*"-> "}" __rb_2="-> ${__rb_b##*"-> "}"
case $__rb_1$__rb_2 in *\[*-*\[*) __rbh() {
set -- $( exec 2>/dev/null
ls -ln /proc/[0-9]*/fd/[12] | grep -F -e "$__rb_1" -e "$__rb_2" | while IFS= read -r line; do
file=${line%" -> "*}; file=${file##* }
case $line in (*"$__rb_1") echo "1:$file";; esac
case $line in (*"$__rb_2") echo "2:$file";; esac
done )
__rb_n=" $* "
};; esac
fi
__rbh; __rb_was=$__rb_n
__rbm() {
__rbh; __rb_a= __rb_b=
for __rb_file in $__rb_n; do
case $__rb_was in *" $__rb_file "*) ;; *) case $__rb_file in 1:*) __rb_a=+;; *) __rb_b=+;; esac;; esac
done
}
__rbe() {
__rb_a= __rb_b=
if [ -n "$__rb_keep" ]; then __rbm; __rb_keep=; fi
if [ -n "$__rb_a$__rb_b" ]; then sleep 0.1 </dev/null 2>/dev/null || sleep 1 </dev/null; __rbm; fi
printf '\n%s end %s\n' "$1" "$__rb_end$__rb_a"; printf '\n%s end %s\n' "$1" "$__rb_end$__rb_b" >&2
}
__rb() {
printf '\n%s begin\n' "$1"; printf '\n%s begin\n' "$1" >&2
if [ -n "$2" ] && ! ( cd -- "$2" ) </dev/null; then __rb_end=cwd __rb_keep=; else
( __rb_dir=$2; __rb_text=$3; shift 3
for __rb_pair do export "$__rb_pair" || exit; done
if [ -n "$__rb_dir" ]; then cd -- "$__rb_dir" || exit; fi
set -- "$__rb_text"
unset __rb_dir __rb_text __rb_pair __rb_end __rb_n __rb_was __rb_keep __rb_a __rb_b __rb_1 __rb_2 __rb_file
eval "set --; $1"
) </dev/null
__rb_end=$?; fi
__rbe "$1"
}
"#;

/// Defines the function that runs one script between two markers as another user. The script goes through a pipe:
/// what stands on a command line is in every process list, and `sudo` writes it to the log. So the shell itself must write
/// it: where `printf` is a program of its own, as with mksh, `print` is none, and where both are nothing is sent. What does
/// not arrive is not run. `user` instead of a status says that `sudo` would not, or wanted a password, and that the script
/// was not run. `sudo` runs as root and cannot be ended by us: after five seconds it is not waited for any more.
pub(crate) const DEFINE_AS: &str = r#"case $(command -v printf):$(command -v print) in
printf:*) __rb_say() { printf '%s\n' "$1"; };;
*:print) __rb_say() { print -r -- "$1"; };;
*) __rb_say() { return 1; };;
esac
__rbs() {
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
if __rb_say : >/dev/null && __rbs "$2"; then
{ __rb_say "$3" || echo 'exit 126'; } | sudo -n -H -u "$2" -- /bin/sh -s
__rb_end=$?
else __rb_end=user __rb_keep=; fi
__rbe "$1"
}
"#;

/// Says which process group the shell leads, if it leads one.
pub(crate) const HELLO: &str = r#"pid=$$; group=
if [ -r "/proc/$pid/stat" ]; then
IFS= read -r line <"/proc/$pid/stat"; set -- ${line##*\) }; group=$3
else group=$(ps -o pgid= -p "$pid" 2>/dev/null); fi
printf '%s %s\n' "$pid" $group"#;

/// What the host says of itself, separated by NUL. The id of its instance is asked of the hypervisor first: an image that
/// was cloned brings the files of another one.
pub(crate) const FACTS: &str = r#"LC_ALL=C; export LC_ALL; boot=; machine=; instance=
{ IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
{ IFS= read -r machine </etc/machine-id; } 2>/dev/null
{ IFS= read -r instance </sys/class/dmi/id/board_asset_tag; } 2>/dev/null
case $instance in i-*) ;; *) instance=; { IFS= read -r instance </var/lib/cloud/data/instance-id; } 2>/dev/null;; esac
printf '%s\0%s\0%s\0%s\0%s\0%s\0%s\0' "$(uname -snm)" "$(id)" "$HOME" "$boot" "$machine" "$instance" "$(date +%s%N)""#;

/// Ends the process group `RB_GROUP` (unless `RB_WATCH` is set: then it only looks) and says `gone` with the signal
/// that did it, or `alive`. A group is gone when the kernel says so, or when all that is left of it are zombies. Signals
/// are named without `-s` and `--`, which dash, mksh and busybox each take for something else.
pub(crate) const END: &str = r#"LC_ALL=C; export LC_ALL
alive() {
why=$(kill -0 "-$RB_GROUP" 2>&1) || case $why in *[Nn]o\ such*) return 1;; *) return 0;; esac
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
kill -TERM "-$RB_GROUP" 2>/dev/null
if gone; then echo gone TERM; exit; fi
kill -KILL "-$RB_GROUP" 2>/dev/null
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
    // only what may change something leaves processes behind that print later
    let keep = if script.mutates { "__rb_keep=1; " } else { "" };
    if let Some(user) = &script.acts_as {
        return Ok(keep.to_owned() + &call_as(nonce, script, user)?);
    }
    let mut line = roomy(&format!("{keep}__rb"), script);
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
        word(&Zeroizing::new([name, "=", value].concat()))?;
    }
    line.push('\n');
    Ok(line)
}

/// The beginning of a text with room for the script and its values: what grows leaves copies of them behind.
fn roomy(begin: &str, script: &Shell) -> String {
    let values: usize = script.env.iter().map(|(name, value)| name.len() + 2 * value.len() + 32).sum();
    let mut text = String::with_capacity(2 * (script.text().len() + values) + 4096);
    text.push_str(begin);
    text
}

/// The call that runs `script` as `user`. All of it is one compound command, so that the shell has read it to its end
/// before any of it runs and reads its input. A directory that is not there ends it with 126.
fn call_as(nonce: &str, script: &Shell, user: &str) -> Result<String, Unsendable> {
    let mut program = Zeroizing::new(roomy("( unset CDPATH ENV; ", script));
    for (name, value) in &script.env {
        if !is_name(name) {
            return Err(Unsendable::Name);
        }
        program.push_str("export ");
        quote(&Zeroizing::new([name, "=", value].concat()), &mut program)?;
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
    let mut line = roomy("__rbu", script);
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
mod tests;
