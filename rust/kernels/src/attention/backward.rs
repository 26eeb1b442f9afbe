//! And back: weights are made again from maxima and totals, block by block.
//!
//! A piece of work is some blocks of keys of a head and some blocks of its queries. With all of both it gives everything
//! in five products. Where heads are few for the threads, one piece of work for each block of keys gives the derivatives by
//! keys and values, and one for some blocks of queries those by these: seven products, but many pieces. A derivative is
//! the sum over blocks in order of what each gives from zero, so it is the same bits either way.

use super::block::{is_strange, pack_rows, pack_transposed, padded};
use super::mask::OfHead;
use super::rows::{Strides, blend, blend_seen};
use super::softmax::{Queries, totals_of};
use super::span::{make_scores, masks_of, scale_queries, what_is_seen};
use super::{Attention, KEYS, QUERIES, SUMS, expect};
use crate::parallel::{filled, reserve, share, zeros};
use crate::simd::dispatched;
use crate::simd::exp::exp;
use crate::simd::memory::{Aligned, lanes_of, size};
use crate::simd::numbers::{Both, Float, MOST, Numbers};
use crate::simd::product::{Columns, To, add_transposed, multiply};
use crate::simd::tile::ACROSS;
use crate::{Result, Task};
use std::marker::PhantomData;
use std::ops::Range;

/// Queries of a piece that gives derivatives by queries alone; packing keys is shared by their blocks.
const MANY: usize = 4 * QUERIES;

/// What the way there left.
#[derive(Clone, Copy, Debug)]
pub struct Tape<'a, T> {
    /// (heads, L, v)
    pub output: &'a [T],
    /// (heads, L)
    pub maximum: &'a [T],
    /// (heads, L)
    pub total: &'a [T],
}

/// Derivatives of the loss by what went in.
#[derive(Debug)]
pub struct Gradients<T> {
    /// (heads, L, d)
    pub query: Vec<T>,
    /// (heads / group, S, d)
    pub key: Vec<T>,
    /// (heads / group, S, v)
    pub value: Vec<T>,
}

/// What all pieces read.
struct Job<'a, 'b, T> {
    of: &'a Attention<'b, T>,
    tape: &'a Tape<'a, T>,
    d_output: &'a [T],
}

/// Blocks of keys and of queries of a head of keys, and what is wanted of them; empty where it is not.
struct Piece<'a, T> {
    key_head: usize,
    keys: Range<usize>,
    /// Counted over the heads of the group.
    rows: Range<usize>,
    query: &'a mut [T],
    key: &'a mut [T],
    value: &'a mut [T],
}

/// The room of a thread.
struct Scratch<T> {
    /// A block of keys: transposed, and as they are; and of values, transposed.
    keys_across: Aligned<T>,
    keys: Aligned<T>,
    values_across: Aligned<T>,
    /// A block of queries: as rows, as panels; and what the output is asked for.
    query: Aligned<T>,
    queries: Aligned<T>,
    d_output: Aligned<T>,
    scores: Aligned<T>,
    by_scores: Aligned<T>,
    seen: Vec<bool>,
}

impl<T: Float> Scratch<T> {
    fn new(of: &Attention<'_, T>, wide: usize) -> Result<Self> {
        let what = "the blocks of a thread";
        let room = |rows: usize, width: usize| Aligned::zeros(size(&[rows, width], what, size_of::<T>())?, what);
        let (d, v) = (of.features, of.width);
        Ok(Self {
            keys_across: room(KEYS, d)?,
            keys: room(KEYS, padded(d, wide))?,
            values_across: room(KEYS, v)?,
            query: room(QUERIES, d)?,
            queries: room(QUERIES, padded(d, wide))?,
            d_output: room(QUERIES, padded(v, wide))?,
            scores: room(QUERIES, KEYS)?,
            by_scores: room(QUERIES, KEYS)?,
            seen: filled(QUERIES * KEYS, false, what)?,
        })
    }
}

