//! Sparse times sparse: Gustavson's rows.
//!
//! Rows are summed into the place of the result. For that they are counted first, unless their number of multiplications,
//! which they cannot exceed, is of the order of what was given: then the gaps are closed afterwards.
//!
//! A row with one entry needs no sums: it is a row of the right matrix, scaled. The columns of others are sorted.
//!
//! O(multiplications + entries · log of the entries in a row), in parallel over rows.

use super::Relation;
use super::chain::{Number, Product};
use super::half::Scratches;
use crate::parallel::{Task, reserve, runs_of_cells, split_runs, zeros};
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// About how many multiplications make a block, the unit of parallel work.
const BLOCK: usize = 1 << 15;
/// With one entry in so many columns, or more, a row is read off column by column instead of sorted.
const FULL: usize = 16;
/// How many times what was given the result may have room for, to save counting.
const ROOM: u64 = 4;
const WHAT: &str = "the commuting matrix";

/// How many entries of the left matrix ahead the rows of the right one are asked for.
const AHEAD: usize = 8;

/// Asks for rows that are needed soon, as many as the row has entries: they lie anywhere.
#[inline(always)]
fn look_ahead<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, row: usize) {
    for at in left.start(row)..left.start(row + 1) {
        if let Some(&far) = left.indices().get(at + 2 * AHEAD) {
            right.prefetch_start(far as usize);
            right.prefetch_row(left.indices()[at + AHEAD] as usize);
        }
    }
}

/// One row of the product while it is summed.
#[derive(Debug)]
struct Sums<T> {
    sums: Vec<T>,
    /// Columns with a sum, as far as `n_reached`.
    reached: Vec<i32>,
    n_reached: usize,
}

impl<T: Number> Sums<T> {
    fn new(n_columns: usize) -> Result<Self> {
        Ok(Self { sums: zeros(n_columns, "one row of sums")?, reached: Vec::new(), n_reached: 0 })
    }

    /// Adds a row of the right matrix, times a factor.
    #[inline(always)]
    fn add(&mut self, (columns, values): (&[i32], &[T]), factor: T, overflow: &mut bool) {
        // Every column is written down, but only those that are new stay: which they are cannot be predicted.
        let mut n_reached = self.n_reached;
        if self.reached.len() < n_reached + columns.len() {
            self.reached.resize(n_reached + columns.len(), 0);
        }
        for (&column, &value) in columns.iter().zip(values) {
            let sum = &mut self.sums[column as usize];
            self.reached[n_reached] = column;
            n_reached += usize::from(*sum == T::default());
            *sum = factor.add_product(value, *sum, overflow);
        }
        self.n_reached = n_reached;
    }

    /// Calls `found` with the sums that are not 0, columns ascending, and clears them.
    #[inline(always)]
    fn drain(&mut self, mut found: impl FnMut(usize, T)) {
        let reached = &mut self.reached[..std::mem::take(&mut self.n_reached)];
        if reached.len() * FULL >= self.sums.len() {
            for (column, sum) in self.sums.iter_mut().enumerate() {
                let sum = std::mem::take(sum);
                if sum != T::default() {
                    found(column, sum);
                }
            }
        } else {
            reached.sort_unstable();
            for &column in reached.iter() {
                // What underflowed may have been reached again, and what overflowed may be anything.
                let sum = std::mem::take(&mut self.sums[column as usize]);
                if sum != T::default() {
                    found(column as usize, sum);
                }
            }
        }
    }
}

