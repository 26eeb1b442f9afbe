//! The half path's matrix by rows and, where it is needed, by columns.

use super::columns::Columns;
use super::score::quotient;
use super::{Number, Relation};
use crate::Result;
use crate::parallel::{Task, Watch, filled, reserve, zeros};
use crate::simd::prefetch;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::OnceLock;

/// Pairs that a thread scores at a time.
const PAIRS: usize = 1 << 12;

/// An entry of the half matrix.
pub(super) trait Value: Copy + Debug + Default + PartialEq + PartialOrd + Send + Sync {
    /// As what it is given.
    type Given: Number;
    /// 1.
    const ONE: Self;
    /// Whether entries that are not above 1 are 1.
    const WHOLE: bool;
    /// A sum of products.
    type Sum: Copy + Debug + Default + PartialEq + PartialOrd + Send + Sync;
    /// What was given, which is known to fit.
    fn of(given: Self::Given) -> Self;
    /// sum + self · other; counts cannot overflow, weights are rounded twice.
    fn add_product(self, other: Self, sum: Self::Sum) -> Self::Sum;
    /// 2 M_xy / (M_xx + M_yy) for M_xy > 0.
    fn score(xy: Self::Sum, xx: Self::Sum, yy: Self::Sum) -> f64;
    /// Something that does not fall where sums rise: how they are roughly ordered.
    fn magnitude(sum: Self::Sum) -> u16;
    /// The least M_xy > 0 that may score `threshold` where M_yy is `yy` or more; rounding makes it less, never more.
    fn least(threshold: f64, xx: Self::Sum, yy: Self::Sum) -> Self::Sum;
    /// So many products of ones.
    fn ones(n: u32) -> Self::Sum;
    /// Whether so many entries with this sum of squares are surely all 1.
    fn all_ones(norm: Self::Sum, n: usize) -> bool;
    /// As a float.
    fn real(self) -> f64;
    /// Whether sums of a million products or fewer stay below such a least if their terms sum to `bound` at most, in whatever
    /// order either is rounded.
    fn surely_below(bound: f64, least: Self::Sum) -> bool;
}

/// Lowers a bound by more than its own rounding.
pub(super) const MARGIN: f64 = 1.0 - 1e-9;

impl Value for u16 {
    type Given = i64;
    type Sum = u32;
    const ONE: Self = 1;
    const WHOLE: bool = true;

    #[inline(always)]
    fn of(given: i64) -> Self {
        given as u16
    }

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

    #[inline(always)]
    fn real(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn ones(n: u32) -> Self::Sum {
        n
    }

    #[inline(always)]
    fn all_ones(norm: u32, n: usize) -> bool {
        norm as usize == n
    }

    #[inline(always)]
    fn surely_below(bound: f64, least: u32) -> bool {
        bound < least as f64 * MARGIN
    }
}

impl Value for u32 {
    type Given = i64;
    type Sum = u64;
    const ONE: Self = 1;
    const WHOLE: bool = true;

    #[inline(always)]
    fn of(given: i64) -> Self {
        given as u32
    }

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

    #[inline(always)]
    fn real(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn ones(n: u32) -> Self::Sum {
        n.into()
    }

    #[inline(always)]
    fn all_ones(norm: u64, n: usize) -> bool {
        norm as usize == n
    }

    #[inline(always)]
    fn surely_below(bound: f64, least: u64) -> bool {
        bound < least as f64 * MARGIN
    }
}

impl Value for f64 {
    type Given = f64;
    type Sum = f64;
    const ONE: Self = 1.0;
    const WHOLE: bool = false;

    #[inline(always)]
    fn of(given: f64) -> Self {
        given
    }

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

    #[inline(always)]
    fn real(self) -> f64 {
        self
    }

    #[inline(always)]
    fn ones(n: u32) -> Self::Sum {
        n.into()
    }

    #[inline(always)]
    fn all_ones(_: f64, _: usize) -> bool {
        false // other weights may have the same norm
    }

