//! POSIX sh as far as warnings need it: the simple commands of a script, each with its place. Comments, here-documents and
//! quoted text are no commands; what `$(…)`, backquotes and `sh -c '…'` run is.
//!
//! It judges nothing and refuses nothing: a script that it cannot follow yields fewer commands, never an error.

use std::ops::Range;

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

struct Reader<'s> {
    text: &'s str,
    at: usize,
    end: usize,
    depth: usize,
    words: Vec<Word>,
    outputs: Vec<Word>,
    joint: Joint,
    loops: usize,
    parens: usize,
    cases: usize,
    /// The words that end the here-documents that begin after this line.
    documents: Vec<String>,
    /// Whether a `)` that was not opened here ends it.
    nested: bool,
}

impl<'s> Reader<'s> {
    fn new(text: &'s str, from: usize, end: usize, depth: usize) -> Self {
        Self {
            text,
            at: from,
            end,
            depth,
            words: Vec::new(),
            outputs: Vec::new(),
            joint: Joint::Then,
            loops: 0,
            parens: 0,
            cases: 0,
            documents: Vec::new(),
            nested: false,
        }
    }

    fn rest(&self) -> &'s str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    /// Reads to the end, or to the `)` that ends a substitution.
    fn script(&mut self, found: &mut Vec<Command>) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.eat("\\\n") => {}
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ if self.in_test() && "<>()&|".contains(c) => self.at += 1,
                '\n' => {
                    self.at += 1;
                    self.close(Joint::Then, found);
                    self.skip_documents();
                }
                ';' => self.semicolon(found),
                '&' if self.rest().starts_with("&>") => {
                    self.at += 1;
                    self.redirect(found);
                }
                '&' => {
                    let joint = if self.eat("&&") { Joint::And } else { Joint::Then };
                    self.at += usize::from(joint == Joint::Then);
                    self.close(joint, found);
                }
                '|' => {
                    let joint = if self.eat("||") { Joint::Or } else { Joint::Pipe };
                    self.at += usize::from(joint == Joint::Pipe);
                    self.close(joint, found);
                }
                '(' => self.open(found),
                ')' if self.nested && self.parens == 0 => break,
                ')' => {
                    self.at += 1;
                    self.parens = self.parens.saturating_sub(1);
                    self.close(Joint::Then, found);
                }
                '<' | '>' => self.redirect(found),
                _ => self.word_of_command(found),
            }
        }
        self.close(Joint::Then, found);
    }

    fn in_test(&self) -> bool {
        self.words.first().is_some_and(|word| word.text == "[[") && self.words.last().is_none_or(|word| word.text != "]]")
    }

    fn semicolon(&mut self, found: &mut Vec<Command>) {
        let ends_case = self.eat(";;");
        self.at += usize::from(!ends_case);
        self.close(Joint::Then, found);
        if ends_case && self.cases > 0 {
            self.pattern();
        }
    }

    fn open(&mut self, found: &mut Vec<Command>) {
        self.at += 1;
        if self.words.len() == 1 && self.eat(")") {
            // the name of a function that begins here is no command
            self.words.clear();
            return;
        }
        self.close(self.joint, found);
        self.parens += 1;
    }

    /// The pattern of a `case`, up to its `)`.
    fn pattern(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ')' => {
                    self.at += 1;
                    return;
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ if " \t\r\n|(;&<>".contains(c) => self.at += 1,
                _ => {
                    let before = self.at;
                    let word = self.word(&mut Vec::new());
                    if word.text == "esac" {
                        self.at = before;
                        return;
                    }
                }
            }
        }
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            while !self.rest().is_empty() {
                let rest = self.rest();
                let line = rest.split('\n').next().unwrap_or("");
                self.at += (line.len() + 1).min(rest.len());
                if line.trim_start_matches('\t').trim_end_matches('\r') == end {
                    break;
                }
            }
        }
    }

    fn redirect(&mut self, found: &mut Vec<Command>) {
        if self.eat("<<<") || self.eat("<&") {
            self.target(found);
        } else if self.eat("<<-") || self.eat("<<") {
            let end = self.target(found).text;
            self.documents.push(end);
        } else if self.rest().starts_with("<(") || self.rest().starts_with(">(") {
            self.at += 2;
            self.nest(self.depth + 1, found);
        } else if self.eat("<>") || self.eat("<") {
            self.target(found);
        } else {
            let copies = self.eat(">&");
            let _ = copies || self.eat(">>") || self.eat(">|") || self.eat(">");
            let target = self.target(found);
            let descriptor = target.text == "-" || target.text.chars().all(|c| c.is_ascii_digit());
            if !(copies && descriptor) && !target.text.is_empty() {
                self.outputs.push(target);
            }
        }
    }

    fn target(&mut self, found: &mut Vec<Command>) -> Word {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        self.word(found)
    }

    fn word_of_command(&mut self, found: &mut Vec<Command>) {
        let word = self.word(found);
        let written = self.text.get(word.at.clone()).unwrap_or("");
        let number = !written.is_empty() && written.chars().all(|c| c.is_ascii_digit());
        if number && matches!(self.peek(), Some('<' | '>')) {
            // the number of a descriptor
            return;
        }
        if !self.words.is_empty() {
            self.words.push(word);
            return;
        }
        match written {
            "if" | "then" | "else" | "elif" | "do" | "{" | "}" | "!" | "fi" | "esac" => {
                self.cases = self.cases.saturating_sub(usize::from(written == "esac"));
            }
            "while" | "until" => self.loops += 1,
            "done" => self.loops = self.loops.saturating_sub(1),
            "for" | "select" => {
                self.loops += 1;
                self.skip_head(false, found);
            }
            "case" => {
                self.skip_head(true, found);
                self.cases += 1;
                self.pattern();
            }
            _ if is_assignment(written) => {}
            _ => self.words.push(word),
        }
    }

    /// The head of a loop up to its end, or of a `case` up to `in`.
    fn skip_head(&mut self, to_in: bool, found: &mut Vec<Command>) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                _ if "\n;&|<>()".contains(c) => return,
                _ => {
                    if self.word(found).text == "in" && to_in {
                        return;
                    }
                }
            }
        }
    }

    /// Ends the command that is being read.
    fn close(&mut self, next: Joint, found: &mut Vec<Command>) {
        let (words, outputs) = (std::mem::take(&mut self.words), std::mem::take(&mut self.outputs));
        let joint = std::mem::replace(&mut self.joint, next);
        if words.is_empty() && outputs.is_empty() {
            // a line break after `&&` ends nothing
            if matches!(joint, Joint::And | Joint::Or | Joint::Pipe) && next == Joint::Then {
                self.joint = joint;
            }
            return;
        }
        let (program, by_xargs) = unwrapped(&words);
        let command = Command {
            words: words.get(program..).unwrap_or_default().to_vec(),
            outputs,
            joint,
            looped: self.loops > 0,
            depth: self.depth,
            by_xargs,
        };
        if let Some(inner) = script_of(&command, self.text)
            && self.depth < MAX_DEPTH
        {
            let mut reader = Reader::new(self.text, inner.start, inner.end, self.depth + 1);
            reader.loops = self.loops;
            reader.script(found);
        }
        found.push(command);
    }

    /// Reads what a substitution runs, up to and with its `)`.
    fn nest(&mut self, depth: usize, found: &mut Vec<Command>) {
        if depth > MAX_DEPTH {
            self.at = self.end;
            return;
        }
        let mut inner = Reader { nested: true, loops: self.loops, ..Reader::new(self.text, self.at, self.end, depth) };
        inner.script(found);
        self.at = inner.at;
        self.eat(")");
    }

    /// Reads a word. What its substitutions run goes to `found`.
    fn word(&mut self, found: &mut Vec<Command>) -> Word {
        let (from, first) = (self.at, found.len());
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\'' => {
                    let inner = self.rest()[1..].find('\'').unwrap_or(self.rest().len() - 1);
                    text.push_str(&self.rest()[1..=inner]);
                    self.at = (self.at + inner + 2).min(self.end);
                }
                '"' => self.quoted(&mut text, found),
                '$' | '`' => self.expansion(&mut text, found),
                '\\' => self.escaped(&mut text),
                _ if " \t\r\n;&|<>()".contains(c) => break,
                _ => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        if self.at == from {
            // a sign that begins no word is passed over, so that reading ends
            self.at += self.peek().filter(|c| !";&|<>()\n".contains(*c)).map_or(0, char::len_utf8);
        }
        let runs = found.get(first..).unwrap_or_default().iter().map(|command| command.program().to_owned()).collect();
        Word { text, at: from..self.at, runs }
    }

    fn escaped(&mut self, text: &mut String) {
        self.at += 1;
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            if c != '\n' {
                text.push(c);
            }
        }
    }

    fn quoted(&mut self, text: &mut String, found: &mut Vec<Command>) {
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '$' | '`' => self.expansion(text, found),
                '\\' => self.escaped(text),
                _ => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// `$name`, `${…}`, `$(…)`, `$((…))` or backquotes: kept as written.
    fn expansion(&mut self, text: &mut String, found: &mut Vec<Command>) {
        let from = self.at;
        if self.eat("$((") {
            self.at += self.rest().find("))").map_or(self.rest().len(), |n| n + 2);
        } else if self.eat("$(") {
            self.nest(self.depth + 1, found);
        } else if self.eat("${") {
            self.at += self.rest().find('}').map_or(self.rest().len(), |n| n + 1);
        } else if self.eat("`") {
            let inner = self.rest().find('`').unwrap_or(self.rest().len());
            if self.depth < MAX_DEPTH {
                let mut reader = Reader::new(self.text, self.at, self.at + inner, self.depth + 1);
                reader.loops = self.loops;
                reader.script(found);
            }
            self.at = (self.at + inner + 1).min(self.end);
        } else {
            self.at += 1;
        }
        text.push_str(self.text.get(from..self.at).unwrap_or(""));
    }
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
