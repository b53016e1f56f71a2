//! What may be in a block: each check refuses by name, and one judgement decides payment and
//! punishment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ciro_protocol::batch::{Batch, SignedBatch};
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, OutputDigest, SubmitterId};
use ciro_protocol::model::{KeyFacts, Listing};
use ciro_protocol::order::Route;
use ciro_protocol::sign::{Address, KeyCache, SecretKey, Signed};
use ciro_protocol::tx::{
    Body, Proven, RegisterModel, ReportFraud, ReportOffence, SignedTx, SubmitProof, Transaction,
};
use ciro_protocol::wire::{Bytes, List};

use super::support::{batch, card, chain, key, spec, unsigned};
use crate::validity::{Judges, Refused, Stated, Unproven};
use crate::{Blobs, Invalid, ProofSystem, Submitters, validate};

/// Proofs for tests: a bundle is its statement and the word `holds`.
struct Words;

impl ProofSystem for Words {
    fn facts(&self, _: u8, bytes: &[u8]) -> Result<KeyFacts, Refused> {
        let number = bytes.first().ok_or_else(|| Refused("no key".to_owned()))?;
        Ok(key(*number, Route::Tensor).facts)
    }

    fn verify(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        if verifier != 1 {
            return Err(Refused("no such verifier".to_owned()));
        }
        let key = self.facts(verifier, key)?.digest;
        match bundle {
            [input, output, b'h', b'o', b'l', b'd', b's'] => {
                let (input, output) = (InputDigest([*input; 32]), OutputDigest([*output; 32]));
                Ok(Stated { key, input, output })
            }
            _ => Err(Refused("it does not hold".to_owned())),
        }
    }
}

#[derive(Default)]
struct Shelf(BTreeMap<BlobId, Arc<[u8]>>);

impl Shelf {
    fn put(&mut self, bytes: &[u8]) -> BlobId {
        let id = BlobId::of(bytes).unwrap();
        self.0.insert(id, bytes.into());
        id
    }
}

impl Blobs for Shelf {
    fn get(&self, id: BlobId) -> Option<Arc<[u8]>> {
        self.0.get(&id).cloned()
    }
}

struct One;

impl Submitters for One {
    fn key(&self, id: SubmitterId) -> Option<Address> {
        (id == SubmitterId(0)).then(|| SecretKey::from_seed(b"validator").address())
    }
}

fn person(person: u8) -> SecretKey {
    SecretKey::from_seed(&[person])
}

fn sign(by: u8, body: Body) -> SignedTx {
    let unsigned = unsigned(by.into(), 1, 9, body);
    Signed::new(unsigned.body, &person(by)).unwrap()
}

fn signed_batch(txs: Vec<SignedTx>, mut attachments: Vec<BlobId>) -> SignedBatch {
    attachments.sort_unstable();
    attachments.dedup();
    let body = Batch { attachments: List::new(attachments).unwrap(), ..batch(1, 1, txs) };
    Signed::new(body, &SecretKey::from_seed(b"validator")).unwrap()
}

/// Proofs for tests, whose verifications are counted.
#[derive(Default)]
struct Counted(AtomicUsize);

impl ProofSystem for Counted {
    fn facts(&self, verifier: u8, bytes: &[u8]) -> Result<KeyFacts, Refused> {
        Words.facts(verifier, bytes)
    }

    fn verify(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Words.verify(verifier, key, bundle)
    }
}

fn judged(shelf: &Shelf, batch: &SignedBatch) -> Result<(), Invalid> {
    judged_by(&Words, shelf, batch)
}

fn judged_by(proofs: &dyn ProofSystem, shelf: &Shelf, batch: &SignedBatch) -> Result<(), Invalid> {
    judged_on(&spec(), proofs, shelf, batch)
}

fn judged_on(
    spec: &ChainSpec,
    proofs: &dyn ProofSystem,
    shelf: &Shelf,
    batch: &SignedBatch,
) -> Result<(), Invalid> {
    let judges = Judges { chain: chain(), spec, submitters: &One, blobs: shelf, proofs };
    validate(&judges, batch, &mut KeyCache::new(4))
}

