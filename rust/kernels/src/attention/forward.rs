//! There: who does what, and one block of queries after the other.
//!
//! Keys and values of as many heads as fit in [`PACKED`] bytes are packed, each block once, then the threads take blocks of
//! queries. Where heads are many and small, a thread takes whole heads, which then stay in its cache. Where the queries of
//! a head of keys are but one block, nothing would be packed for others: there the threads take spans of keys, pack each
//! block where they need it, or do without for the fewest, and the spans are merged in order. All of it gives the same bits.

use super::block::{BlockMut, Blocks, cut, pack, padded};
use super::few::{FEW, over_few};
use super::mask::OfHead;
use super::softmax::{Queries, State, States, finish, merge};
use super::span::{Source, make_scores, masks_of, over_span, scale_queries};
use super::{Attention, KEYS, QUERIES, SPAN, SUMS};
use crate::parallel::{Unwritten, filled, reserve, share, zeros};
use crate::simd::dispatched;
use crate::simd::memory::{Aligned, lanes_of, size};
use crate::simd::numbers::{Both, Float, Numbers};
use crate::simd::tile::ACROSS;
use crate::{Result, Task};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Bytes of keys and values packed at a time, unless one head has more.
const PACKED: usize = 4 << 20;

/// Bytes of a head, packed, that stay in the second cache.
const HEAD: usize = 512 << 10;

/// Parts of a head that is taken last, at most.
const PARTS: usize = 4;

/// Spans that are done between two merges, at most and at least; as many as keep their sums in [`ROOM`] bytes.
const ROUND: (usize, usize) = (64, 8);

/// See [`ROUND`].
const ROOM: usize = 1 << 20;

/// What comes out.
#[derive(Debug)]
pub struct Found<T> {
    /// (heads, L, v)
    pub output: Vec<T>,
    /// (heads, L): the greatest score, 0 where no key is seen.
    pub maximum: Vec<T>,
    /// (heads, L): Σ exp(score − maximum)
    pub total: Vec<T>,
    /// (heads, L, S)
    pub weights: Option<Vec<T>>,
}

/// The room of a thread.
struct Scratch<T> {
    query: Aligned<T>,
    /// Of a block of keys, or of two, see [`over_few`].
    scores: Aligned<T>,
    seen: Vec<bool>,
    /// Of all keys so far, and of a span.
    states: States<T>,
    block: Blocks<T>,
}

impl<T: Float> Scratch<T> {
    /// For blocks of at most `rows` queries, and with room for so many blocks of keys.
    fn new(of: &Attention<'_, T>, wide: usize, rows: usize, blocks: usize) -> Result<Self> {
        let what = "the blocks of a thread";
        let width = padded(of.width, wide);
        Ok(Self {
            query: Aligned::zeros(size(&[rows, of.features], what, size_of::<T>())?, what)?,
            scores: Aligned::zeros(if rows <= FEW { 2 } else { 1 } * rows * KEYS, what)?,
            seen: filled(rows * KEYS, false, what)?,
            states: States::new(2, rows, width)?,
            block: Blocks::new(of, blocks, wide)?,
        })
    }
}

/// Where the results of a block of queries go.
struct Out<'a, T> {
    output: &'a mut [MaybeUninit<T>],
    maximum: &'a mut [T],
    total: &'a mut [T],
    weights: &'a mut [T],
}

impl<'a, T> Out<'a, T> {
    /// The first `rows` queries, and the rest in `self`.
    fn take(&mut self, rows: usize, width: usize, keys: usize) -> Self {
        let keys = if self.weights.is_empty() { 0 } else { keys };
        Self {
            output: cut(&mut self.output, rows * width),
            maximum: cut(&mut self.maximum, rows),
            total: cut(&mut self.total, rows),
            weights: cut(&mut self.weights, rows * keys),
        }
    }
}

