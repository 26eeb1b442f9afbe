//! Few queries: keys and values are read once, where they lie, and nothing is packed that no other query would use.
//!
//! To the bits of packed blocks: a score is the same chain, its keys a register that was transposed on the way, and a sum of
//! values takes its terms in the same order.
//!
//! Scores of one query are limited by what transposes, sums of values by what reads: each would wait for the other. So the
//! scores of a block are made while the values of the block before are added.

use super::block::{column_of, some_columns};
use super::mask::OfHead;
use super::rows::{Strides, blend_seen};
use super::softmax::{Queries, State, update};
use super::span::{put_masks, what_is_seen};
use super::{Attention, KEYS, QUERIES};
use crate::Task;
use crate::simd::memory::Strips;
use crate::simd::numbers::{Float, Numbers};
use crate::simd::prefetch;
use crate::simd::tile::{ACROSS, tiles};
use std::ops::Range;

/// Queries for which packing does not pay.
pub(super) const FEW: usize = 12;

/// Keys and values are asked for so many positions before they are read.
const AHEAD: usize = 32;

/// The width of nearly all heads: loops that know it need no pointer for each row, of which there are more than registers.
const USUAL: usize = 64;

/// Takes the keys of a span, block by block, into a state begun anew. There is room for two blocks of scores.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn over_few<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    key_head: usize,
    rows: Queries,
    span: Range<usize>,
    masks: &[OfHead<'_, T>],
    query: &[T],
    scores: &mut [T],
    seen: &mut [bool],
    state: &mut State<'_, T>,
    task: &Task,
) {
    let (d, v) = (of.features, of.width);
    let keys = &of.keys_of(key_head)[span.start * d..span.end * d];
    let values = &of.values_of(key_head)[span.start * v..span.end * v];
    let is_one = rows.n == 1 && (d, v) == (USUAL, USUAL) && ACROSS * L::N == USUAL;
    let (mut scores, mut later) = scores.split_at_mut(rows.n * KEYS);
    let mut factors = [T::ZERO; QUERIES];
    state.clear(rows.n);
    let mut first = 0;
    let all = span.len();
    scores_of_few(lanes, query, rows.n, &keys[..KEYS.min(all) * d], d, scores);
    while first < all && !task.interrupted() {
        let (end, then) = (all.min(first + KEYS), all.min(first + 2 * KEYS));
        let n = end - first;
        put_masks(lanes, of, rows, span.start + first, n, masks, scores);
        // What is not seen must not be multiplied where it is not finite, and nobody has looked at the values.
        let is_seen = what_is_seen(scores, rows.n, n, seen);
        update(lanes, scores, rows.n, n, state.maximum, state.totals, &mut factors);
        let kept = (first > 0).then_some(&factors[..]);
        let (values, next) = (&values[first * v..end * v], &keys[end * d..then * d]);
        if is_one && is_seen && then == first + 2 * KEYS {
            blend_and_score(lanes, scores, values, kept, state.sums, query, next, later);
        } else {
            if is_seen {
                blend_few(lanes, scores, rows.n, values, v, kept, state.sums, state.apart);
            } else {
                let at = Strides { row: KEYS, term: 1 };
                blend_seen(lanes, scores, seen, at, rows.n, n, values, kept, state.sums, state.apart, v);
            }
            scores_of_few(lanes, query, rows.n, next, d, later);
        }
        std::mem::swap(&mut scores, &mut later);
        first = end;
    }
}

/// The values of a whole block, as [`blend_few`] does, and scores with the keys of the next, as [`scores_of_few`] does: of one
/// query, of the usual width, where four registers hold that.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn blend_and_score<T: Float, L: Numbers<T>>(
    lanes: L,
    weights: &[T],
    values: &[T],
    factors: Option<&[T]>,
    to: &mut [T],
    query: &[T],
    keys: &[T],
    scores: &mut [T],
) {
    let (weights, values, to) = (&weights[..KEYS], &values[..KEYS * USUAL], &mut to[..USUAL]);
    let (query, keys, scores) = (&query[..USUAL], &keys[..KEYS * USUAL], &mut scores[..KEYS]);
    let mut sums = [lanes.splat(T::ZERO); ACROSS];
    for (tile, keys) in keys.chunks_exact(2 * L::N * USUAL).enumerate() {
        let (early, late) = keys.split_at(L::N * USUAL);
        let first = tile * 2 * L::N;
        let weights = &weights[first..][..2 * L::N];
        let values = &values[first * USUAL..][..2 * L::N * USUAL];
        let mut chains = [lanes.splat(T::ZERO); 2];
        let steps = USUAL / 4;
        for step in 0..steps {
            let column = 4 * step;
            let (x, y) = (lanes.four_columns(early, USUAL, column), lanes.four_columns(late, USUAL, column));
            for i in 0..4 {
                let q = lanes.splat(query[column + i]);
                chains = [lanes.fused(q, x[i], chains[0]), lanes.fused(q, y[i], chains[1])];
            }
            // As many of the values as of the keys.
            for j in 2 * L::N * step / steps..2 * L::N * (step + 1) / steps {
                let (w, value) = (lanes.splat(weights[j]), &values[j * USUAL..][..USUAL]);
                for u in 0..ACROSS {
                    prefetch(keys, (AHEAD + j) * USUAL + u * L::N);
                    prefetch(value, AHEAD * USUAL + u * L::N);
                    sums[u] = lanes.fused(w, lanes.load(&value[u * L::N..]), sums[u]);
                }
            }
        }
        lanes.store(chains[0], &mut scores[first..]);
        lanes.store(chains[1], &mut scores[first + L::N..]);
    }
    for u in 0..ACROSS {
        let to = &mut to[u * L::N..];
        let sum = match factors {
            Some(factors) => lanes.fused(lanes.splat(factors[0]), lanes.load(to), sums[u]),
            None => sums[u],
        };
        lanes.store(sum, to);
    }
}

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
    tiles!(L::ROWS, rows, |row, M| {
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
            tiles!(L::ROWS, rows, |first, M| {
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
            tiles!(L::ROWS, rows, |first, M| {
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