fn proof(shelf: &mut Shelf, bundle: &[u8]) -> SubmitProof {
    let proven = Proven {
        verifier: 1,
        key_blob: shelf.put(&[1; 20]),
        bundle: shelf.put(bundle),
        bundle_bytes: bundle.len() as u64,
        key: KeyDigest([1; 32]),
        input: InputDigest([4; 32]),
        output: OutputDigest([6; 32]),
    };
    SubmitProof { job: JobId([1; 32]), attempt: 1, proven }
}

fn report(of: &SubmitProof) -> Body {
    let submitted = sign(4, Body::SubmitProof(*of));
    let Transaction { header, .. } = submitted.body;
    let signature = submitted.signature;
    Body::ReportFraud(Box::new(ReportFraud { header, submitted: *of, signature }))
}

/// Blobs that are counted when they are read.
struct Read<'s>(&'s Shelf, AtomicUsize);

impl Blobs for Read<'_> {
    fn get(&self, id: BlobId) -> Option<Arc<[u8]>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(id)
    }
}

#[test]
fn however_often_a_batch_speaks_of_a_proof_it_is_verified_once() {
    let mut shelf = Shelf::default();
    let good = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    let attempt = |number: u8, proven: Proven| SubmitProof {
        job: JobId([number; 32]),
        attempt: number,
        proven,
    };
    let reports = (0..8).map(|number: u8| {
        let bundle_bytes = 100 + u64::from(number);
        sign(5, report(&attempt(number, Proven { bundle_bytes, ..good.proven })))
    });
    let others = (8..16).map(|number: u8| {
        let input = InputDigest([number; 32]);
        sign(5, report(&attempt(number, Proven { input, ..good.proven })))
    });
    let proofs = (16..32).map(|it| sign(4, Body::SubmitProof(attempt(it, good.proven))));
    let txs = reports.chain(proofs).chain(others).collect();
    let batch = signed_batch(txs, vec![good.proven.key_blob, good.proven.bundle]);
    let (spec, proofs) = (spec(), Counted::default());
    let blobs = Read(&shelf, AtomicUsize::new(0));
    let judges =
        Judges { chain: chain(), spec: &spec, submitters: &One, blobs: &blobs, proofs: &proofs };
    assert_eq!(validate(&judges, &batch, &mut KeyCache::new(4)), Ok(()));
    assert_eq!(proofs.0.load(Ordering::Relaxed), 1);
    // Each blob once for the reports of another length, which need no verdict, and once for it.
    assert_eq!(blobs.1.load(Ordering::Relaxed), 4);
}

#[test]
fn a_proof_is_payable_or_punishable_and_never_both() {
    let mut shelf = Shelf::default();
    let good = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    let other = |change: fn(&mut Proven)| {
        let mut changed = good;
        change(&mut changed.proven);
        changed
    };
    let broken = proof(&mut shelf, b"nonsense");
    let huge = proof(&mut shelf, &vec![0; (4 << 20) + 1]);
    let cases = [
        (good, true),
        (broken, false),
        (huge, false),
        (other(|it| it.verifier = 2), false),
        (other(|it| it.key.0[0] ^= 1), false),
        (other(|it| it.input.0[0] ^= 1), false),
        (other(|it| it.output.0[0] ^= 1), false),
        // Nobody pays for fewer bytes than nodes keep.
        (other(|it| it.bundle_bytes -= 1), false),
        (other(|it| it.bundle_bytes += 1), false),
    ];
    for (submit, holds) in cases {
        let attachments = vec![submit.proven.key_blob, submit.proven.bundle];
        let payable = signed_batch(vec![sign(4, Body::SubmitProof(submit))], attachments.clone());
        let punishable = signed_batch(vec![sign(5, report(&submit))], attachments);
        let (payable, punishable) = (judged(&shelf, &payable), judged(&shelf, &punishable));
        assert_eq!(payable.is_ok(), holds, "{payable:?}");
        assert_eq!(punishable.is_ok(), !holds, "{punishable:?}");
        if holds {
            assert!(matches!(punishable, Err(Invalid::Report { .. })));
        } else {
            assert!(matches!(payable, Err(Invalid::Proof { .. })));
        }
    }
}

