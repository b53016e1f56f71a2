//! The transcript: Blake2s, with proof of work before challenges where a key asks for it.

use blake2::{Blake2s256, Digest};
use ciro_model::integer::Statement;
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::fields::qm31::SecureField;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::blake2_merkle::{Blake2sMerkleChannel, Blake2sMerkleHasher};

use crate::field::embed;
use crate::key::ModelKey;
use crate::secrecy::Secrecy;
use crate::statement::public_values;

/// A Blake2s channel that asks for proof of work before challenges.
///
/// stwo grinds before the queries alone. Every other challenge errs with some multiple of `1 /
/// |QM31|`, and a cheating prover may try as often as it can hash: where that is too often, a nonce
/// is mixed in between what the prover sent and the first challenge that is drawn from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    hash: Blake2sChannel,
    /// Zero bits of the proof of work before the next challenges; without any there is no nonce.
    pow_bits: u32,
    /// Whether anything came in since the last challenge.
    fresh: bool,
    work: Work,
    /// What is drawn, whatever came in, where a simulator may say so.
    #[cfg(test)]
    program: Program,
}

/// What is done where a proof of work is due.
#[derive(Clone, Debug)]
enum Work {
    /// The prover looks for nonces and keeps them.
    #[cfg(feature = "prove")]
    Search(Vec<u64>),
    /// The verifier takes them from the proof; `lacking` once one does not fit.
    Check { nonces: std::vec::IntoIter<u64>, lacking: bool },
}

impl Default for Work {
    fn default() -> Self {
        Self::Check { nonces: vec![].into_iter(), lacking: false }
    }
}

impl Transcript {
    /// A verifier's transcript, which expects these nonces.
    pub(crate) fn checking(nonces: Vec<u64>) -> Self {
        let work = Work::Check { nonces: nonces.into_iter(), lacking: false };
        #[cfg(test)]
        return Self { work, program: Program::running(), ..Self::default() };
        #[cfg(not(test))]
        Self { work, ..Self::default() }
    }

    /// A prover's transcript, which finds nonces.
    #[cfg(feature = "prove")]
    pub(crate) fn searching() -> Self {
        let work = Work::Search(vec![]);
        #[cfg(test)]
        return Self { work, program: Program::running(), ..Self::default() };
        #[cfg(not(test))]
        Self { work, ..Self::default() }
    }

    /// From here on, challenges cost so many zero bits.
    pub(crate) fn ask_for_work(&mut self, pow_bits: u32) {
        self.pow_bits = pow_bits;
    }

    /// Whether every proof of work that was due so far was there.
    pub(crate) fn is_paid(&self) -> bool {
        match &self.work {
            #[cfg(feature = "prove")]
            Work::Search(_) => true,
            Work::Check { lacking, .. } => !lacking,
        }
    }

    /// A prover's transcript as it stands, as a verifier's that expects the rest of the nonces
    /// which the prover went on to find.
    #[cfg(feature = "prove")]
    pub(crate) fn replaying(self, nonces: &[u64]) -> Self {
        let found = match &self.work {
            Work::Search(found) => found.len(),
            Work::Check { .. } => 0,
        };
        let rest: Vec<u64> = nonces.iter().skip(found).copied().collect();
        Self { work: Work::Check { nonces: rest.into_iter(), lacking: false }, ..self }
    }

    /// The nonces that a prover's transcript found.
    #[cfg(feature = "prove")]
    pub(crate) fn into_nonces(self) -> Vec<u64> {
        match self.work {
            Work::Search(nonces) => nonces,
            Work::Check { nonces, .. } => nonces.collect(),
        }
    }

    /// Mixes a nonce in, if a proof of work is due.
    fn pay(&mut self) {
        let is_due = std::mem::take(&mut self.fresh) && self.pow_bits > 0;
        if !is_due {
            return;
        }
        let nonce = match &mut self.work {
            #[cfg(feature = "prove")]
            Work::Search(nonces) => {
                use stwo::core::proof_of_work::GrindOps;
                use stwo::prover::backend::simd::SimdBackend;
                let nonce = SimdBackend::grind(&self.hash, self.pow_bits);
                nonces.push(nonce);
                nonce
            }
            Work::Check { nonces, lacking } => {
                let nonce = nonces.next();
                let fits = |nonce| self.hash.verify_pow_nonce(self.pow_bits, nonce);
                *lacking |= !nonce.is_some_and(fits);
                nonce.unwrap_or(0)
            }
        };
        self.hash.mix_u64(nonce);
    }
}

impl Channel for Transcript {
    const BYTES_PER_HASH: usize = Blake2sChannel::BYTES_PER_HASH;

    fn verify_pow_nonce(&self, n_bits: u32, nonce: u64) -> bool {
        self.hash.verify_pow_nonce(n_bits, nonce)
    }

    fn mix_u32s(&mut self, data: &[u32]) {
        self.hash.mix_u32s(data);
        self.fresh = true;
    }

    fn mix_felts(&mut self, felts: &[SecureField]) {
        self.hash.mix_felts(felts);
        self.fresh = true;
    }

    fn mix_u64(&mut self, value: u64) {
        self.hash.mix_u64(value);
        self.fresh = true;
    }

