//! Runs programs in the Cairo virtual machine.

mod fence;
mod points;

use std::any::Any;

use cairo_lang_casm::hints::{CoreHint, CoreHintBase, Hint};
use cairo_lang_runner::{Arg, CairoHintProcessor};
use cairo_vm::hint_processor::hint_processor_definition::HintProcessorLogic as _;
use cairo_vm::types::builtin_name::BuiltinName;
use cairo_vm::types::exec_scope::ExecutionScopes;
use cairo_vm::types::layout_name::LayoutName;
use cairo_vm::types::relocatable::{MaybeRelocatable, Relocatable};
use cairo_vm::vm::errors::runner_errors::RunnerError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::runners::cairo_runner::{CairoRunner, RunResources};
use starknet_types_core::felt::Felt;

use self::fence::{Exhausted, Fence, Turn};
use self::points::Points;
use crate::compile::Place;
use crate::guard;
use crate::package::Package;
use crate::program::{Location, Program};
use crate::security;

/// A finished run: its output, its cost, and the trace that a proof is made from.
pub struct Execution {
    /// What the program wrote to its output segment.
    pub output: Vec<Felt>,
    /// How many steps it took.
    pub steps: usize,
    /// How many cells of memory it reached.
    pub cells: usize,
    pub(crate) runner: CairoRunner,
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// A run that stopped early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// The program panicked, or an instruction failed.
    #[error("the Cairo program stops{at}{line}: {reason}")]
    Stopped {
        /// Where in the package.
        at: Place,
        /// The source line there, if any, behind a colon.
        line: String,
        /// The virtual machine's words.
        reason: String,
    },
    /// The program takes more steps than allowed.
    #[error(
        "the Cairo program takes more than {0} steps: use a smaller model, more memory, or the tensor route"
    )]
    TooLong(usize),
    /// The program reaches further into the memory than allowed.
    #[error("the Cairo program reaches more than {0} cells of memory")]
    TooLarge(usize),
    /// The program panicked, in its own words.
    #[error("the Cairo program panicked: {0}")]
    Panicked(String),
    /// The virtual machine refused the program, or failed outside of it.
    #[error("the Cairo virtual machine failed: {0}")]
    Machine(String),
}

/// Runs a program on its arguments; `package`, if given, lets a failure name the model's node.
///
/// `arguments` are the felts that the program's entry point deserializes its parameters from.
///
/// # Errors
/// [`ExecutionError`] if the program does not run to its end.
pub fn run(
    program: &Program,
    package: Option<&Package>,
    arguments: &[Felt],
) -> Result<Execution, ExecutionError> {
    run_within(program, package, arguments, Limits::default())
}

/// The most steps of any run: more than a proof has room for.
pub const STEPS_MAX: usize = 1 << 24;

/// The most cells of memory that any run reaches: as many as a proof has room for.
pub const CELLS_MAX: usize = security::MEMORY_PARTS << security::LOG_ROWS;

/// What a run may take. A step takes some hundred bytes of memory, and so does a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps, and as many hints before them.
    pub steps: usize,
    /// Cells of memory, from the first one of each segment to the last one that is reached.
    pub cells: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: STEPS_MAX, cells: CELLS_MAX }
    }
}

/// As [`run`], within these limits, whoever wrote the program. A run of equal bytecode, hints and
/// arguments is the same every time.
///
/// # Errors
/// As [`run`]; [`ExecutionError::TooLong`] if the program takes more steps,
/// [`ExecutionError::TooLarge`] if it takes more memory.
pub fn run_within(
    program: &Program,
    package: Option<&Package>,
    arguments: &[Felt],
    limits: Limits,
) -> Result<Execution, ExecutionError> {
    let _span = tracing::info_span!("run").entered();
    // The virtual machine and its hints panic where a program takes them by surprise.
    let run = guard::silent(|| run_guarded(program, package, arguments, limits));
    run.unwrap_or_else(|message| Err(ExecutionError::Machine(message)))
}

