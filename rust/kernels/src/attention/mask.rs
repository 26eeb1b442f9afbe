//! Masks, read where they lie: any strides, and 0 along axes on which they are broadcast.

use crate::simd::numbers::Float;
use crate::{Error, Result};
use ndarray::{ArrayView2, ArrayViewD, Axis, Ix2};

/// What each query sees.
#[derive(Debug)]
pub enum Mask<'a, T> {
    /// The keys where it is not 0. Bytes, since those of an array of NumPy's may be any, which no `bool` may be.
    Seen(ArrayViewD<'a, u8>),
    /// Numbers that are added to the scores; those of −∞ hide a key.
    Added(ArrayViewD<'a, T>),
}

/// The mask of one head.
pub(super) enum OfHead<'a, T> {
    /// Everything is seen.
    All,
    /// See [`Mask::Seen`].
    Seen(ArrayView2<'a, u8>),
    /// See [`Mask::Added`].
    Added(ArrayView2<'a, T>),
}

impl<T: Float> Mask<'_, T> {
    pub(super) fn check(&self, heads: usize, queries: usize, keys: usize) -> Result<()> {
        let shape = match self {
            Mask::Seen(mask) => mask.shape(),
            Mask::Added(mask) => mask.shape(),
        };
        if let [lead @ .., l, s] = shape
            && lead.iter().product::<usize>() == heads
            && (*l, *s) == (queries, keys)
        {
            return Ok(());
        }
        Err(Error::Invalid(format!("attn_mask has shape {shape:?}: ({heads} heads, {queries}, {keys}) is needed.")))
    }

    /// The mask of a head, counted over all leading axes.
    pub(super) fn of_head(&self, head: usize) -> OfHead<'_, T> {
        match self {
            Mask::Seen(mask) => OfHead::Seen(matrix(mask, head)),
            Mask::Added(mask) => OfHead::Added(matrix(mask, head)),
        }
    }
}

/// The last two axes, at a place of the others.
fn matrix<'a, E>(mask: &'a ArrayViewD<'_, E>, mut place: usize) -> ArrayView2<'a, E> {
    let mut view = mask.view();
    for axis in (0..view.ndim() - 2).rev() {
        let n = view.len_of(Axis(axis));
        view = view.index_axis_move(Axis(axis), place % n);
        place /= n;
    }
    match view.into_dimensionality::<Ix2>() {
        Ok(matrix) => matrix,
        Err(_) => unreachable!("two axes are left"),
    }
}

impl<T: Float> OfHead<'_, T> {
    /// Writes what is added to the scores of a query with the keys from `first` on: −∞ where one is not seen. Tells whether
    /// there is anything.
    #[inline(always)]
    pub(super) fn added(&self, query: usize, first: usize, to: &mut [T]) -> bool {
        match self {
            OfHead::All => return false,
            OfHead::Seen(mask) => {
                let row = mask.row(query);
                if let Some(row) = row.to_slice() {
                    let row = &row[first..first + to.len()];
                    for j in 0..to.len() {
                        to[j] = if row[j] != 0 { T::ZERO } else { T::MINUS_INFINITY };
                    }
                } else {
                    for j in 0..to.len() {
                        to[j] = if row[first + j] != 0 { T::ZERO } else { T::MINUS_INFINITY };
                    }
                }
            }
            OfHead::Added(mask) => {
                let row = mask.row(query);
                if let Some(row) = row.to_slice() {
                    to.copy_from_slice(&row[first..first + to.len()]);
                } else {
                    for j in 0..to.len() {
                        to[j] = row[first + j];
                    }
                }
            }
        }
        true
    }
}
