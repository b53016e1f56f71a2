//! Kills and stops processes as a seed says, and starts them again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::super::process::kill;
use super::super::{Devnet, up};
use super::invariant::{Invariant, Violations};
use super::load::Stage;
use super::seeds::Seeds;

/// How long a node has to become ready again.
const BACK: Duration = Duration::from_secs(60);
/// The shortest time that a process is away, and how much longer it may be, in ms.
const AWAY_MS: (u64, u64) = (500, 1_500);
/// So often in a hundred a process is stopped instead of killed.
const PAUSES: u64 = 30;
/// Of so many blows at validators one hits two of them.
const PAIRS: u64 = 16;
const NAP: Duration = Duration::from_millis(20);

/// What is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Component {
    /// The node that clients speak to first.
    Gateway,
    /// Another node.
    Validator,
    Worker,
    /// A process in which a worker proves.
    Child,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Blows {
    pub(super) killed: BTreeMap<Component, usize>,
    pub(super) paused: BTreeMap<Component, usize>,
    /// Of all blows, those that came while a job was at a stage.
    pub(super) by_stage: BTreeMap<Stage, usize>,
    /// Blows that hit two validators at once.
    pub(super) pairs: usize,
}

/// Whoever kills.
pub(super) struct Fire {
    pub(super) devnet: Devnet,
    pub(super) seeds: Seeds,
    pub(super) every: Duration,
    /// Tells at which stages jobs are.
    pub(super) stages: Box<dyn Fn() -> Vec<Stage> + Send>,
    pub(super) blows: Blows,
    pub(super) violations: Violations,
}

/// One blow.
struct Blow {
    component: Component,
    /// Places of the processes.
    places: Vec<usize>,
    pauses: bool,
    away: Duration,
}

impl Fire {
    /// Kills until told to stop; then everything runs again.
    pub(super) fn run(mut self, stop: &AtomicBool) -> (Devnet, Blows, Violations) {
        let mut next = Instant::now() + self.every;
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() < next {
                std::thread::sleep(NAP);
                continue;
            }
            self.roll_call();
            let blow = self.draw();
            let struck = Instant::now();
            if let Err(error) = self.strike(&blow) {
                self.violations.add(Invariant::I8, format!("{error:#}"));
                self.restore();
            }
            // A slow machine has as long to work as it took to come back.
            next = Instant::now() + self.every.max(struck.elapsed());
        }
        self.roll_call();
        self.restore();
        (self.devnet, self.blows, self.violations)
    }

    /// Whom the seed hits next.
    fn draw(&mut self) -> Blow {
        let places = |prefix: &str, from: usize| -> Vec<usize> {
            let named = |(_, name): &(usize, &str)| name.starts_with(prefix);
            let names = self.devnet.processes.iter().map(|process| process.name.as_str());
            names.enumerate().filter(named).map(|(place, _)| place).skip(from).collect()
        };
        let (validators, workers) = (places("node", 1), places("prover", 0));
        let drawn = self.seeds.below(100);
        let component = match drawn {
            0..40 if !validators.is_empty() => Component::Validator,
            60..80 if !workers.is_empty() => Component::Worker,
            80.. if !workers.is_empty() => Component::Child,
            _ => Component::Gateway,
        };
        let from = match component {
            Component::Gateway => vec![0],
            Component::Validator => validators,
            Component::Worker | Component::Child => workers,
        };
        let mut hit: Vec<usize> = self.seeds.choose(&from).copied().into_iter().collect();
        if component == Component::Validator && self.seeds.once_in(PAIRS) {
            let others: Vec<usize> = from.into_iter().filter(|it| !hit.contains(it)).collect();
            hit.extend(self.seeds.choose(&others));
        }
        let pauses = component != Component::Child && self.seeds.below(100) < PAUSES;
        let away = Duration::from_millis(AWAY_MS.0 + self.seeds.below(AWAY_MS.1));
        Blow { component, places: hit, pauses, away }
    }

    fn strike(&mut self, blow: &Blow) -> Result<()> {
        for stage in (self.stages)() {
            *self.blows.by_stage.entry(stage).or_default() += 1;
        }
        let counts = if blow.pauses { &mut self.blows.paused } else { &mut self.blows.killed };
        *counts.entry(blow.component).or_default() += 1;
        self.blows.pairs += usize::from(blow.places.len() > 1);
        if blow.component == Component::Child {
            let children = self.devnet.processes[blow.places[0]].children()?;
            if let Some(child) = self.seeds.choose(&children) {
                kill(*child);
            }
            return Ok(());
        }
        for &place in &blow.places {
            let process = &self.devnet.processes[place];
            if blow.pauses { process.pause()? } else { process.kill()? }
        }
        std::thread::sleep(blow.away);
        for &place in &blow.places {
            if blow.pauses {
                self.devnet.processes[place].resume()?;
            } else {
                self.start(place)?;
            }
        }
        for &place in &blow.places {
            self.wait_back(place)?;
        }
        Ok(())
    }

    fn start(&mut self, place: usize) -> Result<()> {
        let group = self.devnet.living_group();
        let pid = self.devnet.processes[place].start(group)?;
        self.devnet.processes[place].pid = pid;
        self.devnet.group = group.unwrap_or(pid);
        self.devnet.write()
    }

    /// Waits until a node takes part again.
    fn wait_back(&self, place: usize) -> Result<()> {
        let process = &self.devnet.processes[place];
        match process.name.strip_prefix("node").and_then(|it| self.devnet.url_of(it)) {
            Some(url) => up::wait_ready(url, BACK),
            None => Ok(()),
        }
    }

    /// Whoever does not run was not hit: what is hit runs again before the next blow.
    fn roll_call(&mut self) {
        for place in 0..self.devnet.processes.len() {
            let process = &self.devnet.processes[place];
            if !process.is_running() {
                let log: PathBuf = process.log.clone();
                let last = super::super::tail(&log).unwrap_or_default();
                let last = last.lines().last().unwrap_or("nothing").to_owned();
                let what = format!("`{}` ended by itself and said last: {last}", process.name);
                self.violations.add(Invariant::I8, what);
                if let Err(error) = self.start(place) {
                    self.violations.add(Invariant::I8, format!("{error:#}"));
                }
            }
        }
    }

    /// Lets everything run again.
    fn restore(&mut self) {
        for place in 0..self.devnet.processes.len() {
            let process = &self.devnet.processes[place];
            let back = if process.is_running() { process.resume() } else { self.start(place) };
            if let Err(error) = back {
                self.violations.add(Invariant::I8, format!("{error:#}"));
            }
        }
        for place in 0..self.devnet.processes.len() {
            if let Err(error) = self.wait_back(place) {
                let name = &self.devnet.processes[place].name;
                self.violations
                    .add(Invariant::I8, format!("`{name}` does not come back: {error:#}"));
            }
        }
    }
}