fn run_guarded(
    program: &Program,
    package: Option<&Package>,
    arguments: &[Felt],
    limits: Limits,
) -> Result<Execution, ExecutionError> {
    let machine = |error: RunnerError| ExecutionError::Machine(error.to_string());
    let finish = |error: VirtualMachineError| ExecutionError::Machine(error.to_string());
    let exhausted = |what| match what {
        Exhausted::Steps => ExecutionError::TooLong(limits.steps),
        Exhausted::Cells => ExecutionError::TooLarge(limits.cells),
    };
    let vm_program = program.for_vm().map_err(|e| ExecutionError::Machine(e.to_string()))?;
    let mut runner =
        CairoRunner::new(&vm_program, LayoutName::all_cairo_stwo, None, true, true, true)
            .map_err(machine)?;
    runner.exec_scopes = ExecutionScopes::new();
    let end = runner.initialize(true).map_err(machine)?;
    let mut fence = Fence::new(limits, program.bytecode().len(), arguments.len());
    let mut hints = processor(arguments);
    let mut points = Points::new(program.hash(), arguments);
    match run_to(end, program, &mut runner, (&mut hints, &mut fence, &mut points)) {
        Ok(()) => {}
        Err(Stop::Exhausted(what)) => return Err(exhausted(what)),
        Err(Stop::Machine(error)) => {
            let panic = fence.marker.and_then(|data| panic_message(&runner, data));
            let stopped = || stopped(program, package, &runner, &error);
            return Err(panic.map_or_else(stopped, ExecutionError::Panicked));
        }
    }
    fence.end().map_err(exhausted)?;
    // In proof mode the last step is the endless jump at `end`.
    runner.run_for_steps(1, &mut hints).map_err(finish)?;
    runner.end_run(true, false, &mut hints, true).map_err(finish)?;
    runner.read_return_values(true).map_err(machine)?;
    runner.finalize_segments().map_err(machine)?;
    let steps = runner.get_relocatable_trace().map_err(machine)?.len();
    let (output, cells) = (output(&runner)?, fence.cells());
    tracing::info!(steps, cells, outputs = output.len(), "run finished");
    Ok(Execution { output, steps, cells, runner })
}

/// What runs hints, with the arguments as one array.
fn processor<'r>(arguments: &[Felt]) -> CairoHintProcessor<'r> {
    let arguments = arguments.iter().copied().map(Arg::Value).collect();
    CairoHintProcessor {
        runner: None,
        user_args: vec![vec![Arg::Array(arguments)]],
        string_to_hint: Default::default(),
        starknet_state: Default::default(),
        run_resources: RunResources::default(),
        syscalls_used_resources: Default::default(),
        no_temporary_segments: false,
        markers: Default::default(),
        panic_traceback: Default::default(),
    }
}

/// Why a run does not come to its end.
enum Stop {
    Machine(VirtualMachineError),
    Exhausted(Exhausted),
}

impl From<Exhausted> for Stop {
    fn from(what: Exhausted) -> Self {
        Self::Exhausted(what)
    }
}

