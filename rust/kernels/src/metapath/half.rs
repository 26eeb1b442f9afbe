//! The half path's matrix by rows and, where it is needed, by columns.

use super::columns::Columns;
use super::score::quotient;
use super::{Number, ROWS, Relation};
use crate::parallel::{Task, filled, reserve, split_runs, zeros};
use crate::simd::prefetch;
use crate::{Error, Result};
use rayon::prelude::*;
use std::fmt::Debug;

/// Pairs that a thread scores at a time.
const PAIRS: usize = 1 << 12;

/// An entry of the half matrix.
pub(super) trait Value: Copy + Debug + Default + PartialEq + PartialOrd + Send + Sync {
    /// A sum of products.
    type Sum: Copy + Debug + Default + PartialEq + PartialOrd + Send + Sync;
    /// sum + self · other; counts cannot overflow, weights are rounded twice.
    fn add_product(self, other: Self, sum: Self::Sum) -> Self::Sum;
    /// 2 M_xy / (M_xx + M_yy) for M_xy > 0.
    fn score(xy: Self::Sum, xx: Self::Sum, yy: Self::Sum) -> f64;
    /// Something that does not fall where sums rise: how they are roughly ordered.
    fn magnitude(sum: Self::Sum) -> u16;
    /// The least M_xy > 0 that may score `threshold` where M_yy is `yy` or more; rounding makes it less, never more.
    fn least(threshold: f64, xx: Self::Sum, yy: Self::Sum) -> Self::Sum;
}

/// Lowers a bound by more than its own rounding.
pub(super) const MARGIN: f64 = 1.0 - 1e-9;

impl Value for u16 {
    type Sum = u32;

    #[inline(always)]
    fn add_product(self, other: Self, sum: u32) -> u32 {
        sum.wrapping_add(u32::from(self).wrapping_mul(u32::from(other)))
    }

    #[inline(always)]
    fn score(xy: u32, xx: u32, yy: u32) -> f64 {
        f64::from(xy.wrapping_mul(2)) / f64::from(xx.wrapping_add(yy))
    }

    #[inline(always)]
    fn magnitude(sum: Self::Sum) -> u16 {
        magnitude(f64::from(sum))
    }

    #[inline(always)]
    fn least(threshold: f64, xx: u32, yy: u32) -> u32 {
        let least = threshold * (f64::from(xx) + f64::from(yy)) / 2.0 * MARGIN;
        let whole = least as u32; // `ceil` would be a call
        (whole + u32::from(f64::from(whole) < least)).max(1)
    }
}

impl Value for u32 {
    type Sum = u64;

    #[inline(always)]
    fn add_product(self, other: Self, sum: u64) -> u64 {
        sum.wrapping_add(u64::from(self).wrapping_mul(u64::from(other)))
    }

    #[inline(always)]
    fn score(xy: u64, xx: u64, yy: u64) -> f64 {
        quotient(2 * xy, xx + yy)
    }

    #[inline(always)]
    fn magnitude(sum: Self::Sum) -> u16 {
        magnitude(sum as f64)
    }

    #[inline(always)]
    fn least(threshold: f64, xx: u64, yy: u64) -> u64 {
        ((threshold * (xx as f64 + yy as f64) / 2.0 * MARGIN) as u64).max(1) // may be one too few
    }
}

impl Value for f64 {
    type Sum = f64;

    #[inline(always)]
    fn add_product(self, other: Self, sum: f64) -> f64 {
        sum + self * other
    }

    #[inline(always)]
    fn score(xy: f64, xx: f64, yy: f64) -> f64 {
        2.0 * xy / (xx + yy)
    }

    #[inline(always)]
    fn magnitude(sum: Self::Sum) -> u16 {
        magnitude(sum)
    }

    #[inline(always)]
    fn least(threshold: f64, xx: f64, yy: f64) -> f64 {
        (threshold * (xx + yy) / 2.0 * MARGIN).max(f64::from_bits(1))
    }
}

