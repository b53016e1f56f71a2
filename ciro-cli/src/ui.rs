//! What the command shows: results on stdout, everything else on stderr.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use ciro_sdk::{Concern, printable_json, printable_message};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::advice;
use crate::args::Global;

/// Titles and names.
pub(crate) const BOLD: Style = Style::new().bold();
/// Labels, and what matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What is good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Where and how a command speaks.
#[derive(Debug)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
    color: anstream::ColorChoice,
    warnings: RefCell<Vec<Warning>>,
}

/// Something that may be wrong with a result, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Warning {
    /// A word that programs may rely on.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The node, input or output that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
}

/// A result and everything that may be wrong with it.
#[derive(Serialize)]
struct Warned<'r, T> {
    #[serde(flatten)]
    result: &'r T,
    warnings: &'r [Warning],
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        let color = match global.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        };
        let warnings = RefCell::default();
        Self { json: global.json, quiet: global.quiet, color, warnings }
    }

    /// Whether results go out as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person watches stderr.
    pub(crate) fn watched(&self) -> bool {
        !self.quiet && stderr().is_terminal()
    }

    /// Whether stderr shows colours.
    pub(crate) fn colours_stderr(&self) -> bool {
        AutoStream::new(stderr(), self.color).current_choice() != anstream::ColorChoice::Never
    }

    /// Prints a result: the value as one JSON object, or the text, whose names have to be
    /// [printable](ciro_sdk::printable).
    pub(crate) fn result(&self, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
        let mut out = AutoStream::new(stdout(), self.color);
        let written = if self.json {
            let warned = Warned { result: value, warnings: &self.warnings.borrow() };
            let json = serde_json::to_string(&warned).context("cannot write the result as JSON")?;
            writeln!(out, "{}", printable_json(&json))
        } else {
            write!(out, "{text}")
        };
        written.and_then(|()| out.flush()).context("cannot write to stdout")
    }

    /// Tells what happens, unless asked to be quiet.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            self.tell(format_args!("{DIM}{}{DIM:#}", printable_message(&text.to_string())));
        }
    }

    /// Tells what may be wrong with the result.
    pub(crate) fn warn(&self, warning: Warning) {
        let text = printable_message(&warning.message);
        self.tell(format_args!("{WARNING}warning{WARNING:#}: {text}"));
        self.warnings.borrow_mut().push(warning);
    }

    /// Tells of everything that the user should know before relying on a model or a result.
    pub(crate) fn warn_of(&self, concerns: &[Concern]) {
        for concern in concerns {
            let message = format!("{concern}; {}", advice::spell(&concern.advice()));
            let node = concern.node().map(str::to_owned);
            self.warn(Warning { code: concern.code(), message, node });
        }
    }

    /// Tells why the command failed: the chain of causes, then what to do.
    pub(crate) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let what = printable_message(&error.to_string());
        self.tell(format_args!("{BAD}error{BAD:#}: {what}"));
        for cause in causes(error) {
            self.tell(format_args!("  {DIM}caused by{DIM:#}: {}", printable_message(&cause)));
        }
        if let Some(hint) = hint {
            self.tell(format_args!("\n{HINT}hint{HINT:#}: {}", printable_message(hint)));
        }
    }

    /// Shows a spinner while something takes longer than a second; it ends when the result is
    /// dropped.
    pub(crate) fn stage(&self, name: impl Into<String>) -> Stage {
        if !self.watched() {
            return Stage { end: None, thread: None };
        }
        let name = printable_message(&name.into());
        let (end, ended) = sync_channel::<()>(1);
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg} ({elapsed})"));
            bar.set_message(name);
            bar.enable_steady_tick(Duration::from_millis(100));
            let _ = ended.recv();
            bar.finish_and_clear();
        });
        Stage { end: Some(end), thread: Some(thread) }
    }

    /// A bar of `length` steps, shown to people only.
    pub(crate) fn bar(&self, length: usize) -> ProgressBar {
        let target = match self.watched() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        bar.set_style(style("{bar:24} {pos}/{len} {msg} ({elapsed})"));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn tell(&self, text: impl Display) {
        let mut err = AutoStream::new(stderr(), self.color);
        // Nobody can be told that stderr is closed.
        let _ = writeln!(err, "{text}");
    }
}

/// The causes of an error; a cause that its effect has already spelled out is left out.
pub(crate) fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut last = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !last.ends_with(&text) {
            causes.push(text.clone());
        }
        last = text;
    }
    causes
}

/// Something that takes time; its spinner ends with it.
#[derive(Debug)]
pub(crate) struct Stage {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A spinner that panicked is no reason to fail.
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
