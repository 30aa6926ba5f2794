//! Sizes as people read them.

/// `512 B`, `1.5 KiB`, `64 KiB`, `2.0 GiB`: one digit after the point below ten, none above.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scale: u64 = 1;
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let (whole, rest) = (bytes / scale, bytes % scale);
    if unit == 0 || whole >= 10 || rest == 0 {
        return format!("{whole} {}", UNITS[unit]);
    }
    // rounded down: what is there is never made more
    format!("{whole}.{} {}", rest * 10 / scale, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_rounded_down_to_what_can_be_read_at_a_glance() {
        let shown: Vec<String> = [0, 1023, 1024, 1536, 65_536, 104_857_599, 5_000_000_000, u64::MAX].map(size).into();
        assert_eq!(shown, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "64 KiB", "99 MiB", "4.6 GiB", "16777215 TiB"]);
    }
}
