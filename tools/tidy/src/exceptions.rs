//! What does not keep the rules yet. A list only shrinks.

/// Files above 500 lines.
pub(crate) const LONG_FILES: &[&str] = &["ciro-node/ledger/src/tests/naive.rs"];

/// `x.rs` beside a folder `x/`.
pub(crate) const MODULES_BESIDE_FOLDERS: &[&str] = &[
    "bindings/python/src/error.rs",
    "ciro-node/consensus/src/stake.rs",
    "ciro-sdk/cairo/src/proof/packing.rs",
];

/// How many comments of a crate, at most, are wider than 100 columns.
pub(crate) const LONG_COMMENTS: &[(&str, usize)] = &[
    ("bindings/python", 18),
    ("bindings/python/build.rs", 1),
    ("ciro-cli", 26),
    ("ciro-node/consensus", 257),
    ("ciro-node/ledger", 31),
    ("ciro-node/sim", 56),
    ("ciro-sdk", 75),
    ("ciro-sdk/cairo", 89),
    ("ciro-sdk/cairo/build.rs", 4),
    ("ciro-sdk/compiler", 110),
    ("ciro-sdk/protocol", 32),
    ("ciro-sdk/stark", 186),
    ("examples/prove_and_verify", 1),
];

/// Names of public types that more than one crate of `ciro-sdk` defines.
pub(crate) const NAMES_IN_TWO_CRATES: &[&str] = &[
    "CairoKey",
    "Calibration",
    "Claim",
    "ClaimError",
    "CompileError",
    "DecodeError",
    "Estimate",
    "FileError",
    "Input",
    "KeyError",
    "ModelKey",
    "Movement",
    "Node",
    "NodeId",
    "Op",
    "Output",
    "Plan",
    "Policy",
    "ProveError",
    "Proven",
    "Prover",
    "Refusal",
    "Route",
    "RunError",
    "StatedInput",
    "Statement",
    "TreeEnsemble",
    "TreeNode",
    "VerificationError",
];

/// Libraries whose messages name a flag or a command.
pub(crate) const COMMANDS_IN_LIBRARIES: &[&str] = &[
    "ciro-sdk/compiler/src/import/error.rs",
    "ciro-sdk/src/check.rs",
    "ciro-sdk/src/inputs/error.rs",
    "ciro-sdk/stark/src/key.rs",
];

/// Public modules that the table of their crate's README leaves out.
pub(crate) const MODULES_WITHOUT_A_ROW: &[&str] = &[];
