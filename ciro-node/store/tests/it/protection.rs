//! Slashing protection: what must not be signed is refused, whoever asks.

use ciro_consensus::crypto::Stark;
use ciro_consensus::message::{Body, Claim, Summary, Vote};
use ciro_consensus::{ChainId, Digest, Effect, Epoch, Kind, Record, Seq, Statement, View, Write};
use ciro_store::{
    FileDisk, Guard, GuardRefusal, Interchange, InterchangeError, Recovery, Store, StoreError,
    StoreOptions,
};

use crate::support::{Lab, Proofs, checkpoint, pre_prepare, proposal};

struct Signer {
    lab: Lab,
    store: Store<Stark, FileDisk>,
    _directory: tempfile::TempDir,
}

impl Signer {
    fn new() -> Self {
        let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
        let disk = FileDisk::open(directory.path()).unwrap();
        let domain = lab.genesis.message_domain();
        let store = Store::open(
            disk,
            domain,
            StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() },
        )
        .unwrap()
        .store;
        Self { lab, store, _directory: directory }
    }

    fn sign(&mut self, epoch: u64, body: Body) -> Result<(), GuardRefusal> {
        self.sign_message(self.lab.message(1, epoch, body))
    }

    fn sign_message(
        &mut self,
        message: std::sync::Arc<ciro_consensus::message::Message>,
    ) -> Result<(), GuardRefusal> {
        let record = Write::Append(Box::new(Record::Signed(message)));
        match self.store.persist(vec![record]) {
            Ok(()) => Ok(()),
            Err(StoreError::Refused(refusal)) => Err(refusal),
            Err(error) => panic!("{error}"),
        }
    }

    fn view_change(&mut self, view: u64, claims: &[Claim]) -> Result<(), GuardRefusal> {
        self.view_change_from(view, 0, claims)
    }

    /// Signs a ViewChange from a checkpoint on.
    fn view_change_from(
        &mut self,
        view: u64,
        stable: u64,
        claims: &[Claim],
    ) -> Result<(), GuardRefusal> {
        let summary = Summary {
            view: View(view),
            stable_seq: Seq(stable),
            stable_digest: Digest::from_u64(1),
            claims: claims.to_vec(),
        };
        let message = self.lab.view_change(1, summary, Proofs::default());
        self.sign_message(message)
    }
}

fn vote(view: u64, seq: u64, digest: u64) -> Vote {
    Vote { view: View(view), seq: Seq(seq), digest: Digest::from_u64(digest) }
}

#[test]
fn a_position_is_signed_once() {
    for body in [Body::Prepare as fn(Vote) -> Body, Body::Commit as fn(Vote) -> Body] {
        let mut signer = Signer::new();
        assert_eq!(signer.sign(0, body(vote(1, 3, 7))), Ok(()));
        assert_eq!(signer.sign(0, body(vote(1, 3, 7))), Ok(()), "the same again does no harm");
        for contradiction in [vote(1, 3, 8), vote(0, 3, 7), vote(0, 3, 8)] {
            assert!(matches!(
                signer.sign(0, body(contradiction)),
                Err(GuardRefusal::Conflict { seq: Seq(3), signed: View(1), .. })
            ));
        }
        assert_eq!(signer.sign(0, body(vote(2, 3, 8))), Ok(()), "a later view may differ");
        assert_eq!(signer.sign(0, body(vote(0, 4, 9))), Ok(()), "another block is another matter");
    }
}

#[test]
fn proposals_and_checkpoints_are_signed_once() {
    let mut signer = Signer::new();
    let (first, _) = pre_prepare(0, 1, &proposal(0, &[crate::support::operation(1, 1)]));
    let (second, _) = pre_prepare(0, 1, &proposal(0, &[crate::support::operation(2, 1)]));
    assert_eq!(signer.sign(0, first), Ok(()));
    let refused = signer.sign(0, second).unwrap_err();
    assert!(matches!(refused, GuardRefusal::Conflict { kind: Kind::PrePrepare, .. }));
    assert_eq!(signer.sign(0, checkpoint(4, Digest::from_u64(1))), Ok(()));
    let refused = signer.sign(0, checkpoint(4, Digest::from_u64(2))).unwrap_err();
    assert!(matches!(refused, GuardRefusal::Conflict { kind: Kind::Checkpoint, .. }));
}