/// The exponent and four more bits of a number that is not negative.
#[inline(always)]
fn magnitude(x: f64) -> u16 {
    (x.to_bits() >> 48) as u16
}

/// A matrix in compressed rows, columns ascending.
#[derive(Debug)]
pub(super) struct Matrix<V> {
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<V>,
    n_columns: usize,
}

impl<V: Value> Matrix<V> {
    /// The columns and values of a row.
    #[inline]
    pub fn row(&self, row: usize) -> (&[u32], &[V]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Entries of a row.
    #[inline]
    pub fn row_len(&self, row: usize) -> usize {
        self.starts[row + 1] - self.starts[row]
    }

    /// Asks the memory for where a row starts.
    #[inline(always)]
    pub fn prefetch_start(&self, row: usize) {
        prefetch(&self.starts, row);
    }

    /// Asks the memory for the first entries of a row.
    #[inline(always)]
    pub fn prefetch_row(&self, row: usize) {
        prefetch(&self.indices, self.starts[row]);
        prefetch(&self.values, self.starts[row]);
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of entries.
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }
}

/// W, the diagonal of W Wᵀ, and where it is kept Wᵀ.
#[derive(Debug)]
pub(super) struct Half<V: Value> {
    pub rows: Matrix<V>,
    /// M_xx of each row.
    pub norms: Vec<V::Sum>,
    /// Entries of each column.
    pub counts: Vec<u32>,
    columns: Option<Columns<V>>,
}

impl<V: Value> Half<V> {
    /// Copies a matrix that was checked. Rows whose M_xx underflows to 0 have no path, so they lose their entries.
    pub fn new<T: Number>(half: Relation<'_, T>, narrow: impl Fn(T) -> V + Sync) -> Result<Self> {
        const WHAT: &str = "a copy of the half matrix";
        let n = half.n_rows();
        let mut norms = zeros(n, WHAT)?;
        norms.par_iter_mut().with_min_len(ROWS).enumerate().for_each(|(row, norm)| {
            let values = half.parts(row).1.iter().map(|&v| narrow(v));
            *norm = values.fold(V::Sum::default(), |sum, v| v.add_product(v, sum));
        });
        let lengths = (0..n).map(|row| match norms[row] == V::Sum::default() {
            true => 0,
            false => half.parts(row).0.len(),
        });
        let mut starts = reserve(n + 1, WHAT)?;
        starts.push(0);
        starts.extend(lengths.scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        }));
        let (mut indices, mut values) = (zeros(starts[n], WHAT)?, zeros(starts[n], WHAT)?);
        let ends = || (0..n).step_by(ROWS).map(|row| starts[n.min(row + ROWS)]);
        let (index_runs, value_runs) = (split_runs(&mut indices, ends()), split_runs(&mut values, ends()));
        index_runs.into_par_iter().zip(value_runs).enumerate().for_each(|(run, (indices, values))| {
            let first = starts[run * ROWS];
            for row in run * ROWS..n.min((run + 1) * ROWS) {
                let (columns, entries) = half.parts(row);
                let place = starts[row] - first..starts[row + 1] - first;
                for ((index, &column), (value, &entry)) in
                    indices[place.clone()].iter_mut().zip(columns).zip(values[place].iter_mut().zip(entries))
                {
                    (*index, *value) = (column as u32, narrow(entry));
                }
            }
        });
        let mut counts = filled(half.n_columns(), 0u32, WHAT)?;
        indices.iter().for_each(|&column| counts[column as usize] += 1);
        let rows = Matrix { starts, indices, values, n_columns: half.n_columns() };
        Ok(Self { rows, norms, counts, columns: None })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Numbers of multiplications of rows of W Wᵀ, summed up to the one before each.
    pub fn flops_before(&self, queries: impl ExactSizeIterator<Item = usize>) -> Result<Vec<u64>> {
        let mut before = reserve(queries.len() + 1, "the plan of work")?;
        let mut sum = 0;
        before.push(0);
        for x in queries {
            // One more, so that blocks of rows without entries end as well.
            sum += 1 + self.rows.row(x).0.iter().map(|&t| u64::from(self.counts[t as usize])).sum::<u64>();
            before.push(sum);
        }
        Ok(before)
    }

