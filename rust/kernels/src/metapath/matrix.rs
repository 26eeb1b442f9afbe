//! All similarities above a threshold.

use super::half::{Half, Scratches, Value};
use super::row::Row;
use crate::parallel::{both_fit, runs_of_cells, split_runs, zeros};
use crate::{Result, Task};
use rayon::prelude::*;

/// About how many multiplications make a block, the unit of parallel work.
pub(super) const BLOCK: usize = 1 << 18;

/// A matrix of similarities in compressed rows, columns ascending.
#[derive(Debug)]
pub struct Similarities {
    /// Where rows start.
    pub indptr: Vec<i64>,
    /// Columns.
    pub indices: Vec<i32>,
    /// Scores.
    pub scores: Vec<f64>,
}

/// See [`super::PathSim::matrix`]. Rows are summed twice, to be counted and to be stored.
pub(super) fn matrix<V: Value>(half: &Half<'_, V>, threshold: f64, block: usize, task: &Task) -> Result<Similarities> {
    let n = half.len();
    if threshold == 0.0 && half.no_product_vanishes() {
        // Any two nodes with a path to one middle node are similar. What cannot be stored is not counted first: for
        // millions of nodes that takes hours.
        let most = u128::from(half.counts(task)?.iter().copied().max().unwrap_or(0));
        both_fit::<i32, f64>(
            most * most,
            "the matrix of similarities (pathsim_top_k keeps the best of each row alone), at least",
        )?;
    }
    task.expect(2 * n);
    half.with_columns(0..n, task, |columns| {
        let blocks = runs_of_cells(&half.flops_before(0..n, task)?, block);
        let scratches = Scratches::new();
        let search = |row: usize, scratch: &mut Row<V>, found: &mut dyn FnMut(u32, f64)| {
            let xx = half.norms[row];
            scratch.sum(
                half.row(row),
                columns,
                &mut (),
                |(), lightest| V::least(threshold, xx, lightest),
                |(), y, yy, xy| {
                    let score = V::score(xy, xx, yy);
                    if score > 0.0 && score >= threshold {
                        found(y, score);
                    }
                },
            );
        };
        let make = || Row::new(n);
        let mut indptr = zeros::<i64>(n + 1, "the matrix of similarities")?;
        let counts = split_runs(&mut indptr[1..], blocks.iter().map(|block| block.end));
        blocks.par_iter().zip(counts).try_for_each(|(block, counts)| {
            scratches.with(make, |scratch| {
                for (row, count) in block.clone().zip(counts) {
                    search(row, scratch, &mut |_, _| *count += 1);
                }
                task.advance(block.len())
            })
        })?;
        for row in 0..n {
            indptr[row + 1] += indptr[row];
        }
        let total = indptr[n] as usize;
        let what = "the matrix of similarities (pathsim_top_k keeps the best of each row alone)";
        both_fit::<i32, f64>(total as u128, what)?;
        let (mut indices, mut scores) = (zeros(total, what)?, zeros(total, what)?);
        let ends = || blocks.iter().map(|block| indptr[block.end] as usize);
        let (index_runs, score_runs) = (split_runs(&mut indices, ends()), split_runs(&mut scores, ends()));
        blocks.par_iter().zip(index_runs).zip(score_runs).try_for_each(|((block, indices), scores)| {
            scratches.with(make, |scratch| {
                let mut entries = Vec::new();
                let mut start = 0;
                for row in block.clone() {
                    entries.clear();
                    search(row, scratch, &mut |y, score| entries.push((y, score)));
                    entries.sort_unstable_by_key(|&(y, _)| y);
                    for (at, &(y, score)) in entries.iter().enumerate() {
                        (indices[start + at], scores[start + at]) = (y as i32, score);
                    }
                    start += entries.len();
                }
                task.advance(block.len())
            })
        })?;
        Ok(Similarities { indptr, indices, scores })
    })
}
