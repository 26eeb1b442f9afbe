//! Sparse times sparse: Gustavson's rows.
//!
//! A block of rows is summed into memory that its thread uses again and again, and copied from there. Where it goes is
//! known when all blocks are done, or beforehand by counting the entries first: that is for products whose number of
//! multiplications, which their entries cannot exceed, is beyond the order of what was given.
//!
//! A row with one entry needs no sums: it is a row of the right matrix, scaled. The columns of others are put in order: a
//! few by counting for each how many are below it, which takes wide instructions and no branch; many by marking each in
//! a row of bits; and by sorting those that such a row would be too wide for.
//!
//! Sums are as narrow as the greatest entries allow. Where all entries are 1, which is how most relations are, they are
//! not even read.
//!
//! O(multiplications + entries · log of the entries in a row), in parallel over blocks, which follow from the matrices alone.

use super::chain::{Number, Product};
use super::half::Scratches;
use super::{ROWS, Relation};
use crate::parallel::{Task, both_fit, collected, gathered, runs_of_cells, split_runs, zeros};
use crate::simd::{LANES, Lanes, dispatched};
use crate::{Error, Result};
use rayon::prelude::*;
use std::fmt::Debug;
use std::ops::Range;

/// About how many multiplications make a block, the unit of parallel work.
const BLOCK: usize = 1 << 15;
/// In a row with so many entries, or fewer, each is given its place by comparison with all others.
const RANKED: usize = 96;
/// With an entry per so many words of bits, or more, a longer row is marked in bits instead of sorted.
const SPARSE: usize = 8;
/// How many times what was given a product may multiply, to be kept in blocks until it is known where they go.
const ROOM: u64 = 4;
const WHAT: &str = "the commuting matrix (of a round trip, pathsim_top_k keeps the best of each row alone)";

/// How many entries of the left matrix ahead the rows of the right one are asked for.
const AHEAD: usize = 8;

