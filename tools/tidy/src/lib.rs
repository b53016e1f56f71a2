//! Tests of the sources as text: what no compiler and no linter checks.
//!
//! Each rule is a test. Where sources do not keep a rule yet, `exceptions` lists them; a list
//! only shrinks, as an entry that is no longer needed fails too.

#[cfg(test)]
mod cores;
#[cfg(test)]
mod exceptions;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod maps;
#[cfg(test)]
mod names;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod sources;
