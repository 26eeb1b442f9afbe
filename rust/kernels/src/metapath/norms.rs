//! M_xx of each row.

use super::half::Value;
use super::{ROWS, Relation};
use crate::parallel::zeros;
use crate::{Error, Result};
use rayon::prelude::*;

/// M_xx of each row of counts, where all are known to be below 2³¹.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn of_small_counts(half: Relation<'_, i64>) -> Result<Vec<u32>> {
    /// Rows that are looked at together: mostly all of their entries are 1, and need not be summed one by
    /// one.
    const FEW: usize = 64;
    let (starts, _, values) = half.arrays();
    let mut norms = zeros(half.n_rows(), "the diagonal")?;
    norms.par_chunks_mut(FEW).with_min_len(ROWS / FEW).enumerate().for_each(|(block, norms)| {
        let starts = &starts[block * FEW..][..=norms.len()];
        let all = &values[starts[0] as usize..starts[norms.len()] as usize];
        if all.iter().fold(0, |others, &v| others | v ^ 1) == 0 {
            norms.iter_mut().zip(starts.windows(2)).for_each(|(norm, pair)| *norm = (pair[1] - pair[0]) as u32);
            return;
        }
        for (norm, pair) in norms.iter_mut().zip(starts.windows(2)) {
            let row = &values[pair[0] as usize..pair[1] as usize];
            *norm = row.iter().fold(0u32, |sum, &v| sum.wrapping_add((v as u32).wrapping_mul(v as u32)));
        }
    });
    Ok(norms)
}

/// M_xx of each row of counts.
///
/// # Errors
/// [`Error::Overflow`] where M_xx + M_yy could be beyond 63 bits, [`Error::OutOfMemory`].
pub(super) fn of_counts(half: Relation<'_, i64>) -> Result<Vec<u64>> {
    const BEYOND: u64 = 1 << 62;
    let mut norms = zeros(half.n_rows(), "the diagonal")?;
    norms.par_iter_mut().with_min_len(ROWS).enumerate().for_each(|(row, norm)| {
        *norm = half.parts(row).1.iter().fold(0, |sum: u64, &v| match v.checked_mul(v) {
            Some(square) => sum.saturating_add(square as u64),
            None => BEYOND,
        });
    });
    if let Some(row) = norms.iter().position(|&norm| norm >= BEYOND) {
        let norm = half.parts(row).1.iter().map(|&v| (v as f64).powi(2)).sum::<f64>();
        return Err(Error::Overflow(format!("node {row} has about {norm:.3e} paths to itself: must be below 2**62.")));
    }
    Ok(norms)
}

/// M_xx of each row of weights.
///
/// # Errors
/// [`Error::Overflow`] where twice of it is not finite, [`Error::OutOfMemory`].
pub(super) fn of_weights(half: Relation<'_, f64>) -> Result<Vec<f64>> {
    let mut norms = zeros(half.n_rows(), "the diagonal")?;
    norms.par_iter_mut().with_min_len(ROWS).enumerate().for_each(|(row, norm)| {
        *norm = half.parts(row).1.iter().fold(0.0, |sum, &v| Value::add_product(v, v, sum));
    });
    if let Some(row) = norms.iter().position(|&norm: &f64| !(2.0 * norm).is_finite()) {
        return Err(Error::Overflow(format!(
            "the weight of the paths from node {row} to itself, {:e}, is too large: twice of it must be finite.",
            norms[row]
        )));
    }
    Ok(norms)
}
