//! A folder to run the command in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder; the command runs inside of it.
pub(crate) struct Sandbox {
    dir: TempDir,
    own_cache: bool,
}

/// What a run of the command left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), own_cache: false }
    }

    /// Lets the command keep compiled models inside of the sandbox, in `cache`, and not where all
    /// tests share them.
    pub(crate) fn with_own_cache(self) -> Self {
        Self { own_cache: true, ..self }
    }

    /// A sandbox that holds a model of `examples/models`, with its inputs beside it.
    pub(crate) fn with_model(model: &str) -> Self {
        let sandbox = Self::new();
        for name in ["model.onnx", "inputs.npz", "input_0.json", "expected.npz"] {
            let file = example(model).join(name);
            if file.is_file() {
                std::fs::copy(file, sandbox.path(name)).unwrap();
            }
        }
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names of all files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the command with these words as arguments.
    pub(crate) fn run(&self, arguments: &str) -> Run {
        self.run_from(arguments, Stdio::null())
    }

    /// As [`run`](Self::run), with something to read on standard input.
    pub(crate) fn run_from(&self, arguments: &str, stdin: impl Into<Stdio>) -> Run {
        let cache = match self.own_cache {
            true => self.path("cache"),
            false => Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        };
        let output = Command::new(env!("CARGO_BIN_EXE_ciro"))
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .env("CIRO_CACHE_DIR", cache)
            .env_remove("CIRO_LOG")
            .env_remove("CLICOLOR_FORCE")
            .env("COLUMNS", "100")
            .stdin(stdin)
            .output()
            .unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the command, which must succeed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &str) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "ciro {arguments}: {run:?}");
        run
    }

    /// Runs the command with `--json`, which must succeed, and reads the object that it prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> Value {
        self.done(&format!("{arguments} --json")).json()
    }
}

impl Run {
    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything in one text.
    pub(crate) fn text(&self) -> String {
        let code = self.code.map_or("none".to_owned(), |code| code.to_string());
        format!("exit code: {code}\n-- stdout\n{}-- stderr\n{}", self.stdout, self.stderr)
    }
}

/// The folder of an example model.
pub(crate) fn example(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(model)
}

/// Replaces what differs from run to run and from machine to machine.
pub(crate) fn filters() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r" *\b\d+(\.\d+)? (ms|s)\b", " [TIME]");
    settings.add_filter(r"\b\d+(\.\d+)? (B|kB|MB|GB)\b", "[SIZE]");
    settings.add_filter(r"\b\d+ bytes\b", "[SIZE]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[KEY]");
    settings.add_filter(r"\b[\d,]+ cells\b", "[N] cells");
    // Whoever comes first compiles a model, all others find it.
    settings.add_filter("found the compiled form of `", "compiled `");
    settings.bind_to_scope()
}
