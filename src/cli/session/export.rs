//! Views written to files in the directory one is in; what is there already is never overwritten.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::settings::Settings;
use crate::cli::timeline::{self, Shape};
use crate::model::id::RunId;
use crate::model::visible::visible_lines;

/// How many names are tried.
const TRIES: usize = 100;

/// Writes a view, or the timeline of a run where no text is given; says where.
pub fn write(settings: &Settings, name: &str, text: Option<&str>, run: Option<&RunId>) -> Result<String, Failure> {
    let bytes = match (text, run) {
        (Some(text), _) => visible_lines(text).as_bytes().to_vec(),
        (None, Some(run)) => {
            let form = if name.ends_with(".json") { Shape::Json { lined: false } } else { Shape::Markdown };
            timeline::text(&open::journal(settings)?, run.clone(), None, form)?
        }
        (None, None) => return Err(Failure::invalid("there is nothing to write")),
    };
    let written = create(Path::new("."), name, &bytes);
    written.map_err(|error| Failure::new(70, format!("{name} could not be written here: {error}")))
}

/// Creates `name`, or `name-2` and so on where that is taken, readable by its owner alone: it is about production.
fn create(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<String> {
    use std::os::unix::fs::OpenOptionsExt;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
    for n in 1..=TRIES {
        let name = if n == 1 { format!("{stem}.{ending}") } else { format!("{stem}-{n}.{ending}") };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(&name)) {
            Ok(mut file) => {
                file.write_all(bytes)?;
                return Ok(format!("wrote {} bytes to {name}", bytes.len()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, format!("{TRIES} files with that name are there already")))
}

#[cfg(test)]
mod tests {
    use super::create;

    #[test]
    fn what_is_there_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = create(dir.path(), "timeline-7f3a9c.md", b"one").expect("it is free");
        let second = create(dir.path(), "timeline-7f3a9c.md", b"two").expect("another is free");
        assert_eq!(
            [first.as_str(), second.as_str()],
            ["wrote 3 bytes to timeline-7f3a9c.md", "wrote 3 bytes to timeline-7f3a9c-2.md"]
        );
        assert_eq!(std::fs::read(dir.path().join("timeline-7f3a9c.md")).expect("it is there"), b"one");
    }
}
