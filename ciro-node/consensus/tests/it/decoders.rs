//! Decoders take exactly what encoders write and survive everything else.
//!
//! The fuzz targets under `fuzz/` call the same functions with coverage guidance.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::{Body, Fetch, MESSAGE_BYTES_MAX, Message, Status};
use ciro_consensus::{
    Digest, Effect, Epoch, Kind, Record, ReplicaId, Seq, Timer, View, WIRE_VERSION, WireError,
};
use proptest::prelude::*;

use crate::evidence::{amnesia, claim, double_sign};
use crate::support::{Lab, checkpoint, operation, pre_prepare, proposal};

/// Decoding gives an error or a value whose encoding is the input.
fn message_is_canonical(bytes: &[u8]) {
    if let Ok(message) = Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
}

fn record_is_canonical(bytes: &[u8]) {
    if let Ok(record) = Record::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes);
    }
}

fn evidence_is_canonical(bytes: &[u8]) {
    if let Ok(evidence) = Evidence::from_bytes(bytes) {
        assert_eq!(evidence.to_bytes(), bytes);
    }
}

/// Encodings of one type.
type Encodings = Vec<Vec<u8>>;

/// One message of every kind, every record of an eventful life, and evidence.
fn samples() -> (Encodings, Encodings, Encodings) {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    for seq in 1..=4 {
        backup.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq), operation(2, seq)]));
    }
    let mut records: Vec<Vec<u8>> = backup.log.iter().map(Record::to_bytes).collect();
    let digest = backup.replica.snapshot().digest::<ciro_consensus::crypto::Stark>();
    for sender in [0, 2, 3] {
        backup.receive(&lab.message(sender, 0, checkpoint(4, digest)));
    }
    backup.submit(&[operation(1, 5)]);
    backup.fire(Timer::Progress, Duration::from_secs(3));
    backup.fire(Timer::Resend, Duration::from_secs(1));
    records.extend(backup.log.iter().map(Record::to_bytes));
    for fetch in [
        Fetch::Checkpoint { epoch: Epoch(0) },
        Fetch::Snapshot { epoch: Epoch(0), from: Seq(4) },
        Fetch::Blocks { from: Seq(1) },
    ] {
        backup.receive(&lab.message(0, 0, Body::Fetch(fetch)));
    }
    let status = Status { view: View(0), active: true, stable: Seq(0), executed: Seq(0) };
    let mut messages = vec![
        lab.message(0, 0, pre_prepare(0, 1, &proposal(0, &[operation(1, 1)])).0).to_bytes(),
        lab.message(0, 0, Body::Status(status)).to_bytes(),
    ];
    messages.extend(backup.done.iter().filter_map(|effect| match effect {
        Effect::Broadcast { message } | Effect::Send { message, .. } => Some(message.to_bytes()),
        _ => None,
    }));
    let evidence = [
        Evidence::DoubleSign(double_sign(&lab, Kind::Commit)),
        Evidence::Amnesia(amnesia(&lab, 8, &[claim(12, 0)])),
    ];
    (messages, records, evidence.iter().map(Evidence::to_bytes).collect())
}

#[test]
fn every_sample_round_trips() {
    let (messages, records, evidence) = samples();
    assert!(messages.len() > 15 && records.len() > 15);
    for bytes in &messages {
        assert_eq!(Message::from_bytes(bytes).unwrap().to_bytes(), *bytes);
    }
    for bytes in &records {
        assert_eq!(Record::from_bytes(bytes).unwrap().to_bytes(), *bytes);
    }
    for bytes in &evidence {
        assert_eq!(Evidence::from_bytes(bytes).unwrap().to_bytes(), *bytes);
    }
}

#[test]
fn flaws_are_named() {
    let bytes = samples().0.remove(0);
    let decode = |bytes: &[u8]| Message::from_bytes(bytes).unwrap_err();
    assert!(matches!(decode(&bytes[..bytes.len() - 1]), WireError::Truncated { .. }));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode(&longer), WireError::Trailing { bytes: 1 });
    let mut newer = bytes.clone();
    newer[0] = 2;
    assert_eq!(decode(&newer), WireError::Version { expected: WIRE_VERSION, got: 2 });
    let mut unknown = bytes.clone();
    unknown[1 + 4 + 8 + 64] = 99;
    assert_eq!(decode(&unknown), WireError::Tag { what: "kind", tag: 99 });
    let mut crowded = bytes.clone();
    let list = 1 + 4 + 8 + 64 + 1 + 8 + 8 + 32 + 8;
    crowded[list..list + 4].copy_from_slice(&[0xff; 4]);
    assert!(matches!(decode(&crowded), WireError::TooMany { what: "operations", .. }));
    let mut large = bytes.clone();
    large[1 + 4 + 8 + 64 + 1 + 8 + 8] = 0xff;
    assert_eq!(decode(&large), WireError::NotCanonical { what: "digest" });
    let oversize = vec![1; MESSAGE_BYTES_MAX + 1];
    assert!(matches!(decode(&oversize), WireError::TooLong { .. }));
}

#[test]
fn altered_samples_stay_canonical_or_fail() {
    let (messages, records, evidence) = samples();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut alter = |bytes: &[u8], check: fn(&[u8])| {
        for _ in 0..200 {
            let mut altered = bytes.to_vec();
            for _ in 0..=random(3) {
                let at = random(altered.len());
                altered[at] ^= 1 << random(8);
            }
            altered.truncate(altered.len() - random(2) * random(altered.len()));
            check(&altered);
        }
    };
    for bytes in &messages {
        alter(bytes, message_is_canonical);
    }
    for bytes in records.iter().filter(|bytes| bytes.len() < 4096) {
        alter(bytes, record_is_canonical);
    }
    for bytes in &evidence {
        alter(bytes, evidence_is_canonical);
    }
}

/// Whatever decodes is fed to a replica, which must survive it.
#[test]
fn altered_messages_do_no_harm() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let (messages, _, _) = samples();
    for (index, bytes) in messages.iter().enumerate() {
        for at in (0..bytes.len().min(400)).step_by(3) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (index % 8);
            if let Ok(message) = Message::from_bytes(&altered) {
                backup.receive(&Arc::new(message));
            }
        }
    }
    assert_eq!(backup.replica.fault(), None);
    assert_eq!(backup.replica.executed(), Seq(0));
    assert_eq!(backup.replica.id(), ReplicaId(1));
    assert_ne!(backup.replica.stable().digest, Digest::ZERO);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..12) {
        message_is_canonical(&bytes);
        record_is_canonical(&bytes);
        evidence_is_canonical(&bytes);
        // The same with a plausible head, so that the inner decoders are reached.
        let mut message = vec![WIRE_VERSION];
        message.extend_from_slice(&[0; 4 + 8 + 64]);
        message.push(kind);
        message.extend_from_slice(&bytes);
        message_is_canonical(&message);
        let mut record = vec![WIRE_VERSION, kind];
        record.extend_from_slice(&bytes);
        record_is_canonical(&record);
        let mut evidence = vec![WIRE_VERSION, kind % 3];
        evidence.extend_from_slice(&bytes);
        evidence_is_canonical(&evidence);
    }
}
