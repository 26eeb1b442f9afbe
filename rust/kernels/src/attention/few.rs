//! Few queries: keys and values are read once, where they lie, and nothing is packed that no other query would use.
//!
//! To the bits of packed blocks: a score is the same chain, its keys a register that was transposed on the way, and a sum of
//! values takes its terms in the same order.

use super::KEYS;
use super::block::{across, part_across};
use crate::simd::numbers::{Float, Numbers};
use crate::simd::prefetch;
use crate::simd::tile::{ACROSS, tiles};

/// Queries for which packing does not pay.
pub(super) const FEW: usize = 12;

/// Positions of values that are asked for before they are read.
const AHEAD: usize = 48;

/// Scores of `rows` queries with keys, all of `width` numbers.
#[inline(always)]
pub(super) fn scores_of_few<T: Float, L: Numbers<T>>(
    lanes: L,
    query: &[T],
    rows: usize,
    keys: &[T],
    width: usize,
    scores: &mut [T],
) {
    let n = keys.len() / width;
    let mut first = 0;
    while first < n {
        let pair = first + 2 * L::N <= n;
        let mut column = 0;
        while column < width {
            let here = L::N.min(width - column);
            let from = &keys[first * width + column..];
            if pair && here == L::N {
                // A chain waits for itself, so two go side by side.
                let (x, y) = (across(lanes, from, width), across(lanes, &from[L::N * width..], width));
                for row in 0..rows {
                    let query = &query[row * width + column..][..L::N];
                    let to = &mut scores[row * KEYS + first..][..2 * L::N];
                    let mut sums = [lanes.splat(T::ZERO); 2];
                    if column > 0 {
                        sums = [lanes.load(to), lanes.load(&to[L::N..])];
                    }
                    for i in 0..L::N {
                        let q = lanes.splat(query[i]);
                        sums = [lanes.fused(q, x[i], sums[0]), lanes.fused(q, y[i], sums[1])];
                    }
                    lanes.store(sums[0], to);
                    lanes.store(sums[1], &mut to[L::N..]);
                }
            } else {
                for part in 0..1 + usize::from(pair) {
                    let first = first + part * L::N;
                    let x = part_across(lanes, &from[part * L::N * width..], width, L::N.min(n - first), here);
                    for row in 0..rows {
                        let query = &query[row * width + column..][..here];
                        let to = &mut scores[row * KEYS + first..][..L::N];
                        let mut sum = if column == 0 { lanes.splat(T::ZERO) } else { lanes.load(to) };
                        for i in 0..here {
                            sum = lanes.fused(lanes.splat(query[i]), x[i], sum);
                        }
                        lanes.store(sum, to);
                    }
                }
            }
            column += here;
        }
        first += if pair { 2 * L::N } else { L::N };
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
                blend_tile::<T, L, M, ACROSS>(lanes, weights, first, values, width, column, factors, to, apart);
            });
            column += wide;
        } else {
            tiles!(T, L, rows, |first, M| {
                blend_tile::<T, L, M, 1>(lanes, weights, first, values, width, column, factors, to, apart);
            });
            column += L::N;
        }
    }
}

/// M rows of U registers.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn blend_tile<T: Float, L: Numbers<T>, const M: usize, const U: usize>(
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
    let n = values.len() / width;
    let mut x: [&[T]; M] = [&[]; M];
    for m in 0..M {
        x[m] = &weights[(first + m) * KEYS..][..n];
    }
    let mut sums = [[lanes.splat(T::ZERO); U]; M];
    let ahead = AHEAD * width;
    let is_whole = column + U * L::N <= width;
    let mut rest = &values[column..];
    for j in 0..n {
        for u in 0..U {
            prefetch(rest, ahead.wrapping_add(u * L::N));
        }
        let mut v = [lanes.splat(T::ZERO); U];
        if is_whole {
            let value = &rest[..U * L::N];
            for u in 0..U {
                v[u] = lanes.load(&value[u * L::N..]);
            }
        } else {
            v[0] = lanes.load_part(&rest[..width - column]);
        }
        rest = rest.get(width..).unwrap_or_default();
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
