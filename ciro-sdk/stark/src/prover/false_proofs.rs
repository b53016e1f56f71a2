//! Proofs of false statements, consistent but for one check, for the verifier in `contracts/`: it
//! has to refuse what this one refuses.
//!
//! They are kept in a file, as other crates have no prover that cheats. Write it again with
//! `CIRO_BLESS=1 cargo test --workspace --lib false_proofs`; more of them into another file with
//! `CIRO_FALSE=FILE cargo test --workspace --lib many_false_proofs -- --ignored`.

use std::path::Path;

use ciro_model::integer::{StatedTensor, Statement};
use num_traits::One;
use stwo::core::fields::m31::BaseField;

use super::cheats::{product, running, tables};
use super::lab::{Lab, heights, said};
use super::tests::{Case, models};
use super::{hunt, lifted};
use crate::air::Balance;
use crate::chips::AnyChip;
use crate::chips::defects::Defect;
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::rows::Column;
use crate::secrecy::Secrecy;
use crate::verify::VerificationError;

/// A proof and how it cheats.
type Named = (String, (ModelKey, Statement, Proof));

/// How a proof is kept: how it cheats, its key, its statement, its bytes.
type Kept = (String, Vec<u8>, Vec<[Vec<StatedTensor>; 2]>, Vec<u8>);

/// How many lies about random models are told, and how many bytes all proofs may take; and how many
/// lies for a file that is not kept.
const LIES: usize = 250;
const MANY: usize = 300;
const BYTES_MAX: usize = 1_000_000;

/// Provers that cheat at what ties chips together.
fn of_the_balance() -> Vec<Named> {
    let [short, tall] = heights(Secrecy::Plain);
    let tables = |log_sizes, counts| tables(Secrecy::Plain, log_sizes, counts);
    let product = |log_sizes, result| product(Secrecy::Plain, log_sizes, result);
    let honest = |_: &Balance, _: &mut [Column]| {};
    let prove = |lab: Lab| lab.prove(Preset::FastTest, honest);
    let mut proofs = vec![];
    for log_sizes in [[short, short], [short, tall], [tall, short], [tall, tall]] {
        let name = format!("sums that do not cancel, {log_sizes:?}");
        proofs.push((name, prove(tables(log_sizes, [5, -4]))));
        let name = format!("a product that is none, {log_sizes:?}");
        proofs.push((name, prove(product(log_sizes, 16))));
    }
    let ends_elsewhere = |balance: &Balance, columns: &mut [Column]| {
        *running(balance, columns)[2].last_mut().unwrap() += BaseField::one();
    };
    let is_reset = |balance: &Balance, columns: &mut [Column]| {
        for column in running(balance, columns) {
            let end = *column.last().unwrap();
            column[40..].iter_mut().for_each(|sum| *sum -= end);
        }
    };
    let lab = tables([short, tall], [5, -5]);
    let proof = lab.prove(Preset::FastTest, ends_elsewhere);
    proofs.push(("a running sum that ends elsewhere".to_owned(), proof));
    let proof = tables([short, tall], [1, 0]).prove(Preset::FastTest, is_reset);
    proofs.push(("a running sum that is reset".to_owned(), proof));
    // A table whose counts cancel in the two copies of its rows.
    let rows = lifted::lab(Secrecy::Plain, &[(3, 1), (3 + (1 << short), -1)]);
    proofs.push(("rows of a short chip that do not repeat".to_owned(), prove(rows)));
    let with_defects = [
        (Defect::ForgottenChip, tables([short, tall], [1, 0])),
        (Defect::ForgottenChip, tables([tall, short], [0, 1])),
        (Defect::CountedCopies, tables([short, tall], [1, -2])),
        (Defect::OpenWiring, tables([short, tall], [5, -4])),
        (Defect::OpenProducts, product([tall, short], 16)),
    ];
    for (number, (defect, lab)) in with_defects.into_iter().enumerate() {
        let _back = defect.put_back();
        let proof = lab.prove(Preset::FastTest, honest);
        assert_eq!(said(proof.clone()), Ok(()), "{defect:?}");
        proofs.push((format!("{defect:?}, {number}"), proof));
    }
    proofs
}

/// Provers of models whose traces or statements are false in one place.
fn of_models() -> Vec<Named> {
    let mut proofs = vec![];
    for (name, model) in models::all() {
        let mut case = Case::at(Preset::FastTest, &model, 1);
        case.statement.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] ^= 1;
        proofs.push((format!("{name}: another output"), case.proof()));
        let mut case = Case::at(Preset::FastTest, &model, 1);
        let chip = case.chip(|chip| !matches!(chip, AnyChip::Table(_) | AnyChip::Constants(_)));
        let column = case.witness[chip].len() - 1;
        case.witness[chip][column][0] += BaseField::one();
        proofs.push((format!("{name}: another cell"), case.proof()));
    }
    proofs
}

/// All proofs that fit into so many bytes, each refused as it should be, for a file.
fn kept(lies: usize, bytes_max: usize) -> Vec<u8> {
    let (mut kept, mut size): (Vec<Kept>, _) = (vec![], 0);
    let lies = hunt::false_proofs(lies).into_iter();
    let lies = lies.map(|(seed, proof)| (format!("a lie about model {seed}"), proof));
    for (name, (key, statement, proof)) in
        of_the_balance().into_iter().chain(of_models()).chain(lies)
    {
        let verdict = said((key.clone(), statement.clone(), proof.clone()));
        let refused = match verdict {
            Err(VerificationError::Opening(_)) => name.starts_with("rows"),
            Err(VerificationError::Constraints | VerificationError::Statement { .. }) => true,
            _ => false,
        };
        assert!(refused, "{name}: {verdict:?}");
        let claims = statement.claims.into_iter();
        let claims = claims.map(|claim| [claim.input.tensors().unwrap(), claim.outputs]);
        let proof = proof.to_bytes();
        size += proof.len();
        if size > bytes_max {
            break;
        }
        kept.push((name, key.to_bytes(), claims.collect(), proof));
    }
    postcard::to_allocvec(&kept).unwrap()
}

#[test]
fn false_proofs_for_the_chain_are_those_that_this_verifier_refuses() {
    let bytes = kept(LIES, BYTES_MAX);
    let path = "../../contracts/tests/fixtures/false_v3.postcard";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(bytes == std::fs::read(&path).unwrap(), "other proofs than in {}", path.display());
}

#[test]
#[ignore = "writes a file that CIRO_FALSE names"]
fn many_false_proofs_are_written() {
    let path = std::env::var_os("CIRO_FALSE").expect("CIRO_FALSE names a file");
    std::fs::write(path, kept(MANY, usize::MAX)).unwrap();
}
