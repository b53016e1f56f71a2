//! `ciro init`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_sdk::OutputFile;
use clap::ValueEnum;
use serde::Serialize;

use crate::context::Failure;
use crate::context::{Context, Status};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the project goes; files that exist are never overwritten
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// What the project is
    #[arg(long, value_name = "T", default_value = "model")]
    template: Template,
}

/// What a new project is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A model and the commands that prove and verify it
    Model,
    /// A Python program that proves and verifies
    Python,
    /// A Rust program that proves and verifies with `ciro-sdk`
    Rust,
    /// A Python program that orders a proof from a network
    Client,
    /// A provider of a network: its account, its settings, and what starts it
    Provider,
    /// A contract on Starknet that relies on what a model is proven to say
    Starknet,
}

/// A file of a template.
struct File {
    path: &'static str,
    content: &'static [u8],
    executable: bool,
}

const fn file(path: &'static str, content: &'static [u8]) -> File {
    File { path, content, executable: false }
}

const fn script(path: &'static str, content: &'static [u8]) -> File {
    File { path, content, executable: true }
}

macro_rules! template {
    ($path:literal) => {
        include_bytes!(concat!("../../../templates/", $path))
    };
}

const ONNX: File = file("model.onnx", template!("model/model.onnx"));
const SAMPLES: File = file("inputs.npz", template!("model/inputs.npz"));
const INPUT: File = file("input.json", template!("model/input.json"));

const MODEL: &[File] = &[
    file("README.md", template!("model/README.md")),
    script("run.sh", template!("model/run.sh")),
    ONNX,
    SAMPLES,
    INPUT,
    file(".gitignore", template!("model/gitignore")),
];

const PYTHON: &[File] = &[
    file("README.md", template!("python/README.md")),
    file("prove.py", template!("python/prove.py")),
    file("requirements.txt", template!("python/requirements.txt")),
    ONNX,
    SAMPLES,
    INPUT,
    file(".gitignore", template!("python/gitignore")),
];

const RUST: &[File] = &[
    file("README.md", template!("rust/README.md")),
    file("Cargo.toml", template!("rust/Cargo.toml")),
    file("src/main.rs", template!("rust/src/main.rs")),
    ONNX,
    SAMPLES,
    INPUT,
    file(".cargo/config.toml", template!("rust/.cargo/config.toml")),
    script("tools/rustc-compat", include_bytes!("../../../tools/rustc-compat")),
    file("rust-toolchain.toml", include_bytes!("../../../rust-toolchain.toml")),
    file(".gitignore", template!("rust/gitignore")),
];

const CLIENT: &[File] = &[
    file("README.md", template!("client/README.md")),
    file("order.py", template!("client/order.py")),
    file("requirements.txt", template!("client/requirements.txt")),
    ONNX,
    SAMPLES,
    INPUT,
    file(".gitignore", template!("client/gitignore")),
];

const PROVIDER: &[File] = &[
    file("README.md", template!("provider/README.md")),
    script("run.sh", template!("provider/run.sh")),
    file("ciro-prover.service", include_bytes!("../../../tools/packages/ciro-prover.service")),
    file(".gitignore", template!("provider/gitignore")),
];

const STARKNET: &[File] = &[
    file("README.md", template!("starknet/README.md")),
    file("Scarb.toml", template!("starknet/Scarb.toml")),
    file("src/lib.cairo", template!("starknet/src/lib.cairo")),
    file("src/integers.cairo", include_bytes!("../../../contracts/consumers/src/integers.cairo")),
    file("starknet.toml", template!("starknet/starknet.toml")),
    script("run.sh", template!("starknet/run.sh")),
    ONNX,
    SAMPLES,
    INPUT,
    file(".gitignore", template!("starknet/gitignore")),
];

impl Template {
    const fn files(self) -> &'static [File] {
        match self {
            Self::Model => MODEL,
            Self::Python => PYTHON,
            Self::Rust => RUST,
            Self::Client => CLIENT,
            Self::Provider => PROVIDER,
            Self::Starknet => STARKNET,
        }
    }

    /// The command that comes next.
    const fn next(self) -> &'static str {
        match self {
            Self::Model | Self::Provider | Self::Starknet => "./run.sh",
            Self::Python => "python prove.py",
            Self::Rust => "cargo run",
            Self::Client => "python order.py",
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    dir: &'a Path,
    files: Vec<&'static str>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let files = args.template.files();
    if let Some(file) = files.iter().find(|file| args.dir.join(file.path).exists()) {
        let path = args.dir.join(file.path);
        let message = format!("`{}` exists already", path.display());
        return Err(Failure::new(message, "choose an empty folder: `ciro init DIR`").into());
    }
    for file in files {
        let path = args.dir.join(file.path);
        write(file, &path, &args.dir)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let report = Report { dir: &args.dir, files: files.iter().map(|file| file.path).collect() };
    let next = args.template.next();
    let dir = args.dir.display();
    let text = format!(
        "{BOLD}{dir}{BOLD:#}: {}\n{DIM}next{DIM:#}  cd {dir} && {next}\n",
        report.files.join(", "),
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

fn write(file: &File, path: &Path, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
    let content = match file.path {
        "Cargo.toml" => manifest(file.content, dir)?,
        _ => file.content.to_vec(),
    };
    OutputFile::create(path)?.finish(&content)?;
    #[cfg(unix)]
    if file.executable {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Names the package after its folder, and says where `ciro-sdk` comes from: the sources that this
/// program was built from if they are still there, else the repository.
fn manifest(template: &[u8], dir: &Path) -> Result<Vec<u8>> {
    let absolute = std::path::absolute(dir)?;
    let folder = absolute.file_name().unwrap_or_default().to_string_lossy();
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = folder.chars().map(kept).collect();
    let name = match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ => format!("app-{name}"),
    };
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ciro-sdk");
    let source = match sdk.canonicalize() {
        Ok(sdk) => format!("path = {:?}", sdk.to_string_lossy()),
        Err(_) => format!("git = {:?}", env!("CARGO_PKG_REPOSITORY")),
    };
    let text = std::str::from_utf8(template)?;
    Ok(text.replace("{{name}}", &name).replace("{{source}}", &source).into_bytes())
}