#[test]
fn a_view_that_was_left_is_closed() {
    let mut signer = Signer::new();
    assert_eq!(signer.view_change(3, &[]), Ok(()));
    let refused = signer.sign(0, Body::Prepare(vote(2, 1, 1))).unwrap_err();
    assert!(matches!(refused, GuardRefusal::LeftView { left_for: View(3), .. }));
    assert!(matches!(signer.view_change(2, &[]), Err(GuardRefusal::LeftView { .. })));
    assert_eq!(signer.sign(0, Body::Prepare(vote(3, 1, 1))), Ok(()));
}

#[test]
fn a_view_change_must_remember_every_commit() {
    let mut signer = Signer::new();
    assert_eq!(signer.sign(0, Body::Commit(vote(1, 2, 7))), Ok(()));
    let refused = GuardRefusal::Amnesia { view: View(2), seq: Seq(2), committed_in: View(1) };
    assert_eq!(signer.view_change(2, &[]), Err(refused.clone()));
    let claim = |view| Claim { seq: Seq(2), view: View(view), digest: Digest::from_u64(7) };
    assert_eq!(signer.view_change(2, &[claim(0)]), Err(refused));
    assert_eq!(signer.view_change(2, &[claim(1)]), Ok(()));
}

/// Claims block 2 as prepared in a view.
fn claim(view: u64, digest: u64) -> Claim {
    Claim { seq: Seq(2), view: View(view), digest: Digest::from_u64(digest) }
}

/// What rule E7 convicts is never signed: a claim that is forgotten, changed, or comes up late.
#[test]
fn a_view_change_tells_what_the_one_before_it_told() {
    let refused = |told: u64| GuardRefusal::ClaimChange {
        view: View(told + 1),
        seq: Seq(2),
        told: View(told),
    };
    let mut signer = Signer::new();
    assert_eq!(signer.view_change(1, &[claim(0, 7)]), Ok(()));
    assert_eq!(signer.view_change(2, &[]), Err(refused(1)), "forgotten");
    assert_eq!(signer.view_change(2, &[claim(0, 8)]), Err(refused(1)), "another block");
    assert_eq!(signer.view_change(2, &[claim(0, 7)]), Ok(()), "the same again");
    assert_eq!(signer.view_change(3, &[claim(1, 8)]), Err(refused(2)), "shown late");
    assert_eq!(signer.view_change(3, &[claim(2, 8)]), Ok(()), "prepared since");
    assert_eq!(signer.view_change(4, &[claim(0, 7)]), Err(refused(3)), "back to the first");
    assert_eq!(signer.view_change_from(4, 2, &[]), Ok(()), "a checkpoint covers it");
    let lower =
        GuardRefusal::LowerCheckpoint { view: View(5), stable: Seq(0), told: View(4), was: Seq(2) };
    assert_eq!(signer.view_change(5, &[claim(0, 7)]), Err(lower));

    let mut late = Signer::new();
    assert_eq!(late.view_change(1, &[]), Ok(()));
    assert_eq!(late.view_change(2, &[claim(0, 7)]), Err(refused(1)), "a certificate kept back");
}

/// Whatever the guard signs for two views, a judge finds nothing in it; whatever it refuses as a
/// change, he convicts.
#[test]
fn the_guard_refuses_exactly_what_rule_e7_convicts() {
    let lab = Lab::new();
    // A ViewChange claims what was prepared before the view that it asks for.
    let stories = |views: u64| -> Vec<Vec<Claim>> {
        let claims = (0..views).flat_map(|view| [7, 8].map(|digest| vec![claim(view, digest)]));
        std::iter::once(Vec::new()).chain(claims).collect()
    };
    for before in &stories(1) {
        for after in &stories(2) {
            let mut witness = lab.open(3);
            for (view, claims) in [(1, before), (2, after)] {
                let certificates = claims.iter().map(|claim| {
                    let Claim { seq, view, digest } = *claim;
                    let (epoch, kind) = (Epoch(0), Kind::Prepare);
                    lab.certificate(&[0, 1, 2], &Statement { epoch, kind, view, seq, digest })
                });
                let proofs = Proofs { checkpoint: None, prepared: certificates.collect() };
                witness.receive(&lab.view_change(1, lab.summary(view, claims), proofs));
            }
            let convicted = witness.done.iter().any(|effect| matches!(effect, Effect::Report(_)));
            let mut signer = Signer::new();
            let possible = signer.view_change(1, before);
            let refused = signer.view_change(2, after).is_err();
            assert_eq!((possible, refused), (Ok(()), convicted), "{before:?}, then {after:?}");
        }
    }
}

