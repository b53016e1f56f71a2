//! What does not keep the rules yet. A list only shrinks.

/// Files above 500 lines.
pub(crate) const LONG_FILES: &[&str] = &[];

/// `x.rs` beside a folder `x/`.
pub(crate) const MODULES_BESIDE_FOLDERS: &[&str] =
    &["ciro-node/consensus/src/stake.rs", "ciro-sdk/cairo/src/proof/packing.rs"];

/// How many comments of a crate, at most, are wider than 100 columns.
pub(crate) const LONG_COMMENTS: &[(&str, usize)] =
    &[("ciro-node/consensus", 2), ("ciro-sdk", 1), ("ciro-sdk/compiler", 1)];

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
