//! The parts of training on their own: window pairs, the loss of one pair with its negatives, and its gradients.

use super::corpus::{Matrix, seen};
use super::draws::{pairs, stream, training_key};
use crate::parallel::{filled, split_runs};
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// Walks handled between two looks at the task.
const RUN: usize = 256;

/// The pairs of all windows, as in the first epoch of training.
///
/// # Errors
/// [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn window_pairs(
    walks: &Matrix<'_>,
    window: u32,
    shrink: bool,
    key: u64,
    task: &Task,
) -> Result<(Vec<i64>, Vec<i64>)> {
    if window == 0 {
        return Err(Error::Invalid("window=0: must be at least 1.".into()));
    }
    let key = training_key(key);
    let n = walks.len();
    let runs: Vec<_> = (0..n.div_ceil(RUN)).map(|run| run * RUN..n.min((run + 1) * RUN)).collect();
    let each = |rows: std::ops::Range<usize>, found: &mut dyn FnMut(i32, i32)| {
        for row in rows {
            let walk = seen(walks.row(row));
            pairs(walk, stream(key, 0, n as u64, row as u64), window, shrink, |i, j| found(walk[i], walk[j]));
        }
    };
    let counts: Vec<usize> = runs
        .par_iter()
        .map(|rows| {
            let mut count = 0;
            each(rows.clone(), &mut |_, _| count += 1);
            task.advance(0).map(|()| count)
        })
        .collect::<Result<_>>()?;
    let mut end = 0;
    let ends: Vec<usize> = counts
        .iter()
        .map(|count| {
            end += count;
            end
        })
        .collect();
    let (mut centers, mut contexts) = (filled(end, 0, "the pairs")?, filled(end, 0, "the pairs")?);
    let slices =
        split_runs(&mut centers, ends.iter().copied()).into_iter().zip(split_runs(&mut contexts, ends.iter().copied()));
    let slices: Vec<_> = slices.collect();
    runs.into_par_iter().zip(slices).try_for_each(|(rows, (centers, contexts))| {
        let mut slots = centers.iter_mut().zip(contexts);
        each(rows, &mut |center, context| {
            if let Some((to_center, to_context)) = slots.next() {
                (*to_center, *to_context) = (center.into(), context.into());
            }
        });
        task.advance(0)
    })?;
    Ok((centers, contexts))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// ln(1 + e^x)
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigma(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// −log σ(c · p) − Σ log σ(−c · n); `negatives` holds rows as long as `center`.
///
/// # Errors
/// [`Error::Invalid`] for lengths that do not fit.
pub fn sgns_loss(center: &[f64], positive: &[f64], negatives: &[f64]) -> Result<f64> {
    check(center, positive, negatives)?;
    let pushed = rows(negatives, center.len()).fold(0.0, |sum, negative| sum + softplus(dot(center, negative)));
    Ok(softplus(-dot(center, positive)) + pushed)
}

/// The derivatives of the loss by its three arguments.
///
/// # Errors
/// As [`sgns_loss`]; [`Error::OutOfMemory`].
pub fn sgns_gradients(center: &[f64], positive: &[f64], negatives: &[f64]) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    check(center, positive, negatives)?;
    let pull = -sigma(-dot(center, positive));
    let mut d_center: Vec<f64> = positive.iter().map(|p| pull * p).collect();
    let d_positive = center.iter().map(|c| pull * c).collect();
    let mut d_negatives = filled(negatives.len(), 0.0, "the gradients of negatives")?;
    if !center.is_empty() {
        for (negative, gradient) in rows(negatives, center.len()).zip(d_negatives.chunks_exact_mut(center.len())) {
            let push = sigma(dot(center, negative));
            d_center.iter_mut().zip(negative).for_each(|(d, n)| *d += push * n);
            gradient.iter_mut().zip(center).for_each(|(d, c)| *d = push * c);
        }
    }
    Ok((d_center, d_positive, d_negatives))
}

fn rows(negatives: &[f64], width: usize) -> impl Iterator<Item = &[f64]> {
    negatives.chunks_exact(width.max(1))
}

fn check(center: &[f64], positive: &[f64], negatives: &[f64]) -> Result<()> {
    let d = center.len();
    if positive.len() != d || (d == 0 && !negatives.is_empty()) || (d > 0 && !negatives.len().is_multiple_of(d)) {
        let (p, n) = (positive.len(), negatives.len());
        return Err(Error::Invalid(format!("center has {d} numbers, positive {p}, all negatives {n}.")));
    }
    Ok(())
}