/// left · right, whose inner sizes agree.
///
/// # Errors
/// [`Error::Overflow`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub(super) fn product<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, task: &Task) -> Result<Product<T>> {
    let (n, n_columns) = (left.n_rows(), right.n_columns());
    task.expect(2 * n);
    let mut before = reserve(n + 1, "the plan of work")?;
    let mut sum = 0;
    before.push(0);
    for row in 0..n {
        sum += 1 + left.parts(row).0.iter().map(|&k| right.parts(k as usize).0.len() as u64).sum::<u64>();
        before.push(sum);
    }
    let blocks = runs_of_cells(&before, BLOCK);
    // Where the rows of each block go, and then where rows end.
    let given = left.n_entries() as u64 + right.n_entries() as u64;
    let mut indptr = zeros::<i64>(n + 1, WHAT)?;
    let room: Vec<usize> = if before[n] <= ROOM * given {
        task.advance(n)?;
        blocks.iter().map(|block| (before[block.end] - before[block.start]) as usize - block.len()).collect()
    } else {
        let last_rows = Scratches::new();
        let count = |block: &Range<usize>| {
            let make = || zeros::<u32>(n_columns, "one row of marks");
            last_rows.with(make, |last_rows| {
                let mut count = 0;
                for row in block.clone() {
                    look_ahead(left, right, row);
                    count += count_row(left, right, row, last_rows);
                }
                task.advance(block.len())?;
                Ok(count)
            })
        };
        blocks.par_iter().map(count).collect::<Result<_>>()?
    };
    drop(before);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(room.iter().scan(0, |sum, &room| {
            *sum += room;
            Some(*sum)
        }))
        .collect();

    let total = starts[blocks.len()];
    let (mut indices, mut data) = (zeros::<i32>(total, WHAT)?, zeros::<T>(total, WHAT)?);
    let ends = || starts[1..].iter().copied();
    let (index_runs, data_runs) = (split_runs(&mut indices, ends()), split_runs(&mut data, ends()));
    let counts = split_runs(&mut indptr[1..], blocks.iter().map(|block| block.end));
    let overflow = AtomicBool::new(false);
    let sums = Scratches::new();
    blocks.par_iter().zip(counts).zip(index_runs).zip(data_runs).try_for_each(
        |(((block, counts), indices), data)| {
            sums.with(
                || Sums::new(n_columns),
                |sums| {
                    let (mut beyond, mut at) = (false, 0);
                    for (row, count) in block.clone().zip(counts) {
                        look_ahead(left, right, row);
                        let found = sum_row(left, right, row, sums, (&mut indices[at..], &mut data[at..]), &mut beyond);
                        at += found;
                        *count = found as i64;
                    }
                    if beyond {
                        overflow.store(true, Ordering::Relaxed);
                    }
                    task.advance(block.len())
                },
            )
        },
    )?;
    if overflow.into_inner() {
        let (m, k) = (n_columns, right.n_rows());
        return Err(Error::Overflow(format!("{}, in the product of {n} × {k} and {k} × {m} relations.", T::BEYOND)));
    }
    for row in 0..n {
        indptr[row + 1] += indptr[row];
    }
    for (block, &start) in blocks.iter().zip(&starts) {
        let place = indptr[block.start] as usize..indptr[block.end] as usize;
        if place.start < start {
            indices.copy_within(start..start + place.len(), place.start);
            data.copy_within(start..start + place.len(), place.start);
        }
    }
    indices.truncate(indptr[n] as usize);
    data.truncate(indptr[n] as usize);
    Ok(Product::new(indptr, indices, data, n_columns))
}

/// Columns of a row of the product; `last_rows` says for each column which row reached it last, from 1 on.
fn count_row<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, row: usize, last_rows: &mut [u32]) -> usize {
    match left.parts(row).0 {
        [] => 0,
        [only] => right.parts(*only as usize).0.len(),
        several => {
            let (this, mut count) = (row as u32 + 1, 0);
            for &k in several {
                for &column in right.parts(k as usize).0 {
                    let last = &mut last_rows[column as usize];
                    count += usize::from(*last != this);
                    *last = this;
                }
            }
            count
        }
    }
}

/// Writes a row of the product, and says how many entries it has: none whose sum underflowed.
fn sum_row<T: Number>(
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    row: usize,
    sums: &mut Sums<T>,
    (indices, data): (&mut [i32], &mut [T]),
    overflow: &mut bool,
) -> usize {
    let (inner, factors) = left.parts(row);
    let mut at = 0;
    if let ([k], [factor]) = (inner, factors) {
        let (columns, values) = right.parts(*k as usize);
        for (&column, &value) in columns.iter().zip(values) {
            let sum = factor.add_product(value, T::default(), overflow);
            (indices[at], data[at]) = (column, sum);
            at += usize::from(sum != T::default());
        }
        return at;
    }
    for (&k, &factor) in inner.iter().zip(factors) {
        sums.add(right.parts(k as usize), factor, overflow);
    }
    sums.drain(|column, sum| {
        (indices[at], data[at]) = (column as i32, sum);
        at += 1;
    });
    at
}