    fn draw_secure_felt(&mut self) -> SecureField {
        self.pay();
        let drawn = self.hash.draw_secure_felt();
        #[cfg(test)]
        let drawn = self.program.challenges.next().unwrap_or(drawn);
        drawn
    }

    fn draw_secure_felts(&mut self, n_felts: usize) -> Vec<SecureField> {
        self.pay();
        self.hash.draw_secure_felts(n_felts)
    }

    /// Query positions: stwo puts a proof of work of its own before them.
    fn draw_u32s(&mut self) -> Vec<u32> {
        let drawn = self.hash.draw_u32s();
        #[cfg(test)]
        let drawn =
            drawn.into_iter().map(|word| self.program.words.next().unwrap_or(word)).collect();
        drawn
    }
}

/// What transcripts draw while a simulator runs: it may choose a random oracle's answers.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    challenges: std::vec::IntoIter<SecureField>,
    words: std::vec::IntoIter<u32>,
}

#[cfg(test)]
impl Program {
    /// Challenges, and the words that query positions are made of.
    pub(crate) fn new(challenges: Vec<SecureField>, words: Vec<u32>) -> Self {
        Self { challenges: challenges.into_iter(), words: words.into_iter() }
    }

    /// Lets every transcript that begins on this thread within `run` draw these.
    pub(crate) fn within<T>(self, run: impl FnOnce() -> T) -> T {
        PROGRAM.set(self);
        let result = run();
        PROGRAM.set(Self::default());
        result
    }

    fn running() -> Self {
        PROGRAM.with_borrow(Self::clone)
    }
}

#[cfg(test)]
thread_local! {
    static PROGRAM: std::cell::RefCell<Program> = std::cell::RefCell::default();
}

/// Blake2s trees, whose roots go into a [`Transcript`].
#[derive(Debug, Default)]
pub(crate) struct Trees;

impl MerkleChannel for Trees {
    type C = Transcript;
    type H = Blake2sMerkleHasher;

    fn mix_root(channel: &mut Transcript, root: Blake2sHash) {
        Blake2sMerkleChannel::mix_root(&mut channel.hash, root);
        channel.fresh = true;
    }
}

/// Starts the transcript: protocol, model key, context, public values. Everything that follows is
/// bound to them.
pub(crate) fn open_transcript(channel: &mut impl Channel, key: &ModelKey, statement: &Statement) {
    let protocol = Blake2s256::digest(match key.secrecy {
        Secrecy::Plain => &b"ciro tensor stark v3"[..],
        Secrecy::Hiding => b"ciro tensor stark v3, hiding",
    });
    for bytes in [protocol.into(), key.digest(), statement.context.to_bytes()] {
        let bytes: [u8; 32] = bytes;
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        channel.mix_u32s(&words);
    }
    let values: Vec<i32> = public_values(statement).collect();
    channel.mix_u64(values.len() as u64);
    let felts: Vec<SecureField> = values
        .chunks(4)
        .map(|values| {
            let at = |i: usize| embed(values.get(i).copied().unwrap_or(0));
            SecureField::from_m31_array([at(0), at(1), at(2), at(3)])
        })
        .collect();
    channel.mix_felts(&felts);
}

#[cfg(feature = "prove")]
mod prove {
    use stwo::core::proof_of_work::GrindOps;
    use stwo::prover::backend::BackendForChannel;
    use stwo::prover::backend::simd::SimdBackend;

    use super::{Transcript, Trees};

    impl GrindOps<Transcript> for SimdBackend {
        fn grind(channel: &Transcript, pow_bits: u32) -> u64 {
            Self::grind(&channel.hash, pow_bits)
        }
    }

    impl BackendForChannel<Trees> for SimdBackend {}
}

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests {
    use super::*;

    const BITS: u32 = 9;

    /// Two messages, each with the challenges that follow from it.
    fn talk(transcript: &mut Transcript) -> [SecureField; 3] {
        transcript.ask_for_work(BITS);
        transcript.mix_u64(1);
        let [a, b] = [transcript.draw_secure_felt(), transcript.draw_secure_felt()];
        transcript.mix_u64(2);
        [a, b, transcript.draw_secure_felt()]
    }

    #[test]
    fn one_nonce_is_found_and_checked_for_each_message() {
        let mut prover = Transcript::searching();
        let challenges = talk(&mut prover);
        let nonces = prover.into_nonces();
        assert_eq!(nonces.len(), 2);
        let mut verifier = Transcript::checking(nonces.clone());
        assert_eq!(talk(&mut verifier), challenges);
        assert!(verifier.is_paid());
        for wrong in 0..2 {
            let mut nonces = nonces.clone();
            // Of so many nonces that follow, one in 512 fits.
            nonces[wrong] += 1;
            let mut verifier = Transcript::checking(nonces);
            assert_ne!(talk(&mut verifier), challenges);
            assert!(!verifier.is_paid());
        }
        let mut verifier = Transcript::checking(nonces[..1].to_vec());
        talk(&mut verifier);
        assert!(!verifier.is_paid());
    }

    #[test]
    fn without_bits_there_is_no_nonce() {
        let mut prover = Transcript::searching();
        prover.mix_u64(1);
        prover.draw_secure_felt();
        assert_eq!(prover.into_nonces(), Vec::<u64>::new());
    }
}