/// The derivatives of a loss by query, key and value, from those by the output.
///
/// # Errors
/// [`crate::Error::Invalid`], [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
pub fn backward<T: Float>(
    of: &Attention<'_, T>,
    tape: &Tape<'_, T>,
    d_output: &[T],
    task: &Task,
) -> Result<Gradients<T>> {
    of.check()?;
    expect("output", tape.output, &[of.heads, of.queries, of.width])?;
    expect("d_output", d_output, &[of.heads, of.queries, of.width])?;
    expect("maximum", tape.maximum, &[of.heads, of.queries])?;
    expect("total", tape.total, &[of.heads, of.queries])?;
    let mut found = Gradients {
        query: zeros(of.query.len(), "the derivative by the query")?,
        key: zeros(of.key.len(), "the derivative by the key")?,
        value: zeros(of.value.len(), "the derivative by the value")?,
    };
    let threads = if of.is_small() { 1 } else { task.threads() };
    let wide = ACROSS * lanes_of::<T>(PhantomData);
    let job = Job { of, tape, d_output };
    let (heads, rows) = (of.key_heads(), of.group * of.queries);
    let alone = heads.div_ceil(threads) * 5 <= (heads * 7).div_ceil(threads);
    let rounds = if alone { vec![(true, true)] } else { vec![(false, true), (true, false)] };
    let of_head = size(&[rows.div_ceil(QUERIES), of.keys.div_ceil(KEYS)], "the blocks", 1)?;
    task.expect(size(&[heads, of_head, rounds.len()], "the blocks", 1)?);
    for (by_queries, by_keys) in rounds {
        let many = if alone { rows } else { MANY };
        let (of_rows, of_keys) = match (by_queries, by_keys) {
            (true, true) => (rows, of.keys),
            (true, false) => (many, of.keys),
            _ => (rows, KEYS),
        };
        let what = "the pieces of work";
        let mut pieces = reserve(size(&[heads, rows.div_ceil(of_rows), of.keys.div_ceil(of_keys)], what, 1)?, what)?;
        let mut query = found.query.chunks_mut(of.queries * of.features * of.group);
        let mut key = found.key.chunks_mut(of.keys * of.features);
        let mut value = found.value.chunks_mut(of.keys * of.width);
        for key_head in 0..heads {
            let query = query.next().filter(|_| by_queries).unwrap_or_default();
            let key = key.next().filter(|_| by_keys).unwrap_or_default();
            let value = value.next().filter(|_| by_keys).unwrap_or_default();
            if by_queries && by_keys {
                pieces.push(Piece { key_head, keys: 0..of.keys, rows: 0..rows, query, key, value });
            } else if by_queries {
                for (at, query) in query.chunks_mut(of_rows * of.features).enumerate() {
                    let rows = at * of_rows..rows.min((at + 1) * of_rows);
                    pieces.push(Piece { key_head, keys: 0..of.keys, rows, query, key: &mut [], value: &mut [] });
                }
            } else {
                let parts = key.chunks_mut(KEYS * of.features).zip(value.chunks_mut(KEYS * of.width));
                for (at, (key, value)) in parts.enumerate() {
                    let keys = at * KEYS..of.keys.min((at + 1) * KEYS);
                    pieces.push(Piece { key_head, keys, rows: 0..rows, query: &mut [], key, value });
                }
            }
        }
        share(task, threads, pieces, || Scratch::new(of, wide), |room, piece| back(&job, piece, room, task))?;
    }
    Ok(found)
}

