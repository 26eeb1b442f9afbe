//! The half matrix by columns, its rows in rising order of M_xx, roughly.
//!
//! What rows may score is bounded by their M_xx, so rows that are alike in it are better looked at together. An order by
//! magnitude is as good as a true one, and takes two passes.

use super::half::{Half, Value};
use super::row::STRETCH;
use crate::parallel::{Watch, filled, reserve, runs_of_cells, split_runs, zeros};
use crate::simd::prefetch;
use crate::{Result, Task};
use rayon::prelude::*;

/// Into how many stripes the work is divided, at most.
const STRIPES: usize = 16;
/// How many rows ahead entries are asked for.
const AHEAD: usize = 12;
/// How many entries of a list are asked for beforehand.
const FAR: usize = 512;
const WHAT: &str = "the transpose of the half matrix";

/// Wᵀ, and which row of W each of its columns is.
#[derive(Debug)]
pub(super) struct Columns<V: Value> {
    starts: Vec<u64>,
    /// Column after column, the places in `order` of the rows of W that have an entry there, and the entries. Side by side,
    /// because most of the work of making them is to wait for the place they go to.
    entries: Vec<(u32, V)>,
    /// The rows of W, with their M_xx.
    pub order: Vec<(u32, V::Sum)>,
    /// The least M_xx in each stretch of `order`.
    pub lightest: Vec<V::Sum>,
}

impl<V: Value> Columns<V> {
    /// Each thread fills a stripe of columns, and reads every row for it: those parts of a row lie together, because its
    /// columns ascend.
    ///
    /// Only the columns that these rows have an entry in are made, and most work is where few rows have theirs.
    pub fn new(half: &Half<'_, V>, queries: impl Iterator<Item = usize>, task: &Task) -> Result<Self> {
        let (order, counts) = (order::<V>(&half.norms)?, half.counts(task)?);
        let mut wanted = filled(counts.len(), false, WHAT)?;
        let mut watch = Watch::new(task);
        for row in queries {
            let columns = half.row(row).0;
            columns.iter().for_each(|&column| wanted[column as usize] = true);
            watch.took(1 + columns.len())?;
        }
        let mut starts = filled(counts.len() + 1, 0u64, WHAT)?;
        for (column, &count) in counts.iter().enumerate() {
            starts[column + 1] = starts[column] + if wanted[column] { u64::from(count) } else { 0 };
        }
        let n_entries = starts[wanted.len()] as usize;
        let mut entries = zeros(n_entries, WHAT)?;
        let stripes = runs_of_cells(&starts, n_entries.div_ceil(rayon::current_num_threads().min(STRIPES)).max(1));
        let runs = split_runs(&mut entries, stripes.iter().map(|stripe| starts[stripe.end] as usize));
        stripes.par_iter().zip(runs).try_for_each(|(stripe, run)| {
            let (first, mut watch) = (starts[stripe.start], Watch::new(task));
            let mut next: Vec<u32> = reserve(stripe.len(), WHAT)?;
            next.extend(starts[stripe.clone()].iter().map(|start| (start - first) as u32));
            for (place, &(row, _)) in order.iter().enumerate() {
                if let Some(&(far, _)) = order.get(place + 2 * AHEAD) {
                    half.prefetch_start(far as usize);
                    half.prefetch_row(order[place + AHEAD].0 as usize);
                }
                let (columns, values) = half.row(row as usize);
                let here = match stripe.start {
                    0 => 0,
                    start => columns.partition_point(|&column| (column as usize) < start),
                };
                for (&column, &value) in columns[here..].iter().zip(&values[here..]) {
                    if column as usize >= stripe.end {
                        break;
                    }
                    if !wanted[column as usize] {
                        continue;
                    }
                    let at = &mut next[column as usize - stripe.start];
                    run[*at as usize] = (place as u32, V::of(value));
                    *at += 1;
                }
                watch.took(1 + columns.len())?;
            }
            Ok(())
        })?;
        let mut lightest = reserve(order.len().div_ceil(STRETCH), WHAT)?;
        lightest.extend(order.chunks(STRETCH).map(|rows| {
            let norms = rows.iter().map(|&(_, norm)| norm).filter(|&norm| norm != V::Sum::default());
            norms.reduce(|a, b| if b < a { b } else { a }).unwrap_or_default()
        }));
        Ok(Self { starts, entries, order, lightest })
    }

    /// Asks the memory for the lists of a row that is to be summed next.
    #[inline]
    pub fn prefetch(&self, columns: &[i32]) {
        for &column in columns {
            let list = self.list(column as usize);
            (0..list.len().min(FAR)).step_by(8).for_each(|at| prefetch(list, at));
        }
    }

    /// The list of a column.
    #[inline]
    pub fn list(&self, column: usize) -> &[(u32, V)] {
        &self.entries[self.starts[column] as usize..self.starts[column + 1] as usize]
    }
}

/// Rows in the order of their norms' magnitudes, and of their numbers where those agree.
fn order<V: Value>(norms: &[V::Sum]) -> Result<Vec<(u32, V::Sum)>> {
    let mut starts = filled(1 << 16, 0u32, WHAT)?;
    norms.iter().for_each(|&norm| starts[usize::from(V::magnitude(norm))] += 1);
    let mut sum = 0;
    for start in &mut starts {
        sum += std::mem::replace(start, sum);
    }
    let mut order = filled(norms.len(), (0, V::Sum::default()), WHAT)?;
    for (row, &norm) in norms.iter().enumerate() {
        let at = &mut starts[usize::from(V::magnitude(norm))];
        order[*at as usize] = (row as u32, norm);
        *at += 1;
    }
    Ok(order)
}
