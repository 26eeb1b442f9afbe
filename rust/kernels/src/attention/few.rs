//! Few queries: keys and values are read once, where they lie, and nothing is packed that no other query would use.
//!
//! To the bits of packed blocks: a score is the same chain, its keys a register that was transposed on the way, and a sum of
//! values takes its terms in the same order.

use super::KEYS;
use super::block::{column_of, some_columns};
use crate::simd::memory::Strips;
use crate::simd::numbers::{Float, Numbers};
use crate::simd::prefetch;
use crate::simd::tile::{ACROSS, tiles};

/// Queries for which packing does not pay.
pub(super) const FEW: usize = 12;

/// Keys and values are asked for so many positions before they are read.
const AHEAD: usize = 32;

/// The width of nearly all heads: loops that know it need no pointer for each row, of which there are more than registers.
const USUAL: usize = 64;

/// Scores of `rows` queries with a block of keys, all of `width` numbers.
#[inline(always)]
pub(super) fn scores_of_few<T: Float, L: Numbers<T>>(
    lanes: L,
    query: &[T],
    rows: usize,
    keys: &[T],
    width: usize,
    scores: &mut [T],
) {
    tiles!(T, L, rows, |row, M| {
        let (query, scores) = (&query[row * width..], &mut scores[row * KEYS..]);
        match width {
            USUAL => score_rows::<T, L, M, USUAL>(lanes, query, keys, width, scores),
            _ => score_rows::<T, L, M, 0>(lanes, query, keys, width, scores),
        }
    });
}

/// Those of M queries. W is the width, or 0.
#[inline(always)]
fn score_rows<T: Float, L: Numbers<T>, const M: usize, const W: usize>(
    lanes: L,
    query: &[T],
    keys: &[T],
    width: usize,
    scores: &mut [T],
) {
    let width = if W == 0 { width } else { W };
    let (n, both) = (keys.len() / width, 2 * L::N);
    for first in (0..n - n % both).step_by(both) {
        score_tile::<T, L, M, true>(lanes, query, &keys[first * width..][..both * width], width, &mut scores[first..]);
    }
    if n % both > 0 {
        let first = n - n % both;
        score_tile::<T, L, M, false>(lanes, query, &keys[first * width..], width, &mut scores[first..]);
    }
}

/// Two registers of keys: a chain waits for itself, so two go side by side. That both are full is known to the loop
/// beforehand: with a way out for those that are not, it keeps its sums in memory.
#[inline(always)]
fn score_tile<T: Float, L: Numbers<T>, const M: usize, const FULL: bool>(
    lanes: L,
    query: &[T],
    keys: &[T],
    width: usize,
    scores: &mut [T],
) {
    let n = if FULL { 2 * L::N } else { keys.len() / width };
    let (early, late) = keys.split_at((L::N * width).min(keys.len()));
    let mut rows: [&[T]; M] = [&[]; M];
    for m in 0..M {
        rows[m] = &query[m * width..][..width];
    }
    let mut sums = [[lanes.splat(T::ZERO); 2]; M];
    let mut column = 0;
    while column + 4 <= width {
        for i in 0..8 {
            // What is ahead in the order it lies in, as much as is read here.
            prefetch(keys, AHEAD * width + (2 * column + i) * L::N);
        }
        let (x, y) = if FULL {
            (lanes.four_columns(early, width, column), lanes.four_columns(late, width, column))
        } else {
            (some_columns(lanes, early, width, column), some_columns(lanes, late, width, column))
        };
        for m in 0..M {
            let q = &rows[m][column..column + 4];
            for i in 0..4 {
                let q = lanes.splat(q[i]);
                sums[m] = [lanes.fused(q, x[i], sums[m][0]), lanes.fused(q, y[i], sums[m][1])];
            }
        }
        column += 4;
    }
    while column < width {
        let (x, y) = (column_of(lanes, early, width, column), column_of(lanes, late, width, column));
        for m in 0..M {
            let q = lanes.splat(rows[m][column]);
            sums[m] = [lanes.fused(q, x, sums[m][0]), lanes.fused(q, y, sums[m][1])];
        }
        column += 1;
    }
    for m in 0..M {
        let to = &mut scores[m * KEYS..];
        lanes.store(sums[m][0], to);
        if n > L::N {
            lanes.store(sums[m][1], &mut to[L::N..]);
        }
    }
}

/// to ← factor · to + weights · values, for rows of `to` so far apart, each of as many columns as a value has.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn blend_few<T: Float, L: Numbers<T>>(
    lanes: L,
    weights: &[T],
    rows: usize,
    values: &[T],
    width: usize,
    factors: Option<&[T]>,
    to: &mut [T],
    apart: usize,
) {
    let wide = ACROSS * L::N;
    let mut column = 0;
    while column < width {
        let left = width - column;
        if left >= wide {
            tiles!(T, L, rows, |first, M| {
                match width {
                    USUAL => blend_tile::<T, L, M, ACROSS, USUAL>(
                        lanes, weights, first, values, width, column, factors, to, apart,
                    ),
                    _ => blend_tile::<T, L, M, ACROSS, 0>(
                        lanes, weights, first, values, width, column, factors, to, apart,
                    ),
                }
            });
            column += wide;
        } else {
            tiles!(T, L, rows, |first, M| {
                blend_tile::<T, L, M, 1, 0>(lanes, weights, first, values, width, column, factors, to, apart);
            });
            column += L::N;
        }
    }
}

/// M rows of U registers. W is the width, or 0.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn blend_tile<T: Float, L: Numbers<T>, const M: usize, const U: usize, const W: usize>(
    lanes: L,
    weights: &[T],
    first: usize,
    values: &[T],
    width: usize,
    column: usize,
    factors: Option<&[T]>,
    to: &mut [T],
    apart: usize,
) {
    let width = if W == 0 { width } else { W };
    let n = values.len() / width;
    let mut x: [&[T]; M] = [&[]; M];
    for m in 0..M {
        x[m] = &weights[(first + m) * KEYS..][..n];
    }
    let mut sums = [[lanes.splat(T::ZERO); U]; M];
    let mut strips = Strips::new(values, width, column, (U * L::N).min(width - column));
    let is_whole = column + U * L::N <= width;
    for j in 0..n {
        let Some(value) = strips.next() else { break };
        for u in 0..U {
            prefetch(value, AHEAD * width + u * L::N);
        }
        let mut v = [lanes.splat(T::ZERO); U];
        if is_whole {
            for u in 0..U {
                v[u] = lanes.load(&value[u * L::N..]);
            }
        } else {
            v[0] = lanes.load_part(value);
        }
        for m in 0..M {
            let x = lanes.splat(x[m][j]);
            for u in 0..U {
                sums[m][u] = lanes.fused(x, v[u], sums[m][u]);
            }
        }
    }
    for m in 0..M {
        for u in 0..U {
            let to = &mut to[(first + m) * apart + column + u * L::N..][..L::N];
            let sum = match factors {
                Some(factors) => lanes.fused(lanes.splat(factors[first + m]), lanes.load(to), sums[m][u]),
                None => sums[m][u],
            };
            lanes.store(sum, to);
        }
    }
}
