//! The running softmax: of each query the greatest score so far, the sum of exponentials, and the factor for what was before.

use super::mask::OfHead;
use super::{Attention, KEYS, QUERIES, SUMS};
use crate::Result;
use crate::parallel::{filled, zeros};
use crate::simd::exp::exp;
use crate::simd::memory::{Aligned, size};
use crate::simd::numbers::{Float, Numbers};

/// What a query block knows of the keys of a span.
#[derive(Debug)]
pub(super) struct State<T> {
    /// Numbers from a row of `sums` to the next.
    pub apart: usize,
    /// The greatest score, −∞ at first.
    pub maximum: Vec<T>,
    /// [`SUMS`] numbers for each query.
    pub totals: Vec<T>,
    /// Σ exp(score − maximum) · value
    pub sums: Aligned<T>,
}

impl<T: Float> State<T> {
    pub(super) fn new(queries: usize, width: usize) -> Result<Self> {
        let what = "the sums of a block";
        Ok(Self {
            apart: width,
            maximum: filled(queries, T::MINUS_INFINITY, what)?,
            totals: zeros(size(&[queries, SUMS], what, size_of::<T>())?, what)?,
            sums: Aligned::zeros(size(&[queries, width], what, size_of::<T>())?, what)?,
        })
    }

    /// Begins anew with so many queries; sums are written anew by the first block.
    #[inline(always)]
    pub(super) fn clear(&mut self, queries: usize) {
        self.maximum[..queries].fill(T::MINUS_INFINITY);
        self.totals[..queries * SUMS].fill(T::ZERO);
    }
}

/// A block of queries.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The first query, counted over the heads of a group.
    pub first: usize,
    /// How many.
    pub n: usize,
}

/// Puts the mask on scores of one query with the keys from `first` on: −∞ where one is not seen, in `scores` up to a multiple
/// of [`SUMS`]. `room` holds what a mask adds.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn put_mask<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    mask: &OfHead<'_, T>,
    query: usize,
    first: usize,
    n: usize,
    scores: &mut [T],
    room: &mut [T; KEYS],
) {
    let reached = of.reach(query).saturating_sub(first).min(n);
    for j in reached..n.next_multiple_of(SUMS) {
        scores[j] = T::MINUS_INFINITY;
    }
    if mask.added(query, first, &mut room[..reached]) {
        let (none, lowest) = (lanes.splat(T::MINUS_INFINITY), lanes.splat(T::LOWEST));
        let mut at = 0;
        while at < reached {
            let added = lanes.load(&room[at..]);
            let sum = lanes.add(lanes.load(&scores[at..]), added);
            lanes.store(lanes.if_less(added, lowest, none, sum), &mut scores[at..]);
            at += L::N;
        }
        // Of the last register some lanes are beyond what is reached.
        for j in reached..n.next_multiple_of(SUMS).min(at) {
            scores[j] = T::MINUS_INFINITY;
        }
    }
}