#[test]
fn what_a_view_change_told_outlives_a_restart_and_a_compaction() {
    let Signer { lab, mut store, _directory } = Signer::new();
    let sign = |store: &mut Store<Stark, FileDisk>, view, claims: &[Claim]| {
        let message = lab.view_change(1, lab.summary(view, claims), Proofs::default());
        store.persist(vec![Write::Append(Box::new(Record::Signed(message)))])
    };
    sign(&mut store, 1, &[claim(0, 7)]).unwrap();
    drop(store);
    let open = |path: &std::path::Path| {
        let disk = FileDisk::open(path).unwrap();
        let options = StoreOptions::default();
        Store::<Stark, _>::open(disk, lab.genesis.message_domain(), options).unwrap().store
    };
    let mut again = open(_directory.path());
    let refused = sign(&mut again, 2, &[]).unwrap_err();
    let change = GuardRefusal::ClaimChange { view: View(2), seq: Seq(2), told: View(1) };
    assert!(matches!(refused, StoreError::Refused(it) if it == change));
    // The log that begins with the NewView of the view asked for has lost the ViewChange.
    let nothing: Vec<(u32, Summary)> = [0, 1, 2].map(|sender| (sender, lab.summary(1, &[]))).into();
    let started = Record::NewView(lab.new_view(1, &nothing, Proofs::default()));
    again.persist(vec![Write::Compact(vec![started])]).unwrap();
    drop(again);
    let refused = sign(&mut open(_directory.path()), 2, &[]).unwrap_err();
    assert!(matches!(refused, StoreError::Refused(it) if it == change));
}

#[test]
fn an_epoch_that_was_left_is_closed() {
    let mut signer = Signer::new();
    assert_eq!(signer.sign(2, Body::Prepare(vote(0, 20, 1))), Ok(()));
    assert!(matches!(
        signer.sign(1, Body::Prepare(vote(0, 12, 1))),
        Err(GuardRefusal::OldEpoch { .. })
    ));
}

#[test]
fn a_refused_message_reaches_neither_log_nor_file() {
    let mut signer = Signer::new();
    signer.sign(0, Body::Prepare(vote(0, 1, 1))).unwrap();
    let before = signer.store.guard().clone();
    signer.sign(0, Body::Prepare(vote(0, 1, 2))).unwrap_err();
    assert_eq!(*signer.store.guard(), before);
    assert_eq!(signer.sign(0, Body::Prepare(vote(0, 2, 2))), Ok(()), "the store still works");
}

#[test]
fn a_moved_key_carries_its_history_as_json() {
    let mut old = Signer::new();
    old.sign(0, Body::Prepare(vote(0, 1, 1))).unwrap();
    old.view_change(1, &[]).unwrap();
    let chain = old.lab.genesis.chain;
    let json = Interchange::export(old.store.guard(), chain).to_json().unwrap();
    let read: Guard = Interchange::import(&json, chain).unwrap();
    assert_eq!(read.epoch(), old.store.guard().epoch());
    let again = Interchange::export(&read, chain).to_json().unwrap();
    assert_eq!(again, json, "nothing is lost on the way");
    let mut new = Signer::new();
    let votes_from = new.store.import(&read).unwrap();
    assert_eq!(votes_from, read.epoch().next());
    let refused = new.sign(0, Body::Prepare(vote(5, 9, 1))).unwrap_err();
    assert!(matches!(refused, GuardRefusal::TooEarly { .. }), "{refused}");
    assert_eq!(new.sign(1, Body::Prepare(vote(0, 9, 1))), Ok(()));
}

#[test]
fn foreign_interchange_files_are_refused() {
    let signer = Signer::new();
    let chain = signer.lab.genesis.chain;
    let json = Interchange::export(signer.store.guard(), chain).to_json().unwrap();
    let import = |json: &str, chain| Interchange::import(json, chain).unwrap_err();
    assert!(matches!(import(&json, ChainId::new("other")), InterchangeError::Chain { .. }));
    let newer = json.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(import(&newer, chain), InterchangeError::Version { got: 2 }));
    let unknown = json.replace("\"version\": 1", "\"version\": 1, \"more\": 0");
    assert!(matches!(import(&unknown, chain), InterchangeError::Json(_)));
}
