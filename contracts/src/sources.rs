//! The Cairo packages, embedded: what is compiled depends on no folder.

/// A Cairo package.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name, by which others use it.
    pub name: &'static str,
    /// Paths below its folder of sources, and texts, of its files.
    pub sources: &'static [(&'static str, &'static str)],
}

macro_rules! package {
    ($name:literal: $($path:literal),* $(,)?) => {
        Package {
            name: $name,
            sources: &[$(($path, include_str!(concat!("../", $name, "/src/", $path)))),*],
        }
    };
}

/// The verifier, and the contracts that verify and pay.
pub const VERIFIER: Package = package! {
    "verifier":
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
};

/// The token, and what hands it out.
pub const TOKEN: Package = package! {
    "token":
    "lib.cairo",
    "ciro_token.cairo",
    "faucet.cairo",
    "vesting.cairo",
};

/// What validators have at stake, and the judge.
pub const BOND: Package = package! {
    "bond":
    "lib.cairo",
    "evidence.cairo",
    "judge.cairo",
    "validator_bond.cairo",
};

/// The bridge to the Ciro chain.
pub const BRIDGE: Package = package! {
    "bridge":
    "lib.cairo",
    "bridge.cairo",
    "checkpoint.cairo",
    "outbox.cairo",
};

/// Payments in CIRO by those who have a stablecoin, and an exchange for both.
pub const ROUTER: Package = package! {
    "router":
    "lib.cairo",
    "exchange.cairo",
    "payment_router.cairo",
};

/// What holders of the token decide together.
pub const GOVERNOR: Package = package! {
    "governor":
    "lib.cairo",
    "governor.cairo",
};

/// Contracts that rely on facts: examples.
pub const CONSUMERS: Package = package! {
    "consumers":
    "lib.cairo",
    "diagnosis.cairo",
    "game.cairo",
    "integers.cairo",
    "loan.cairo",
    "noughts.cairo",
    "oracle.cairo",
};

/// All packages of this crate.
pub(crate) const PACKAGES: [Package; 7] =
    [VERIFIER, TOKEN, BOND, BRIDGE, ROUTER, GOVERNOR, CONSUMERS];
