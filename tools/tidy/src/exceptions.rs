//! What does not keep the rules yet. A list only shrinks.

/// Files above 500 lines.
pub(crate) const LONG_FILES: &[&str] = &[];

/// `x.rs` beside a folder `x/`.
pub(crate) const MODULES_BESIDE_FOLDERS: &[&str] =
    &["ciro-node/consensus/src/stake.rs", "ciro-sdk/cairo/src/proof/packing.rs"];

/// How many comments of a crate, at most, are wider than 100 columns.
pub(crate) const LONG_COMMENTS: &[(&str, usize)] = &[
    ("bindings/python", 27),
    ("bindings/python/build.rs", 1),
    ("ciro-cli", 25),
    ("ciro-node/consensus", 233),
    ("ciro-node/ledger", 32),
    ("ciro-node/sim", 70),
    ("ciro-node/store", 12),
    ("ciro-sdk", 120),
    ("ciro-sdk/cairo", 89),
    ("ciro-sdk/cairo/build.rs", 4),
    ("ciro-sdk/compiler", 116),
    ("ciro-sdk/protocol", 32),
    ("ciro-sdk/stark", 166),
    ("examples/prove_and_verify", 1),
];

/// Names of public types that more than one crate of `ciro-sdk` defines.
pub(crate) const NAMES_IN_TWO_CRATES: &[&str] = &[
    "Claim",
    "DecodeError",
    "Input",
    "Movement",
    "Node",
    "NodeId",
    "Op",
    "Output",
    "Policy",
    "Proven",
    "Refusal",
    "Route",
    "TreeEnsemble",
    "TreeNode",
];

/// Libraries whose messages name a flag or a command.
pub(crate) const COMMANDS_IN_LIBRARIES: &[&str] = &[];

/// Public modules that the table of their crate's README leaves out.
pub(crate) const MODULES_WITHOUT_A_ROW: &[&str] = &[];
