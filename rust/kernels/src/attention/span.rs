//! A block of queries passes by the keys of a span.

use super::block::{Blocks, pack};
use super::mask::OfHead;
use super::rows::{Strides, blend, blend_seen};
use super::softmax::{Queries, State, put_mask, update};
use super::{Attention, KEYS, QUERIES, SUMS};
use crate::Task;
use crate::simd::numbers::{Float, Numbers};
use crate::simd::prefetch;
use crate::simd::product::{To, multiply};
use crate::simd::tile::ACROSS;
use std::ops::Range;

/// Where packed blocks are.
#[derive(Clone, Copy)]
pub(super) enum Source<'a, T> {
    /// Those of the head begin with this one.
    Packed(&'a Blocks<T>, usize),
    /// Nowhere yet: each is packed where it is needed.
    Raw,
}

/// The queries of a block, times the scale.
#[inline(always)]
pub(super) fn scale_queries<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    key_head: usize,
    rows: Queries,
    to: &mut [T],
) {
    let from = (key_head * of.group * of.queries + rows.first) * of.features;
    let from = &of.query[from..][..rows.n * of.features];
    let to = &mut to[..from.len()];
    let scale = lanes.splat(of.scale);
    let mut at = 0;
    while at < from.len() {
        prefetch(from, at + from.len()); // the next block's
        lanes.store_part(lanes.mul(lanes.load_part(&from[at..]), scale), &mut to[at..]);
        at += L::N;
    }
}

/// The masks of the heads a block of queries is of.
pub(super) fn masks_of<'a, T: Float>(of: &'a Attention<'_, T>, key_head: usize, rows: Queries) -> Vec<OfHead<'a, T>> {
    let heads = rows.first / of.queries..=(rows.first + rows.n - 1) / of.queries;
    let masks = heads.map(|head| match &of.mask {
        Some(mask) => mask.of_head(key_head * of.group + head),
        None => OfHead::All,
    });
    masks.collect()
}

/// Takes the keys of a span, block by block, into a state begun anew.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn over_span<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    key_head: usize,
    rows: Queries,
    keys: Range<usize>,
    masks: &[OfHead<'_, T>],
    source: Source<'_, T>,
    query: &[T],
    scores: &mut [T],
    seen: &mut [bool],
    block: &mut Blocks<T>,
    state: &mut State<'_, T>,
    task: &Task,
) {
    state.clear(rows.n);
    let mut factors = [T::ZERO; QUERIES];
    let mut first = keys.start;
    while first < keys.end {
        let n = KEYS.min(keys.end - first);
        let (d, v) = (of.features, of.width);
        let values = &of.values_of(key_head)[first * v..][..n * v];
        let packed = match source {
            Source::Packed(blocks, at) => blocks.at(at + first / KEYS),
            Source::Raw => {
                for place in block.places() {
                    pack(lanes, of, key_head, first, place);
                }
                block.at(0)
            }
        };
        let panels = n.div_ceil(ACROSS * L::N);
        multiply(lanes, query, d, rows.n, d, packed.keys, panels, To::Padded(&mut *scores, KEYS));
        put_masks(lanes, of, rows, first, n, masks, scores);
        // What is not seen must not be multiplied where it is not finite.
        let watched = packed.strange && !what_is_seen(scores, rows.n, n, seen);
        let State { apart, maximum, totals, sums } = &mut *state;
        update(lanes, scores, rows.n, n, maximum, totals, &mut factors);
        let kept = (first > keys.start).then_some(&factors[..]);
        if watched {
            let at = Strides { row: KEYS, term: 1 };
            blend_seen(lanes, scores, seen, at, rows.n, n, values, kept, sums, *apart, v);
        } else {
            let values = if packed.values.is_empty() { values } else { packed.values };
            blend(lanes, scores, KEYS, rows.n, n, values, KEYS, kept, sums, *apart, *apart);
        }
        first += KEYS;
        if task.interrupted() {
            return;
        }
    }
}

/// The scores of a block of queries with `n` keys from `first` on.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn make_scores<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    rows: Queries,
    first: usize,
    n: usize,
    masks: &[OfHead<'_, T>],
    query: &[T],
    packed: &[T],
    scores: &mut [T],
) {
    let panels = n.div_ceil(ACROSS * L::N);
    multiply(lanes, query, of.features, rows.n, of.features, packed, panels, To::Padded(&mut *scores, KEYS));
    put_masks(lanes, of, rows, first, n, masks, scores);
}

/// Puts the masks on scores of a block of queries with `n` keys from `first` on.
#[inline(always)]
pub(super) fn put_masks<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    rows: Queries,
    first: usize,
    n: usize,
    masks: &[OfHead<'_, T>],
    scores: &mut [T],
) {
    let place = rows.first % of.queries;
    let least = if place + rows.n <= of.queries { place } else { 0 };
    let is_plain = of.mask.is_none() && first + n <= of.reach(least);
    if is_plain && n.is_multiple_of(SUMS) {
        return;
    }
    let mut room = [T::ZERO; KEYS];
    let heads_before = rows.first / of.queries;
    for row in 0..rows.n {
        let place = rows.first + row;
        let mask = &masks[place / of.queries - heads_before];
        put_mask(lanes, of, mask, place % of.queries, first, n, &mut scores[row * KEYS..][..KEYS], &mut room);
    }
}

/// Which keys are seen, told by scores. Tells whether all are.
#[inline(always)]
pub(super) fn what_is_seen<T: Float>(scores: &[T], rows: usize, n: usize, seen: &mut [bool]) -> bool {
    let mut all = true;
    for row in 0..rows {
        let (scores, seen) = (&scores[row * KEYS..][..n], &mut seen[row * KEYS..][..n]);
        for j in 0..n {
            seen[j] = scores[j] != T::MINUS_INFINITY;
            all &= seen[j];
        }
    }
    all
}
