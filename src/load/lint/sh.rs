//! POSIX sh as far as warnings need it: the simple commands of a script, each with its place. Comments, here-documents and
//! quoted text are no commands; what `$(…)`, backquotes and `sh -c '…'` run is.
//!
//! It judges nothing and refuses nothing: a script that it cannot follow yields fewer commands, never an error.

mod reader;

use std::ops::Range;

use self::reader::{Reader, is_assignment};

/// How deep substitutions are followed.
const MAX_DEPTH: usize = 16;

/// How a command follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// After it, whatever it came to; or as the first one.
    Then,
    /// Only where it succeeded.
    And,
    /// Only where it failed.
    Or,
    /// With its output.
    Pipe,
}

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// Without its quotes; expansions as they are written.
    pub(super) text: String,
    /// Where it stands in the script, quotes included.
    pub(super) at: Range<usize>,
    /// The programs that substitutions in it run.
    pub(super) runs: Vec<String>,
}

/// A simple command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// The program and its arguments: assignments, reserved words and wrappers such as `sudo` are gone.
    pub(super) words: Vec<Word>,
    /// The files that its output goes to.
    pub(super) outputs: Vec<Word>,
    /// How it follows the one before.
    pub(super) joint: Joint,
    /// Whether it is repeated.
    pub(super) looped: bool,
    /// How deep it stands in substitutions.
    pub(super) depth: usize,
    /// Whether `xargs` gives it its arguments.
    pub(super) by_xargs: bool,
}

impl Command {
    /// The name of the program, without its directory.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", |word| word.text.rsplit('/').next().unwrap_or(""))
    }

    /// The arguments.
    pub(super) fn args(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Whether one of the arguments is this.
    pub(super) fn has(&self, arg: &str) -> bool {
        self.args().iter().any(|word| word.text == arg)
    }

    /// Whether one of the arguments is this letter among short options.
    pub(super) fn has_flag(&self, flag: char) -> bool {
        let short = |text: &str| text.len() > 1 && text.starts_with('-') && !text.starts_with("--");
        self.args().iter().any(|word| short(&word.text) && word.text[1..].contains(flag))
    }

    /// Where it stands, from the program to the last argument.
    pub(super) fn at(&self) -> Range<usize> {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.at.start..last.at.end,
            _ => self.outputs.first().map_or(0..0, |word| word.at.clone()),
        }
    }
}

/// The commands of a script, in the order in which they end.
pub(super) fn commands(script: &str) -> Vec<Command> {
    let mut found = Vec::new();
    Reader::new(script, 0, script.len(), 0).script(&mut found);
    found
}