/// Asks for rows that are needed soon, as many as the row has entries: they lie anywhere.
#[inline(always)]
fn look_ahead<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, row: usize) {
    let inner = left.indices();
    for at in left.start(row)..left.start(row + 1) {
        if let Some(&far) = inner.get(at + 2 * AHEAD) {
            right.prefetch_start(far as usize);
            right.prefetch_row(inner[at + AHEAD] as usize);
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

/// A sum of products of ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ones(u32);

impl Sum<i64> for Ones {
    const GROWS: bool = true;

    #[inline(always)]
    fn add_product(self, _: i64, _: i64, _: &mut bool) -> Self {
        Self(self.0.wrapping_add(1))
    }

    #[inline(always)]
    fn total(self) -> i64 {
        self.0.into()
    }
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

/// What is done with the columns and sums of a block.
type Take<'a, S> = &'a mut dyn FnMut(&[i32], &[S]) -> Result<()>;

/// Some rows of the product while they are summed.
#[derive(Debug)]
struct Rows<S> {
    /// One row.
    sums: Vec<S>,
    /// Its columns with a sum, as far as `n_reached`.
    reached: Vec<i32>,
    n_reached: usize,
    /// A bit for each column.
    bits: Vec<u64>,
    /// The rows that are done, as far as `n_done`: columns, ascending in each row, and sums.
    columns: Vec<i32>,
    values: Vec<S>,
    n_done: usize,
    overflow: bool,
}

impl<S: Copy + Default + PartialEq> Rows<S> {
    fn new(n_columns: usize) -> Result<Self> {
        const ROW: &str = "one row of sums";
        let (reached, columns, values) = (Vec::new(), Vec::new(), Vec::new());
        let (sums, bits) = (zeros(n_columns, ROW)?, zeros(n_columns.div_ceil(64), ROW)?);
        Ok(Self { sums, reached, n_reached: 0, bits, columns, values, n_done: 0, overflow: false })
    }

    /// Adds a row of the right matrix, times a factor.
    #[inline(always)]
    fn add<T: Copy>(&mut self, (columns, values): (&[i32], &[T]), factor: T)
    where
        S: Sum<T>,
    {
        // Every column is written down, but only those that are new stay: which they are cannot be predicted.
        let mut n_reached = self.n_reached;
        if self.reached.len() < n_reached + columns.len() + LANES {
            self.reached.resize(2 * (n_reached + columns.len() + LANES), 0);
        }
        let (sums, reached) = (&mut self.sums[..], &mut self.reached[..]);
        for (&column, &value) in columns.iter().zip(values) {
            let sum = &mut sums[column as usize];
            reached[n_reached] = column;
            n_reached += usize::from(*sum == S::default());
            *sum = sum.add_product(factor, value, &mut self.overflow);
        }
        self.n_reached = n_reached;
    }

    /// Room for so many more entries.
    #[inline(always)]
    fn room(&mut self, n: usize) -> (&mut [i32], &mut [S]) {
        if self.columns.len() < self.n_done + n {
            self.columns.resize(2 * (self.n_done + n), 0);
            self.values.resize(2 * (self.n_done + n), S::default());
        }
        (&mut self.columns[self.n_done..], &mut self.values[self.n_done..])
    }

    /// Ends a row that is one of the right matrix, times a factor.
    #[inline(always)]
    fn scale<T: Copy>(&mut self, (columns, values): (&[i32], &[T]), factor: T)
    where
        S: Sum<T>,
    {
        let mut overflow = self.overflow;
        let (to_columns, to_values) = self.room(columns.len());
        let mut product = |value| S::default().add_product(factor, value, &mut overflow);
        let mut at = 0;
        if S::GROWS {
            at = columns.len();
            to_columns[..at].copy_from_slice(columns);
            to_values.iter_mut().zip(values).for_each(|(to, &value)| *to = product(value));
        } else {
            for (&column, &value) in columns.iter().zip(values) {
                (to_columns[at], to_values[at]) = (column, product(value));
                at += usize::from(to_values[at] != S::default());
            }
        }
        (self.n_done, self.overflow) = (self.n_done + at, overflow);
    }

    /// Ends a row: moves its sums that are not 0 to the rows that are done, columns ascending.
    #[inline(always)]
    fn finish<T, L: Lanes>(&mut self, lanes: L)
    where
        S: Sum<T>,
    {
        let n = std::mem::take(&mut self.n_reached);
        self.room(n);
        let Self { sums, reached, bits, n_done, .. } = self;
        let (columns, values) = (&mut self.columns[*n_done..], &mut self.values[*n_done..]);
        if S::GROWS && n <= RANKED {
            for (first, chunk) in (0..n).step_by(LANES).zip(reached.as_chunks::<LANES>().0) {
                let ranks = lanes.below(chunk, &reached[..n]);
                for (&column, &rank) in chunk.iter().zip(&ranks).take(n - first) {
                    let sum = std::mem::take(&mut sums[column as usize]);
                    (columns[rank as usize], values[rank as usize]) = (column, sum);
                }
            }
            *n_done += n;
            return;
        }
        // What underflowed may have been reached again, and what overflowed may be anything.
        let mut at = 0;
        let mut found = |column: i32| {
            let sum = std::mem::take(&mut sums[column as usize]);
            if S::GROWS || sum != S::default() {
                (columns[at], values[at]) = (column, sum);
                at += 1;
            }
        };
        let reached = &mut reached[..n];
        if n * SPARSE < bits.len() {
            reached.sort_unstable();
            reached.iter().for_each(|&column| found(column));
        } else {
            reached.iter().for_each(|&column| bits[column as usize / 64] |= 1 << (column % 64));
            for (first, word) in (0..).step_by(64).zip(bits) {
                let mut left = std::mem::take(word);
                while left != 0 {
                    found(first + left.trailing_zeros() as i32);
                    left &= left - 1;
                }
            }
        }
        *n_done += at;
    }
}

/// left · right, whose inner sizes agree, by sums that are known to hold it.
///
/// # Errors
/// [`Error::Overflow`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub(super) fn product<T: Number, S: Sum<T>>(
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    task: &Task,
) -> Result<Product<T>> {
    product_in_blocks::<T, S>(left, right, BLOCK, task)
}

/// As [`product`], in blocks of about so many multiplications.
pub(super) fn product_in_blocks<T: Number, S: Sum<T>>(
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    block: usize,
    task: &Task,
) -> Result<Product<T>> {
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
    let blocks = runs_of_cells(&before, block);
    let given = left.n_entries() as u64 + right.n_entries() as u64;
    let few = before[n] <= ROOM * given;
    drop(before);

    // Entries of each row, and then where rows start.
    let mut indptr = zeros::<i64>(n + 1, WHAT)?;
    let counts = split_runs(&mut indptr[1..], blocks.iter().map(|block| block.end));
    let scratches = Scratches::new();
    let sum = |block: &Range<usize>, counts: &mut [i64], take: Take<'_, S>| {
        scratches.with(
            || Rows::<S>::new(n_columns),
            |rows| {
                rows.n_done = 0;
                sum_rows(left, right, block, rows, counts);
                if std::mem::take(&mut rows.overflow) {
                    let (m, k) = (n_columns, right.n_rows());
                    let product = format!("in the product of {n} × {k} and {k} × {m} relations");
                    return Err(Error::Overflow(format!("{}, {product}.", T::BEYOND)));
                }
                take(&rows.columns[..rows.n_done], &rows.values[..rows.n_done])?;
                task.advance(block.len())
            },
        )
    };
    let (indices, data) = if few {
        task.advance(n)?;
        let part = |(block, counts): (&Range<usize>, &mut [i64])| {
            let mut part = (Vec::new(), Vec::new());
            sum(block, counts, &mut |columns, values| {
                part = (collected(columns.iter().copied(), WHAT)?, collected(values.iter().copied(), WHAT)?);
                Ok(())
            })?;
            Ok(part)
        };
        let parts: Vec<(Vec<i32>, Vec<S>)> = blocks.par_iter().zip(counts).map(part).collect::<Result<_>>()?;
        let (columns, values): (Vec<_>, Vec<_>) = parts.iter().map(|part| (&part.0[..], &part.1[..])).unzip();
        both_fit::<i32, T>(columns.iter().map(|part| part.len() as u128).sum(), WHAT)?;
        let (indices, data) =
            rayon::join(|| gathered(&columns, |column| column, WHAT), || gathered(&values, |sum| sum.total(), WHAT));
        (indices?, data?)
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
        let sizes: Vec<usize> = blocks.par_iter().map(count).collect::<Result<_>>()?;
        let total = sizes.iter().sum();
        both_fit::<i32, T>(total as u128, WHAT)?;
        let (mut indices, mut data) = (zeros::<i32>(total, WHAT)?, zeros::<T>(total, WHAT)?);
        let ends = || {
            sizes.iter().scan(0, |end, &size| {
                *end += size;
                Some(*end)
            })
        };
        let runs = split_runs(&mut indices, ends()).into_par_iter().zip(split_runs(&mut data, ends()));
        let lost = blocks.par_iter().zip(counts).zip(runs).map(|((block, counts), (indices, data))| {
            let mut lost = 0;
            sum(block, counts, &mut |columns, values| {
                lost = indices.len() - columns.len(); // their sums underflowed
                indices[..columns.len()].copy_from_slice(columns);
                data.iter_mut().zip(values).for_each(|(to, sum)| *to = sum.total());
                Ok(())
            })?;
            Ok(lost)
        });
        let lost: Vec<usize> = lost.collect::<Result<_>>()?;
        if lost.iter().any(|&lost| lost > 0) {
            close_gaps(&mut indices, &sizes, &lost);
            close_gaps(&mut data, &sizes, &lost);
        }
        (indices, data)
    };
    for row in 0..n {
        indptr[row + 1] += indptr[row];
    }
    Ok(Product::new(indptr, indices, data, n_columns))
}

/// Runs of these sizes whose last items are lost, one after the other.
fn close_gaps<T: Copy>(items: &mut Vec<T>, sizes: &[usize], lost: &[usize]) {
    let (mut from, mut to) = (0, 0);
    for (size, lost) in sizes.iter().zip(lost) {
        items.copy_within(from..from + size - lost, to);
        (from, to) = (from + size, to + size - lost);
    }
    items.truncate(to);
    items.shrink_to_fit(); // they stay as long as somebody wants the product
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
/// Sums some rows of the product, and says how many entries each has: none whose sum underflowed.
fn sum_rows[T: Number, S: Sum<T>](left: Relation<'_, T>, right: Relation<'_, T>, block: &Range<usize>, rows: &mut Rows<S>, counts: &mut [i64]) -> () = sum_rows_inner
}

#[inline(always)]
fn sum_rows_inner<L: Lanes, T: Number, S: Sum<T>>(
    lanes: L,
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    block: &Range<usize>,
    rows: &mut Rows<S>,
    counts: &mut [i64],
) {
    for (row, count) in block.clone().zip(counts) {
        look_ahead(left, right, row);
        let before = rows.n_done;
        let (inner, factors) = left.parts(row);
        if let ([k], [factor]) = (inner, factors) {
            rows.scale(right.parts(*k as usize), *factor);
        } else {
            for (&k, &factor) in inner.iter().zip(factors) {
                rows.add(right.parts(k as usize), factor);
            }
            rows.finish(lanes);
        }
        *count = (rows.n_done - before) as i64;
    }
}
