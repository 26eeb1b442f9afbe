//! Blocks of keys and values, packed.

use super::{Attention, KEYS};
use crate::Result;
use crate::parallel::filled;
use crate::simd::memory::{Aligned, size};
use crate::simd::numbers::{Float, MOST, Numbers};
use crate::simd::tile::ACROSS;

/// Blocks one after the other, each with room for [`KEYS`] positions.
#[derive(Debug, Default)]
pub(super) struct Blocks<T> {
    /// Numbers of a block of keys, and of one of values.
    of_keys: usize,
    of_values: usize,
    /// [block][panel][d][4][N]
    keys: Aligned<T>,
    /// [block][panel][KEYS][4][N]; empty where values are as wide as a panel, and so are one where they lie.
    values: Aligned<T>,
    /// Whether a block of values holds what is not finite.
    strange: Vec<bool>,
}

/// One block.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub keys: &'a [T],
    pub values: &'a [T],
    pub strange: bool,
}

/// The places of a block.
pub(super) struct BlockMut<'a, T> {
    pub keys: &'a mut [T],
    pub values: &'a mut [T],
    pub strange: &'a mut bool,
}

/// A width, rounded up to whole panels of `wide` numbers.
pub(super) fn padded(width: usize, wide: usize) -> usize {
    width.div_ceil(wide) * wide
}

impl<T: Float> Blocks<T> {
    /// Room for so many blocks.
    pub(super) fn new(of: &Attention<'_, T>, blocks: usize, wide: usize) -> Result<Self> {
        let what = "the packed keys and values";
        let of_keys = size(&[KEYS, of.features], what, size_of::<T>())?;
        let width = if of.width == wide { 0 } else { padded(of.width, wide) };
        let of_values = size(&[KEYS, width], what, size_of::<T>())?;
        Ok(Self {
            of_keys,
            of_values,
            keys: Aligned::zeros(size(&[blocks, of_keys], what, size_of::<T>())?, what)?,
            values: Aligned::zeros(size(&[blocks, of_values], what, size_of::<T>())?, what)?,
            strange: filled(blocks, false, what)?,
        })
    }

    pub(super) fn at(&self, block: usize) -> Block<'_, T> {
        Block {
            keys: &self.keys[block * self.of_keys..][..self.of_keys],
            values: &self.values[block * self.of_values..][..self.of_values],
            strange: self.strange[block],
        }
    }

    /// The places of all blocks.
    pub(super) fn places(&mut self) -> impl Iterator<Item = BlockMut<'_, T>> {
        let (of_keys, of_values) = (self.of_keys, self.of_values);
        let (mut keys, mut values) = (&mut self.keys[..], &mut self.values[..]);
        self.strange.iter_mut().map(move |strange| BlockMut {
            keys: cut(&mut keys, of_keys),
            values: cut(&mut values, of_values),
            strange,
        })
    }
}

/// The first `n` items, and the rest in `from`.
pub(super) fn cut<'a, T>(from: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(from).split_at_mut(n);
    *from = rest;
    first
}

/// Packs the block of keys and values that begins with position `first` of a head.
#[inline(always)]
pub(super) fn pack<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    head: usize,
    first: usize,
    to: BlockMut<'_, T>,
) {
    let last = of.keys.min(first + KEYS);
    let (d, v) = (of.features, of.width);
    pack_transposed(lanes, &of.keys_of(head)[first * d..last * d], d, to.keys);
    let values = &of.values_of(head)[first * v..last * v];
    let is_panel = to.values.is_empty();
    *to.strange = if is_panel { is_strange(lanes, values) } else { pack_rows(lanes, values, v, KEYS, to.values) };
}

/// Rows of `width` numbers as panels in which a row is a column; zeros beyond the last row.
#[inline(always)]
pub(super) fn pack_transposed<T: Float, L: Numbers<T>>(lanes: L, rows: &[T], width: usize, to: &mut [T]) {
    let wide = ACROSS * L::N;
    let n = rows.len() / width;
    for register in 0..n.div_ceil(wide) * ACROSS {
        let to = &mut to[register / ACROSS * width * wide..][..width * wide];
        let (first, place) = (register * L::N, register % ACROSS * L::N);
        let there = L::N.min(n.saturating_sub(first));
        let rows = &rows[(first * width).min(rows.len())..];
        let mut column = 0;
        while column + 4 <= width {
            let x = if there == L::N {
                lanes.four_columns(rows, width, column)
            } else {
                some_columns(lanes, rows, width, column)
            };
            let to = &mut to[column * wide + place..];
            for i in 0..4 {
                lanes.store(x[i], &mut to[i * wide..]);
            }
            column += 4;
        }
        while column < width {
            lanes.store(column_of(lanes, rows, width, column), &mut to[column * wide + place..]);
            column += 1;
        }
    }
}

/// Four columns, from `column` on, of as many rows of `width` numbers as there are, and zeros beyond the last row.
#[inline(always)]
pub(super) fn some_columns<T: Float, L: Numbers<T>>(lanes: L, rows: &[T], width: usize, column: usize) -> [L::V; 4] {
    let mut room = [T::ZERO; 4 * MOST];
    for row in 0..L::N.min(rows.len() / width) {
        room[4 * row..4 * row + 4].copy_from_slice(&rows[row * width + column..][..4]);
    }
    lanes.four_columns(&room, 4, 0)
}

/// A column of as many rows of `width` numbers as a register has lanes, and zeros beyond the last row.
#[inline(always)]
pub(super) fn column_of<T: Float, L: Numbers<T>>(lanes: L, rows: &[T], width: usize, column: usize) -> L::V {
    let mut x = [T::ZERO; MOST];
    for row in 0..L::N.min(rows.len() / width) {
        x[row] = rows[row * width + column];
    }
    lanes.load(&x)
}

/// Rows of `width` numbers as panels of columns, each with room for `most` rows; zeros beyond the last column. Tells whether
/// something is not finite.
#[inline(always)]
pub(super) fn pack_rows<T: Float, L: Numbers<T>>(
    lanes: L,
    rows: &[T],
    width: usize,
    most: usize,
    to: &mut [T],
) -> bool {
    let wide = ACROSS * L::N;
    for (row, from) in rows.chunks_exact(width).enumerate() {
        for panel in 0..width.div_ceil(wide) {
            let to = &mut to[(panel * most + row) * wide..][..wide];
            for v in 0..ACROSS {
                let column = (panel * wide + v * L::N).min(width);
                lanes.store(lanes.load_part(&from[column..]), &mut to[v * L::N..]);
            }
        }
    }
    is_strange(lanes, rows)
}

/// Whether something is not finite: x · 0 is 0 for all that is.
#[inline(always)]
pub(super) fn is_strange<T: Float, L: Numbers<T>>(lanes: L, numbers: &[T]) -> bool {
    let zero = lanes.splat(T::ZERO);
    let mut sum = [zero; ACROSS];
    let mut at = 0;
    while at < numbers.len() {
        for v in 0..ACROSS {
            let from = (at + v * L::N).min(numbers.len());
            sum[v] = lanes.fused(lanes.load_part(&numbers[from..]), zero, sum[v]);
        }
        at += ACROSS * L::N;
    }
    let sum = lanes.add(lanes.add(sum[0], sum[1]), lanes.add(sum[2], sum[3]));
    let mut all = [T::ZERO; 16];
    lanes.store(sum, &mut all);
    let mut strange = false;
    for x in all {
        strange |= x != T::ZERO;
    }
    strange
}