/// Validators whose builds know of other routes would disagree about it.
#[test]
fn keys_and_proofs_of_a_route_that_is_not_open_are_none() {
    let mut shelf = Shelf::default();
    let good = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    let attachments = vec![good.proven.key_blob, good.proven.bundle];
    let payable = signed_batch(vec![sign(4, Body::SubmitProof(good))], attachments.clone());
    let punishable = signed_batch(vec![sign(5, report(&good))], attachments);
    let listing = Listing { providers: List::default(), price_hint: ciro_protocol::Amount::ZERO };
    let card = card(1, 1, vec![key(1, Route::Tensor)]);
    let body = Body::RegisterModel(Box::new(RegisterModel { card, listing }));
    let register = signed_batch(vec![sign(1, body)], vec![]);
    let on = |routes: &[Route], batch| {
        let spec = ChainSpec { routes: List::new(routes.to_vec()).unwrap(), ..spec() };
        let counted = Counted::default();
        let judged = judged_on(&spec, &counted, &shelf, batch);
        (judged, counted.0.load(Ordering::Relaxed))
    };
    for routes in [&[Route::Cairo, Route::Program][..], &[Route::Program]] {
        let (refused, verified) = on(routes, &payable);
        assert!(matches!(refused, Err(Invalid::Proof { .. })), "{refused:?}");
        assert_eq!((on(routes, &punishable), verified), ((Ok(()), 0), 0));
        let (refused, _) = on(routes, &register);
        assert!(matches!(refused, Err(Invalid::Key { .. })), "{refused:?}");
    }
    let open = [Route::Program, Route::Tensor];
    assert_eq!((on(&open, &payable), on(&open, &register)), ((Ok(()), 1), (Ok(()), 0)));
}

/// A build that verifies under every version, as later ones know more of them.
struct Later;

impl ProofSystem for Later {
    fn facts(&self, _: u8, bytes: &[u8]) -> Result<KeyFacts, Refused> {
        Words.facts(1, bytes)
    }

    fn verify(&self, _: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        Words.verify(1, key, bundle)
    }
}

/// Validators of which some have a later build would disagree about it.
#[test]
fn a_proof_under_another_verifier_is_none_whatever_a_build_knows() {
    let mut shelf = Shelf::default();
    let mut later = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    later.proven.verifier = 2;
    let attachments = vec![later.proven.key_blob, later.proven.bundle];
    let payable = signed_batch(vec![sign(4, Body::SubmitProof(later))], attachments.clone());
    let punishable = signed_batch(vec![sign(5, report(&later))], attachments);
    for proofs in [&Words as &dyn ProofSystem, &Later] {
        let refused = judged_by(proofs, &shelf, &payable);
        assert!(matches!(refused, Err(Invalid::Proof { .. })), "{refused:?}");
        assert_eq!(judged_by(proofs, &shelf, &punishable), Ok(()));
    }
    let spec = ChainSpec { verifier: 2, ..spec() };
    assert_eq!(judged_on(&spec, &Later, &shelf, &payable), Ok(()));
    let refused = judged_on(&spec, &Later, &shelf, &punishable);
    assert!(matches!(refused, Err(Invalid::Report { .. })), "{refused:?}");
}

#[test]
fn a_report_needs_the_providers_own_signature() {
    let mut shelf = Shelf::default();
    let broken = proof(&mut shelf, b"nonsense");
    let Body::ReportFraud(mut framed) = report(&broken) else { unreachable!() };
    framed.submitted.attempt += 1;
    let attachments = vec![broken.proven.key_blob, broken.proven.bundle];
    let batch = signed_batch(vec![sign(5, Body::ReportFraud(framed))], attachments);
    assert!(matches!(judged(&shelf, &batch), Err(Invalid::Report { .. })));
}