/// Attends.
///
/// # Errors
/// [`crate::Error::Invalid`], [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
pub fn forward<T: Float>(of: &Attention<'_, T>, with_weights: bool, task: &Task) -> Result<Found<T>> {
    of.check()?;
    let rows = size(&[of.heads, of.queries], "the output", size_of::<T>())?;
    let of_weights = if with_weights { size(&[rows, of.keys], "the weights", size_of::<T>())? } else { 0 };
    let mut output = Unwritten::new(size(&[rows, of.width], "the output", size_of::<T>())?, "the output")?;
    let (mut maximum, mut total) = (zeros(rows, "the maxima")?, zeros(rows, "the sums")?);
    let mut weights = with_weights.then(|| zeros(of_weights, "the weights")).transpose()?;
    let mut out = Out {
        output: output.places(),
        maximum: &mut maximum,
        total: &mut total,
        weights: weights.as_deref_mut().unwrap_or_default(),
    };
    let threads = if of.is_small() { 1 } else { task.threads() };
    let wide = ACROSS * lanes_of::<T>(PhantomData);
    if of.group.saturating_mul(of.queries) <= QUERIES && !with_weights {
        few_queries(of, wide, threads, &mut out, task)?;
    } else if threads == 1 || of.key_heads() >= 2 * threads && of.bytes_of_head(wide) <= HEAD {
        whole_heads(of, wide, threads, &mut out, task)?;
    } else {
        many_queries(of, wide, threads, &mut out, task)?;
    }
    // SAFETY: each query was finished, which writes all of its output, or there had been an error.
    #[allow(unsafe_code)]
    let output = unsafe { output.written() };
    Ok(Found { output, maximum, total, weights })
}

/// A block of queries of one head, and where its results go.
struct Piece<'a, T> {
    key_head: usize,
    rows: Queries,
    blocks: usize,
    out: Out<'a, T>,
}

fn many_queries<T: Float>(
    of: &Attention<'_, T>,
    wide: usize,
    threads: usize,
    out: &mut Out<'_, T>,
    task: &Task,
) -> Result<()> {
    let blocks = of.keys.div_ceil(KEYS);
    let at_once = (PACKED / of.bytes_of_head(wide)).clamp(1, of.key_heads());
    let mut packed = Blocks::new(of, size(&[at_once, blocks], "the packed keys and values", 1)?, wide)?;
    let of_head = of.queries.div_ceil(QUERIES);
    task.expect(size(&[of.heads, of_head], "the blocks", 1)?);
    let mut first = 0;
    while first < of.key_heads() {
        let heads = at_once.min(of.key_heads() - first);
        let mut places = reserve(heads * blocks, "the blocks")?;
        places.extend(packed.places().take(heads * blocks).enumerate());
        share(
            task,
            threads,
            places,
            || Ok(()),
            |_, (at, place)| {
                pack_block(of, first + at / blocks, at % blocks * KEYS, place);
                task.check()
            },
        )?;
        let mut pieces = reserve(heads * of.group * of_head, "the blocks of queries")?;
        for at in 0..heads {
            for head in 0..of.group {
                for block in 0..of_head {
                    let rows = block_at(of, head * of_head + block);
                    let out = out.take(rows.n, of.width, of.keys);
                    pieces.push(Piece { key_head: first + at, rows, blocks: at * blocks, out });
                }
            }
        }
        if of.is_causal {
            pieces.reverse(); // the longest first
        }
        share(
            task,
            threads,
            pieces,
            || Scratch::new(of, wide, QUERIES, 0),
            |room, piece| {
                attend(of, piece, &packed, room, task);
                task.advance(1)
            },
        )?;
        first += heads;
    }
    Ok(())
}

/// A block of the queries that a head of keys serves; a block is of one head.
fn block_at<T: Float>(of: &Attention<'_, T>, at: usize) -> Queries {
    let of_head = of.queries.div_ceil(QUERIES);
    let (head, first) = (at / of_head, at % of_head * QUERIES);
    Queries { first: head * of.queries + first, n: QUERIES.min(of.queries - first) }
}

