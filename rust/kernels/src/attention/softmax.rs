//! The running softmax: of each query the greatest score so far, the sum of exponentials, and the factor for what was before.

use super::mask::OfHead;
use super::{Attention, KEYS, QUERIES, SUMS};
use crate::Result;
use crate::parallel::{filled, zeros};
use crate::simd::exp::{exp, exps};
use crate::simd::memory::{Aligned, size};
use crate::simd::numbers::{Float, MOST, Numbers, transpose};
use std::mem::MaybeUninit;

/// Registers of scores whose exponentials are taken together: a multiple of those that hold [`SUMS`] numbers.
const TOGETHER: usize = 4;

/// What a query block knows of the keys of a span.
#[derive(Debug)]
pub(super) struct State<'a, T> {
    /// Numbers from a row of `sums` to the next.
    pub apart: usize,
    /// The greatest score, −∞ at first.
    pub maximum: &'a mut [T],
    /// [`SUMS`] numbers for each query.
    pub totals: &'a mut [T],
    /// Σ exp(score − maximum) · value
    pub sums: &'a mut [T],
}

impl<T: Float> State<'_, T> {
    /// Begins anew with so many queries; sums are written anew by the first block.
    #[inline(always)]
    pub(super) fn clear(&mut self, queries: usize) {
        self.maximum[..queries].fill(T::MINUS_INFINITY);
        self.totals[..queries * SUMS].fill(T::ZERO);
    }

    /// Becomes what another of the same size is.
    pub(super) fn copy(&mut self, from: &State<'_, T>) {
        self.maximum.copy_from_slice(from.maximum);
        self.totals.copy_from_slice(from.totals);
        self.sums.copy_from_slice(from.sums);
    }
}

/// Room for states.
#[derive(Debug)]
pub(super) struct States<T> {
    queries: usize,
    apart: usize,
    maximum: Vec<T>,
    totals: Vec<T>,
    sums: Aligned<T>,
}

impl<T: Float> States<T> {
    /// Room for `n` of them.
    pub(super) fn new(n: usize, queries: usize, width: usize) -> Result<Self> {
        let what = "the sums of blocks";
        Ok(Self {
            queries,
            apart: width,
            maximum: filled(size(&[n, queries], what, size_of::<T>())?, T::MINUS_INFINITY, what)?,
            totals: zeros(size(&[n, queries, SUMS], what, size_of::<T>())?, what)?,
            sums: Aligned::zeros(size(&[n, queries, width], what, size_of::<T>())?, what)?,
        })
    }

    /// All of them.
    pub(super) fn each(&mut self) -> impl Iterator<Item = State<'_, T>> {
        let maxima = self.maximum.chunks_exact_mut(self.queries);
        let totals = self.totals.chunks_exact_mut(self.queries * SUMS);
        let sums = self.sums.chunks_exact_mut(self.queries * self.apart);
        let apart = self.apart;
        maxima.zip(totals).zip(sums).map(move |((maximum, totals), sums)| State { apart, maximum, totals, sums })
    }

    /// The first.
    #[inline(always)]
    pub(super) fn first(&mut self) -> State<'_, T> {
        State {
            apart: self.apart,
            maximum: &mut self.maximum[..self.queries],
            totals: &mut self.totals[..self.queries * SUMS],
            sums: &mut self.sums[..self.queries * self.apart],
        }
    }

    /// Both, where there are two.
    #[inline(always)]
    pub(super) fn both(&mut self) -> [State<'_, T>; 2] {
        let apart = self.apart;
        let (maximum, later_maximum) = self.maximum.split_at_mut(self.queries);
        let (totals, later_totals) = self.totals.split_at_mut(self.queries * SUMS);
        let (sums, later_sums) = self.sums.split_at_mut(self.queries * self.apart);
        [
            State { apart, maximum, totals, sums },
            State { apart, maximum: later_maximum, totals: later_totals, sums: later_sums },
        ]
    }
}

/// A block of queries.
#[derive(Clone, Copy)]
pub(super) struct Queries {
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
    for first in (0..queries).step_by(L::N) {
        let here = L::N.min(queries - first);
        let mut greatest = [lanes.splat(T::MINUS_INFINITY); MOST];
        for row in 0..here {
            let scores = &scores[(first + row) * KEYS..][..KEYS];
            // Whole blocks, which are nearly all, are loops of a length known beforehand.
            greatest[row] = if end == KEYS { greatest_of(lanes, scores) } else { greatest_of(lanes, &scores[..end]) };
        }
        // Lane i is of row i from here on.
        transpose(lanes, &mut greatest);
        let before = lanes.load_part(&maximum[first..first + here]);
        let mut now = before;
        for i in 0..L::N {
            now = lanes.max(greatest[i], now);
        }
        lanes.store_part(now, &mut maximum[first..first + here]);
        // Where nothing was seen yet all differences to be are −∞, and not −∞ − −∞.
        let floor = lanes.if_less(now, lanes.splat(T::LOWEST), lanes.splat(T::ZERO), now);
        lanes.store(floor, &mut floors[first..]);
        lanes.store(exp(lanes, lanes.sub(before, floor)), &mut factors[first..]);
    }
    for row in 0..queries {
        let (floor, factor) = (lanes.splat(floors[row]), lanes.splat(factors[row]));
        let (scores, totals) = (&mut scores[row * KEYS..][..KEYS], &mut totals[row * SUMS..][..SUMS]);
        if end == KEYS {
            weigh(lanes, scores, floor, factor, totals);
        } else {
            weigh(lanes, &mut scores[..end], floor, factor, totals);
        }
    }
}

