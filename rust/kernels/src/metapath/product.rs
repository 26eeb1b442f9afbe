//! Sparse times sparse: Gustavson's rows.
//!
//! Rows are summed into the place of the result. For that they are counted first, unless their number of multiplications,
//! which they cannot exceed, is of the order of what was given: then the gaps are closed afterwards.
//!
//! A row with one entry needs no sums: it is a row of the right matrix, scaled. The columns of others are put in order, a
//! few by counting for each how many are below it, which takes wide instructions and no branch.
//!
//! O(multiplications + entries · log of the entries in a row), in parallel over rows.

use super::chain::{Number, Product};
use super::half::Scratches;
use super::{ROWS, Relation};
use crate::parallel::{Task, runs_of_cells, split_runs, zeros};
use crate::simd::{LANES, dispatched};
use crate::{Error, Result};
use rayon::prelude::*;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// About how many multiplications make a block, the unit of parallel work.
const BLOCK: usize = 1 << 15;
/// With one entry in so many columns, or more, a row is read off column by column instead of sorted.
const FULL: usize = 16;
/// In a row with so many entries, or fewer, each is given its place by comparison with all others.
const RANKED: usize = 96;
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

/// A sum of products of numbers.
pub trait Sum<T>: Copy + Debug + Default + PartialEq + Send + Sync {
    /// Whether a sum of products is never 0, and so never a column reached twice.
    const GROWS: bool;
    /// self + a · b; sets `overflow` when the result is not in range.
    fn add_product(self, a: T, b: T, overflow: &mut bool) -> Self;
    /// As a number.
    fn total(self) -> T;
}

/// For counts that are known to stay below 2³².
impl Sum<i64> for u32 {
    const GROWS: bool = true;

    #[inline(always)]
    fn add_product(self, a: i64, b: i64, _: &mut bool) -> Self {
        self.wrapping_add((a as u32).wrapping_mul(b as u32))
    }

    #[inline(always)]
    fn total(self) -> i64 {
        self.into()
    }
}

/// What underflows stays 0, and what overflows may become 0.
impl<T: Number> Sum<T> for T {
    const GROWS: bool = false;

    #[inline(always)]
    fn add_product(self, a: T, b: T, overflow: &mut bool) -> Self {
        a.add_product(b, self, overflow)
    }

    #[inline(always)]
    fn total(self) -> T {
        self
    }
}

/// One row of the product while it is summed.
#[derive(Debug)]
struct Sums<S> {
    sums: Vec<S>,
    /// Columns with a sum, as far as `n_reached`.
    reached: Vec<i32>,
    n_reached: usize,
}

impl<S: Copy + Default + PartialEq> Sums<S> {
    fn new(n_columns: usize) -> Result<Self> {
        Ok(Self { sums: zeros(n_columns, "one row of sums")?, reached: Vec::new(), n_reached: 0 })
    }

    /// Adds a row of the right matrix, times a factor.
    #[inline(always)]
    fn add<T: Copy>(&mut self, (columns, values): (&[i32], &[T]), factor: T, overflow: &mut bool)
    where
        S: Sum<T>,
    {
        // Every column is written down, but only those that are new stay: which they are cannot be predicted.
        let mut n_reached = self.n_reached;
        if self.reached.len() < n_reached + columns.len() + LANES {
            self.reached.resize(n_reached + columns.len() + LANES, 0);
        }
        let (sums, reached) = (&mut self.sums[..], &mut self.reached[..]);
        for (&column, &value) in columns.iter().zip(values) {
            let sum = &mut sums[column as usize];
            reached[n_reached] = column;
            n_reached += usize::from(*sum == S::default());
            *sum = sum.add_product(factor, value, overflow);
        }
        self.n_reached = n_reached;
    }