/// Heads of keys with the queries they serve, each packed by the thread that takes it. The last ones are taken in parts and
/// packed for each: else whoever takes a head last lets the others wait.
fn whole_heads<T: Float>(
    of: &Attention<'_, T>,
    wide: usize,
    threads: usize,
    out: &mut Out<'_, T>,
    task: &Task,
) -> Result<()> {
    let of_head = size(&[of.group, of.queries.div_ceil(QUERIES)], "the blocks", 1)?;
    task.expect(size(&[of.key_heads(), of_head], "the blocks", 1)?);
    let mut pieces = reserve(of.key_heads() + threads * PARTS, "the heads")?;
    for key_head in 0..of.key_heads() {
        let is_last = threads > 1 && key_head + threads >= of.key_heads();
        let parts = if is_last { (of_head / 2).clamp(1, PARTS) } else { 1 };
        for part in 0..parts {
            let blocks = part * of_head / parts..(part + 1) * of_head / parts;
            let rows = blocks.clone().map(|at| block_at(of, at).n).sum();
            pieces.push((key_head, blocks, out.take(rows, of.width, of.keys)));
        }
    }
    share(
        task,
        threads,
        pieces,
        || Scratch::new(of, wide, QUERIES, of.keys.div_ceil(KEYS)),
        |room, (key_head, blocks, mut out)| {
            let mut packed = std::mem::take(&mut room.block);
            for (block, place) in packed.places().enumerate() {
                pack_block(of, key_head, block * KEYS, place);
                task.check()?;
            }
            for at in blocks {
                let rows = block_at(of, at);
                let out = out.take(rows.n, of.width, of.keys);
                attend(of, Piece { key_head, rows, blocks: 0, out }, &packed, room, task);
                task.advance(1)?;
            }
            room.block = packed;
            Ok(())
        },
    )
}

/// A span of the keys of a head, and what it gives to all queries of the head.
struct Part<'a, T> {
    key_head: usize,
    keys: Range<usize>,
    state: State<'a, T>,
}

fn few_queries<T: Float>(
    of: &Attention<'_, T>,
    wide: usize,
    threads: usize,
    out: &mut Out<'_, T>,
    task: &Task,
) -> Result<()> {
    let rows = Queries { first: 0, n: of.group * of.queries };
    let reach = of.reach(of.queries - 1);
    let spans = reach.div_ceil(SPAN);
    let all = size(&[spans, of.key_heads()], "the spans", 1)?;
    task.expect(all);
    let width = padded(of.width, wide);
    let what = "the sums of spans";
    let round = ROOM / size(&[rows.n, width + SUMS, size_of::<T>()], what, 1)?;
    let round = round.clamp(ROUND.1, ROUND.0).min(all);
    let mut states = States::new(round, rows.n, width)?;
    let mut whole = States::new(1, rows.n, width)?;
    let mut whole = whole.first();
    for begin in (0..all).step_by(round) {
        let mut parts = reserve(round, what)?;
        for (at, state) in (begin..all).zip(states.each()) {
            let first = at % spans * SPAN;
            parts.push(Part { key_head: at / spans, keys: first..reach.min(first + SPAN), state });
        }
        // Each thread goes on where it was, at keys that were asked for already: they begin so many parts apart.
        let run = parts.len().div_ceil(threads);
        parts.sort_by_key(|part| (part.key_head * spans + part.keys.start / SPAN - begin) % run);
        share(
            task,
            threads,
            parts,
            || Scratch::new(of, wide, rows.n, usize::from(rows.n > FEW)),
            |room, part| {
                attend_part(of, rows, part, room, task);
                task.advance(1)
            },
        )?;
        for (at, state) in (begin..all).zip(states.each()) {
            let here = (at % spans == spans - 1).then(|| out.take(rows.n, of.width, of.keys));
            join(of, at % spans == 0, &state, &mut whole, here);
        }
    }
    Ok(())
}

dispatched!(fn pack_block[T: Float](of: &Attention<'_, T>, head: usize, first: usize, to: BlockMut<'_, T>) -> () = pack_run);
dispatched!(fn attend[T: Float](of: &Attention<'_, T>, piece: Piece<'_, T>, packed: &Blocks<T>, room: &mut Scratch<T>, task: &Task) -> () = attend_run);
dispatched!(fn attend_part[T: Float](of: &Attention<'_, T>, rows: Queries, part: Part<'_, T>, room: &mut Scratch<T>, task: &Task) -> () = part_run);
dispatched!(fn join[T: Float](of: &Attention<'_, T>, is_first: bool, state: &State<'_, T>, whole: &mut State<'_, T>, out: Option<Out<'_, T>>) -> () = join_run);

#[inline(always)]
fn pack_run<L: Both, T: Float>(lanes: L, of: &Attention<'_, T>, head: usize, first: usize, to: BlockMut<'_, T>) {
    pack(T::lanes(lanes), of, head, first, to);
}

