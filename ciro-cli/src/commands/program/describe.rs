//! Felts, for people and for programs.

use ciro_sdk::program::Felt;

use crate::format;

/// How many felts people are shown.
const SHOWN: usize = 16;

/// Felts as `--json` prints them: hexadecimal digits behind `0x`.
pub(in crate::commands) fn felts(felts: &[Felt]) -> Vec<String> {
    felts.iter().map(|felt| format!("{felt:#x}")).collect()
}

/// What a program printed, one felt a line with its place, at most the first sixteen.
pub(in crate::commands) fn describe(output: &[Felt]) -> String {
    let shown = output.iter().take(SHOWN).enumerate();
    let mut text: String = shown.map(|(at, felt)| format!("{at:>6}  {}\n", short(felt))).collect();
    if output.len() > SHOWN {
        let more = format::count((output.len() - SHOWN) as u64);
        text.push_str(&format!("        ... {more} more\n"));
    }
    if output.is_empty() {
        text.push_str("        nothing\n");
    }
    text
}

/// Numbers of at most 64 bits in decimal digits, others in hexadecimal ones.
fn short(felt: &Felt) -> String {
    match u64::try_from(*felt) {
        Ok(number) => number.to_string(),
        Err(_) => format!("{felt:#x}"),
    }
}
