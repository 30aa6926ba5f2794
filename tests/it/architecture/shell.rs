//! Which commands a shell text runs: enough of the grammar to find the words in command position.

/// Words after which the next one is still a command, or the command is one of the words that follow.
const WRAPPERS: [&str; 14] = [
    "sudo", "doas", "env", "exec", "command", "nohup", "nice", "ionice", "setsid", "timeout", "xargs", "eval", "time", "runuser",
];
const KEYWORDS: [&str; 9] = ["if", "then", "else", "elif", "while", "until", "do", "!", "in"];

/// The lines, from 0, on which `pm2` is a command.
pub(super) fn pm2_lines(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut scan = Scan::default();
    let mut line = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if scan.single {
            scan.single = c != '\'';
            if scan.single {
                scan.word.push(c);
            }
        } else {
            match c {
                '\\' => scan.word.extend(chars.next().filter(|c| *c != '\n')),
                '\'' if !scan.double => scan.single = true,
                '"' => scan.double = !scan.double,
                '#' if !scan.double && scan.word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
                '$' if chars.peek() == Some(&'(') => {
                    chars.next();
                    scan.open();
                }
                '`' => scan.begin(),
                _ if scan.double => scan.word.push(c),
                ' ' | '\t' => scan.end_word(line, &mut found),
                '\n' | ';' | '&' | '|' | '(' | ')' => {
                    scan.end_word(line, &mut found);
                    match c {
                        '(' => scan.open(),
                        ')' => scan.close(),
                        _ => scan.begin(),
                    }
                }
                _ => scan.word.push(c),
            }
        }
        if c == '\n' {
            line += 1;
        }
    }
    scan.end_word(line, &mut found);
    found
}

struct Scan {
    word: String,
    single: bool,
    double: bool,
    /// Whether the next word is a command.
    first: bool,
    /// Whether any of the next words may be one.
    wrapped: bool,
    /// For every open bracket: whether it stands in double quotes.
    outer: Vec<bool>,
}

impl Default for Scan {
    fn default() -> Self {
        Self { word: String::new(), single: false, double: false, first: true, wrapped: false, outer: Vec::new() }
    }
}

impl Scan {
    fn begin(&mut self) {
        self.word.clear();
        self.first = true;
        self.wrapped = false;
    }

    fn open(&mut self) {
        self.outer.push(std::mem::take(&mut self.double));
        self.begin();
    }

    fn close(&mut self) {
        self.double = self.outer.pop().unwrap_or(false);
        self.begin();
    }

    fn end_word(&mut self, line: usize, found: &mut Vec<usize>) {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() || !(self.first || self.wrapped) || KEYWORDS.contains(&word.as_str()) || word == "{" {
            return;
        }
        if self.wrapped && matches!(word.as_str(), "-v" | "-V") {
            // `command -v NAME` only asks where it is
            self.wrapped = false;
            return;
        }
        if is_pm2(&word) {
            found.push(line);
        }
        if is_assignment(&word) {
            return;
        }
        self.wrapped |= WRAPPERS.contains(&word.as_str());
        self.first = false;
    }
}

fn is_pm2(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let variable = name.trim_start_matches('$').trim_matches(['{', '}']);
    name == "pm2" || name != variable && matches!(variable, "pm2" | "PM2" | "PM2_BIN" | "pm2_bin")
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

#[test]
fn pm2_is_found_where_it_is_a_command() {
    let command = [
        "pm2 jlist",
        "cd /srv && pm2 restart 3",
        "x=$(pm2 pid app)",
        "echo \"$(pm2 pid app)\"",
        "x=\"$(cat \"$f\" | (pm2 pid app)) is 'it'\"",
        "if pm2 ping; then :; fi",
        "NO_COLOR=1 pm2 -s jlist",
        "timeout -k 1 20 /usr/local/bin/pm2 delete 2",
        "sudo -n -u deploy pm2 save",
        "true; { pm2 save; }",
        "a | xargs pm2 delete",
        "\"$PM2\" save",
        "${pm2} save",
        "'pm2' save",
        "\n\tpm2 save",
    ];
    for text in command {
        assert_eq!(pm2_lines(text).len(), 1, "{text}");
    }
    let other = [
        "ls ~/.pm2",
        "grep -c pm2 log",
        "# pm2 save",
        "echo 'pm2 save; pm2 kill'",
        "echo \"$(date) pm2 save; pm2 kill\"",
        "home=$PM2_HOME; stat \"$PM2_HOME\"",
        "printf '%s\\n' pm2",
        "pm2x save",
        "command -v node",
        "p=$(command -v pm2 2>/dev/null)",
    ];
    for text in other {
        assert_eq!(pm2_lines(text), [0; 0], "{text}");
    }
    assert_eq!(pm2_lines("true\nfalse\npm2 save\n"), [2]);
}
