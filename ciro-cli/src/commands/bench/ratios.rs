//! What hiding costs: how many times as much as a plain proof of the same model.

use serde::Serialize;

use super::Measured;

/// Multiples of what a plain proof takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Ratios {
    pub(super) prove: f64,
    pub(super) verify: f64,
    pub(super) proof_bytes: f64,
    /// `None` where the system does not tell a process's memory.
    pub(super) memory: Option<f64>,
}

impl Ratios {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    pub(super) fn new(hiding: &Measured, plain: &Measured) -> Self {
        let memory = hiding.peak_memory_mb.zip(plain.peak_memory_mb);
        Self {
            prove: hiding.prove_ms / plain.prove_ms,
            verify: hiding.verify_ms / plain.verify_ms,
            proof_bytes: hiding.proof_bytes as f64 / plain.proof_bytes as f64,
            memory: memory.map(|(hiding, plain)| hiding as f64 / plain as f64),
        }
    }

    /// The geometric means of several models; `None` of fewer than two.
    pub(super) fn mean<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let all: Vec<_> = all.collect();
        (all.len() > 1).then(|| Self {
            prove: mean(all.iter().map(|ratios| ratios.prove)),
            verify: mean(all.iter().map(|ratios| ratios.verify)),
            proof_bytes: mean(all.iter().map(|ratios| ratios.proof_bytes)),
            memory: all
                .iter()
                .map(|ratios| ratios.memory)
                .collect::<Option<Vec<f64>>>()
                .map(|all| mean(all.into_iter())),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few models")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    (values.map(f64::ln).sum::<f64>() / count).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_ratios_are_geometric() {
        let of = |prove: f64, memory| Ratios { prove, verify: 1.0, proof_bytes: 3.0, memory };
        assert_eq!(Ratios::mean([of(2.0, None)].iter()), None);
        let mean = Ratios::mean([of(2.0, Some(1.0)), of(8.0, Some(4.0))].iter()).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(mean.prove, 4.0) && near(mean.verify, 1.0) && near(mean.proof_bytes, 3.0));
        assert!(near(mean.memory.unwrap(), 2.0));
        assert_eq!(Ratios::mean([of(2.0, Some(1.0)), of(8.0, None)].iter()).unwrap().memory, None);
    }
}
