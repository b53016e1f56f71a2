//! Numbers as people read and write them.

/// Milliseconds with three significant digits: `8.41 ms`, `1.24 s`.
pub(crate) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1e3 => format!("{ms:.0} ms"),
        ms if ms < 1e4 => format!("{:.2} s", ms / 1e3),
        ms if ms < 1e5 => format!("{:.1} s", ms / 1e3),
        ms => format!("{:.0} s", ms / 1e3),
    }
}

/// Bytes in powers of ten: `318 B`, `109 kB`, `1.65 GB`.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = |unit: u64| count as f64 / unit as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.0} kB", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{:.0} MB", scaled(1_000_000)),
        _ => format!("{:.2} GB", scaled(1_000_000_000)),
    }
}

/// What is said behind a preset of proofs that hide.
pub(crate) fn hiding(hides: bool) -> &'static str {
    if hides { ", hiding" } else { "" }
}

/// A count with its thousands apart: `416,520`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

/// A shape: `1x3x32x32`, or `scalar`.
pub(crate) fn shape(extents: &[usize]) -> String {
    let extents: Vec<String> = extents.iter().map(ToString::to_string).collect();
    if extents.is_empty() { "scalar".to_owned() } else { extents.join("x") }
}

/// A list of real numbers, cut after ten.
pub(crate) fn values(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(10).map(|value| format!("{value:.4}")).collect();
    let rest = values.len().saturating_sub(10);
    let more = if rest > 0 { format!(", ... {} more", count(rest as u64)) } else { String::new() };
    format!("[{}{more}]", shown.join(", "))
}

/// `1 sample`, `2 samples`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Reads a size such as `8GB`, `512 MiB` or `1000000`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let invalid = || format!("`{text}` is not a size such as 8GB or 512MiB");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(invalid()),
    };
    let size = (number * unit).round();
    if !(1.0..1e18).contains(&size) {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 1 and 10^18"
    )]
    let size = size as u64;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let shown = [8.414, 38.26, 412.4, 1_240.0, 12_400.0, 124_000.0].map(duration);
        assert_eq!(shown, ["8.41 ms", "38.3 ms", "412 ms", "1.24 s", "12.4 s", "124 s"]);
    }

    #[test]
    fn sizes_and_counts_are_readable() {
        assert_eq!(
            [318, 108_900, 86_700_000, 1_650_000_000].map(bytes),
            ["318 B", "109 kB", "87 MB", "1.65 GB"]
        );
        assert_eq!([0, 999, 61_706, 1_000_000].map(count), ["0", "999", "61,706", "1,000,000"]);
        assert_eq!((shape(&[1, 3]), shape(&[])), ("1x3".to_owned(), "scalar".to_owned()));
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(values(&[1.0, -0.5]), "[1.0000, -0.5000]");
        assert!(values(&[0.0; 12]).ends_with(", ... 2 more]"));
    }

    #[test]
    fn sizes_are_parsed() {
        let sizes = ["8GB", "1.5 MiB", "1000000", "2g"].map(|text| parse_size(text).unwrap());
        assert_eq!(sizes, [8_000_000_000, 1_572_864, 1_000_000, 2_000_000_000]);
        for text in ["", "GB", "8 gigs", "-1", "0", "1e99", "1.2.3", "99999999TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
