//! DBSCAN on given distances: scikit-learn's row-wise expansion, word for word, because a matrix need not be
//! symmetric. Rows are counted in parallel; the expansion reads each core row once more, in order. O(entries).

use super::labels::Outcome;
use super::metric::{Real, Rows};
use super::weights::{ExactSum, Mass, Verdict};
use crate::csr::Csr;
use crate::parallel::{filled, reserve};
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// Distances of every row to the columns, as far as they are known.
trait Distances: Sync {
    fn n_rows(&self) -> usize;
    fn n_columns(&self) -> usize;
    /// (column, distance) of the known distances of a row. With `own`, the matrix is one of points to themselves.
    fn each(&self, row: usize, own: bool, found: impl FnMut(usize, f64));
}

impl<T: Real> Distances for Rows<'_, T> {
    fn n_rows(&self) -> usize {
        self.len()
    }

    fn n_columns(&self) -> usize {
        self.width()
    }

    #[inline]
    fn each(&self, row: usize, _own: bool, mut found: impl FnMut(usize, f64)) {
        self.row(row).iter().enumerate().for_each(|(j, d)| found(j, d.widen()));
    }
}

impl Distances for Csr<'_> {
    fn n_rows(&self) -> usize {
        Csr::n_rows(self)
    }

    fn n_columns(&self) -> usize {
        Csr::n_columns(self)
    }

    /// The diagonal is 0, whatever is stored.
    #[inline]
    fn each(&self, row: usize, own: bool, mut found: impl FnMut(usize, f64)) {
        if own {
            found(row, 0.0);
        }
        self.row(row).filter(|&(j, _)| !(own && j == row)).for_each(|(j, d)| found(j, d));
    }
}

/// DBSCAN on an n × n matrix of distances.
///
/// # Errors
/// A refused argument, not enough memory, or an interrupted task.
pub fn dbscan_dense<T: Real>(
    distances: Rows<'_, T>,
    eps: f64,
    min_samples: usize,
    weights: Option<&[f64]>,
    task: &Task,
) -> Result<(Vec<isize>, Vec<isize>)> {
    dbscan(&distances, eps, min_samples, weights, task)
}

/// DBSCAN on an n × n sparse matrix of distances: what is not stored is too far, the diagonal is 0.
///
/// # Errors
/// As [`dbscan_dense`].
pub fn dbscan_csr(
    distances: Csr<'_>,
    eps: f64,
    min_samples: usize,
    weights: Option<&[f64]>,
    task: &Task,
) -> Result<(Vec<isize>, Vec<isize>)> {
    dbscan(&distances, eps, min_samples, weights, task)
}

/// The smallest label among the core points (columns) within `eps` of each row, else −1.
///
/// # Errors
/// As [`dbscan_dense`].
pub fn predict_dense<T: Real>(distances: Rows<'_, T>, labels: &[i64], eps: f64, task: &Task) -> Result<Vec<isize>> {
    predict(&distances, labels, eps, task)
}

/// [`predict_dense`] of a sparse matrix.
///
/// # Errors
/// As [`dbscan_dense`].
pub fn predict_csr(distances: Csr<'_>, labels: &[i64], eps: f64, task: &Task) -> Result<Vec<isize>> {
    predict(&distances, labels, eps, task)
}

/// The k-th smallest distance of each row to another point.
///
/// # Errors
/// As [`dbscan_dense`].
pub fn k_distances_dense<T: Real>(distances: Rows<'_, T>, k: usize, task: &Task) -> Result<Vec<f64>> {
    k_distances(&distances, k, task)
}

/// [`k_distances_dense`] of a sparse matrix; ∞ where fewer than k distances are stored.
///
/// # Errors
/// As [`dbscan_dense`].
pub fn k_distances_csr(distances: Csr<'_>, k: usize, task: &Task) -> Result<Vec<f64>> {
    k_distances(&distances, k, task)
}

