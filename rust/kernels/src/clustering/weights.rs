//! When is a point a core point: counting neighbours, or summing their weights exactly.
//!
//! The contract asks whether the exact sum of the weights, rounded once, reaches `min_samples`. A plain sum in any
//! order is off by at most `slack`; only inside that margin are the weights summed exactly. Weights that share a
//! power of two and stay below 2⁵³ of it in all (counts, halves, multiples of 2⁻¹⁰) have no margin at all.

use crate::error::{Error, Result};

/// Tells core points by their neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mass<'a> {
    weights: Option<&'a [f64]>,
    min_samples: f64,
    slack: f64,
    nonnegative: bool,
}

/// What a sum of weights says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Core,
    NotCore,
    /// Too close to the margin: sum exactly.
    Unsure,
}

impl<'a> Mass<'a> {
    /// # Errors
    /// [`Error::Invalid`] when `min_samples` is 0, or the weights are not one finite number per row.
    pub fn new(weights: Option<&'a [f64]>, rows: usize, min_samples: usize) -> Result<Self> {
        if min_samples == 0 {
            return Err(Error::Invalid("min_samples=0: must be at least 1.".into()));
        }
        let min_samples = min_samples as f64;
        let Some(w) = weights else {
            return Ok(Self { weights, min_samples, slack: 0.0, nonnegative: true });
        };
        if w.len() != rows {
            return Err(Error::Invalid(format!("sample_weight has {} entries for {rows} rows.", w.len())));
        }
        if let Some(i) = w.iter().position(|x| !x.is_finite()) {
            return Err(Error::Invalid(format!("sample_weight[{i}]={}: must be finite.", w[i])));
        }
        let total: f64 = w.iter().map(|x| x.abs()).sum();
        let unit = w.iter().map(|&x| grain(x)).fold(f64::INFINITY, f64::min);
        // Sums of multiples of one power of two are exact while they stay below 2⁵³ of it.
        let exact = unit == f64::INFINITY || (unit > 0.0 && total / unit < 9.0e15);
        let slack = if exact { 0.0 } else { f64::EPSILON * (rows as f64 * total + 2.0 * min_samples) };
        Ok(Self { weights, min_samples, slack, nonnegative: w.iter().all(|&x| x >= 0.0) })
    }

    /// Whether the neighbours have weights at all.
    pub fn weighted(&self) -> bool {
        self.weights.is_some()
    }

    /// Whether a sum can only grow, so that a core point may be told before all its neighbours are seen.
    pub fn grows(&self) -> bool {
        self.nonnegative
    }

    /// How many neighbours of weight one make a core point.
    pub fn enough(&self) -> usize {
        self.min_samples as usize
    }

    /// The weight of a row.
    #[inline]
    pub fn of(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    /// What `sum`, added up in any order, says of a point whose neighbours it holds.
    #[inline]
    pub fn verdict(&self, sum: f64) -> Verdict {
        if sum - self.slack >= self.min_samples {
            Verdict::Core
        } else if self.slack == 0.0 || sum + self.slack < self.min_samples {
            Verdict::NotCore
        } else {
            Verdict::Unsure
        }
    }

    /// The exact answer, from the sum of the neighbours' weights.
    pub fn decide(&self, sum: &ExactSum) -> bool {
        sum.rounded() >= self.min_samples
    }
}

/// The largest power of two that divides x (∞ for 0, 0 where there is none to be had).
fn grain(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY;
    }
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    if exponent == 0 {
        return 0.0;
    }
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    2f64.powi(exponent - 1075 + mantissa.trailing_zeros() as i32)
}

/// A sum that is rounded once, at the end (Shewchuk 1997; the algorithm of Python's `math.fsum`). It holds a few numbers
/// that do not overlap, whatever the count of the summands.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExactSum {
    partials: Vec<f64>,
}

impl ExactSum {
    /// The sum of some values.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sum = Self::default();
        values.for_each(|x| sum.add(x));
        sum
    }

    /// Adds a value.
    pub fn add(&mut self, mut x: f64) {
        let partials = &mut self.partials;
        let mut kept = 0;
        for i in 0..partials.len() {
            let mut y = partials[i];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                partials[kept] = low;
                kept += 1;
            }
            x = high;
        }
        partials.truncate(kept);
        partials.push(x);
    }

    /// The sum.
    pub fn rounded(&self) -> f64 {
        let Some((&last, rest)) = self.partials.split_last() else { return 0.0 };
        let mut high = last;
        for (i, &y) in rest.iter().enumerate().rev() {
            let x = high;
            high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                // Half-way cases round by the sign of what lies below.
                let below = if i > 0 { rest[i - 1] } else { 0.0 };
                if (low < 0.0 && below < 0.0) || (low > 0.0 && below > 0.0) {
                    let twice = low * 2.0;
                    let up = high + twice;
                    if twice == up - high {
                        high = up;
                    }
                }
                break;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_sum_rounds_once() {
        assert_eq!(ExactSum::of([0.1; 10].into_iter()).rounded(), 1.0);
        assert_eq!(ExactSum::of([1e100, 1.0, -1e100].into_iter()).rounded(), 1.0);
        assert_eq!(ExactSum::of([1e-16, 1.0, 1e16].into_iter()).rounded(), 1.000_000_000_000_000_2e16);
        assert_eq!(ExactSum::of(std::iter::empty()).rounded(), 0.0);
    }

    #[test]
    fn grains() {
        assert_eq!(grain(3.0), 1.0);
        assert_eq!(grain(-12.0), 4.0);
        assert_eq!(grain(0.75), 0.25);
        assert_eq!(grain(0.0), f64::INFINITY);
    }

    #[test]
    fn integer_weights_have_no_margin() {
        let w = [1.0, 2.0, 3.0];
        let mass = Mass::new(Some(&w), 3, 4).unwrap();
        assert_eq!(mass.verdict(4.0), Verdict::Core);
        assert_eq!(mass.verdict(3.0), Verdict::NotCore);
        let tenths = [0.1; 3];
        let mass = Mass::new(Some(&tenths), 3, 1).unwrap();
        assert_eq!(mass.verdict(1.0), Verdict::Unsure);
        assert!(!mass.decide(&ExactSum::of((0..3).map(|row| mass.of(row)))));
    }
}
