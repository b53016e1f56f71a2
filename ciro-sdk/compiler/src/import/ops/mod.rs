//! The registry of operators, and their translations, one family a file.
//!
//! A family's table is at the top of its file; a new family adds its line to [`FAMILIES`].
//! `docs/operators.md` is made from these tables, and `docs/adding-an-operator.md` says how to add
//! to them.

mod arithmetic;
mod arrange;
mod attention;
mod bits;
mod cache;
mod control;
mod conv;
mod einsum;
mod elementwise;
mod fused;
mod gather;
mod heads;
mod linear;
mod loss;
mod ml;
mod norm;
mod packed;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod region;
mod resize;
mod sample;
mod shape;
mod signal;
mod spatial;
mod state;
mod transformer;

use super::context::{Family, Translate};
use super::{OnnxOperator, Reason};

/// The tables of all families, by the family's name.
const FAMILIES: &[(&str, Family)] = &[
    ("arithmetic", arithmetic::OPS),
    ("arrange", arrange::OPS),
    ("attention", attention::OPS),
    ("bits", bits::OPS),
    ("control", control::OPS),
    ("conv", conv::OPS),
    ("einsum", einsum::OPS),
    ("elementwise", elementwise::OPS),
    ("fused", fused::OPS),
    ("gather", gather::OPS),
    ("linear", linear::OPS),
    ("loss", loss::OPS),
    ("ml/encode", ml::encode::OPS),
    ("ml/features", ml::features::OPS),
    ("ml/linear", ml::linear::OPS),
    ("ml/svm", ml::svm::OPS),
    ("ml/tree_ensemble", ml::tree_ensemble::OPS),
    ("norm", norm::OPS),
    ("packed", packed::OPS),
    ("pool", pool::OPS),
    ("quantize", quantize::OPS),
    ("recurrent", recurrent::OPS),
    ("reduce", reduce::OPS),
    ("region", region::OPS),
    ("resize", resize::OPS),
    ("sample", sample::OPS),
    ("shape", shape::OPS),
    ("signal", signal::OPS),
    ("state", state::OPS),
    ("transformer", transformer::OPS),
];

/// Domains other than the default one, as written before the names of their operators.
const DOMAINS: &[&str] = &["ai.onnx.ml", "com.microsoft"];

/// The translation of an operator; the default domain has the empty name.
///
/// # Errors
/// The reason for which the operator is refused.
pub(super) fn find(domain: &str, name: &str) -> Result<Translate, Reason> {
    if !domain.is_empty() && !DOMAINS.contains(&domain) {
        return Err(Reason::UnknownDomain(domain.to_owned()));
    }
    let is = |known: &str| match known.rsplit_once('.') {
        None => domain.is_empty() && known == name,
        Some((known_domain, known)) => known_domain == domain && known == name,
    };
    let mut operators = FAMILIES.iter().flat_map(|(_, family)| family.iter());
    if let Some((.., translate)) = operators.find(|(known, ..)| is(known)) {
        return Ok(*translate);
    }
    match REFUSED.iter().find(|(known, _)| *known == name) {
        Some((_, why)) => Err(Reason::Unsupported(why)),
        None => Err(Reason::UnknownOperator),
    }
}

/// Every operator that can be imported, family after family.
pub(super) fn all() -> impl Iterator<Item = OnnxOperator> {
    FAMILIES.iter().flat_map(|(family, operators)| {
        operators.iter().map(|&(qualified, since, _)| {
            let (domain, name) = qualified.rsplit_once('.').unwrap_or(("", qualified));
            OnnxOperator { name, domain, since, family }
        })
    })
}

/// Operators that are known and have no meaning here.
const REFUSED: &[(&str, &str)] = &[
    ("NonMaxSuppression", "the shape of its result depends on data"),
    ("Unique", "the shape of its result depends on data"),
    ("Bernoulli", "it draws random numbers"),
    ("Multinomial", "it draws random numbers"),
    ("RandomNormal", "it draws random numbers"),
    ("RandomNormalLike", "it draws random numbers"),
    ("RandomUniform", "it draws random numbers"),
    ("RandomUniformLike", "it draws random numbers"),
    ("ImageDecoder", "files inside tensors have no integer meaning"),
    ("RegexFullMatch", "strings as data have no integer meaning"),
    ("StringConcat", "strings as data have no integer meaning"),
    ("StringNormalizer", "strings as data have no integer meaning"),
    ("StringSplit", "strings as data have no integer meaning"),
    ("TfIdfVectorizer", "strings as data have no integer meaning"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_registered_once_in_a_known_domain() {
        let mut seen = BTreeSet::new();
        for OnnxOperator { name, domain, family, .. } in all() {
            assert!(
                seen.insert((domain, name)),
                "{domain}.{name} in {family} is registered before"
            );
            assert!(domain.is_empty() || DOMAINS.contains(&domain), "{family}: {domain}.{name}");
            assert!(find(domain, name).is_ok(), "{domain}.{name}");
        }
    }

    #[test]
    fn tables_are_in_the_order_of_names_domain_after_domain() {
        for (family, operators) in FAMILIES {
            let key = |name: &str| {
                let (domain, name) = name.rsplit_once('.').unwrap_or(("", name));
                (domain.to_owned(), name.to_lowercase())
            };
            assert!(operators.is_sorted_by_key(|(name, ..)| key(name)), "{family}");
        }
    }

    #[test]
    fn no_operator_is_both_imported_and_refused() {
        for (name, why) in REFUSED {
            assert_eq!(find("", name).err(), Some(Reason::Unsupported(why)), "{name}");
        }
    }
}
