//! DBSCAN, and the distances that help to choose its eps.
//!
//! One to three coordinates go to a grid of cells, more to tiles (a tree of boxes, or balls in high dimension),
//! distance matrices to the literal search. All give the same labels: those of the contract.

mod grid;
mod labels;
mod metric;
mod precomputed;
mod tiles;
mod union_find;
mod weights;

pub use metric::{Metric, Real, Rows};
pub use precomputed::{dbscan_csr, dbscan_dense, k_distances_csr, k_distances_dense, predict_csr, predict_dense};

use crate::parallel::reserve;
use crate::{Error, Result, Task};
use weights::Mass;

/// Core points (ascending) and labels of the rows: see `diptych.kernels.clustering.dbscan`.
///
/// # Errors
/// A refused argument, not enough memory, or an interrupted task.
pub fn dbscan<T: Real>(
    rows: Rows<'_, T>,
    eps: f64,
    min_samples: usize,
    metric: Metric,
    weights: Option<&[f64]>,
    task: &Task,
) -> Result<(Vec<isize>, Vec<isize>)> {
    check(rows, eps, metric)?;
    let mass = Mass::new(weights, rows.len(), min_samples)?;
    if rows.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    match grid::dbscan(rows, eps, metric, mass, task)? {
        Some(found) => Ok(found),
        None => tiles::dbscan(rows, eps, metric, mass, task),
    }
}

/// Labels of new rows: the smallest label among the core points within `eps`, else −1.
///
/// # Errors
/// As [`dbscan`].
pub fn predict<T: Real>(
    new: Rows<'_, T>,
    core: Rows<'_, T>,
    labels: &[i64],
    eps: f64,
    metric: Metric,
    task: &Task,
) -> Result<Vec<isize>> {
    check(new, eps, metric)?;
    if core.width() != new.width() {
        return Err(Error::Invalid(format!("X_new has {} columns, core_points {}.", new.width(), core.width())));
    }
    if core.len() != labels.len() {
        return Err(Error::Invalid(format!("{} core points have {} labels.", core.len(), labels.len())));
    }
    let mut known = reserve(labels.len(), "the labels of core points")?;
    for &label in labels {
        match u32::try_from(label) {
            Ok(label) if label < u32::MAX => known.push(label),
            _ => return Err(Error::Invalid(format!("core_labels holds {label}: must be in 0 ..= {}.", u32::MAX - 1))),
        }
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    match grid::predict(new, core, &known, eps, metric, task)? {
        Some(found) => Ok(found),
        None => tiles::predict(new, core, &known, eps, metric, task),
    }
}

/// Distance of each row to its k-th nearest other row.
///
/// # Errors
/// As [`dbscan`].
pub fn k_distances<T: Real>(rows: Rows<'_, T>, k: usize, metric: Metric, task: &Task) -> Result<Vec<f64>> {
    check(rows, 1.0, metric)?;
    let n = rows.len();
    if k == 0 || k >= n {
        return Err(Error::Invalid(format!("k={k} needs at least {} rows, got {n}.", k + 1)));
    }
    tiles::k_distances(rows, k, metric, task)
}

fn check<T: Real>(rows: Rows<'_, T>, eps: f64, metric: Metric) -> Result<()> {
    if !(eps > 0.0 && eps.is_finite()) {
        return Err(Error::Invalid(format!("eps={eps}: must be a positive finite number.")));
    }
    if rows.width() == 0 {
        return Err(Error::Invalid("rows without columns have no distances.".into()));
    }
    if metric == Metric::Haversine && rows.width() != 2 {
        return Err(Error::Invalid(format!("haversine takes (latitude, longitude), got {} columns.", rows.width())));
    }
    Ok(())
}
