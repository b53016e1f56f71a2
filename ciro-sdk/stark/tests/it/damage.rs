//! Damage to files, of the kinds that decoders and verifiers must tell.

/// How many damaged files are tried: `CIRO_MUTATIONS`, or 20,000.
pub(crate) fn mutations() -> usize {
    std::env::var("CIRO_MUTATIONS").map_or(20_000, |count| count.parse().unwrap())
}

/// Damages bytes in one place or two; most of them become others. `below` draws a number below its
/// argument.
pub(crate) fn damage(bytes: &[u8], below: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(2) {
        let at = below(bytes.len());
        let word = at.min(bytes.len() - 4);
        match below(8) {
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
            // Neighbours of a number, and numbers at the edges.
            2 => {
                let value = u32::from_le_bytes(bytes[word..word + 4].try_into().unwrap());
                let next = value.wrapping_add([1, u32::MAX, 1 << 31][below(3)]);
                bytes[word..word + 4].copy_from_slice(&next.to_le_bytes());
            }
            3 => {
                let edge = [0, 1, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, u32::MAX][below(6)];
                bytes[word..word + 4].copy_from_slice(&edge.to_le_bytes());
            }
            4 => bytes.truncate(at.max(8)),
            5 => bytes.insert(at, 0),
            6 => drop(bytes.remove(at)),
            // A part of the bytes in another place.
            _ => {
                let length = [1, 4, 16, 32][below(4)].min(bytes.len());
                let [from, to] = [0, 1].map(|_| below(bytes.len() - length + 1));
                bytes.copy_within(from..from + length, to);
            }
        }
    }
    bytes
}
