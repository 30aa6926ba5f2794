//! The text of a script into commands: words and quotes, loops and cases, redirections and here-documents.

use crate::load::lint::sh::{Command, Joint, MAX_DEPTH, Word, script_of, unwrapped};

/// Reads from one place to another, and what substitutions run on the way.
pub(super) struct Reader<'s> {
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
    pub(super) fn new(text: &'s str, from: usize, end: usize, depth: usize) -> Self {
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
    pub(super) fn script(&mut self, found: &mut Vec<Command>) {
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
            let is_file = !copies || !descriptor;
            if is_file && !target.text.is_empty() {
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

pub(super) fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