dispatched!(fn back[T: Float](job: &Job<'_, '_, T>, piece: Piece<'_, T>, room: &mut Scratch<T>, task: &Task) -> Result<()> = back_run);

#[inline(always)]
fn back_run<L: Both, T: Float>(
    lanes: L,
    job: &Job<'_, '_, T>,
    piece: Piece<'_, T>,
    room: &mut Scratch<T>,
    task: &Task,
) -> Result<()> {
    let lanes = T::lanes(lanes);
    let Job { of, .. } = *job;
    let Piece { key_head, keys, rows, query, key, value } = piece;
    let (d, v) = (of.features, of.width);
    let mut first = keys.start;
    while first < keys.end {
        let n = KEYS.min(keys.end - first);
        let from = &of.keys_of(key_head)[first * d..][..n * d];
        let values = &of.values_of(key_head)[first * v..][..n * v];
        pack_transposed(lanes, from, d, &mut room.keys_across);
        pack_transposed(lanes, values, v, &mut room.values_across);
        let strange = pack_rows(lanes, from, d, KEYS, &mut room.keys) | is_strange(lanes, values);
        let mut row = rows.start;
        while row < rows.end {
            // A block does not straddle two heads, so that where it begins follows from its place in its own.
            let place = row % of.queries;
            let block = Queries { first: row, n: QUERIES.min(of.queries - place).min(rows.end - row) };
            if first < of.reach(place + block.n - 1) {
                let by = By {
                    query: if query.is_empty() { &mut [] } else { &mut query[(row - rows.start) * d..][..block.n * d] },
                    key: if key.is_empty() { &mut [] } else { &mut key[(first - keys.start) * d..][..n * d] },
                    value: if value.is_empty() { &mut [] } else { &mut value[(first - keys.start) * v..][..n * v] },
                };
                pair(lanes, job, key_head, block, first, n, strange, by, room);
            }
            row += block.n;
            task.advance(1)?;
        }
        first += KEYS;
    }
    let scale = lanes.splat(of.scale);
    let mut at = 0;
    while at < query.len() {
        lanes.store_part(lanes.mul(lanes.load_part(&query[at..]), scale), &mut query[at..]);
        at += lanes.n();
    }
    Ok(())
}

/// What a pair of blocks adds to.
struct By<'a, T> {
    query: &'a mut [T],
    key: &'a mut [T],
    value: &'a mut [T],
}

/// A block of queries and one of keys.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn pair<T: Float, L: Numbers<T>>(
    lanes: L,
    job: &Job<'_, '_, T>,
    key_head: usize,
    rows: Queries,
    first: usize,
    n: usize,
    mut strange: bool,
    by: By<'_, T>,
    room: &mut Scratch<T>,
) {
    let Job { of, d_output, .. } = *job;
    let (d, v) = (of.features, of.width);
    let Scratch { keys_across, keys, values_across, query, queries, d_output: asked, scores, by_scores, seen } = room;
    let masks: Vec<OfHead<'_, T>> = masks_of(of, key_head, rows);
    let row = key_head * of.group * of.queries + rows.first;
    let d_output = &d_output[row * v..][..rows.n * v];
    scale_queries(lanes, of, key_head, rows, query);
    make_scores(lanes, of, rows, first, n, &masks, query, keys_across, scores);
    let panels = n.div_ceil(ACROSS * L::N);
    multiply(lanes, d_output, v, rows.n, v, values_across, panels, To::Padded(&mut *by_scores, KEYS));
    if !by.key.is_empty() {
        strange |= pack_rows(lanes, &query[..rows.n * d], d, QUERIES, queries);
        strange |= pack_rows(lanes, d_output, v, QUERIES, asked);
    }
    if strange {
        what_is_seen(scores, rows.n, n, seen);
    }
    weights_and_slopes(lanes, job, row, rows.n, n, scores, by_scores);

    let one = [T::ONE; QUERIES];
    let of_rows = Strides { row: KEYS, term: 1 };
    let of_columns = Strides { row: 1, term: KEYS };
    if strange {
        let ones = [T::ONE; KEYS];
        if !by.key.is_empty() {
            let kept = Some(&ones[..]);
            blend_seen(lanes, scores, seen, of_columns, n, rows.n, d_output, kept, by.value, v, v);
            blend_seen(lanes, by_scores, seen, of_columns, n, rows.n, query, kept, by.key, d, d);
        }
        if !by.query.is_empty() {
            let x = &of.keys_of(key_head)[first * d..][..n * d];
            blend_seen(lanes, by_scores, seen, of_rows, rows.n, n, x, Some(&one), by.query, d, d);
        }
        return;
    }
    if !by.key.is_empty() {
        add_columns(lanes, scores, rows.n, asked, by.value, v);
        add_columns(lanes, by_scores, rows.n, queries, by.key, d);
    }
    if !by.query.is_empty() {
        blend(lanes, by_scores, KEYS, rows.n, n, keys, KEYS, Some(&one), by.query, d, d);
    }
}

