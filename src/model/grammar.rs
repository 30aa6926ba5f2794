//! Allow-lists for texts that name something and stay texts: users, addresses, labels. What is not allowed is named by
//! its code point, so that a letter that only looks like another one is found.

use core::net::{IpAddr, Ipv6Addr};

use crate::model::id::IdError;
use crate::model::visible::{is_hidden, literal};

/// The most characters of a refused text that are repeated.
const SHOWN: usize = 60;

/// What a text may be made of.
#[derive(Debug, Clone, Copy)]
pub struct Grammar {
    what: &'static str,
    rule: &'static str,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    most: usize,
}

/// A user to log in as.
pub const USER: Grammar = Grammar {
    what: "a user name",
    rule: "at most 64 of A-Z a-z 0-9 . _ -, and no - first",
    first: |c| c.is_ascii_alphanumeric() || "._".contains(c),
    rest: |c| c.is_ascii_alphanumeric() || "._-".contains(c),
    most: 64,
};

/// A tag of a host, a runbook or a step.
pub const TAG: Grammar = Grammar {
    what: "a tag",
    rule: "a letter or digit, then at most 63 of A-Z a-z 0-9 . _ - : / = +",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._-:/=+".contains(c),
    most: 64,
};

/// The name of a phase.
pub const PHASE: Grammar = Grammar {
    what: "the name of a phase",
    rule: "a letter or digit, then at most 63 of A-Z a-z 0-9 . _ - and space",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._- ".contains(c),
    most: 64,
};

/// The name of a group of hosts: selectors name it.
pub const GROUP: Grammar = Grammar {
    what: "a group name",
    rule: "a letter or digit, then at most 63 of A-Z a-z 0-9 . _ -",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._-".contains(c),
    most: 64,
};

/// A target group, or the id of a host in one.
pub const TARGET: Grammar = Grammar {
    what: "the name of a target",
    rule: "a letter or digit, then at most 255 of A-Z a-z 0-9 . _ - : /",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._-:/".contains(c),
    most: 256,
};

/// The id of an instance at a cloud.
pub const INSTANCE: Grammar = Grammar {
    what: "an instance id",
    rule: "a letter or digit, then at most 63 of A-Z a-z 0-9 . _ : -",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._:-".contains(c),
    most: 64,
};

/// The name that a host's key is recorded under.
pub const KEY_ALIAS: Grammar = Grammar {
    what: "a host key alias",
    rule: "a letter or digit, then at most 252 of A-Z a-z 0-9 . _ - :",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || "._-:".contains(c),
    most: 253,
};

/// An incident or a change that a run belongs to.
pub const TICKET: Grammar = Grammar {
    what: "a ticket",
    rule: "at most 256 characters on one line, each of which can be seen",
    first: is_seen,
    rest: is_seen,
    most: 256,
};

const ADDRESS: &str = "an address or a DNS name";
const ADDRESS_RULE: &str = "an IP address, or letters, digits, - and _ between dots";

impl Grammar {
    /// Whether a text follows it, or what is wrong.
    pub fn check(&self, text: &str) -> Result<(), IdError> {
        let wrong = text.chars().enumerate().find(|(at, c)| if *at == 0 { !(self.first)(*c) } else { !(self.rest)(*c) });
        match wrong {
            None if !text.is_empty() && text.chars().count() <= self.most => Ok(()),
            wrong => Err(IdError::new(text, self.what, self.rule, wrong)),
        }
    }
}

/// Whether a character is seen where it stands and moves nothing: no control, nothing invisible, nothing that changes the
/// direction of text.
pub fn is_seen(c: char) -> bool {
    !is_hidden(c)
}

/// The beginning of a text that is refused, escaped: it may be anything, and long.
pub fn shown(text: &str) -> String {
    let mut shown = literal(&text.chars().take(SHOWN).collect::<String>()).into_owned();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A character by its number, with what is known to be wrong with it: `U+202E (it changes the direction of text)`.
pub fn code_point(c: char) -> String {
    let what = match c {
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            " (it changes the direction of text)"
        }
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => " (it has no width)",
        _ if c.is_control() => " (it is a control character)",
        _ if !is_seen(c) => " (it cannot be seen)",
        _ => "",
    };
    format!("U+{:04X}{what}", u32::from(c))
}

/// An address to connect to, with what may follow after `%` for IPv6; nothing that could be taken for an option, a port,
/// a user, or for an address in an older spelling such as `127.1`.
pub fn address(text: &str) -> Result<(), IdError> {
    let wrong = |rule: &'static str| Err(IdError::new(text, ADDRESS, rule, None));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return if ip.is_unspecified() { wrong("it stands for every address of a host, and names none") } else { Ok(()) };
    }
    if let Some((ip, zone)) = text.split_once('%') {
        let plain = zone.len() <= 32 && zone.starts_with(|c: char| c.is_ascii_alphanumeric());
        let zone = plain && zone.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        return if ip.parse::<Ipv6Addr>().is_ok() && zone { Ok(()) } else { wrong(ADDRESS_RULE) };
    }
    let may = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if let Some(odd) = text.chars().enumerate().find(|(_, c)| !may(*c)) {
        return Err(IdError::new(text, ADDRESS, ADDRESS_RULE, Some(odd)));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |part: &str| (1..=63).contains(&part.len()) && !part.starts_with('-') && !part.ends_with('-');
    if text.len() > 253 || !name.split('.').all(fits) {
        return wrong(ADDRESS_RULE);
    }
    // what ends so the resolver may read as a number: 127.1, 0x7f000001, 0177.0.0.1
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    if is_number { wrong("an IPv4 address is written as four numbers up to 255, such as 10.0.1.11") } else { Ok(()) }
}