/// Takes scores of each query, [`KEYS`] apart, into its maximum; what remains are weights not yet divided, and in `factors`
/// what the sums so far are to be multiplied by.
#[inline(always)]
pub(super) fn update<T: Float, L: Numbers<T>>(
    lanes: L,
    scores: &mut [T],
    queries: usize,
    n: usize,
    maximum: &mut [T],
    totals: &mut [T],
    factors: &mut [T; QUERIES],
) {
    let end = n.next_multiple_of(SUMS);
    let mut floors = [T::ZERO; QUERIES];
    for row in 0..queries {
        let scores = &scores[row * KEYS..][..end];
        let none = lanes.splat(T::MINUS_INFINITY);
        let mut greatest = [none; 2];
        let mut at = 0;
        while at < end {
            for half in 0..SUMS / L::N {
                // A score that is not a number is passed over here, and spoils the sum below.
                greatest[half % 2] = lanes.max(lanes.load(&scores[at..]), greatest[half % 2]);
                at += L::N;
            }
        }
        let mut all = [T::MINUS_INFINITY; 16];
        lanes.store(lanes.max(greatest[0], greatest[1]), &mut all);
        let before = maximum[row];
        let mut now = before;
        for lane in 0..L::N {
            if all[lane] > now {
                now = all[lane];
            }
        }
        maximum[row] = now;
        // Where nothing was seen yet all differences to be are −∞, and not −∞ − −∞.
        floors[row] = if now == T::MINUS_INFINITY { T::ZERO } else { now };
        factors[row] = before - floors[row];
    }
    let mut at = 0;
    while at < queries {
        lanes.store(exp(lanes, lanes.load(&factors[at..])), &mut factors[at..]);
        at += L::N;
    }
    for row in 0..queries {
        let scores = &mut scores[row * KEYS..][..end];
        let (floor, factor) = (lanes.splat(floors[row]), lanes.splat(factors[row]));
        let totals = &mut totals[row * SUMS..][..SUMS];
        let mut sums = [lanes.splat(T::ZERO); 4];
        for part in 0..SUMS / L::N {
            sums[part] = lanes.mul(lanes.load(&totals[part * L::N..]), factor);
        }
        let mut at = 0;
        while at < end {
            for part in 0..SUMS / L::N {
                let e = exp(lanes, lanes.sub(lanes.load(&scores[at..]), floor));
                lanes.store(e, &mut scores[at..]);
                sums[part] = lanes.add(sums[part], e);
                at += L::N;
            }
        }
        for part in 0..SUMS / L::N {
            lanes.store(sums[part], &mut totals[part * L::N..]);
        }
    }
}

/// Adds what a later span gave.
#[inline(always)]
pub(super) fn merge<T: Float, L: Numbers<T>>(lanes: L, into: &mut State<T>, from: &State<T>, queries: usize) {
    let apart = into.apart;
    for row in 0..queries {
        let (a, b) = (into.maximum[row], from.maximum[row]);
        let now = if b > a { b } else { a };
        let floor = if now == T::MINUS_INFINITY { T::ZERO } else { now };
        let (a, b) = (exp(lanes, lanes.splat(a - floor)), exp(lanes, lanes.splat(b - floor)));
        into.maximum[row] = now;
        let (to, other) = (&mut into.totals[row * SUMS..][..SUMS], &from.totals[row * SUMS..][..SUMS]);
        let mut at = 0;
        while at < SUMS {
            let kept = lanes.mul(lanes.load(&to[at..]), a);
            lanes.store(lanes.fused(lanes.load(&other[at..]), b, kept), &mut to[at..]);
            at += L::N;
        }
        let (to, other) = (&mut into.sums[row * apart..][..apart], &from.sums[row * apart..][..apart]);
        let mut at = 0;
        while at < apart {
            let kept = lanes.mul(lanes.load(&to[at..]), a);
            lanes.store(lanes.fused(lanes.load(&other[at..]), b, kept), &mut to[at..]);
            at += L::N;
        }
    }
}

/// The sum of [`SUMS`] numbers: halves are added until one is left.
#[inline(always)]
pub(super) fn total_of<T: Float>(sums: &[T]) -> T {
    let mut all = [T::ZERO; SUMS];
    all.copy_from_slice(&sums[..SUMS]);
    let mut half = SUMS / 2;
    while half > 0 {
        for i in 0..half {
            all[i] += all[i + half];
        }
        half /= 2;
    }
    all[0]
}

/// Divides the sums by the totals; writes outputs, maxima and totals.
#[inline(always)]
pub(super) fn finish<T: Float, L: Numbers<T>>(
    lanes: L,
    state: &State<T>,
    width: usize,
    output: &mut [T],
    maximum: &mut [T],
    totals: &mut [T],
) {
    for (row, to) in output.chunks_exact_mut(width).enumerate() {
        let total = total_of(&state.totals[row * SUMS..]);
        let none = total == T::ZERO;
        maximum[row] = if none { T::ZERO } else { state.maximum[row] };
        totals[row] = total;
        let by = lanes.splat(if none { T::ONE } else { total });
        let sums = &state.sums[row * state.apart..][..state.apart];
        let mut at = 0;
        while at < width {
            lanes.store_part(lanes.div(lanes.load(&sums[at..]), by), &mut to[at..]);
            at += L::N;
        }
    }
}
