//! Programs that are no models: which are read, what they print, and what stops them.

use ciro_cairo::{
    CairoProveError, ExecutionError, Felt, Limits, Program, Provable, ReadProgramError, Unprovable,
    run, run_within,
};
use serde_json::json;

use crate::executables::{changed, executable, handmade, program};

/// The example that the documentation proves.
pub(crate) const FIBONACCI: &str =
    include_str!("../../../../examples/programs/fibonacci/src/lib.cairo");

/// The printed felts.
fn printed(program: &Program, arguments: &[u64]) -> Vec<Felt> {
    let arguments: Vec<Felt> = arguments.iter().map(|&argument| argument.into()).collect();
    run(program, None, &arguments).unwrap().output
}

fn felts(numbers: &[u64]) -> Vec<Felt> {
    numbers.iter().map(|&number| number.into()).collect()
}

/// `CIRO_BLESS=1` writes the example's executable.
#[test]
fn the_examples_executable_is_what_its_source_compiles_to() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/programs/fibonacci");
    let path = std::path::Path::new(folder).join("fibonacci.executable.json");
    let compiled = executable(FIBONACCI);
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(&path, &compiled).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == compiled, "bless it: CIRO_BLESS=1");
    let program = Program::read(&compiled).unwrap();
    assert_eq!(printed(&program, &[100])[0], Felt::from(100));
    assert_eq!(printed(&program, &[10]), felts(&[10, 55]));
}

#[test]
fn a_program_reads_the_same_from_every_compiler_of_this_crate() {
    let program = program(FIBONACCI);
    let again = Program::read(&executable(FIBONACCI)).unwrap();
    assert_eq!(program.hash(), again.hash());
    assert_eq!(program.key().unwrap().program(), program.hash());
    // Where lines come from, and what finds values, is no part of a key.
    let bare = changed(&executable(FIBONACCI), |file| file["program"]["hints"] = json!([]));
    assert_eq!(Program::read(&bare).unwrap().key(), program.key());
}