/// The greatest of some multiple of [`SUMS`] scores is in one of the lanes. A score that is not a number is passed over here,
/// and spoils the sum of exponentials.
#[inline(always)]
fn greatest_of<T: Float, L: Numbers<T>>(lanes: L, scores: &[T]) -> L::V {
    let mut greatest = [lanes.splat(T::MINUS_INFINITY); TOGETHER];
    for (i, scores) in scores.chunks_exact(L::N).enumerate() {
        greatest[i % TOGETHER] = lanes.max(lanes.load(scores), greatest[i % TOGETHER]);
    }
    lanes.max(lanes.max(greatest[0], greatest[1]), lanes.max(greatest[2], greatest[3]))
}

/// Makes weights not yet divided of scores, and of `totals` times `factor`, with those added, the new ones.
#[inline(always)]
fn weigh<T: Float, L: Numbers<T>>(lanes: L, scores: &mut [T], floor: L::V, factor: L::V, totals: &mut [T]) {
    let parts = SUMS / L::N;
    let mut sums = [lanes.splat(T::ZERO); TOGETHER];
    for part in 0..parts {
        sums[part] = lanes.mul(lanes.load(&totals[part * L::N..]), factor);
    }
    let mut together = scores.chunks_exact_mut(TOGETHER * L::N);
    for scores in &mut together {
        let mut e = [floor; TOGETHER];
        for u in 0..TOGETHER {
            e[u] = lanes.sub(lanes.load(&scores[u * L::N..]), floor);
        }
        e = exps(lanes, e);
        for u in 0..TOGETHER {
            lanes.store(e[u], &mut scores[u * L::N..]);
            sums[u % parts] = lanes.add(sums[u % parts], e[u]);
        }
    }
    for (i, scores) in together.into_remainder().chunks_exact_mut(L::N).enumerate() {
        let e = exp(lanes, lanes.sub(lanes.load(scores), floor));
        lanes.store(e, scores);
        sums[i % parts] = lanes.add(sums[i % parts], e);
    }
    for part in 0..parts {
        lanes.store(sums[part], &mut totals[part * L::N..]);
    }
}

/// Adds what a later span gave.
#[inline(always)]
pub(super) fn merge<T: Float, L: Numbers<T>>(lanes: L, into: &mut State<'_, T>, from: &State<'_, T>, queries: usize) {
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

/// The sums of [`SUMS`] numbers each, of as many queries as a register has lanes or fewer: halves are added until one is left.
#[inline(always)]
pub(super) fn totals_of<T: Float, L: Numbers<T>>(lanes: L, sums: &[T]) -> L::V {
    let zero = lanes.splat(T::ZERO);
    let mut all = [zero; SUMS];
    for part in 0..SUMS / L::N {
        let mut x = [zero; MOST];
        for (row, sums) in sums.chunks_exact(SUMS).enumerate() {
            x[row] = lanes.load(&sums[part * L::N..]);
        }
        transpose(lanes, &mut x);
        for i in 0..L::N {
            all[part * L::N + i] = x[i];
        }
    }
    let mut half = SUMS / 2;
    while half > 0 {
        for i in 0..half {
            all[i] = lanes.add(all[i], all[i + half]);
        }
        half /= 2;
    }
    all[0]
}

/// Divides the sums by the totals; writes outputs, maxima and totals.
#[inline(always)]
pub(super) fn finish<T: Float, L: Numbers<T>>(
    lanes: L,
    state: &State<'_, T>,
    width: usize,
    output: &mut [MaybeUninit<T>],
    maximum: &mut [T],
    totals: &mut [T],
) {
    let rows = totals.len();
    for first in (0..rows).step_by(L::N) {
        let end = rows.min(first + L::N);
        lanes.store_part(totals_of(lanes, &state.totals[first * SUMS..end * SUMS]), &mut totals[first..end]);
    }
    for (row, to) in output.chunks_exact_mut(width).enumerate() {
        let none = totals[row] == T::ZERO;
        maximum[row] = if none { T::ZERO } else { state.maximum[row] };
        let by = lanes.splat(if none { T::ONE } else { totals[row] });
        let sums = &state.sums[row * state.apart..][..state.apart];
        let mut at = 0;
        while at < width {
            lanes.store_new(lanes.div(lanes.load(&sums[at..]), by), &mut to[at..]);
            at += L::N;
        }
    }
}