    /// Makes Wᵀ once for many calls.
    pub fn keep_columns(&mut self) -> Result<()> {
        self.columns = Some(Columns::new(self)?);
        Ok(())
    }

    /// Calls `work` with Wᵀ: the one that is kept, or one that is made.
    pub fn with_columns<R>(&self, work: impl FnOnce(&Columns<V>) -> Result<R>) -> Result<R> {
        match &self.columns {
            Some(columns) => work(columns),
            None => work(&Columns::new(self)?),
        }
    }

    /// The similarity of each pair, by merging the two rows.
    pub fn pairs(&self, left: &[i64], right: &[i64], task: &Task) -> Result<Vec<f64>> {
        task.expect(left.len());
        let mut scores = zeros(left.len(), "the similarities")?;
        scores.par_chunks_mut(PAIRS).zip(left.par_chunks(PAIRS)).zip(right.par_chunks(PAIRS)).try_for_each(
            |((scores, left), right)| {
                for ((score, &x), &y) in scores.iter_mut().zip(left).zip(right) {
                    *score = self.pair(x as usize, y as usize);
                }
                task.advance(scores.len())
            },
        )?;
        Ok(scores)
    }

    fn pair(&self, x: usize, y: usize) -> f64 {
        let ((x_columns, x_values), (y_columns, y_values)) = (self.rows.row(x), self.rows.row(y));
        let mut sum = V::Sum::default();
        let (mut i, mut j) = (0, 0);
        while i < x_columns.len() && j < y_columns.len() {
            let (a, b) = (x_columns[i], y_columns[j]);
            if a == b {
                sum = x_values[i].add_product(y_values[j], sum);
            }
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        if sum == V::Sum::default() { 0.0 } else { V::score(sum, self.norms[x], self.norms[y]) }
    }
}

/// The greatest M_xx.
///
/// # Errors
/// [`Error::Overflow`] where M_xx + M_yy could be beyond 63 bits.
pub(super) fn greatest_norm(half: Relation<'_, i64>) -> Result<u64> {
    let norm = |row: usize| {
        let mut squares = half.parts(row).1.iter().map(|&v| u128::from(v.unsigned_abs()).pow(2));
        squares.try_fold(0u128, u128::checked_add).filter(|&norm| norm < 1 << 62)
    };
    let rows = || (0..half.n_rows()).into_par_iter().with_min_len(ROWS);
    if let Some(row) = rows().find_first(|&row| norm(row).is_none()) {
        let norm = half.parts(row).1.iter().map(|&v| (v as f64).powi(2)).sum::<f64>();
        return Err(Error::Overflow(format!("node {row} has about {norm:.3e} paths to itself: must be below 2**62.")));
    }
    Ok(rows().filter_map(norm).max().unwrap_or(0) as u64)
}

/// What threads write into while they work on a row: made when a thread needs one, and used again.
#[derive(Debug)]
pub(super) struct Scratches<S>(std::sync::Mutex<Vec<S>>);

impl<S> Scratches<S> {
    /// None yet.
    pub fn new() -> Self {
        Self(std::sync::Mutex::new(Vec::new()))
    }

    /// Calls `work` with one of them.
    pub fn with<R>(&self, make: impl FnOnce() -> Result<S>, work: impl FnOnce(&mut S) -> Result<R>) -> Result<R> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let mut scratch = match kept {
            Some(scratch) => scratch,
            None => make()?,
        };
        let done = work(&mut scratch);
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(scratch);
        done
    }
}