    /// Rounding is relative but for the tiniest of numbers.
    #[inline(always)]
    fn surely_below(bound: f64, least: f64) -> bool {
        bound < least * MARGIN && least > 1e-290
    }
}

/// The exponent and four more bits of a number that is not negative.
#[inline(always)]
fn magnitude(x: f64) -> u16 {
    (x.to_bits() >> 48) as u16
}

/// W, the diagonal of W Wᵀ, and where it is kept Wᵀ.
#[derive(Debug)]
pub(super) struct Half<'a, V: Value> {
    starts: Cow<'a, [i64]>,
    indices: Cow<'a, [i32]>,
    values: Cow<'a, [V::Given]>,
    /// M_xx of each row.
    pub norms: Vec<V::Sum>,
    n_columns: usize,
    /// Entries of each column, once somebody asked.
    counts: OnceLock<Vec<u32>>,
    columns: Option<Columns<V>>,
}

impl<'a, V: Value> Half<'a, V> {
    /// A matrix that was checked, and its norms.
    pub fn new(half: Relation<'a, V::Given>, norms: Vec<V::Sum>) -> Result<Self> {
        let (starts, indices, values) = half.arrays();
        let (starts, indices, values) = (starts.into(), indices.into(), values.into());
        let (n_columns, counts) = (half.n_columns(), OnceLock::new());
        Ok(Self { starts, indices, values, norms, n_columns, counts, columns: None })
    }

    /// Entries of each column.
    pub fn counts(&self, task: &Task) -> Result<&[u32]> {
        if let Some(counts) = self.counts.get() {
            return Ok(counts);
        }
        let mut counts = filled(self.n_columns, 0, "the counts of entries per column")?;
        for indices in self.indices.chunks(Watch::STEPS) {
            task.check()?;
            indices.iter().for_each(|&column| counts[column as usize] += 1);
        }
        for row in (0..self.len()).filter(|&row| self.norms[row] == V::Sum::default()) {
            let entries = self.starts[row] as usize..self.starts[row + 1] as usize;
            self.indices[entries].iter().for_each(|&column| counts[column as usize] -= 1); // see `row`
        }
        Ok(self.counts.get_or_init(|| counts))
    }

    /// With a copy of the matrix.
    pub fn into_owned(self, task: &Task) -> Result<Half<'static, V>> {
        Ok(Half {
            starts: copied(&self.starts, task)?.into(),
            indices: copied(&self.indices, task)?.into(),
            values: copied(&self.values, task)?.into(),
            norms: self.norms,
            n_columns: self.n_columns,
            counts: self.counts,
            columns: self.columns,
        })
    }

    /// The columns and values of a row. It has none when its M_xx underflowed to 0: then it has no path.
    #[inline]
    pub fn row(&self, row: usize) -> (&[i32], &[V::Given]) {
        if self.norms[row] == V::Sum::default() {
            return (&[], &[]);
        }
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        (&self.indices[range.clone()], &self.values[range])
    }

    /// As [`Half::row`]; without values where they are all 1, which need not be read then.
    #[inline(always)]
    pub fn ones_or_row(&self, row: usize) -> (&[i32], Option<&[V::Given]>) {
        let (columns, values) = self.row(row);
        (columns, (!V::all_ones(self.norms[row], columns.len())).then_some(values))
    }

    /// How many of these rows have an entry in each column.
    pub fn counts_of(&self, rows: &[i64], what: &'static str, task: &Task) -> Result<Vec<u32>> {
        const AHEAD: usize = 12;
        let mut watch = Watch::new(task);
        let mut counts = zeros(self.n_columns, what)?;
        for (at, &row) in rows.iter().enumerate() {
            if let Some(&far) = rows.get(at + 2 * AHEAD) {
                self.prefetch_start(far as usize);
                self.prefetch_row(rows[at + AHEAD] as usize);
            }
            let columns = self.row(row as usize).0;
            columns.iter().for_each(|&column| counts[column as usize] += 1);
            watch.took(1 + columns.len())?;
        }
        Ok(counts)
    }

    /// The entries of some rows.
    #[inline]
    pub fn span(&self, rows: Range<usize>) -> Range<usize> {
        self.starts[rows.start] as usize..self.starts[rows.end] as usize
    }

    /// Some rows together, those without paths too: where each is among the columns and values.
    #[allow(clippy::type_complexity)]
    pub fn block(&self, rows: Range<usize>) -> (impl Iterator<Item = Range<usize>>, &[i32], &[V::Given]) {
        let (starts, span) = (&self.starts[rows.start..=rows.end], self.span(rows));
        let first = span.start;
        let rows = starts.windows(2).map(move |pair| pair[0] as usize - first..pair[1] as usize - first);
        (rows, &self.indices[span.clone()], &self.values[span])
    }

