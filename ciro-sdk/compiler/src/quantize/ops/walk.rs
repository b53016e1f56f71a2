//! A function's steps: how far it may be followed before it has changed by a given amount.

/// How far a step's values may be from its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// In the function's own units.
    pub(super) absolute: f64,
    /// As a part of the least magnitude within the step, where that is more.
    pub(super) relative: f64,
}

impl Tolerance {
    fn of(self, lo: f64, hi: f64) -> f64 {
        self.absolute.max(self.relative * lo.abs().min(hi.abs()))
    }
}

/// A walk through a domain in steps within which the function stays inside twice a tolerance.
pub(super) struct Walk<'a> {
    pub(super) value: &'a dyn Fn(i64) -> f64,
    pub(super) last: i64,
    pub(super) tolerance: Tolerance,
    /// The length of the step before, where the next search begins.
    pub(super) length: i64,
}

impl Walk<'_> {
    /// The last integer of the step that begins at `from`, and the middle of the function's values
    /// within it.
    pub(super) fn step(&mut self, from: i64) -> (i64, f64) {
        let room = self.last - from + 1;
        let mut good = 1;
        let mut next = (self.length / 8).clamp(2, room.max(2));
        while next <= room && self.fits(from, next) {
            good = next;
            if good == room {
                break;
            }
            next = (next * 2).min(room);
        }
        let mut bad = next.min(room + 1);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if self.fits(from, middle) { good = middle } else { bad = middle }
        }
        self.length = good;
        let middle = match self.span(from, good) {
            Span::Within(lo, hi) => 0.5 * (lo + hi),
            Span::Undefined | Span::Mixed => f64::NAN,
        };
        (from + good - 1, middle)
    }

    fn fits(&self, from: i64, length: i64) -> bool {
        match self.span(from, length) {
            Span::Undefined => true,
            Span::Within(lo, hi) => hi - lo <= 2.0 * self.tolerance.of(lo, hi),
            Span::Mixed => false,
        }
    }

    /// What the function takes on probes of a step.
    fn span(&self, from: i64, length: i64) -> Span {
        const INNER: i64 = 6;
        let probes = (0..=INNER).map(|i| from + (length - 1) / INNER * i);
        let values: Vec<f64> = probes.chain([from + length - 1]).map(|q| (self.value)(q)).collect();
        let known = || values.iter().copied().filter(|y| !y.is_nan());
        match known().count() {
            0 => Span::Undefined,
            count if count < values.len() => Span::Mixed,
            _ => Span::Within(
                known().fold(f64::INFINITY, f64::min),
                known().fold(-f64::INFINITY, f64::max),
            ),
        }
    }
}

/// The values of a function on a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Span {
    /// It has none.
    Undefined,
    /// The least and the greatest.
    Within(f64, f64),
    /// It has some, but not everywhere.
    Mixed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_function() {
        let value = |q: i64| (q as f64 / 1e6).ln();
        let tolerance = Tolerance { absolute: 1e-3, relative: 0.0 };
        let mut walk = Walk { value: &value, last: 1 << 29, tolerance, length: 1 };
        let (mut from, mut steps) = (1, 0);
        while from <= 1 << 29 {
            let (to, y) = walk.step(from);
            for q in [from, (from + to) / 2, to] {
                assert!((value(q) - y).abs() <= 1.001e-3, "{q}");
            }
            (from, steps) = (to + 1, steps + 1);
        }
        // Fourteen nepers in steps of two thousandths, but for the first integers.
        assert!((6_000..15_000).contains(&steps), "{steps}");
    }
}