/// One spelling of an address: equal ones are one place.
pub fn canonical_address(text: &str) -> String {
    let (address, zone) = text.split_once('%').unwrap_or((text, ""));
    match address.parse::<IpAddr>() {
        Ok(ip) if zone.is_empty() => ip.to_canonical().to_string(),
        Ok(ip) => format!("{ip}%{zone}"),
        Err(_) => text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        GROUP, INSTANCE, KEY_ALIAS, PHASE, TAG, TARGET, TICKET, USER, address, canonical_address, code_point, is_seen, shown,
    };

    #[test]
    fn addresses_are_literals_or_names_and_nothing_else() {
        for good in ["10.0.0.1", "::1", "2001:db8::1", "fe80::1%eth0", "web-1.example.com", "web_1", "x.example.com.", "a1"] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        let bad = [
            "",
            "-oProxyCommand=x",
            "127.1",
            "1",
            "0177.0.0.1",
            "0x7f000001",
            "0X7F.1",
            "2130706433",
            "127.0.0.01",
            "256.1.1.1",
            "0.0.0.0",
            "::",
            "[::1]",
            "[::1]:22",
            "10.0.0.1:22",
            "root@web",
            "web 1",
            "web\n",
            "web,db",
            "web;x",
            "$(x)",
            "web/",
            "wеb",
            "bücher.example",
            "web\u{200b}",
            "\u{202e}bew",
            "web..com",
            ".web",
            "web-.com",
            "-web",
            "fe80::1%",
            "fe80::1%-x",
            "fe80::1%e th",
            "10.0.0.1%eth0",
            "fe80::1%eth0%x",
            "web*",
            "*",
            "!web",
            "|1|x",
            "１.１.１.１",
        ];
        for bad in bad {
            assert!(address(bad).is_err(), "{bad:?}");
        }
        assert!(address(&"a".repeat(64)).is_err() && address(&"a.".repeat(127)).is_err());
        let told = address("wеb").expect_err("refused").to_string();
        let want = "`wеb` is not an address or a DNS name: an IP address, or letters, digits, - and _ between dots; \
                    character 2 is `е`, U+0435";
        assert_eq!(told, want);
    }

    #[test]
    fn one_place_has_one_spelling() {
        for (one, other) in [
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("127.0.0.1", "::ffff:7f00:1"),
            ("2001:db8::1", "2001:DB8:0:0::0001"),
            ("Web.example.com", "web.example.com."),
            ("fe80::1%eth0", "FE80:0::1%eth0"),
        ] {
            assert_eq!(canonical_address(one), canonical_address(other));
        }
        assert_ne!(canonical_address("fe80::1%eth0"), canonical_address("fe80::1%eth1"));
        assert_ne!(canonical_address("fe80::1%eth0"), canonical_address("fe80::1"));
    }

    #[test]
    fn each_grammar_refuses_what_could_be_taken_for_something_else() {
        let hostile = ["", "a\nb", "a\0b", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", "a\u{2028}b", "\u{feff}a"];
        for grammar in [USER, TAG, PHASE, GROUP, TARGET, INSTANCE, KEY_ALIAS, TICKET] {
            for text in hostile {
                assert!(grammar.check(text).is_err(), "{} {text:?}", grammar.what);
            }
            assert!(grammar.check(&"a".repeat(grammar.most)).is_ok());
            assert!(grammar.check(&"a".repeat(grammar.most + 1)).is_err());
        }
        for grammar in [USER, TAG, PHASE, GROUP, TARGET, KEY_ALIAS] {
            for text in
                ["-oProxyCommand=x", "-", " a", "a@b", "a*", "a;b", "$a", "а", "a,b", "(a", "!a", "a&b", "a|b", "a'b", "a\"b"]
            {
                assert!(grammar.check(text).is_err(), "{} {text:?}", grammar.what);
            }
        }
        assert!(TAG.check("env:prod/eu=1+x").is_ok() && PHASE.check("put back").is_ok());
        assert!(USER.check("_apt").is_ok() && USER.check("ec2-user").is_ok() && USER.check("j.doe").is_ok());
        assert!(TARGET.check("10.0.0.1:3000").is_ok() && TICKET.check("INC-1: Größe #5 (網)").is_ok());
        let told = USER.check("аdmin").expect_err("refused").to_string();
        assert_eq!(
            told,
            "`аdmin` is not a user name: at most 64 of A-Z a-z 0-9 . _ -, and no - first; character 1 is `а`, U+0430"
        );
    }

    #[test]
    fn what_is_wrong_with_a_character_is_said() {
        assert_eq!(code_point('\u{202e}'), "U+202E (it changes the direction of text)");
        assert_eq!(code_point('\u{200b}'), "U+200B (it has no width)");
        assert_eq!(code_point('\u{ad}'), "U+00AD (it cannot be seen)");
        assert_eq!(code_point('\u{1b}'), "U+001B (it is a control character)");
        assert_eq!(code_point('é'), "U+00E9");
        assert!(is_seen('é') && is_seen('漢') && is_seen(' ') && !is_seen('\u{feff}') && !is_seen('\t'));
        assert_eq!(shown(&"x\n".repeat(200)).chars().count(), 151);
    }
}