    /// Asks the memory for where a row starts.
    #[inline(always)]
    pub fn prefetch_start(&self, row: usize) {
        prefetch(&self.starts, row);
        prefetch(&self.norms, row);
    }

    /// Asks the memory for the first entries of a row.
    #[inline(always)]
    pub fn prefetch_row(&self, row: usize) {
        let (start, end) = (self.starts[row] as usize, self.starts[row + 1] as usize);
        prefetch(&self.indices, start);
        if !V::all_ones(self.norms[row], end - start) {
            prefetch(&self.values, start);
        }
    }

    /// Whether no product of two entries underflows to 0.
    pub fn no_product_vanishes(&self) -> bool {
        let zero = V::Sum::default();
        self.values.iter().map(|&value| V::of(value)).all(|value| value.add_product(value, zero) != zero)
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of entries.
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Numbers of multiplications of rows of W Wᵀ, summed up to the one before each.
    pub fn flops_before(&self, queries: impl ExactSizeIterator<Item = usize>, task: &Task) -> Result<Vec<u64>> {
        let (counts, mut watch) = (self.counts(task)?, Watch::new(task));
        let mut before = reserve(queries.len() + 1, "the plan of work")?;
        let mut sum = 0;
        before.push(0);
        for x in queries {
            // One more, so that blocks of rows without entries end as well.
            let columns = self.row(x).0;
            sum += 1 + columns.iter().map(|&t| u64::from(counts[t as usize])).sum::<u64>();
            before.push(sum);
            watch.took(1 + columns.len())?;
        }
        Ok(before)
    }

    /// Makes Wᵀ once for many calls.
    pub fn keep_columns(&mut self, task: &Task) -> Result<()> {
        self.columns = Some(Columns::new(self, 0..self.len(), task)?);
        Ok(())
    }

    /// Whether they are kept.
    pub fn has_columns(&self) -> bool {
        self.columns.is_some()
    }

    /// Calls `work` with Wᵀ: the one that is kept, or one that is made for these queries.
    pub fn with_columns<R>(
        &self,
        queries: impl Iterator<Item = usize>,
        task: &Task,
        work: impl FnOnce(&Columns<V>) -> Result<R>,
    ) -> Result<R> {
        match &self.columns {
            Some(columns) => work(columns),
            None => work(&Columns::new(self, queries, task)?),
        }
    }

    /// The similarity of each pair, by merging the two rows.
    pub fn pairs(&self, left: &[i64], right: &[i64], task: &Task) -> Result<Vec<f64>> {
        task.expect(left.len());
        if let ([x], [y]) = (left, right) {
            return Ok(vec![self.pair(*x as usize, *y as usize)]); // on any thread: it may be of no pool
        }
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
        let sum = self.product(self.ones_or_row(x), y);
        if sum == V::Sum::default() { 0.0 } else { V::score(sum, self.norms[x], self.norms[y]) }
    }

    /// M_xy of a row and y, by merging the two.
    #[inline]
    pub fn product(&self, (x_columns, x_values): (&[i32], Option<&[V::Given]>), y: usize) -> V::Sum {
        /// Pairs of entries up to which all of them are compared sooner than two short rows are merged.
        const FEW: usize = 64;
        let (y_columns, y_values) = self.ones_or_row(y);
        if x_values.is_none() && y_values.is_none() && x_columns.len() * y_columns.len() <= FEW {
            let mut n = 0u32;
            for b in y_columns {
                for a in x_columns {
                    n = n.wrapping_add(u32::from(a == b));
                }
            }
            return V::ones(n);
        }
        let mut sum = V::Sum::default();
        let (mut i, mut j) = (0, 0);
        while i < x_columns.len() && j < y_columns.len() {
            let (a, b) = (x_columns[i], y_columns[j]);
            // Which is the case cannot be predicted, so a product is made of any two.
            let value = |values: Option<&[V::Given]>, at: usize| values.map_or(V::ONE, |values| V::of(values[at]));
            let more = value(x_values, i).add_product(value(y_values, j), sum);
            sum = if a == b { more } else { sum };
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        sum
    }
}

fn copied<T: Copy>(items: &[T], task: &Task) -> Result<Vec<T>> {
    let mut copy = reserve(items.len(), "a copy of the half matrix")?;
    for items in items.chunks(Watch::STEPS) {
        task.check()?;
        copy.extend_from_slice(items);
    }
    Ok(copy)
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