#[inline(always)]
fn attend_run<L: Both, T: Float>(
    lanes: L,
    of: &Attention<'_, T>,
    piece: Piece<'_, T>,
    packed: &Blocks<T>,
    room: &mut Scratch<T>,
    task: &Task,
) {
    let lanes = T::lanes(lanes);
    let Piece { key_head, rows, blocks, out } = piece;
    let Scratch { query, scores, seen, states, block } = room;
    let [mut whole, mut span] = states.both();
    scale_queries(lanes, of, key_head, rows, query);
    let masks = masks_of(of, key_head, rows);
    let reach = of.reach(rows.first % of.queries + rows.n - 1);
    let source = Source::Packed(packed, blocks);
    let mut first = 0;
    while first < reach {
        let keys = first..reach.min(first + SPAN);
        let state = if first == 0 { &mut whole } else { &mut span };
        over_span(lanes, of, key_head, rows, keys, &masks, source, query, scores, seen, block, state, task);
        if first > 0 {
            merge(lanes, &mut whole, &span, rows.n);
        }
        first += SPAN;
    }
    finish(lanes, &whole, of.width, out.output, out.maximum, out.total);
    if !out.weights.is_empty() {
        write_weights(lanes, of, rows, reach, &masks, packed, blocks, query, scores, out, task);
    }
}

#[inline(always)]
fn part_run<L: Both, T: Float>(
    lanes: L,
    of: &Attention<'_, T>,
    rows: Queries,
    part: Part<'_, T>,
    room: &mut Scratch<T>,
    task: &Task,
) {
    let lanes = T::lanes(lanes);
    let Scratch { query, scores, seen, states, block } = room;
    let Part { key_head, keys, mut state } = part;
    let mut own = states.first();
    scale_queries(lanes, of, key_head, rows, query);
    let masks = masks_of(of, key_head, rows);
    if rows.n <= FEW {
        over_few(lanes, of, key_head, rows, keys, &masks, query, scores, seen, &mut own, task);
    } else {
        over_span(lanes, of, key_head, rows, keys, &masks, Source::Raw, query, scores, seen, block, &mut own, task);
    }
    // What stands beside it is another thread's, which should not wait for this one while it works.
    state.copy(&own);
}

#[inline(always)]
fn join_run<L: Both, T: Float>(
    lanes: L,
    of: &Attention<'_, T>,
    is_first: bool,
    state: &State<'_, T>,
    whole: &mut State<'_, T>,
    out: Option<Out<'_, T>>,
) {
    let lanes = T::lanes(lanes);
    if is_first {
        whole.copy(state);
    } else {
        merge(lanes, whole, state, whole.maximum.len());
    }
    if let Some(out) = out {
        finish(lanes, whole, of.width, out.output, out.maximum, out.total);
    }
}

/// The weights, from scores made again.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn write_weights<T: Float, L: Numbers<T>>(
    lanes: L,
    of: &Attention<'_, T>,
    rows: Queries,
    reach: usize,
    masks: &[OfHead<'_, T>],
    packed: &Blocks<T>,
    blocks: usize,
    query: &[T],
    scores: &mut [T],
    out: Out<'_, T>,
    task: &Task,
) {
    let mut first = 0;
    while first < reach && !task.interrupted() {
        let n = KEYS.min(reach - first);
        make_scores(lanes, of, rows, first, n, masks, query, packed.at(blocks + first / KEYS).keys, scores);
        for row in 0..rows.n {
            let total = if out.total[row] == T::ZERO { T::ONE } else { out.total[row] };
            let to = &mut out.weights[row * of.keys + first..][..n];
            to.copy_from_slice(&scores[row * KEYS..][..n]);
            weights_of(lanes, to, out.maximum[row], total);
        }
        first += KEYS;
    }
}

/// Weights of scores, 0 where a key is not seen.
#[inline(always)]
fn weights_of<T: Float, L: Numbers<T>>(lanes: L, scores: &mut [T], maximum: T, total: T) {
    let (zero, lowest) = (lanes.splat(T::ZERO), lanes.splat(T::LOWEST));
    let (maximum, total) = (lanes.splat(maximum), lanes.splat(total));
    let mut at = 0;
    while at < scores.len() {
        let score = lanes.load_part(&scores[at..]);
        let e = crate::simd::exp::exp(lanes, lanes.sub(score, maximum));
        lanes.store_part(lanes.if_less(score, lowest, zero, lanes.div(e, total)), &mut scores[at..]);
        at += L::N;
    }
}
