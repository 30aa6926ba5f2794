//! Credentials that stand in a file as they are.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// What credentials look like: a pattern whose first group is the credential, and what it is.
const SHAPES: [(&str, &str); 7] = [
    (r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b", "this is an access key of AWS"),
    (r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)", "this is a private key"),
    (r"\b((?:gh[oprsu]_|github_pat_|glpat-|xox[abprs]-|sk_live_)[A-Za-z0-9_-]{16,})", "this is an access token"),
    (r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{16,})", "this is an access token"),
    (r#"[a-z][a-z0-9+.-]*://[^/\s:@"'$<>{}]+:([^/\s:@"'$<>{}]+)@"#, "this URL has a password in it"),
    // NAME=value, --name value, "name": "value"
    (
        r#"(?i)(?:^|[^A-Za-z0-9$])(?:[A-Z0-9_-]*?(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key))=["']?([^\s"'$`<>{}()&|;,*]{4,})"#,
        "this is a credential by its name",
    ),
    (
        r#"(?i)(?:--(?:password|passwd|secret|token|api-key)\s+["']?|["'][A-Z0-9_-]*(?:password|passwd|secret|token|api[_-]?key)["']\s*:\s*["'])([^\s"'$`<>{}()&|;,*-][^\s"'$`<>{}()&|;,*]{3,})"#,
        "this is a credential by its name",
    ),
];

static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> =
    LazyLock::new(|| SHAPES.iter().filter_map(|(shape, what)| Some((Regex::new(shape).ok()?, *what))).collect());

/// Values that say nothing.
const PLAIN: [&str; 12] =
    ["true", "false", "none", "null", "required", "optional", "disabled", "enabled", "file", "prompt", "undefined", "empty"];

/// Every credential of a text.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found: Vec<(Range<usize>, &'static str)> = Vec::new();
    for (pattern, what) in PATTERNS.iter() {
        for hit in pattern.captures_iter(text).filter_map(|captures| captures.get(1)) {
            let plain = PLAIN.contains(&hit.as_str().to_ascii_lowercase().as_str()) || hit.as_str().starts_with("/");
            let known = found.iter().any(|(at, _)| at.start < hit.end() && hit.start() < at.end);
            if !plain && !known {
                found.push((hit.range(), what));
            }
        }
    }
    found.sort_by_key(|(at, _)| at.start);
    found
}

/// Whether a variable of that name holds a credential.
pub(super) fn names(var: &str) -> bool {
    const ENDS: [&str; 8] = ["password", "passwd", "secret", "token", "api_key", "apikey", "access_key", "private_key"];
    let name = var.to_ascii_lowercase();
    ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{PATTERNS, SHAPES, find, names};

    #[test]
    fn every_shape_is_a_regular_expression() {
        assert_eq!(PATTERNS.len(), SHAPES.len());
    }

    #[test]
    fn credentials_are_found_where_they_stand() {
        let key = format!("AKIA{}", "IOSFODNN7EXAMPLE");
        let pem = format!("-----BEGIN RSA {}-----", "PRIVATE KEY");
        let token = format!("ghp_{}", "a1b2".repeat(9));
        let cases: &[(String, &str)] = &[
            (format!("aws --key {key} s3 ls"), &key),
            (format!("cat > k <<'E'\n{pem}\nE"), &pem),
            (format!("git clone x?{token}"), &token),
            ("curl -H 'Authorization: Bearer abcdef0123456789abcdef' x".to_owned(), "abcdef0123456789abcdef"),
            ("postgres://app:hunter2@db/x".to_owned(), "hunter2"),
            ("DB_PASSWORD=hunter2 npm start".to_owned(), "hunter2"),
            ("curl -d 'user=a&token=abcd1234'".to_owned(), "abcd1234"),
            ("mysql --password=hunter2".to_owned(), "hunter2"),
            ("login --token 'abcd1234'".to_owned(), "abcd1234"),
            ("echo '{\"client_secret\": \"abcd1234\"}' > x".to_owned(), "abcd1234"),
        ];
        for (text, want) in cases {
            let found: Vec<&str> = find(text).iter().filter_map(|(at, _)| text.get(at.clone())).collect();
            assert_eq!(found, [*want], "{text}");
        }
    }

    #[test]
    fn what_names_a_credential_is_none() {
        let misses = [
            "curl -H \"Authorization: Bearer $TOKEN\"",
            "curl -H 'Authorization: Bearer {{ token }}'",
            "export PASSWORD=\"$(cat /run/password)\"",
            "token=$token",
            "max_tokens=4096",
            "password_file=/etc/x",
            "login --token \"$token\" --password -",
            "password=required",
            "secret=/run/secrets/x",
            "http://127.0.0.1:3000/a@b",
            "ssh://git@host/x",
            "http://$user:$password@host/",
            "the token: expired",
            "if [ \"$token\" = \"abcd1234\" ]; then :; fi",
            "AKIAnothing",
            "password=",
        ];
        for text in misses {
            assert_eq!(find(text), [], "{text}");
        }
        assert!(names("db_password") && names("API_KEY") && !names("token_file") && !names("tokens"));
    }
}