/// Adds what the columns of a block of scores give with panels of its rows.
#[inline(always)]
fn add_columns<T: Float, L: Numbers<T>>(
    lanes: L,
    scores: &[T],
    rows: usize,
    panels: &[T],
    sums: &mut [T],
    columns: usize,
) {
    let wide = ACROSS * L::N;
    let left = Columns::Of(&scores[..rows * KEYS], KEYS);
    for panel in 0..columns.div_ceil(wide) {
        let packed = &panels[panel * QUERIES * wide..][..rows * wide];
        add_transposed(lanes, left, packed, sums, columns, panel * wide);
    }
}

/// Makes weights of scores, and of derivatives by weights those by scores: w ∘ (dw − δ), δ = Σ dO ∘ O; 0 where a key is not
/// seen.
#[inline(always)]
fn weights_and_slopes<T: Float, L: Numbers<T>>(
    lanes: L,
    job: &Job<'_, '_, T>,
    row: usize,
    rows: usize,
    n: usize,
    scores: &mut [T],
    by_scores: &mut [T],
) {
    let v = job.of.width;
    let (zero, lowest) = (lanes.splat(T::ZERO), lanes.splat(T::LOWEST));
    let (mut deltas, mut sums) = ([T::ZERO; QUERIES], [T::ZERO; MOST * SUMS]);
    for first in (0..rows).step_by(L::N) {
        let here = L::N.min(rows - first);
        for at in 0..here {
            let place = (row + first + at) * v;
            let (a, b) = (&job.d_output[place..place + v], &job.tape.output[place..place + v]);
            dot(lanes, a, b, &mut sums[at * SUMS..][..SUMS]);
        }
        lanes.store_part(totals_of(lanes, &sums[..here * SUMS]), &mut deltas[first..first + here]);
    }
    for at in 0..rows {
        let total = job.tape.total[row + at];
        let total = if total == T::ZERO { T::ONE } else { total };
        let (maximum, part) = (lanes.splat(job.tape.maximum[row + at]), lanes.splat(T::ONE / total));
        let delta = lanes.splat(deltas[at]);
        let scores = &mut scores[at * KEYS..][..n.next_multiple_of(SUMS)];
        let by_scores = &mut by_scores[at * KEYS..][..n.next_multiple_of(SUMS)];
        let mut at = 0;
        while at < scores.len() {
            let score = lanes.load(&scores[at..]);
            let weight = lanes.mul(exp(lanes, lanes.sub(score, maximum)), part);
            let slope = lanes.mul(weight, lanes.sub(lanes.load(&by_scores[at..]), delta));
            lanes.store(lanes.if_less(score, lowest, zero, weight), &mut scores[at..]);
            lanes.store(lanes.if_less(score, lowest, zero, slope), &mut by_scores[at..]);
            at += L::N;
        }
    }
}

/// Σ a · b, in as many parts as there is room for.
#[inline(always)]
fn dot<T: Float, L: Numbers<T>>(lanes: L, a: &[T], b: &[T], to: &mut [T]) {
    let mut sums = [lanes.splat(T::ZERO); 4];
    let mut at = 0;
    while at < a.len() {
        for part in 0..SUMS / L::N {
            let from = (at + part * L::N).min(a.len());
            sums[part] = lanes.fused(lanes.load_part(&a[from..]), lanes.load_part(&b[from..]), sums[part]);
        }
        at += SUMS;
    }
    for part in 0..SUMS / L::N {
        lanes.store(sums[part], &mut to[part * L::N..]);
    }
}
