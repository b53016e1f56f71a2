//! The check that a proof fails, in one word that programs may rely on.

use std::fmt;

/// Declares the checks: variant and word.
macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $word:literal;)+) => {
        /// The check that a proof fails.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[$doc])* $variant,)+
        }

        impl Check {
            /// All checks.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it, in `--json` and in Python.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

checks! {
    /// The bytes are no proof of this version.
    Format = "format";
    /// The proof is made on another route than the key is made for.
    Route = "route";
    /// The proof names other security parameters than the key.
    Preset = "preset";
    /// The key file has no entry for such proofs, or the proof names another model.
    ModelKey = "model_key";
    /// The route proves no claims about committed inputs.
    CommittedInput = "committed_input";
    /// The parameters are weaker than the policy.
    Security = "security";
    /// The claims are none that the model makes.
    Statement = "statement";
    /// The proof is about another number of inferences than the key is made for.
    Batch = "batch";
    /// The proof has another form than the key gives it.
    Structure = "structure";
    /// The proof is about another program than the key.
    Program = "program";
    /// The proof commits to another model.
    ModelCommitment = "model_commitment";
    /// A proof of work is missing.
    ProofOfWork = "proof_of_work";
    /// The proof is about other inputs or outputs than it claims (Cairo route; on the tensor route
    /// that is a constraint).
    PublicValues = "public_values";
    /// The proof is bound to another context than the one that was asked for.
    Context = "context";
    /// A constraint does not hold.
    Constraints = "constraints";
    /// A commitment does not open as claimed.
    Opening = "opening";
    /// The proof is about another input than the one that was asked about.
    Inputs = "inputs";
    /// Values that were asked about lie outside of the calibrated range.
    Clamped = "clamped";
    /// The model gives other outputs than the proven ones.
    ModelOutput = "model_output";
    /// Any other check of a proof system.
    Proof = "proof";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_word_of_its_own() {
        let mut words: Vec<&str> = Check::ALL.iter().map(|check| check.name()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Check::ALL.len());
    }
}
