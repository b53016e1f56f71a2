//! What the machine has to spare.

/// The memory that this process can still get, in bytes; `None` where the system does not say.
///
/// It is the limit of proofs that set none.
pub fn available_memory() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable")
}

/// All memory of the machine, in bytes; `None` where the system does not say.
pub fn total_memory() -> Option<u64> {
    field("/proc/meminfo", "MemTotal")
}

/// The most memory that this process ever held, in bytes; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    field("/proc/self/status", "VmHWM")
}

fn field(file: &str, name: &str) -> Option<u64> {
    find(&std::fs::read_to_string(file).ok()?, name)
}

/// Reads a line such as `MemAvailable:   1234 kB`.
fn find(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_are_read() {
        let text = "MemTotal:\t  9 kB\nMemAvailable:\t  1234 kB\nThreads:\t2\n";
        assert_eq!(find(text, "MemAvailable"), Some(1_263_616));
        assert_eq!((find(text, "Threads"), find(text, "Mem")), (None, None));
    }
}