#[test]
fn a_report_that_nobody_signed_costs_no_verification_and_needs_no_blob() {
    let mut shelf = Shelf::default();
    let broken = proof(&mut shelf, b"nonsense");
    let attachments = vec![broken.proven.key_blob, broken.proven.bundle];
    let honest = report(&broken);
    let Body::ReportFraud(mut framed) = honest.clone() else { unreachable!() };
    framed.submitted.attempt += 1;
    for (body, verifications) in [(Body::ReportFraud(framed), 0), (honest, 1)] {
        let batch = signed_batch(vec![sign(5, body)], attachments.clone());
        let counted = Counted::default();
        let verdict = judged_by(&counted, &shelf, &batch);
        assert_eq!(counted.0.load(Ordering::Relaxed), verifications, "{verdict:?}");
        let unseen = judged(&Shelf::default(), &batch);
        let unavailable = matches!(unseen, Err(Invalid::Unavailable(_)));
        assert_eq!(unavailable, verifications == 1, "{unseen:?}");
    }
}

#[test]
fn what_is_not_here_gets_no_verdict() {
    let mut shelf = Shelf::default();
    let good = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    let attachments = vec![good.proven.key_blob, good.proven.bundle];
    for body in [Body::SubmitProof(good), report(&good)] {
        let batch = signed_batch(vec![sign(4, body)], attachments.clone());
        for missing in &attachments {
            let mut fewer = Shelf(shelf.0.clone());
            fewer.0.remove(missing);
            assert_eq!(judged(&fewer, &batch), Err(Invalid::Unavailable(*missing)));
        }
    }
}

#[test]
fn attachments_are_exactly_what_is_named() {
    let mut shelf = Shelf::default();
    let good = proof(&mut shelf, &[4, 6, b'h', b'o', b'l', b'd', b's']);
    let (key, bundle) = (good.proven.key_blob, good.proven.bundle);
    let tx = || vec![sign(4, Body::SubmitProof(good))];
    assert_eq!(judged(&shelf, &signed_batch(tx(), vec![key, bundle])), Ok(()));
    for attachments in [vec![], vec![key], vec![key, bundle, BlobId([9; 32])]] {
        let batch = signed_batch(tx(), attachments);
        assert_eq!(judged(&shelf, &batch), Err(Invalid::Attachments));
    }
}

#[test]
fn submitters_accounts_and_keys_are_checked() {
    let shelf = Shelf::default();
    let good = signed_batch(vec![sign(1, Body::Faucet)], vec![]);
    assert_eq!(judged(&shelf, &good), Ok(()));
    let mut stranger = good.clone();
    stranger.body.submitter = SubmitterId(1);
    assert_eq!(judged(&shelf, &stranger), Err(Invalid::Submitter(SubmitterId(1))));
    let mut unsigned_batch = good.clone();
    unsigned_batch.body.nonce += 1;
    assert!(matches!(judged(&shelf, &unsigned_batch), Err(Invalid::Batch(_))));
    let forged = signed_batch(vec![unsigned(1, 1, 9, Body::Faucet)], vec![]);
    assert!(matches!(judged(&shelf, &forged), Err(Invalid::Transaction { .. })));

    let listing = Listing { providers: List::default(), price_hint: ciro_protocol::Amount::ZERO };
    let mut entry = key(1, Route::Tensor);
    let register = |entry| {
        let (card, listing) = (card(1, 1, vec![entry]), listing.clone());
        let body = Body::RegisterModel(Box::new(RegisterModel { card, listing }));
        signed_batch(vec![sign(1, body)], vec![])
    };
    assert_eq!(judged(&shelf, &register(entry.clone())), Ok(()));
    entry.facts.bits = 128;
    let refused = judged(&shelf, &register(entry));
    let source = Unproven::Other("the facts");
    assert!(matches!(refused, Err(Invalid::Key { source: it, .. }) if it == source));
}

#[test]
fn evidence_that_proves_nothing_is_in_no_block() {
    let evidence = Bytes::new(vec![1, 2, 3]).unwrap();
    let key = SecretKey::from_seed(b"validator").address();
    let tx = sign(1, Body::ReportOffence(ReportOffence { key, evidence }));
    let refused = judged(&Shelf::default(), &signed_batch(vec![tx], vec![]));
    assert!(matches!(refused, Err(Invalid::Offence { .. })), "{refused:?}");
}
