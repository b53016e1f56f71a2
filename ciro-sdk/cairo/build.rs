//! Embeds Cairo's core library: finds the crate that ships it, brings it to the compiler's version,
//! checks every byte of the result, and lists the sources for `src/corelib.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use blake2::{Blake2s256, Digest};

/// The crate on crates.io that ships the core library, named in `corelib/Cargo.toml`.
const CARRIER: &str = "cairo-native";

/// The version of the core library that is embedded: the compiler's own, which refuses others.
const VERSION: &str = "2.17.0";

/// What turns the carrier's core library, 2.16.0, into that version: the difference of the two
/// releases in starkware-libs/cairo.
const PATCH: &str = "corelib/2.17.0.patch";

/// The Blake2s digest of the core library of that release, without its tests (see [`digest`]).
///
/// Program hashes, and with them keys, depend on every byte of it: no build has another one.
const DIGEST: &str = "446e5115f640746fef8991bd5f508b54953d123c8df69526ca267482c093c61f";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // A verifier compiles nothing.
    if env::var_os("CARGO_FEATURE_PROVE").is_none() {
        return Ok(());
    }
    for input in ["corelib/Cargo.toml", "corelib/Cargo.lock", PATCH] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=CIRO_CORELIB");
    println!("cargo::rustc-env=CIRO_CORELIB_VERSION={VERSION}");
    let sources = match env::var_os("CIRO_CORELIB") {
        Some(folder) => read(Path::new(&folder))?,
        None => {
            let mut sources = read(&locate()?)?;
            patch(&mut sources, &fs::read_to_string(PATCH)?)?;
            sources
        }
    };
    let found = digest(&sources);
    if found != DIGEST {
        let expected = format!("the core library of Cairo {VERSION} has digest {DIGEST}");
        return Err(format!("{expected}, the one found has {found}").into());
    }
    embed(&sources, Path::new(&env::var("OUT_DIR")?))
}

/// Asks cargo where the carrier's sources are; offline first, so that a second build needs no
/// network.
fn locate() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == CARRIER)
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("cargo metadata does not list cairo-native")?;
    let folder = Path::new(manifest).parent().ok_or("a manifest lies in a folder")?;
    Ok(folder.join("corelib/src"))
}

fn metadata(options: &[&str]) -> Result<serde_json::Value, Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("corelib/Cargo.toml");
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(manifest)
        .args(options)
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cannot fetch Cairo's core library: {reason}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The `.cairo` files below a folder by their paths, without the core library's own tests.
fn read(folder: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut sources = BTreeMap::new();
    collect(folder, "", &mut sources)?;
    Ok(sources)
}

fn collect(
    root: &Path,
    folder: &str,
    sources: &mut BTreeMap<String, String>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a file name is not UTF-8")?;
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if path != "test" {
                collect(root, &path, sources)?;
            }
        } else if name.ends_with(".cairo") {
            sources.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Applies a unified diff; lines that are not where it says are an error.
fn patch(sources: &mut BTreeMap<String, String>, diff: &str) -> Result<(), Box<dyn Error>> {
    let mut path = "";
    // Lines of the file as it is, how many of them are taken, and the file as it becomes.
    let (mut old, mut taken, mut new): (Vec<String>, usize, Vec<String>) = Default::default();
    for line in diff.lines().chain(["--- end"]) {
        if line.starts_with("--- ") {
            new.extend_from_slice(&old[taken..]);
            if let Some(source) = sources.get_mut(path) {
                *source = new.join("\n") + "\n";
            }
            (old, taken, new) = Default::default();
        } else if let Some(name) = line.strip_prefix("+++ b/") {
            path = name;
            let source = sources.get(path).ok_or("the patch names a file that is missing")?;
            old = source.lines().map(str::to_owned).collect();
        } else if let Some(hunk) = line.strip_prefix("@@ -") {
            let first = hunk.split([',', ' ']).next().ok_or("a hunk names no line")?;
            let until = first.parse::<usize>()?.saturating_sub(1);
            new.extend_from_slice(old.get(taken..until).ok_or("hunks overlap")?);
            taken = until;
        } else if let Some(added) = line.strip_prefix('+') {
            new.push(added.to_owned());
        } else {
            let (kept, text) = match line.strip_prefix('-') {
                Some(text) => (false, text),
                None => (true, line.strip_prefix(' ').unwrap_or(line)),
            };
            if old.get(taken).map(String::as_str) != Some(text) {
                return Err(format!("{path} has another line {} than the patch", taken + 1).into());
            }
            new.extend(kept.then(|| text.to_owned()));
            taken += 1;
        }
    }
    Ok(())
}

/// `blake2s` over path and text of every file, each behind its length as 8 little-endian bytes, by
/// path.
fn digest(sources: &BTreeMap<String, String>) -> String {
    let mut hasher = Blake2s256::new();
    for part in sources.iter().flat_map(|(path, text)| [path, text]) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes every source to `out/corelib`, and to `out/corelib.rs` a list of (path, text).
fn embed(sources: &BTreeMap<String, String>, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut list = String::from("&[\n");
    for (path, text) in sources {
        let copy = out.join("corelib").join(path);
        fs::create_dir_all(copy.parent().ok_or("a source lies in a folder")?)?;
        fs::write(&copy, text)?;
        writeln!(list, "    ({path:?}, include_str!({:?})),", copy.display().to_string())?;
    }
    list.push_str("]\n");
    fs::write(out.join("corelib.rs"), list)?;
    Ok(())
}
