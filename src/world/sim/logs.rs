//! The log files of a simulated host. They are not kept: a file is so many equal blocks, and how many depends on the time,
//! so that a file only ever grows and two looks at the same place of it read the same.

use crate::model::op::Shell;
use crate::world::sim::answers::Printed;
use crate::world::sim::machine::{Machine, PM2_HOME};

/// What Node prints when a server cannot have its port.
const FAULT: &str = "\
node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use :::3000
    at Server.setupListenHandle [as _listen2] (node:net:1908:16)
    at listenInCluster (node:net:1965:12)
    at Server.listen (node:net:2067:7) {
  code: 'EADDRINUSE',
  errno: -98,
  syscall: 'listen',
  address: '::',
  port: 3000
}

Node.js v20.20.2
";
/// What the service prints when it has it.
const READY: &str = "listening on port 3000 (build-2)\n";

/// What a file is made of, and how many of it.
fn blocks(machine: &Machine, path: &str, now: i64) -> Option<(&'static str, u64)> {
    let name = path.strip_prefix(PM2_HOME)?.strip_prefix("/logs/")?;
    let (stem, block, faults) = match (name.strip_suffix("-error.log"), name.strip_suffix("-out.log")) {
        (Some(stem), _) => (stem, FAULT, true),
        (_, Some(stem)) => (stem, READY, false),
        _ => return None,
    };
    let written = machine.written(stem, now)?;
    Some((block, if faults { written.faults } else { written.starts }))
}

/// The size of a log file; none where there is none.
pub(crate) fn size(machine: &Machine, path: &str, now: i64) -> Option<u64> {
    blocks(machine, path, now).map(|(block, count)| count.saturating_mul(block.len() as u64))
}

/// The bytes between two places of a file that repeats a block.
fn stretch(block: &str, start: u64, length: u64) -> Vec<u8> {
    let within = usize::try_from(start % block.len() as u64).unwrap_or_default();
    let length = usize::try_from(length).unwrap_or_default();
    let mut bytes = block.repeat((within + length).div_ceil(block.len())).into_bytes();
    bytes.truncate(within + length);
    bytes.split_off(within)
}

/// The ends of log files.
pub(crate) fn ends(machine: &mut Machine, script: &Shell, now: i64) -> Printed {
    let of = |name: &str| script.env.get(name).map_or("", String::as_str);
    let number = |name: &str| of(name).parse::<u64>().ok();
    let (Some(tail), Some(room), Some(part)) = (number("LOG_TAIL"), number("LOG_ROOM"), number("LOG_PART")) else {
        return Printed::failed(2, "sh: a value is no number\n");
    };
    let mut paths: Vec<String> = of("LOG_FILES").lines().filter(|path| !path.is_empty()).map(Machine::path).collect();
    if !of("LOG_STEM").is_empty() {
        let stem = format!("{}/logs/{}", Machine::path(of("LOG_HOME")), of("LOG_STEM"));
        let own = ["out", "error"].map(|stream| format!("{stem}-{stream}.log"));
        paths.extend(own.into_iter().filter(|path| blocks(machine, path, now).is_some()));
    }
    let mut out = b"@logs\n".to_vec();
    let share = room.checked_div(paths.len() as u64).unwrap_or_default().min(tail);
    for path in &paths {
        let Some((block, count)) = blocks(machine, path, now) else {
            out.extend(format!("gone {path}\n").into_bytes());
            continue;
        };
        let size = count.saturating_mul(block.len() as u64);
        let end = size.saturating_sub(part.saturating_mul(share));
        let start = end.saturating_sub(share) / 512 * 512;
        let length = end - start;
        out.extend(format!("file {} {size} {start} {length} {path}\n", inode(path)).into_bytes());
        out.extend(stretch(block, start, length));
        out.push(b'\n');
    }
    out.extend(b"@end\n");
    Printed::out(out)
}

/// The same for the same path: nothing here is ever rotated.
fn inode(path: &str) -> u64 {
    path.bytes().fold(262_144, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_003)
}

#[cfg(test)]
mod tests {
    use super::{FAULT, stretch};

    #[test]
    fn a_place_of_a_file_reads_the_same_whenever_it_is_read() {
        let whole = FAULT.repeat(3).into_bytes();
        for start in [0, 1, 512, whole.len() - 1] {
            assert_eq!(stretch(FAULT, start as u64, (whole.len() - start) as u64), &whole[start..], "from {start}");
        }
        assert_eq!(stretch(FAULT, 7, 0), b"");
    }
}
