//! Embeds Cairo's core library: finds the crate that ships it, copies its sources, lists them for `src/corelib.rs`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crate on crates.io that ships the core library, named in `corelib/Cargo.toml`.
const CARRIER: &str = "cairo-native";

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "corelib/Cargo.toml", "corelib/Cargo.lock"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=CIRO_CORELIB");
    let corelib = match env::var_os("CIRO_CORELIB") {
        Some(path) => PathBuf::from(path),
        None => locate()?,
    };
    embed(&corelib, Path::new(&env::var("OUT_DIR")?))
}

/// Asks cargo where the carrier's sources are; offline first, so that a second build needs no network.
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

/// Copies every source to `out/corelib` and writes `out/corelib.rs`: a list of (path, text).
fn embed(corelib: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut sources = Vec::new();
    collect(corelib, "", &mut sources)?;
    if !sources.iter().any(|path| path == "lib.cairo") {
        return Err(format!("{} holds no lib.cairo", corelib.display()).into());
    }
    sources.sort();
    let mut list = String::from("&[\n");
    for path in &sources {
        let copy = out.join("corelib").join(path);
        fs::create_dir_all(copy.parent().ok_or("a source lies in a folder")?)?;
        fs::write(&copy, fs::read(corelib.join(path))?)?;
        writeln!(list, "    ({path:?}, include_str!({:?})),", copy.display().to_string())?;
    }
    list.push_str("]\n");
    fs::write(out.join("corelib.rs"), list)?;
    Ok(())
}

/// Lists the `.cairo` files below `root/folder`, relative to `root`, without the core library's own tests.
fn collect(root: &Path, folder: &str, sources: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a file name is not UTF-8")?;
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if path != "test" {
                collect(root, &path, sources)?;
            }
        } else if name.ends_with(".cairo") {
            sources.push(path);
        }
    }
    Ok(())
}