#[test]
fn programs_with_dictionaries_hashes_and_texts_print_what_they_compute() {
    let dictionary = program(
        "use core::dict::Felt252Dict;
        #[executable]
        fn main(words: Array<felt252>) -> felt252 {
            let mut first: Felt252Dict<u64> = Default::default();
            let mut second: Felt252Dict<u64> = Default::default();
            let mut third: Felt252Dict<u64> = Default::default();
            for word in words {
                first.insert(word, first.get(word) + 1);
                second.insert(word + 1, 7);
                third.insert(word, 8);
            }
            println!(\"counted\");
            first.get(5).into() * 100 + second.get(6).into() + third.get(4).into()
        }",
    );
    assert_eq!(printed(&dictionary, &[4, 5, 4, 5, 5]), felts(&[315]));
    let hashes = program(
        "#[executable]
        fn main(x: felt252) -> [felt252; 2] {
            let poseidon = core::poseidon::poseidon_hash_span([x, 2].span());
            [core::pedersen::pedersen(x, 2), poseidon]
        }",
    );
    use starknet_types_core::hash::{Pedersen, Poseidon, StarkHash};
    let (x, two) = (Felt::from(9), Felt::TWO);
    let expected = [Pedersen::hash(&x, &two), Poseidon::hash_array(&[x, two])];
    assert_eq!(printed(&hashes, &[9]), expected);
    // Their components are long, and take memory.
    let memory = |program: &Program| provable(program, &[9]).unwrap().memory_bytes();
    assert!(memory(&hashes) > memory(&program(FIBONACCI)) + 1024 * 311 * 8);
}

/// What the prover is given of a run.
fn provable(program: &Program, arguments: &[u64]) -> Result<Provable, CairoProveError> {
    Provable::new(program, run(program, None, &felts(arguments)).unwrap())
}

/// A program that compresses so many blocks, all alike, in five steps each.
fn compressions(count: u64) -> Program {
    let count = format!("{count:#x}");
    let ap = |offset: i32| json!({"AllocSegment": {"dst": {"register": "AP", "offset": offset}}});
    // [fp]: state and message, [fp + 1]: states, [fp + 2]: bytes, [fp + 3]: message.
    let head = ["0x40780017fff7fff", "0x2", "0x480680017fff8000", "0x7"];
    let words: Vec<String> = (0x8000..0x8018_u64)
        .map(|offset| format!("{:#x}", 0x4003_0000_8000_8002 | (offset << 32)))
        .collect();
    // [fp + 4] = 2^100, then where the next state goes, and how many are left.
    let large = format!("{:#x}", 1_u128 << 100);
    let start = ["0x4826800180008000", "0x8", "0x480680017fff8000", &large];
    let counters = ["0x480a80017fff8000", "0x480680017fff8000", &count];
    let minus = |less: u64| format!("{:#x}", -Felt::from(less));
    let (one, back) = (minus(1), minus(6));
    let compress = ["0x40127ffe7fff8000", "0x880b800380008002"];
    let next =
        ["0x482480017fff8000", "0x8", "0x482480017ffd8000", &one, "0x20680017fff7fff", &back];
    let print = ["0x400380007ffd8004", "0x482680017ffd8000", "0x1", "0x208b7fff7fff7ffe"];
    let words = words.iter().map(String::as_str);
    let code: Vec<&str> = head.into_iter().chain(words).chain(start).chain(counters).collect();
    let code = [&code[..], &compress, &next, &print].concat();
    Program::read(&handmade(&code, &json!([[6, [ap(0), ap(1)]]]))).unwrap()
}

/// Rows of padding take as much as others: 8,193 compressions are padded to 16,384, whose mixings
/// have no room.
#[test]
fn heavy_instructions_count_by_what_their_proof_takes() {
    let most = provable(&compressions(8_192), &[]).unwrap();
    // Measured: 3,468 MB and 698,755 bytes; more plain steps than these take 1,683 MB.
    let (memory, bytes) = (most.memory_bytes(), most.proof_bytes());
    assert!((3_468_000_000..2 * 3_468_000_000).contains(&memory), "{memory}");
    assert!((698_755..2 * 698_755).contains(&bytes), "{bytes}");
    let refused = provable(&compressions(8_193), &[]).unwrap_err();
    let CairoProveError::TooLong { what, rows, rows_max, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(what, "Blake2s");
    assert!(rows > rows_max);
}

/// A program prints the point that it asks for, which decides what it does next.
#[test]
fn a_run_is_the_same_every_time() {
    let cell = |offset: i32| json!({"register": "AP", "offset": offset});
    let point = json!({"RandomEcPoint": {"x": cell(0), "y": cell(1)}});
    let code = [
        "0x40780017fff7fff",
        "0x2",
        "0x400380007ffd8000",
        "0x482680017ffd8000",
        "0x1",
        "0x208b7fff7fff7ffe",
    ];
    let coin = Program::read(&handmade(&code, &json!([[6, [point]]]))).unwrap();
    let first = printed(&coin, &[]);
    assert_ne!(first, felts(&[0]));
    for _ in 0..3 {
        assert_eq!(printed(&coin, &[]), first);
    }
}

#[test]
fn points_are_added_and_runs_that_multiply_them_are_not_proven() {
    let program = program(
        "use core::ec::{EcPointTrait, EcStateTrait, stark_curve};
        #[executable]
        fn main(scalar: felt252) -> felt252 {
            let generator = EcPointTrait::new_nz(stark_curve::GEN_X, stark_curve::GEN_Y).unwrap();
            let mut state = EcStateTrait::init();
            state.add(generator);
            if scalar != 0 { state.add_mul(scalar, generator); }
            state.finalize_nz().unwrap().x()
        }",
    );
    use starknet_types_core::curve::AffinePoint;
    let generator = AffinePoint::generator();
    assert_eq!(printed(&program, &[0]), [generator.x()]);
    assert_eq!(printed(&program, &[1]), [(generator.clone() + generator).x()]);
    provable(&program, &[0]).unwrap();
    let refused = provable(&program, &[1]).unwrap_err();
    assert!(matches!(refused, CairoProveError::Curve), "{refused}");
}

#[test]
fn a_program_that_panics_says_why_and_prints_nothing() {
    let program = program(
        "#[executable]
        fn main(n: u8) -> u8 {
            assert(n != 13, 'thirteen');
            n + 1
        }",
    );
    assert_eq!(printed(&program, &[12]), felts(&[13]));
    let stopped = |arguments: &[u64]| match run(&program, None, &felts(arguments)) {
        Err(ExecutionError::Panicked(message)) => message,
        other => panic!("{arguments:?}: {other:?}"),
    };
    assert_eq!(stopped(&[13]), "`thirteen`");
    assert_eq!(stopped(&[255]), "`u8_add Overflow`");
    // Arguments that are missing, of another type, or left over.
    for arguments in [&[][..], &[256], &[1, 2]] {
        assert!(stopped(arguments).starts_with('`'), "{arguments:?}");
    }
}

#[test]
fn runs_end_within_their_steps_and_their_memory() {
    let program = program(
        "#[executable]
        fn main(n: felt252) -> felt252 {
            let mut i = 0;
            while i != n { i += 1; }
            i
        }",
    );
    let endless = [-Felt::ONE];
    let limits = Limits { steps: 10_000, ..Limits::default() };
    let error = run_within(&program, None, &endless, limits).unwrap_err();
    assert!(matches!(error, ExecutionError::TooLong(10_000)), "{error}");
    let limits = Limits { cells: 10_000, ..Limits::default() };
    let error = run_within(&program, None, &endless, limits).unwrap_err();
    assert!(matches!(error, ExecutionError::TooLarge(10_000)), "{error}");
    let many = vec![Felt::ONE; 20_000];
    let error = run_within(&program, None, &many, limits).unwrap_err();
    assert!(matches!(error, ExecutionError::TooLarge(10_000)), "{error}");
}

/// Pointers far behind anything that is used: the machine would make room for all that lies before.
#[test]
fn hostile_addresses_take_no_memory() {
    let alloc = json!({"AllocSegment": {"dst": {"register": "AP", "offset": 0}}});
    let far = |register: &str, immediate: &str| {
        json!({"BinOp": {
            "op": "Add",
            "a": {"register": register, "offset": -1},
            "b": {"Immediate": immediate}
        }})
    };
    let huge = "0x10000000000";
    // Beyond the cells of any run, and within what the machine makes room for.
    let many = "0x2000000";
    let cases: Vec<(&str, Vec<&str>, serde_json::Value)> = vec![
        // `ap += 2^40; [ap] = 1`.
        ("ap", vec!["0x40780017fff7fff", huge, "0x400680017fff7fff", "0x1"], json!([])),
        // `[ap] = segment + 2^40; [[ap - 1]] = [ap - 1]`.
        (
            "pointer",
            vec!["0x40780017fff7fff", "0x1", "0x482480017fff8000", huge, "0x480080007fff8000"],
            json!([[6, [alloc]]]),
        ),
        (
            "hint",
            vec!["0x40780017fff7fff", "0x1", "0x40780017fff7fff", "0x0"],
            json!([[6, [alloc]], [8, [{"AssertLeFindSmallArcs": {
                "range_check_ptr": far("AP", huge),
                "a": {"Immediate": "0x1"},
                "b": {"Immediate": "0x2"}
            }}]]]),
        ),
        // `ap += 2^25`, and a hint that writes to `[ap]` before anything else does.
        (
            "hint's cell behind ap",
            vec!["0x40780017fff7fff", many, "0x40780017fff7fff", "0x1"],
            json!([[8, [alloc]]]),
        ),
    ];
    for (name, code, hints) in cases {
        let program = Program::read(&handmade(&code, &hints)).unwrap();
        let error = run(&program, None, &[]).unwrap_err();
        assert!(matches!(error, ExecutionError::TooLarge(_)), "{name}: {error:?}");
    }
}

/// A root in the field takes longer than a step.
#[test]
fn hints_that_take_long_count_as_many_steps() {
    let cell = |offset: i32| json!({"register": "AP", "offset": offset});
    let hints = [
        json!({"FieldSqrt": {"val": {"Immediate": "0x4"}, "sqrt": cell(0)}}),
        json!({"RandomEcPoint": {"x": cell(0), "y": cell(1)}}),
    ];
    for hint in hints {
        let code = ["0x40780017fff7fff", "0x2"];
        let program = Program::read(&handmade(&code, &json!([[6, [hint]]]))).unwrap();
        let limits = Limits { steps: 1_000, ..Limits::default() };
        let error = run_within(&program, None, &[], limits).unwrap_err();
        assert!(matches!(error, ExecutionError::TooLong(1_000)), "{error:?}");
    }
}

#[test]
fn hints_that_panic_are_errors() {
    let zero = json!({"DivMod": {
        "lhs": {"Immediate": "0x1"},
        "rhs": {"Immediate": "0x0"},
        "quotient": {"register": "AP", "offset": 0},
        "remainder": {"register": "AP", "offset": 1}
    }});
    let program = Program::read(&handmade(&["0x40780017fff7fff", "0x2"], &json!([[6, [zero]]])));
    let error = run(&program.unwrap(), None, &[]).unwrap_err();
    assert!(matches!(error, ExecutionError::Machine(_)), "{error}");
}

#[test]
fn each_executable_that_is_not_proven_is_told_by_what_is_wrong() {
    let whole = executable(FIBONACCI);
    let mut lines = Vec::new();
    let mut refuse = |what: &str, file: &[u8]| {
        let error = Program::read(file).unwrap_err();
        let cause = std::error::Error::source(&error).map(|e| format!(": {e}"));
        lines.push(format!("{what}\n    {error}{}", cause.unwrap_or_default()));
        error
    };
    refuse("nothing", b"");
    refuse("a contract", b"{\"sierra_program\": [], \"abi\": []}");
    refuse("cut short", &whole[..whole.len() / 2]);
    let mut with =
        |what: &str, change: fn(&mut serde_json::Value)| refuse(what, &changed(&whole, change));
    with("a bootloader's program", |file| {
        file["entrypoints"].as_array_mut().unwrap().remove(0);
    });
    with("two entry points", |file| {
        let first = file["entrypoints"][0].clone();
        file["entrypoints"].as_array_mut().unwrap().push(first);
    });
    with("another place", |file| file["entrypoints"][0]["offset"] = json!(6));
    with("another kind", |file| file["entrypoints"][0]["kind"] = json!("Other"));
    let error = with("signatures", |file| {
        file["entrypoints"][0]["builtins"] = json!(["output", "ecdsa"]);
    });
    assert!(matches!(error, ReadProgramError::Builtins(Unprovable::Unsupported(_))), "{error}");
    with("unknown builtin", |file| file["entrypoints"][0]["builtins"] = json!(["oracle"]));
    with("no output", |file| file["entrypoints"][0]["builtins"] = json!(["range_check"]));
    with("another order", |file| {
        file["entrypoints"][0]["builtins"] = json!(["output", "range_check", "pedersen"]);
    });
    with("more builtins than the program takes", |file| {
        file["entrypoints"][0]["builtins"] = json!(["output", "range_check", "poseidon"]);
    });
    with("another beginning", |file| file["program"]["bytecode"][4] = json!("0x1"));
    with("no felt", |file| file["program"]["bytecode"][9] = json!("16"));
    with("a number above the prime", |file| {
        file["program"]["bytecode"][9] = json!(format!("0x{}", "f".repeat(64)));
    });
    with("no bytecode", |file| file["program"]["bytecode"] = json!([]));
    with("too much bytecode", |file| {
        let felts = file["program"]["bytecode"].as_array_mut().unwrap();
        felts.resize(1 << 18, json!("0x0"));
    });
    with("a hint of nothing", |file| file["program"]["hints"] = json!([[1 << 20, []]]));
    with("hints twice", |file| file["program"]["hints"] = json!([[6, []], [6, []]]));
    with("an unknown hint", |file| file["program"]["hints"] = json!([[6, [{"Oracle": {}}]]]));
    with("a long hint", |file| {
        file["program"]["hints"] = json!([[6, [format!("{:9000}", "")]]]);
    });
    with("a system call", |file| {
        let system = json!({"Deref": {"register": "FP", "offset": -3}});
        file["program"]["hints"] = json!([[6, [{"SystemCall": {"system": system}}]]]);
    });
    with("a deprecated hint", |file| {
        file["program"]["hints"] = json!([[6, ["AssertAllKeysUsed"]]]);
    });
    with("a circuit", |file| {
        let one = json!({"Immediate": "0x1"});
        file["program"]["hints"] = json!([[6, [{"EvalCircuit": {
            "n_add_mods": one, "add_mod_builtin": one, "n_mul_mods": one, "mul_mod_builtin": one
        }}]]]);
    });
    refuse("a long file", &vec![b' '; ciro_cairo::EXECUTABLE_BYTES_MAX + 1]);
    insta::assert_snapshot!(lines.join("\n"));
}

/// Damaged executables: panics of the machine are errors, whether they are read or run.
#[test]
fn damaged_executables_never_take_their_caller_down() {
    let whole = executable(FIBONACCI);
    let mut state = 2026_u64;
    let mut below = |end: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % end
    };
    let limits = Limits { steps: 5_000, cells: 100_000 };
    let (mut read, mut ran) = (0, 0);
    for _ in 0..2_000 {
        let mut file = whole.clone();
        for _ in 0..=below(3) {
            let at = below(file.len());
            match below(3) {
                0 => file[at] = b"0123456789abcdef\"[]{},-x"[below(24)],
                1 => drop(file.remove(at)),
                _ => file[at] ^= 1 << below(7),
            }
        }
        if let Ok(program) = Program::read(&file) {
            read += 1;
            ran += usize::from(run_within(&program, None, &[Felt::from(9)], limits).is_ok());
        }
    }
    println!("{read} of 2000 are read, {ran} of them run to their end");
    assert!(read > 100);
}
