//! Rust text as tokens, without comments: enough grammar to say what a file names, and whether only its tests do.

/// A file of Rust.
pub(super) struct Source {
    /// From the root of the project, with `/`.
    pub(super) path: String,
    /// How many lines it has.
    pub(super) lines: usize,
    /// Its tokens.
    pub(super) tokens: Vec<Token>,
}

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// A word, `::`, another character of punctuation, or the value of a text.
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
    /// Whether it is compiled for tests only.
    pub(super) test: bool,
    /// How many `mod x { … }` of this file it stands in.
    pub(super) mods: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Word,
    Mark,
    Text,
    /// A number, a character, a lifetime.
    Other,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let mut tokens = Lexer { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() }.run();
        mark_tests(&mut tokens, path.ends_with("/tests.rs") || path.contains("/tests/"));
        mark_mods(&mut tokens);
        Self { path: path.to_owned(), lines: text.lines().count(), tokens }
    }

    /// Whether the tokens from `at` on are these.
    pub(super) fn is(&self, at: usize, texts: &[&str]) -> bool {
        texts.iter().enumerate().all(|(n, text)| self.mark_or_word(at + n) == Some(text))
    }

    /// The word or mark at `at`; the value of a text is none.
    pub(super) fn mark_or_word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).filter(|t| matches!(t.kind, Kind::Word | Kind::Mark)).map(|t| t.text.as_str())
    }

    /// The index of the bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> usize {
        closing(&self.tokens, open)
    }

    /// The layer's module: the first folder or file below `src`.
    pub(super) fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let first = rest.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (name != "lib" && name != "main").then_some(name)
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn run(mut self) -> Vec<Token> {
        while let Some(c) = self.peek(0) {
            let line = self.line;
            match c {
                _ if c.is_whitespace() => self.skip(1),
                '/' if self.peek(1) == Some('/') => self.skip_while(|c| c != '\n'),
                '/' if self.peek(1) == Some('*') => self.comment(),
                '"' => self.text(line),
                '\'' => self.character(line),
                'r' | 'b' | 'c' if self.prefixed(line) => {}
                _ if c.is_alphabetic() || c == '_' => {
                    let text = self.take_while(|c| c.is_alphanumeric() || c == '_');
                    self.push(Kind::Word, text, line);
                }
                _ if c.is_ascii_digit() => {
                    let text = self.take_while(|c| c.is_alphanumeric() || c == '_');
                    self.push(Kind::Other, text, line);
                }
                ':' if self.peek(1) == Some(':') => {
                    self.skip(2);
                    self.push(Kind::Mark, "::".to_owned(), line);
                }
                _ => {
                    self.skip(1);
                    self.push(Kind::Mark, c.to_string(), line);
                }
            }
        }
        self.tokens
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, also: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&also) {
            self.skip(1);
        }
    }

    fn take_while(&mut self, also: impl Fn(char) -> bool) -> String {
        let from = self.at;
        self.skip_while(also);
        self.chars[from..self.at].iter().collect()
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.tokens.push(Token { kind, text, line, test: false, mods: 0 });
    }

    fn comment(&mut self) {
        let mut depth = 0;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    /// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`, `r#word`.
    fn prefixed(&mut self, line: usize) -> bool {
        let mut letters = 0;
        while letters < 2 && matches!(self.peek(letters), Some('r' | 'b' | 'c')) {
            letters += 1;
        }
        let raw = (0..letters).any(|n| self.peek(n) == Some('r'));
        let mut hashes = 0;
        while raw && self.peek(letters + hashes) == Some('#') {
            hashes += 1;
        }
        match self.peek(letters + hashes) {
            Some('"') if raw => {
                self.skip(letters + hashes + 1);
                let from = self.at;
                let ends = |lexer: &Self| lexer.peek(0) == Some('"') && (1..=hashes).all(|n| lexer.peek(n) == Some('#'));
                while self.peek(0).is_some() && !ends(self) {
                    self.skip(1);
                }
                let text = self.chars[from..self.at].iter().collect();
                self.skip(hashes + 1);
                self.push(Kind::Text, text, line);
                true
            }
            Some('"') => {
                self.skip(letters);
                self.text(line);
                true
            }
            Some('\'') if !raw && letters == 1 => {
                self.skip(1);
                self.character(line);
                true
            }
            _ if hashes == 1 => {
                self.skip(letters + 1);
                true
            }
            _ => false,
        }
    }

    fn text(&mut self, line: usize) {
        self.skip(1);
        let mut value = String::new();
        while let Some(c) = self.peek(0) {
            self.skip(1);
            match c {
                '"' => break,
                '\\' => {
                    let escaped = self.peek(0);
                    self.skip(1);
                    match escaped {
                        Some('n') => value.push('\n'),
                        Some('t') => value.push('\t'),
                        Some('\n') => self.skip_while(char::is_whitespace),
                        Some('u') => self.skip_while(|c| c != '}'),
                        Some(other) => value.push(other),
                        None => {}
                    }
                }
                _ => value.push(c),
            }
        }
        self.push(Kind::Text, value, line);
    }

    fn character(&mut self, line: usize) {
        let quoted = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        self.skip(1);
        if !quoted {
            let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
            self.push(Kind::Other, name, line);
            return;
        }
        if self.peek(0) == Some('\\') {
            self.skip(1);
        }
        self.skip(1);
        self.skip_while(|c| c != '\'');
        self.skip(1);
        self.push(Kind::Other, String::new(), line);
    }
}

fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open).filter(|(_, t)| t.kind == Kind::Mark) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Marks what stands under `#[cfg(test)]`.
fn mark_tests(tokens: &mut [Token], all: bool) {
    let mut at = 0;
    while at < tokens.len() {
        tokens[at].test |= all;
        let is = |n: usize, text: &str| tokens.get(at + n).is_some_and(|t: &Token| t.text == text);
        if !(is(0, "#") && is(1, "[") && is(2, "cfg") && is(3, "(")) {
            at += 1;
            continue;
        }
        let end = closing(tokens, at + 1);
        let has = |word: &str| tokens[at..end].iter().any(|t| t.kind == Kind::Word && t.text == word);
        if !has("test") || has("not") {
            at = end;
            continue;
        }
        let body = (end..tokens.len()).find(|n| tokens[*n].kind == Kind::Mark && matches!(tokens[*n].text.as_str(), "{" | ";"));
        let body = body.unwrap_or(tokens.len() - 1);
        let last = if tokens[body].text == "{" { closing(tokens, body) } else { body };
        for token in &mut tokens[at..=last] {
            token.test = true;
        }
        at = last + 1;
    }
}

/// Counts for every token the `mod x { … }` around it.
fn mark_mods(tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let is_mod = tokens[at].kind == Kind::Word && tokens[at].text == "mod";
        if is_mod && tokens.get(at + 2).is_some_and(|t| t.kind == Kind::Mark && t.text == "{") {
            let last = closing(tokens, at + 2);
            for token in &mut tokens[at + 2..=last] {
                token.mods += 1;
            }
        }
    }
}
