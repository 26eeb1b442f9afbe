//! The half path's matrix by rows and, where it is needed, by columns.

use super::score::quotient;
use super::{Number, Relation};
use crate::parallel::{Task, filled, reserve, zeros};
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
}

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

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of entries.
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }

    /// Entries of each column.
    pub fn column_counts(&self) -> Result<Vec<u32>> {
        let mut counts = filled(self.n_columns, 0, "the counts of entries per column")?;
        self.indices.iter().for_each(|&column| counts[column as usize] += 1);
        Ok(counts)
    }

    fn transposed(&self) -> Result<Self> {
        let mut starts = filled(self.n_columns + 2, 0, "the transpose of the half matrix")?;
        for &column in &self.indices {
            starts[column as usize + 2] += 1;
        }
        for column in 2..starts.len() {
            starts[column] += starts[column - 1];
        }
        // starts[column + 1] is where the next entry of a column goes, and in the end where the column ends.
        let mut indices = zeros(self.indices.len(), "the transpose of the half matrix")?;
        let mut values = zeros(self.indices.len(), "the transpose of the half matrix")?;
        for row in 0..self.starts.len() - 1 {
            let (columns, entries) = self.row(row);
            for (&column, &value) in columns.iter().zip(entries) {
                let at = &mut starts[column as usize + 1];
                indices[*at] = row as u32;
                values[*at] = value;
                *at += 1;
            }
        }
        starts.truncate(self.n_columns + 1);
        Ok(Self { starts, indices, values, n_columns: self.starts.len() - 1 })
    }
}

/// W, the diagonal of W Wᵀ, and where it is kept Wᵀ.
#[derive(Debug)]
pub(super) struct Half<V: Value> {
    pub rows: Matrix<V>,
    /// M_xx of each row.
    pub norms: Vec<V::Sum>,
    columns: Option<Matrix<V>>,
}

impl<V: Value> Half<V> {
    /// Copies a matrix that was checked. Rows whose M_xx underflows to 0 have no path, so they lose their entries.
    pub fn new<T: Number>(half: Relation<'_, T>, narrow: impl Fn(T) -> V) -> Result<Self> {
        const WHAT: &str = "a copy of the half matrix";
        let n = half.n_rows();
        let mut starts = reserve(n + 1, WHAT)?;
        let mut indices = reserve(half.n_entries(), WHAT)?;
        let mut values = reserve(half.n_entries(), WHAT)?;
        let mut norms = reserve(n, WHAT)?;
        starts.push(0);
        for row in 0..n {
            let (columns, entries) = half.parts(row);
            let start = values.len();
            values.extend(entries.iter().map(|&v| narrow(v)));
            let norm = values[start..].iter().fold(V::Sum::default(), |sum, &v| v.add_product(v, sum));
            if norm == V::Sum::default() {
                values.truncate(start);
            } else {
                indices.extend(columns.iter().map(|&j| j as u32));
            }
            norms.push(norm);
            starts.push(values.len());
        }
        let rows = Matrix { starts, indices, values, n_columns: half.n_columns() };
        Ok(Self { rows, norms, columns: None })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Makes Wᵀ once for many calls.
    pub fn keep_columns(&mut self) -> Result<()> {
        self.columns = Some(self.rows.transposed()?);
        Ok(())
    }

    /// Calls `work` with Wᵀ: the one that is kept, or one that is made.
    pub fn with_columns<R>(&self, work: impl FnOnce(&Matrix<V>) -> Result<R>) -> Result<R> {
        match &self.columns {
            Some(columns) => work(columns),
            None => work(&self.rows.transposed()?),
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
    let mut greatest = 0;
    for row in 0..half.n_rows() {
        let norm = half.parts(row).1.iter().try_fold(0, |sum: u128, &v| {
            let v = u128::from(v.unsigned_abs());
            sum.checked_add(v * v)
        });
        match norm {
            Some(norm) if norm < 1 << 62 => greatest = greatest.max(norm as u64),
            _ => {
                let norm = half.parts(row).1.iter().map(|&v| (v as f64) * (v as f64)).sum::<f64>();
                return Err(Error::Overflow(format!(
                    "node {row} has about {norm:.3e} paths to itself: counts must be below 2**62."
                )));
            }
        }
    }
    Ok(greatest)
}

/// Numbers of multiplications of rows of W Wᵀ, summed up to the one before each.
pub(super) fn flops_before<V: Value>(
    rows: &Matrix<V>,
    queries: impl ExactSizeIterator<Item = usize>,
) -> Result<Vec<u64>> {
    let counts = rows.column_counts()?;
    let mut before = reserve(queries.len() + 1, "the plan of work")?;
    let mut sum = 0;
    before.push(0);
    for x in queries {
        // One more, so that blocks of rows without entries end as well.
        sum += 1 + rows.row(x).0.iter().map(|&t| u64::from(counts[t as usize])).sum::<u64>();
        before.push(sum);
    }
    Ok(before)
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

/// One row of M while it is summed.
#[derive(Debug)]
pub(super) struct Row<V: Value> {
    sums: Vec<V::Sum>,
    touched: Vec<u32>,
}

impl<V: Value> Row<V> {
    /// Room for `n` sums.
    pub fn new(n: usize) -> Result<Self> {
        Ok(Self { sums: zeros(n, "one row of sums")?, touched: Vec::new() })
    }

    /// Sums row x of W Wᵀ and calls `found(y, M_xy)` for the entries that are not 0, in no particular order.
    pub fn sum(
        &mut self,
        (x_columns, x_values): (&[u32], &[V]),
        columns: &Matrix<V>,
        mut found: impl FnMut(u32, V::Sum),
    ) {
        let zero = V::Sum::default();
        for (&t, &w) in x_columns.iter().zip(x_values) {
            let (ys, values) = columns.row(t as usize);
            for (&y, &v) in ys.iter().zip(values) {
                let sum = &mut self.sums[y as usize];
                if *sum == zero {
                    self.touched.push(y);
                }
                *sum = w.add_product(v, *sum);
            }
        }
        // A sum that underflowed is touched again and again, but only its first visit finds it.
        for &y in &self.touched {
            let sum = std::mem::take(&mut self.sums[y as usize]);
            if sum != zero {
                found(y, sum);
            }
        }
        self.touched.clear();
    }
}
