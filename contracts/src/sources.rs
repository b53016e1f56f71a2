//! The Cairo package, embedded: what is compiled depends on no folder.

macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        /// Paths below `verifier/src` and texts of the package's files.
        pub static SOURCES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../verifier/src/", $path)))),*];
    };
}

sources! {
    "lib.cairo",
    "field.cairo",
    "blake.cairo",
    "circle.cairo",
    "air.cairo",
    "air/admit.cairo",
    "air/arithmetic.cairo",
    "air/balance.cairo",
    "air/columns.cairo",
    "air/constants.cairo",
    "air/division.cairo",
    "air/embedding.cairo",
    "air/events.cairo",
    "air/extremum.cairo",
    "air/hash.cairo",
    "air/io.cairo",
    "air/limbs.cairo",
    "air/product.cairo",
    "air/rank.cairo",
    "air/rounding.cairo",
    "air/shape.cairo",
    "air/table.cairo",
    "air/tree.cairo",
    "erc20.cairo",
    "escrow.cairo",
    "facts.cairo",
    "fri.cairo",
    "key.cairo",
    "models.cairo",
    "pcs.cairo",
    "policy.cairo",
    "stark.cairo",
    "statement.cairo",
}