fn square(distances: &impl Distances) -> Result<()> {
    let (rows, columns) = (distances.n_rows(), distances.n_columns());
    if rows != columns {
        return Err(Error::Invalid(format!("a matrix of distances must be square, got {rows} × {columns}.")));
    }
    Ok(())
}

fn dbscan(
    distances: &impl Distances,
    eps: f64,
    min_samples: usize,
    weights: Option<&[f64]>,
    task: &Task,
) -> Result<(Vec<isize>, Vec<isize>)> {
    square(distances)?;
    let n = distances.n_rows();
    let mass = Mass::new(weights, n, min_samples)?;
    task.expect(2 * distances.n_rows());
    let mut core = filled(n, false, "the marks of core points")?;
    core.par_iter_mut().enumerate().try_for_each(|(i, core)| {
        *core = is_core(distances, i, eps, mass);
        task.advance(1)
    })?;
    let outcome = Outcome::new(n)?;
    let mut reached = filled(n, false, "the marks of reached points")?;
    let mut stack = Vec::new();
    let mut label = 0;
    for start in 0..n {
        if !core[start] || reached[start] {
            continue;
        }
        reached[start] = true;
        stack.push(start);
        while let Some(i) = stack.pop() {
            outcome.set(i, core[i], label);
            if core[i] {
                distances.each(i, true, |j, distance| {
                    if distance <= eps && !reached[j] {
                        reached[j] = true;
                        stack.push(j);
                    }
                });
                task.advance(1)?;
            }
        }
        label += 1;
    }
    outcome.finish()
}

fn is_core(distances: &impl Distances, i: usize, eps: f64, mass: Mass<'_>) -> bool {
    let mut sum = 0.0;
    distances.each(i, true, |j, distance| {
        if distance <= eps {
            sum += mass.of(j);
        }
    });
    match mass.verdict(sum) {
        Verdict::Core => true,
        Verdict::NotCore => false,
        Verdict::Unsure => {
            let mut exact = ExactSum::default();
            distances.each(i, true, |j, distance| {
                if distance <= eps {
                    exact.add(mass.of(j));
                }
            });
            mass.decide(&exact)
        }
    }
}

fn predict(distances: &impl Distances, labels: &[i64], eps: f64, task: &Task) -> Result<Vec<isize>> {
    if distances.n_columns() != labels.len() {
        return Err(Error::Invalid(format!(
            "{} columns of distances for {} core points.",
            distances.n_columns(),
            labels.len()
        )));
    }
    task.expect(distances.n_rows());
    let mut out = filled(distances.n_rows(), -1, "the labels")?;
    out.par_iter_mut().enumerate().try_for_each(|(i, label)| {
        let mut best = None;
        distances.each(i, false, |j, distance| {
            if distance <= eps {
                best = Some(best.map_or(labels[j], |best: i64| best.min(labels[j])));
            }
        });
        *label = best.map_or(-1, |best| best as isize);
        task.advance(1)
    })?;
    Ok(out)
}

fn k_distances(distances: &impl Distances, k: usize, task: &Task) -> Result<Vec<f64>> {
    square(distances)?;
    let n = distances.n_rows();
    if k == 0 || k >= n {
        return Err(Error::Invalid(format!("k={k} needs at least {} rows, got {n}.", k + 1)));
    }
    task.expect(distances.n_rows());
    let mut out = filled(n, f64::INFINITY, "the distances")?;
    out.par_iter_mut().enumerate().try_for_each(|(i, out)| {
        let mut count = 0;
        distances.each(i, true, |_, _| count += 1);
        let mut row = reserve(count, "one row of distances")?;
        distances.each(i, true, |j, distance| {
            if j != i {
                row.push(distance);
            }
        });
        if row.len() >= k {
            *out = *row.select_nth_unstable_by(k - 1, f64::total_cmp).1;
        }
        task.advance(1)
    })?;
    Ok(out)
}
