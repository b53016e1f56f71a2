//! Tells the module which CPU features it is compiled for, so that it can be refused before it runs
//! an instruction that is missing.

fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    println!("cargo::rustc-env=CIRO_TARGET={arch}:{features}");
}