/// Programs that run the program that follows them, and those of their options that take a value.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U", "-r", "-t", "--user", "--group"]),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "--unset", "--chdir"]),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("xargs", &["-n", "-P", "-I", "-d", "-L", "-s", "-a", "-E"]),
    ("flock", &["-w", "-E"]),
    ("command", &[]),
    ("builtin", &[]),
    ("exec", &["-a"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("time", &["-f", "-o"]),
    ("npx", &["-p"]),
];

/// The index of the word that names the program that is really run, and whether `xargs` runs it.
fn unwrapped(words: &[Word]) -> (usize, bool) {
    let (mut at, mut by_xargs) = (0, false);
    while let Some(word) = words.get(at) {
        let name = word.text.rsplit('/').next().unwrap_or("");
        let Some((_, with_value)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) else { break };
        let mut next = at + 1;
        while let Some(option) = words.get(next).map(|word| word.text.as_str()) {
            match option {
                // `command -v` names a program and runs none
                "-v" | "-V" if name == "command" => return (at, by_xargs),
                _ if with_value.contains(&option) => next += 2,
                _ if option.starts_with('-') && option.len() > 1 || is_assignment(option) => next += 1,
                _ => break,
            }
        }
        // a time, or the file of a lock
        next += usize::from(matches!(name, "timeout" | "flock"));
        if next >= words.len() {
            break;
        }
        by_xargs |= name == "xargs";
        at = next;
    }
    (at, by_xargs)
}

/// The place of a script that stands in quotes among the arguments: `sh -c '…'`.
fn script_of(command: &Command, text: &str) -> Option<Range<usize>> {
    let after_c = || {
        let is_c = |word: &Word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c');
        let at = command.args().iter().position(is_c)?;
        command.args().get(at + 1)
    };
    let word = match command.program() {
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "su" | "runuser" => after_c()?,
        "eval" | "ssh" => command.args().last()?,
        _ => return None,
    };
    let written = text.get(word.at.clone())?;
    let quote = written.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains([quote, '\\'])).then(|| word.at.start + 1..word.at.end - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Command, Joint, commands};

    fn shown(script: &str) -> Vec<String> {
        let one = |command: &Command| {
            let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
            let outputs: String = command.outputs.iter().map(|word| format!(" >{}", word.text)).collect();
            format!("{}{outputs}", words.join("|"))
        };
        commands(script).iter().map(one).collect()
    }

    #[test]
    fn commands_are_found_with_their_words() {
        let cases: &[(&str, &[&str])] = &[
            ("a b 'c d' \"e $f\"\n", &["a|b|c d|e $f"]),
            ("a; b && c || d | e & f", &["a", "b", "c", "d", "e", "f"]),
            ("# pkill node\necho 'pkill node' # pkill\n", &["echo|pkill node"]),
            ("echo \"x $(kill 1) y\"", &["kill|1", "echo|x $(kill 1) y"]),
            ("x=$(pgrep node); kill `cat p`", &["pgrep|node", "cat|p", "kill|`cat p`"]),
            ("if a; then b; else c; fi > log", &["a", "b", "c", " >log"]),
            ("while ! curl x; do sleep 1; done", &["curl|x", "sleep|1"]),
            ("for kill in 1 2; do echo $kill; done", &["echo|$kill"]),
            ("case $x in kill|stop) a b;; *) c ;; esac; d", &["a|b", "c", "d"]),
            ("case $x in\n  rm)\n    a\n    ;;\nesac\nd", &["a", "d"]),
            ("stop() { kill 1; }\nstop", &["kill|1", "stop"]),
            ("cat > f <<'EOF'\nrm -rf /\nEOF\nls", &["cat >f", "ls"]),
            ("cat <<-EOF >> f\n\trm x\n\tEOF\nls", &["cat >f", "ls"]),
            ("a 2>&1 >/dev/null 2>> log &> all", &["a >/dev/null >log >all"]),
            ("sudo -n -u app env A=b timeout -k 1 20 /usr/bin/pkill -9 node", &["/usr/bin/pkill|-9|node"]),
            ("lsof -ti :3000 | xargs -r kill -9", &["lsof|-ti|:3000", "kill|-9"]),
            ("bash -lc 'cd /x && rm y'", &["cd|/x", "rm|y", "bash|-lc|cd /x && rm y"]),
            ("command -v pm2", &["command|-v|pm2"]),
            ("A=1 B='x y' c d=e", &["c|d=e"]),
            ("[[ a > b && c ]] && d", &["[[|a|b|c|]]", "d"]),
            ("(cd x; ls) && echo $((1 + 2)) ${y:-z w}", &["cd|x", "ls", "echo|$((1 + 2))|${y:-z w}"]),
            ("a \\\n  b", &["a|b"]),
            ("a \"unclosed", &["a|unclosed"]),
        ];
        for (script, want) in cases {
            assert_eq!(shown(script), *want, "{script}");
        }
    }

    #[test]
    fn it_is_known_how_commands_stand_to_each_other() {
        let found = commands("a &&\n b | xargs c\nuntil d; do e; done\n$(f)");
        let shown: Vec<(&str, Joint, bool, usize, bool)> =
            found.iter().map(|c| (c.program(), c.joint, c.looped, c.depth, c.by_xargs)).collect();
        let want = [
            ("a", Joint::Then, false, 0, false),
            ("b", Joint::And, false, 0, false),
            ("c", Joint::Pipe, false, 0, true),
            ("d", Joint::Then, true, 0, false),
            ("e", Joint::Then, true, 0, false),
            ("f", Joint::Then, false, 1, false),
            ("$(f)", Joint::Then, false, 0, false),
        ];
        assert_eq!(shown, want);
        let script = "echo 'é'; sh -c \"rm x\"";
        let rm = commands(script).into_iter().find(|c| c.program() == "rm").expect("it is found");
        assert_eq!(script.get(rm.at()), Some("rm x"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[a-c $(){}`'\"\\\\;&|<>#=\n\\[\\]é]{0,60}") {
            for command in commands(&text) {
                proptest::prop_assert!(text.get(command.at()).is_some());
            }
        }

        #[test]
        fn any_mix_of_words_is_read(words in proptest::collection::vec("(case|in|esac|for|do|done|;;|\\)|\\(|<<|E|\n|x|\\$\\()", 0..30)) {
            let text = words.join(" ");
            let _ = commands(&text);
        }
    }
}
