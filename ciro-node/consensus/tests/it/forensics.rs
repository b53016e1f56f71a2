//! The forensic tool on hand-made logs; the simulator tries it on thousands of real forks.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_consensus::Forensics;
use ciro_consensus::crypto::Stark;
use ciro_consensus::evidence::Rule;
use ciro_consensus::message::{Body, NewView, SignedSummary, Summary};
use ciro_consensus::{
    CommittedBlock, Epoch, Kind, Proposal, Record, ReplicaId, Seq, Statement, View,
};

use crate::support::{Lab, Proofs, operation, proposal};

fn committed(lab: &Lab, view: u64, content: &Proposal, signers: &[u32]) -> Record {
    let statement = Statement {
        epoch: Epoch(0),
        kind: Kind::Commit,
        view: View(view),
        seq: Seq(1),
        digest: content.digest::<Stark>(),
    };
    Record::Committed(CommittedBlock {
        seq: Seq(1),
        view: View(view),
        proposal: Arc::new(content.clone()),
        certificate: lab.certificate(signers, &statement),
    })
}

fn investigate(lab: &Lab, logs: &[Vec<Record>]) -> ciro_consensus::ForensicReport {
    let domain = lab.genesis.evidence_domain();
    let mut forensics = Forensics::<Stark>::new(domain, &lab.genesis.committee);
    for log in logs {
        forensics.read(log);
    }
    forensics.report()
}

fn ids(ids: &[u32]) -> BTreeSet<ReplicaId> {
    ids.iter().copied().map(ReplicaId).collect()
}

#[test]
fn two_commits_in_one_view_convict_their_intersection() {
    let lab = Lab::new();
    let [left, right] = [1, 2].map(|client| proposal(0, &[operation(client, 1)]));
    let logs =
        [vec![committed(&lab, 0, &left, &[0, 1, 2])], vec![committed(&lab, 0, &right, &[1, 2, 3])]];
    let report = investigate(&lab, &logs);
    assert!(report.is_fork());
    assert_eq!(report.forked_blocks[&Seq(1)].len(), 2);
    assert_eq!(report.culprits, ids(&[1, 2]));
    assert!(report.evidence.iter().all(|evidence| evidence.rule() == Some(Rule::E3)));
}

/// Block 1 commits in view 0 with 0, 1 and 2; then 1 and 2 forget it and a null block takes its
/// place in view 1.
#[test]
fn a_commit_hidden_from_a_view_change_convicts_who_hid_it() {
    let lab = Lab::new();
    let block = proposal(0, &[operation(1, 1)]);
    let summary = Summary {
        view: View(1),
        stable_seq: Seq(0),
        stable_digest: lab.open(0).replica.stable().digest,
        claims: Vec::new(),
    };
    let view_changes = [1, 2, 3].map(|sender| {
        let message = lab.view_change(sender, summary.clone(), Proofs::default());
        SignedSummary {
            sender: ReplicaId(sender),
            summary: summary.clone(),
            signature: message.signature,
        }
    });
    let new_view = NewView {
        view: View(1),
        view_changes: view_changes.to_vec(),
        checkpoint: None,
        prepared: Vec::new(),
        pre_prepares: Vec::new(),
    };
    let new_view = lab.message(1, 0, Body::NewView(Arc::new(new_view)));
    let other = proposal(1, &[operation(2, 1)]);
    let logs = [
        vec![committed(&lab, 0, &block, &[0, 1, 2])],
        vec![Record::NewView(new_view), committed(&lab, 1, &other, &[1, 2, 3])],
    ];
    let report = investigate(&lab, &logs);
    assert!(report.is_fork());
    assert_eq!(report.culprits, ids(&[1, 2]), "replica 3 never saw the block and is innocent");
    assert!(report.evidence.iter().all(|evidence| evidence.rule() == Some(Rule::E4)));
}

#[test]
fn a_healthy_log_convicts_nobody() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    for seq in 1..=3 {
        backup.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
    let report = investigate(&lab, &[backup.log.clone(), backup.log]);
    assert!(!report.is_fork());
    assert_eq!(report.culprits, ids(&[]));
}

#[test]
fn a_forged_log_convicts_nobody() {
    let lab = Lab::new();
    let Record::Committed(mut block) =
        committed(&lab, 0, &proposal(0, &[operation(1, 1)]), &[0, 1, 2])
    else {
        panic!("a committed block");
    };
    let honest = Record::Committed(block.clone());
    block.proposal = Arc::new(proposal(0, &[operation(2, 1)]));
    let report = investigate(&lab, &[vec![honest], vec![Record::Committed(block)]]);
    assert!(report.is_fork(), "the logs do contradict each other");
    assert_eq!(report.culprits, ids(&[]), "but the signatures do not support the second");
}
