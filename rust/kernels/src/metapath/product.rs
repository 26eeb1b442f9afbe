//! Sparse times sparse: Gustavson's rows.
//!
//! Two passes, so that nothing but the result is stored: rows are counted, then summed into their place. Both mark the
//! columns of a row in a bitmap, whose words are marked in a second one, so that they are read back in ascending order
//! without sorting. A row with one entry needs neither: it is a row of the right matrix, scaled.
//!
//! O(multiplications + entries + rows · columns / 4096), in parallel over rows.

use super::Relation;
use super::chain::{Number, Product};
use super::half::Scratches;
use crate::parallel::{Task, collected, reserve, runs_of_cells, split_runs, zeros};
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// About how many multiplications make a block, the unit of parallel work.
const BLOCK: usize = 1 << 15;
const WHAT: &str = "the commuting matrix";

/// Columns of one row: a bit each, and a bit per word of those.
#[derive(Debug)]
struct Marks {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl Marks {
    fn new(n_columns: usize) -> Result<Self> {
        let words = n_columns.div_ceil(64);
        Ok(Self {
            words: zeros(words, "the marks of columns")?,
            summary: zeros(words.div_ceil(64), "the marks of columns")?,
        })
    }

    #[inline(always)]
    fn set(&mut self, column: i32) {
        let column = column as usize;
        self.words[column >> 6] |= 1 << (column & 63);
        self.summary[column >> 12] |= 1 << (column >> 6 & 63);
    }

    /// Calls `found` with the marked words in ascending order (64 columns from `first` on), and clears them.
    #[inline(always)]
    fn drain(&mut self, mut found: impl FnMut(usize, u64)) {
        for (group, summary) in self.summary.iter_mut().enumerate() {
            let mut rest = std::mem::take(summary);
            while rest != 0 {
                let word = group << 6 | rest.trailing_zeros() as usize;
                rest &= rest - 1;
                found(word << 6, std::mem::take(&mut self.words[word]));
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
    drop(before);

    let mut indptr = zeros::<i64>(n + 1, WHAT)?;
    let marks = Scratches::new();
    let counts = split_runs(&mut indptr[1..], blocks.iter().map(|block| block.end));
    blocks.par_iter().zip(counts).try_for_each(|(block, counts)| {
        marks.with(
            || Marks::new(n_columns),
            |marks| {
                for (row, count) in block.clone().zip(counts) {
                    *count = count_row(left, right, row, marks);
                }
                task.advance(block.len())
            },
        )
    })?;
    for row in 0..n {
        indptr[row + 1] += indptr[row];
    }

    let total = indptr[n] as usize;
    let (mut indices, mut data) = (zeros::<i32>(total, WHAT)?, zeros::<T>(total, WHAT)?);
    let ends = || blocks.iter().map(|block| indptr[block.end] as usize);
    let (index_runs, data_runs) = (split_runs(&mut indices, ends()), split_runs(&mut data, ends()));
    let (overflow, vanished) = (AtomicBool::new(false), AtomicBool::new(false));
    let sums = Scratches::new();
    blocks.par_iter().zip(index_runs).zip(data_runs).try_for_each(|((block, indices), data)| {
        let make = || Ok((Marks::new(n_columns)?, zeros::<T>(n_columns, "one row of sums")?));
        sums.with(make, |(marks, sums)| {
            let mut beyond = false;
            let start = indptr[block.start];
            for row in block.clone() {
                let place = (indptr[row] - start) as usize..(indptr[row + 1] - start) as usize;
                let (indices, data) = (&mut indices[place.clone()], &mut data[place]);
                sum_row(left, right, row, marks, sums, (indices, data), &mut beyond);
            }
            if beyond {
                overflow.store(true, Ordering::Relaxed);
            }
            // A float that underflowed is no entry.
            if data.contains(&T::default()) {
                vanished.store(true, Ordering::Relaxed);
            }
            task.advance(block.len())
        })
    })?;
    if overflow.into_inner() {
        let (m, k) = (n_columns, right.n_rows());
        return Err(Error::Overflow(format!("{}, in the product of {n} × {k} and {k} × {m} relations.", T::BEYOND)));
    }
    if vanished.into_inner() {
        drop_zeros(&mut indptr, &mut indices, &mut data);
    }
    Ok(Product::new(indptr, indices, data, n_columns))
}

fn count_row<T: Number>(left: Relation<'_, T>, right: Relation<'_, T>, row: usize, marks: &mut Marks) -> i64 {
    match left.parts(row).0 {
        [] => 0,
        [only] => right.parts(*only as usize).0.len() as i64,
        several => {
            for &k in several {
                right.parts(k as usize).0.iter().for_each(|&column| marks.set(column));
            }
            let mut count = 0;
            marks.drain(|_, bits| count += i64::from(bits.count_ones()));
            count
        }
    }
}

fn sum_row<T: Number>(
    left: Relation<'_, T>,
    right: Relation<'_, T>,
    row: usize,
    marks: &mut Marks,
    sums: &mut [T],
    (indices, data): (&mut [i32], &mut [T]),
    overflow: &mut bool,
) {
    let (inner, factors) = left.parts(row);
    if let ([k], [factor]) = (inner, factors) {
        let (columns, values) = right.parts(*k as usize);
        indices.copy_from_slice(columns);
        for (to, &value) in data.iter_mut().zip(values) {
            *to = factor.add_product(value, T::default(), overflow);
        }
        return;
    }
    for (&k, &factor) in inner.iter().zip(factors) {
        let (columns, values) = right.parts(k as usize);
        for (&column, &value) in columns.iter().zip(values) {
            marks.set(column);
            let sum = &mut sums[column as usize];
            *sum = factor.add_product(value, *sum, overflow);
        }
    }
    let mut at = 0;
    marks.drain(|first, mut bits| {
        while bits != 0 {
            let column = first + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            indices[at] = column as i32;
            data[at] = std::mem::take(&mut sums[column]);
            at += 1;
        }
    });
}

fn drop_zeros<T: Number>(indptr: &mut [i64], indices: &mut Vec<i32>, data: &mut Vec<T>) {
    let mut kept = 0;
    let mut start = 0;
    for row in 1..indptr.len() {
        for at in start..indptr[row] as usize {
            if data[at] != T::default() {
                (indices[kept], data[kept]) = (indices[at], data[at]);
                kept += 1;
            }
        }
        start = indptr[row] as usize;
        indptr[row] = kept as i64;
    }
    indices.truncate(kept);
    data.truncate(kept);
}