/// Steps to an instruction, each step counted before it is taken.
fn run_to(
    end: Relocatable,
    program: &Program,
    runner: &mut CairoRunner,
    (processor, fence, points): (&mut CairoHintProcessor<'_>, &mut Fence, &mut Points),
) -> Result<(), Stop> {
    let boxed = |hint: &Hint| Box::new(hint.clone()) as Box<dyn Any>;
    let mut hints: Vec<Vec<Box<dyn Any>>> = Vec::new();
    hints.resize_with(program.bytecode().len(), Vec::new);
    for (offset, group) in program.hints() {
        if let Some(place) = hints.get_mut(*offset) {
            *place = group.iter().map(boxed).collect();
        }
    }
    while runner.vm.get_pc() != end {
        let pc = runner.vm.get_pc();
        let before = hints.get(pc.offset).filter(|_| pc.segment_index == 0);
        fence.marker = None;
        for (index, hint) in before.into_iter().flatten().enumerate() {
            let known: &Hint = hint.downcast_ref().expect("a boxed hint is a hint");
            let turn = fence.hint(&runner.vm, known)?;
            let run = match known {
                _ if turn == Turn::Pass => Ok(()),
                Hint::Core(CoreHintBase::Core(CoreHint::RandomEcPoint { x, y })) => {
                    points.answer(&mut runner.vm, [x, y])
                }
                _ => processor.execute_hint(&mut runner.vm, &mut runner.exec_scopes, hint),
            };
            run.map_err(|error| {
                Stop::Machine(VirtualMachineError::Hint(Box::new((index, error))))
            })?;
        }
        fence.step(&runner.vm)?;
        runner.vm.step_instruction().map_err(Stop::Machine)?;
    }
    Ok(())
}

/// What a program says when it panics: short texts, and numbers that are none.
fn panic_message(
    runner: &CairoRunner,
    (mut at, end): (Relocatable, Relocatable),
) -> Option<String> {
    const FELTS_MAX: usize = 16;
    let mut words = Vec::new();
    while at != end && words.len() < FELTS_MAX {
        let felt = *runner.vm.get_integer(at).ok()?;
        let bytes = felt.to_bytes_be();
        let text = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        let readable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        words.push(match std::str::from_utf8(text) {
            Ok(text) if !text.is_empty() && text.bytes().all(|byte| readable(&byte)) => {
                format!("`{text}`")
            }
            _ => format!("{felt:#x}"),
        });
        at = (at + 1_usize).ok()?;
    }
    Some(words.join(", "))
}

/// Reads the output segment.
fn output(runner: &CairoRunner) -> Result<Vec<Felt>, ExecutionError> {
    let builtin = runner.vm.get_builtin_runners().iter().find(|b| b.name() == BuiltinName::output);
    let builtin = builtin.ok_or_else(|| ExecutionError::Machine("no output builtin".to_owned()))?;
    let (segment, stop) = builtin.get_memory_segment_addresses();
    let length = stop.ok_or_else(|| ExecutionError::Machine("the output has no end".to_owned()))?;
    let start =
        Relocatable { segment_index: isize::try_from(segment).unwrap_or(isize::MAX), offset: 0 };
    let cells = runner.vm.get_continuous_range(start, length);
    let cells = cells.map_err(|error| ExecutionError::Machine(error.to_string()))?;
    let felts = cells.into_iter().map(|cell| match cell {
        MaybeRelocatable::Int(felt) => Ok(felt),
        MaybeRelocatable::RelocatableValue(_) => {
            Err(ExecutionError::Machine("the output holds a pointer".to_owned()))
        }
    });
    felts.collect()
}

/// Describes where in the package a run stopped.
fn stopped(
    program: &Program,
    package: Option<&Package>,
    runner: &CairoRunner,
    error: &VirtualMachineError,
) -> ExecutionError {
    let stack: Vec<Location> = call_stack(runner)
        .into_iter()
        .flat_map(|offset| program.locations_at(offset))
        .filter(|location| location.path.starts_with("src/"))
        .cloned()
        .collect();
    let node = stack.iter().find_map(|at| package?.node_at(&at.path, at.line)).map(str::to_owned);
    let location = stack.into_iter().next();
    let text = location.as_ref().and_then(|at| {
        package?.files.get(&at.path)?.lines().nth(at.line.checked_sub(1)?).map(str::trim)
    });
    let line = text.map(|text| format!(": `{text}`")).unwrap_or_default();
    ExecutionError::Stopped { at: Place { location, node }, line, reason: error.to_string() }
}

/// The bytecode offset of the current instruction, then those of the calls that led to it.
fn call_stack(runner: &CairoRunner) -> Vec<usize> {
    /// Deeper stacks are cut: recursion over long spans repeats the same lines.
    const DEPTH_MAX: usize = 1 << 16;
    let vm = &runner.vm;
    let mut stack = vec![vm.get_pc().offset];
    let mut fp = vm.get_fp();
    for _ in 0..DEPTH_MAX {
        let cell = |back: usize| vm.get_relocatable((fp - back).ok()?).ok();
        let (Some(return_pc), Some(caller)) = (cell(1), cell(2)) else { break };
        if caller == fp || return_pc.segment_index != 0 {
            break;
        }
        // A call ends right before the address it returns to.
        stack.push(return_pc.offset.saturating_sub(1));
        fp = caller;
    }
    stack
}
