//! Processes that outlive the command.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{Devnet, Process};
use crate::context::Failure;

/// How long a process has to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

impl Process {
    /// Starts the process in a group, a new one if there is none, and returns its number.
    pub(super) fn start(&self, group: Option<u32>) -> Result<u32> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write `{}`", self.log.display()))?;
        let group = group.and_then(|group| i32::try_from(group).ok()).unwrap_or(0);
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(group)
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.program.display()))?;
        Ok(child.id())
    }

    /// Whether it runs: there is a process of this number, and it is not another one's that took
    /// the number later.
    pub(super) fn is_running(&self) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) else {
            return !Path::new("/proc/self").exists() && signal("-0", self.pid).is_ok();
        };
        // The state follows the name, which may hold anything, in parentheses.
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        if state.starts_with(['Z', 'X']) {
            return false;
        }
        // The arguments of a process that is just being started are not there yet.
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let own = self.arguments.last().map_or(&[][..], |argument| argument.as_bytes());
        line.is_empty() || line.split(|byte| *byte == 0).any(|part| part == own)
    }

    /// Ends it at once.
    pub(super) fn kill(&self) -> Result<()> {
        signal("-KILL", self.pid)?;
        self.wait(PATIENCE)
    }

    /// Asks it to stop, and ends it if it does not.
    pub(super) fn stop(&self) -> Result<()> {
        signal("-TERM", self.pid)?;
        match self.wait(PATIENCE) {
            Ok(()) => Ok(()),
            Err(_) => self.kill(),
        }
    }

    /// Stops it from doing anything, until it may go on.
    pub(super) fn pause(&self) -> Result<()> {
        signal("-STOP", self.pid)
    }

    /// Lets it go on.
    pub(super) fn resume(&self) -> Result<()> {
        signal("-CONT", self.pid)
    }

    /// The processes that it started and that run, by number.
    pub(super) fn children(&self) -> Result<Vec<u32>> {
        let mut children = Vec::new();
        for entry in std::fs::read_dir("/proc").context("cannot list the processes")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // It may have ended since.
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let (state, parent) = (fields.next(), fields.next());
            if parent == Some(&self.pid.to_string()) && state != Some("Z") {
                children.push(pid);
            }
        }
        Ok(children)
    }

    fn wait(&self, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.is_running() {
            if begun.elapsed() > patience {
                bail!("process `{}` ({}) does not end", self.name, self.pid);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Devnet {
    /// The processes' group, if one of them is left in it.
    pub(super) fn living_group(&self) -> Option<u32> {
        self.processes.iter().any(Process::is_running).then_some(self.group)
    }
}

/// Ends a process at once; one that has ended since is none.
pub(super) fn kill(pid: u32) {
    // It may have ended since, which is as good.
    let _ = signal("-KILL", pid);
}

/// Sends a signal. The standard library sends none, and unsafe code is not for a command line.
fn signal(signal: &str, pid: u32) -> Result<()> {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
    let sent = sent.context("cannot run `kill`")?;
    if sent.success() { Ok(()) } else { bail!("process {pid} takes no signal") }
}

/// A program of the network: beside this one, or in PATH.
pub(in crate::commands) fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = own.into_iter().chain(others).find(|path| path.is_file());
    found.ok_or_else(|| {
        let folder = if name == "ciro-econ" { "ciro-node/econ" } else { name };
        let hint = format!("install it beside `ciro` or in PATH: `cargo install --path {folder}`");
        Failure::new(format!("there is no program `{name}`"), hint).into()
    })
}
