//! What meta-paths are made of: matrices in canonical form, which is checked once.

use super::ROWS;
use super::chain::Number;
use crate::csr::Csr;
use crate::parallel::zeros;
use crate::simd::dispatched;
use crate::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::{Deref, Range};

/// A relation between two node types, or a product of relations: columns ascend within each row, and entries are positive
/// and finite.
#[derive(Clone, Copy, Debug)]
pub struct Relation<'a, T> {
    matrix: Csr<'a, i32, T, i64>,
    /// The greatest entry, 0 where there is none.
    pub(super) greatest: T,
    /// Entries of the longest row.
    pub(super) longest: usize,
}

impl<'a, T> Deref for Relation<'a, T> {
    type Target = Csr<'a, i32, T, i64>;

    fn deref(&self) -> &Self::Target {
        &self.matrix
    }
}

/// What was seen of some rows.
#[derive(Clone, Copy, Debug)]
struct Seen<T> {
    sound: bool,
    greatest: T,
    longest: usize,
}

impl<T: Number> Seen<T> {
    const NOTHING: fn() -> Self = || Self { sound: true, greatest: T::default(), longest: 0 };

    fn and(self, other: Self) -> Self {
        let greatest = if other.greatest > self.greatest { other.greatest } else { self.greatest };
        Self { sound: self.sound && other.sound, greatest, longest: self.longest.max(other.longest) }
    }
}

impl<'a, T: Number> Relation<'a, T> {
    /// Checks everything in O(rows + entries), in parallel.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first fault.
    pub fn new(indptr: &'a [i64], indices: &'a [i32], data: &'a [T], n_columns: usize) -> Result<Self> {
        let n = indptr.len().saturating_sub(1);
        let ends = (indptr.first(), indptr.last()) == (Some(&0), Some(&(indices.len() as i64)));
        let rises = |rows: Range<usize>| {
            indptr[rows.start..=rows.end].windows(2).fold(true, |rises, pair| rises & (pair[0] <= pair[1]))
        };
        if ends && indices.len() == data.len() && n.max(n_columns) <= i32::MAX as usize && blocks(n).all(rises) {
            let seen = blocks(n).map(|rows| look(rows, indptr, indices, data, n_columns));
            let Seen { sound, greatest, longest } = seen.reduce(Seen::NOTHING, Seen::and);
            if sound {
                return Ok(Self { matrix: Csr::of_checked(indptr, indices, data, n_columns), greatest, longest });
            }
        }
        Err(fault(Csr::new(indptr, indices, data, n_columns)?))
    }
}

/// Rows that are checked together.
fn blocks(n: usize) -> impl ParallelIterator<Item = Range<usize>> {
    (0..n.div_ceil(ROWS)).into_par_iter().map(move |block| block * ROWS..n.min((block + 1) * ROWS))
}

dispatched! {
    /// Whether columns are in range and ascend within each row, and entries are positive and finite.
    fn look[T: Number](rows: Range<usize>, indptr: &[i64], indices: &[i32], data: &[T], n_columns: usize) -> Seen<T> = look_inner
}

/// Each loop runs to its end, because one that may end early is not compiled into wide instructions.
#[inline(always)]
fn look_inner<L, T: Number>(
    _lanes: L,
    rows: Range<usize>,
    indptr: &[i64],
    indices: &[i32],
    data: &[T],
    n_columns: usize,
) -> Seen<T> {
    let first = indptr[rows.start] as usize;
    let entries = first..indptr[rows.end] as usize;
    let (columns, values) = (&indices[entries.clone()], &data[entries]);
    let in_range = columns.iter().fold(true, |all, &column| all & ((column as u32) < n_columns as u32));
    let proper = values.iter().fold(true, |all, value| all & value.is_proper());
    let greatest = values.iter().fold(T::default(), |a, &b| if b > a { b } else { a });
    // All falls are between rows, if there are as many in all as there.
    let pairs = columns.iter().zip(columns.get(1..).unwrap_or_default());
    let falls = pairs.fold(0u32, |falls, (a, b)| falls.wrapping_add(u32::from(a >= b)));
    let (mut between, mut longest) = (0, 0);
    for pair in indptr[rows.start..=rows.end].windows(2) {
        let (start, end) = (pair[0] as usize - first, pair[1] as usize - first);
        longest = longest.max(end - start);
        if start < end && start > 0 {
            between += u32::from(columns[start - 1] >= columns[start]);
        }
    }
    Seen { sound: in_range && proper && falls == between, greatest, longest }
}

/// What is wrong with a matrix that is not canonical.
fn fault<T: Number>(matrix: Csr<'_, i32, T, i64>) -> Error {
    let (n, m) = (matrix.n_rows(), matrix.n_columns());
    for row in 0..n {
        let (columns, values) = matrix.parts(row);
        if let Some(at) = columns.windows(2).position(|pair| pair[0] >= pair[1]) {
            let (a, b) = (columns[at], columns[at + 1]);
            return Error::Invalid(format!("the relation is not canonical: column {b} follows {a} in row {row}."));
        }
        if let Some(at) = values.iter().position(|value| !value.is_proper()) {
            let (column, value) = (columns[at], values[at]);
            return Error::Invalid(format!("[{row}, {column}]={value:?}: an entry must be positive and finite."));
        }
    }
    Error::Invalid(format!("the relation is {n} × {m}: more than {} nodes of a type.", i32::MAX))
}

/// An index array as somebody stores it.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Of 64 bits.
    Long(&'a [i64]),
    /// Of 32 bits.
    Short(&'a [i32]),
}

/// The arrays of a matrix, in the widths that relations have.
#[derive(Debug)]
pub struct Stored<'a, T> {
    indptr: Cow<'a, [i64]>,
    indices: Cow<'a, [i32]>,
    data: &'a [T],
    n_columns: usize,
}

impl<'a, T: Number> Stored<'a, T> {
    /// Copies an index array of the other width, in parallel.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a column is beyond 32 bits, [`Error::OutOfMemory`].
    pub fn new(indptr: Numbers<'a>, indices: Numbers<'a>, data: &'a [T], n_columns: usize) -> Result<Self> {
        let indptr = match indptr {
            Numbers::Long(starts) => starts.into(),
            Numbers::Short(starts) => long(starts)?.into(),
        };
        let indices = match indices {
            Numbers::Long(columns) => short(columns)?.into(),
            Numbers::Short(columns) => columns.into(),
        };
        Ok(Self { indptr, indices, data, n_columns })
    }

    /// See [`Relation::new`].
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn relation(&self) -> Result<Relation<'_, T>> {
        Relation::new(&self.indptr, &self.indices, self.data, self.n_columns)
    }
}

fn long(starts: &[i32]) -> Result<Vec<i64>> {
    let mut long = zeros(starts.len(), "the starts of rows")?;
    long.par_iter_mut().with_min_len(ROWS).zip(starts).for_each(|(long, &start)| *long = start.into());
    Ok(long)
}

fn short(columns: &[i64]) -> Result<Vec<i32>> {
    let mut short = zeros(columns.len(), "the columns of a relation")?;
    let fit = short.par_chunks_mut(ROWS).zip(columns.par_chunks(ROWS)).map(|(short, columns)| {
        short.iter_mut().zip(columns).fold(true, |fit, (short, &column)| {
            *short = column as i32;
            fit & (i64::from(*short) == column)
        })
    });
    match fit.reduce(|| true, |a, b| a && b) {
        true => Ok(short),
        false => Err(Error::Invalid(format!("a column is beyond {}.", i32::MAX))),
    }
}
