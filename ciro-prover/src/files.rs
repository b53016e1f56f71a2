//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file so that it outlives the machine: a temporary one, flushed, then renamed.
///
/// # Errors
///
/// What the system refuses.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Children and worker may write the same blob at once: each has a name of its own.
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let mut file = File::create(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if renamed.is_err() {
        // What is left over is of no use; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&temporary);
    }
    renamed?;
    File::open(folder)?.sync_all()
}
