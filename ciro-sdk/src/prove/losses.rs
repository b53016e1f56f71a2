//! What samples lose on their way through a model.

use ciro_model::integer::{Clip, Loss};

use super::concern::{Concern, Examined, InputRefusal};
use super::differences::Differences;

/// What samples lose, gathered by input and by node: as long as the model, not as the list of
/// samples.
#[derive(Default)]
pub(super) struct Losses {
    pub(super) samples: usize,
    values: usize,
    inputs: Vec<Concern>,
    nodes: Vec<Concern>,
}

impl Losses {
    pub(super) fn clamped(&mut self, sample: usize, clamped: &[(String, usize)]) {
        for (name, count) in clamped {
            self.values += count;
            let known = self.inputs.iter_mut().find_map(|concern| match concern {
                Concern::Clamped { input, more, .. } if input == name => Some(more),
                _ => None,
            });
            match known {
                Some(more) => *more += 1,
                None => {
                    let (input, count) = (name.clone(), *count);
                    self.inputs.push(Concern::Clamped { input, sample, count, more: 0 });
                }
            }
        }
    }

    pub(super) fn clipped(&mut self, sample: usize, clips: Vec<Clip>) {
        for clip in clips {
            let same = |concern: &&mut Concern| match concern {
                Concern::Clipped { clip: known, .. } | Concern::Steep { clip: known, .. } => {
                    (&known.node, known.loss) == (&clip.node, clip.loss)
                }
                _ => false,
            };
            match (self.nodes.iter_mut().find(same), clip.loss) {
                (Some(Concern::Clipped { clip: worst, sample: of, more }), _) => {
                    *more += 1;
                    if excess(&clip) > excess(worst) {
                        (*worst, *of) = (clip, sample);
                    }
                }
                (Some(Concern::Steep { more, .. }), _) => *more += 1,
                (_, Loss::Outside) => self.nodes.push(Concern::Clipped { clip, sample, more: 0 }),
                (_, Loss::Steep) => self.nodes.push(Concern::Steep { clip, sample, more: 0 }),
            }
        }
    }

    pub(super) fn finish(
        self,
        differences: Option<Differences<'_>>,
    ) -> Result<Examined, InputRefusal> {
        if self.samples == 0 {
            return Err(InputRefusal::NoSample);
        }
        let differences = differences.map_or_else(Vec::new, Differences::concerns);
        let concerns = self.inputs.into_iter().chain(self.nodes).chain(differences).collect();
        Ok(Examined { clamped: self.values, concerns })
    }
}

/// How far outside of what is kept the furthest value lies.
fn excess(clip: &Clip) -> f64 {
    (clip.kept[0] - clip.worst).max(clip.worst - clip.kept[1])
}
