//! Runs programs in the Cairo virtual machine.

use cairo_lang_runner::{Arg, CairoHintProcessor};
use cairo_vm::types::builtin_name::BuiltinName;
use cairo_vm::types::exec_scope::ExecutionScopes;
use cairo_vm::types::layout_name::LayoutName;
use cairo_vm::types::relocatable::{MaybeRelocatable, Relocatable};
use cairo_vm::vm::errors::runner_errors::RunnerError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::runners::cairo_runner::{CairoRunner, RunResources};
use starknet_types_core::felt::Felt;

use crate::compile::Place;
use crate::package::Package;
use crate::program::{Location, Program};

/// A finished run: its output, its cost, and the trace that a proof is made from.
pub struct Execution {
    /// What the program wrote to its output segment.
    pub output: Vec<Felt>,
    /// How many steps it took.
    pub steps: usize,
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
    run_within(program, package, arguments, STEPS_MAX)
}

/// The most steps of any run: more than a proof has room for.
pub const STEPS_MAX: usize = 1 << 24;

/// As [`run`], in at most `steps_max` steps.
///
/// # Errors
/// As [`run`]; [`ExecutionError::TooLong`] if the program takes more steps.
pub fn run_within(
    program: &Program,
    package: Option<&Package>,
    arguments: &[Felt],
    steps_max: usize,
) -> Result<Execution, ExecutionError> {
    let _span = tracing::info_span!("run").entered();
    let (vm_program, string_to_hint) =
        program.for_vm().map_err(|error| ExecutionError::Machine(format!("{error:#}")))?;
    let arguments = arguments.iter().copied().map(Arg::Value).collect();
    let mut hints = CairoHintProcessor {
        runner: None,
        user_args: vec![vec![Arg::Array(arguments)]],
        string_to_hint,
        starknet_state: Default::default(),
        run_resources: RunResources::new(steps_max),
        syscalls_used_resources: Default::default(),
        no_temporary_segments: false,
        markers: Default::default(),
        panic_traceback: Default::default(),
    };
    let machine = |error: RunnerError| ExecutionError::Machine(error.to_string());
    let mut runner =
        CairoRunner::new(&vm_program, LayoutName::all_cairo_stwo, None, true, true, true)
            .map_err(machine)?;
    runner.exec_scopes = ExecutionScopes::new();
    let end = runner.initialize(true).map_err(machine)?;
    if let Err(error) = runner.run_until_pc(end, &mut hints) {
        return Err(match error {
            VirtualMachineError::UnfinishedExecution => ExecutionError::TooLong(steps_max),
            error => stopped(program, package, &runner, &error),
        });
    }
    // In proof mode the last step is the endless jump at `end`.
    let finish = |error: VirtualMachineError| ExecutionError::Machine(error.to_string());
    runner.run_for_steps(1, &mut hints).map_err(finish)?;
    runner.end_run(true, false, &mut hints, true).map_err(finish)?;
    runner.read_return_values(true).map_err(machine)?;
    runner.finalize_segments().map_err(machine)?;
    let steps = runner.get_relocatable_trace().map_err(machine)?.len();
    let output = output(&runner)?;
    tracing::info!(steps, outputs = output.len(), "run finished");
    Ok(Execution { output, steps, runner })
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