    /// Writes the sums that are not 0, columns ascending, and clears them; returns how many they are.
    #[inline(always)]
    fn drain<T>(&mut self, indices: &mut [i32], data: &mut [T]) -> usize
    where
        S: Sum<T>,
    {
        let n = std::mem::take(&mut self.n_reached);
        if S::GROWS && n <= RANKED {
            for (first, chunk) in (0..n).step_by(LANES).zip(self.reached.as_chunks::<LANES>().0) {
                let mut ranks = [0u32; LANES];
                for &other in &self.reached[..n] {
                    for lane in 0..LANES {
                        ranks[lane] = ranks[lane].wrapping_add(u32::from(chunk[lane] > other));
                    }
                }
                for (&column, &rank) in chunk.iter().zip(&ranks).take(n - first) {
                    let sum = std::mem::take(&mut self.sums[column as usize]);
                    (indices[rank as usize], data[rank as usize]) = (column, sum.total());
                }
            }
            return n;
        }
        let mut at = 0;
        let mut found = |column: i32, sum: S| {
            if sum != S::default() {
                (indices[at], data[at]) = (column, sum.total());
                at += 1;
            }
        };
        if n * FULL >= self.sums.len() {
            self.sums.iter_mut().zip(0..).for_each(|(sum, column)| found(column, std::mem::take(sum)));
        } else {
            let reached = &mut self.reached[..n];
            reached.sort_unstable();
            // What underflowed may have been reached again, and what overflowed may be anything.
            reached.iter().for_each(|&column| found(column, std::mem::take(&mut self.sums[column as usize])));
        }
        at
    }
}

/// left · right, whose inner sizes agree.
///
/// # Errors
/// [`Error::Overflow`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub(super) fn product<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, task: &Task) -> Result<Product<T>> {
    if T::sums_are_narrow(left, right) {
        product_in::<T, T::Narrow>(left, right, task)
    } else {
        product_in::<T, T>(left, right, task)
    }
}

fn product_in<T: Number, S: Sum<T>>(left: Relation<'_, T>, right: Relation<'_, T>, task: &Task) -> Result<Product<T>> {
    let (n, n_columns) = (left.n_rows(), right.n_columns());
    task.expect(2 * n);
    // Multiplications of the rows up to each, and one more per row, so that blocks of rows without entries end as well.
    let mut before = zeros(n + 1, "the plan of work")?;
    before[1..].par_iter_mut().with_min_len(ROWS).enumerate().for_each(|(row, count)| {
        *count = 1 + left.parts(row).0.iter().map(|&k| right.parts(k as usize).0.len() as u64).sum::<u64>();
    });
    for row in 0..n {
        before[row + 1] += before[row];
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
                || Sums::<S>::new(n_columns),
                |sums| {
                    if sum_rows(left, right, block, sums, counts, indices, data) {
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
    indices.shrink_to_fit(); // the arrays stay as long as somebody wants the product
    data.shrink_to_fit();
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

dispatched! {
/// Writes some rows of the product, and how many entries each has: none whose sum underflowed. Whether one overflowed.
fn sum_rows[T: Number, S: Sum<T>](left: Relation<'_, T>, right: Relation<'_, T>, rows: &Range<usize>, sums: &mut Sums<S>, counts: &mut [i64], indices: &mut [i32], data: &mut [T]) -> bool = sum_rows_inner
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn sum_rows_inner<L, T: Number, S: Sum<T>>(
    _lanes: L,
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    rows: &Range<usize>,
    sums: &mut Sums<S>,
    counts: &mut [i64],
    mut indices: &mut [i32],
    mut data: &mut [T],
) -> bool {
    let mut overflow = false;
    for (row, count) in rows.clone().zip(counts) {
        look_ahead(left, right, row);
        let (inner, factors) = left.parts(row);
        let found = if let ([k], [factor]) = (inner, factors) {
            scale(right.parts(*k as usize), *factor, indices, data, &mut overflow)
        } else {
            for (&k, &factor) in inner.iter().zip(factors) {
                sums.add(right.parts(k as usize), factor, &mut overflow);
            }
            sums.drain(indices, data)
        };
        *count = found as i64;
        (indices, data) = (&mut indices[found..], &mut data[found..]);
    }
    overflow
}

/// Writes a row times a factor; returns how many entries do not underflow.
#[inline(always)]
fn scale<T: Number>(
    (columns, values): (&[i32], &[T]),
    factor: T,
    indices: &mut [i32],
    data: &mut [T],
    overflow: &mut bool,
) -> usize {
    let mut at = 0;
    for (&column, &value) in columns.iter().zip(values) {
        let product = factor.add_product(value, T::default(), overflow);
        (indices[at], data[at]) = (column, product);
        at += usize::from(product != T::default());
    }
    at
}
