//! Few queries of many nodes: the half matrix is read once, row by row, past lists of the queries.
//!
//! For each middle node there is a list of the queries that reach it. They are small and stay in the cache, and Wᵀ is not made.
//! A row y adds up the lists of its columns, and what is among the k best of a query so far is kept.
//!
//! Rows come in bands, the lightest (in M_yy) first: sharing little with a light row scores more than sharing as little with a heavy one,
//! so the k-th best score θ of a query is soon high. From then on most pairs need not be looked at. Let middle nodes be in order
//! of the queries that reach them, and M(θ) be the least M_xy that scores θ with a row of this band:
//!
//! - The last columns of x in that order are *closed* while w_x, summed over them and times the greatest entry of a row, is
//!   below M(θ): no pair that shares only those counts, and x is left out of their lists.
//! - The last column of y in that order is *single*: a pair that reaches y there and nowhere before shares that column alone, so x is
//!   passed over if its own entry times the greatest entry of a row is below M(θ).
//!
//! A pair that counts is therefore met in the first column that it shares. Before it is multiplied out, signs of the two rows tell
//! whether they may share as many columns as it takes. Rows with an entry above the cut that most rows
//! keep to are held against all lists. Pairs met are multiplied out, entry by entry in ascending order; where most pairs would be, sums of lists
//! are cheaper, and nothing is left out.
//!
//! Where the queries' rows are more than a share of all, the lists are no small side any more ([`fits`] says no), and M by its own
//! rows is cheaper (`top_k`), as it is where Wᵀ is small; so it is where k is so large that the best of all queries need more room than Wᵀ. Where
//! there are many paths per node, tiles are cheapest.

use super::half::{Half, Scratches, Value};
use super::lists::Lists;
use super::pairs::Met;
use super::select::{Best, Match};
use crate::parallel::{filled, filled_with, reserve, zeros};
use crate::simd::prefetch;
use crate::{Result, Task};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The queries' rows hold at most one in so many of all entries.
const SHARE: usize = 8;
/// Entries from which on Wᵀ is made slower than it is passed by: it is no longer near the processor.
const LEAST: usize = 1 << 20;
/// Rows read between two looks at whether to stop.
const STRETCH: usize = 1 << 13;
/// Bands end at these shares of the rows, in sixteenths.
const BANDS: [usize; 4] = [1, 2, 6, 10];
const MOST: usize = BANDS.len() + 1;
/// Rows that are read together.
const BATCH: usize = 64;
/// Rows that are looked at to estimate something.
const SAMPLE: usize = 1 << 10;
/// As many of a band.
const PROBE: usize = 1 << 8;
/// Pairs that a thread keeps before it offers them to the best of their queries.
const PAIRS: usize = 1 << 13;
/// What it costs to multiply out a pair, in products, beside its entries.
const PAIR: u64 = 8;
/// What it costs to add a product up and to clear it, in the same unit.
const SUM: u64 = 2;
/// Queries whose lists are made at a time: what a thread keeps of them stays small.
const QUERIES: usize = 1 << 17;
pub(super) const WHAT: &str = "the lists of the queries";

/// Rows whose M_yy is in a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band<V: Value> {
    from: V::Sum,
    /// The greatest entry of most rows.
    cut: V,
    /// Whether pairs are multiplied out.
    by_pairs: bool,
}

/// The rows by bands.
#[derive(Debug)]
struct Bands<V: Value> {
    bands: Vec<Band<V>>,
    /// Rows from the first of their stretch on, in order of stretches, and within them of bands; where bands end there.
    rows: Vec<u16>,
    ends: Vec<[u16; MOST]>,
}

/// A row of a batch: whether it has an entry above the cut, and where its numbers and entries are.
#[derive(Debug)]
pub(super) struct Held {
    pub y: u32,
    pub heavy: bool,
    pub hits: Range<usize>,
}

/// The score of the k-th best and its node, which a node of the same score must be before.
type Known = (f64, u32);

/// What one thread writes into.
#[derive(Debug)]
pub(super) struct Scratch<V: Value> {
    /// The band that `least` is for.
    band: usize,
    /// Of each query: the k-th best that this thread knows of, and the least sum that may reach its score.
    pub known: Vec<Known>,
    pub least: Vec<V::Sum>,
    sums: Vec<V::Sum>,
    reached: Vec<u32>,
    pub met: Met<V>,
    /// The rows being read: numbers and entries.
    pub hits: Vec<(u32, V)>,
    pub pairs: Vec<(u32, Match)>,
}

/// Whether the queries are few enough of enough, and the best of them need no more room than Wᵀ would.
pub(super) fn fits<V: Value>(half: &Half<'_, V>, k: usize, queries: &[i64]) -> bool {
    let entries: usize = half.rows(queries).map(|(columns, _)| columns.len()).sum();
    let best = queries.len().min(QUERIES) as u128 * k as u128 * (2 * size_of::<Match>()) as u128;
    half.n_entries() >= LEAST
        && entries <= (half.n_entries() / SHARE).min(u32::MAX as usize)
        && queries.len() <= half.len() / SHARE
        && best <= (half.n_entries() * size_of::<(u32, V)>()) as u128
}

/// About how many products of entries the queries' rows of M sum, by a sample of the rows.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub(super) fn multiplications<V: Value>(half: &Half<'_, V>, queries: &[i64]) -> Result<u64> {
    let mut counts = zeros::<u32>(half.n_columns(), WHAT)?;
    for (columns, _) in half.rows(queries) {
        columns.iter().for_each(|&column| counts[column as usize] += 1);
    }
    let step = half.len().div_ceil(SAMPLE).max(1);
    let rows = (0..half.len()).step_by(step).map(|y| half.row(y).0);
    let products = |row: &[i32]| row.iter().map(|&column| u64::from(counts[column as usize])).sum::<u64>();
    Ok(rows.map(products).sum::<u64>() * step as u64)
}

/// Fills the answers to the queries, k numbers each.
pub(super) fn top_k<V: Value>(
    half: &Half<'_, V>,
    k: usize,
    queries: &[i64],
    include_self: bool,
    out: (&mut [i64], &mut [f64]),
    task: &Task,
) -> Result<()> {
    top_k_by(None, half, k, queries, include_self, out, task)
}

/// As [`top_k`]; by pairs always or never, where that is said.
pub(super) fn top_k_by<V: Value>(
    by_pairs: Option<bool>,
    half: &Half<'_, V>,
    k: usize,
    queries: &[i64],
    include_self: bool,
    (nodes, scores): (&mut [i64], &mut [f64]),
    task: &Task,
) -> Result<()> {
    let bands = Bands::new(half)?;
    task.expect(bands.ends.len() * bands.bands.len() * queries.len().div_ceil(QUERIES));
    let most = QUERIES.saturating_mul(k).max(1);
    let slots = nodes.chunks_mut(most).zip(scores.chunks_mut(most));
    queries
        .chunks(QUERIES)
        .zip(slots)
        .try_for_each(|(queries, slots)| some(by_pairs, &bands, half, k, queries, include_self, slots, task))
}

/// As [`top_k`], for as many queries as are listed at a time.
#[allow(clippy::too_many_arguments)]
fn some<V: Value>(
    by_pairs: Option<bool>,
    bands: &Bands<V>,
    half: &Half<'_, V>,
    k: usize,
    queries: &[i64],
    include_self: bool,
    (nodes, scores): (&mut [i64], &mut [f64]),
    task: &Task,
) -> Result<()> {
    let mut lists = Lists::new(half, queries)?;
    let mut best = filled_with(queries.len(), || Best::of(k), WHAT)?;
    let scratches = Scratches::new();
    for (number, &band) in bands.bands.iter().enumerate() {
        let settle = |(best, &(xx, _)): (&mut Best, &(V::Sum, u32))| {
            best.settle();
            (best.known(), V::least(best.threshold(), xx, band.from))
        };
        let (known, least): (Vec<Known>, Vec<V::Sum>) = best.par_iter_mut().zip(&lists.queries).map(settle).unzip();
        lists.arrange(&least, band.cut)?;
        let cheaper = || number > 0 && lists.pairs_are_cheaper(half, bands, number);
        let band = Band { by_pairs: by_pairs.unwrap_or_else(cheaper), ..band };
        let shared = Mutex::new(&mut best);
        (0..bands.ends.len()).into_par_iter().try_for_each(|stretch| {
            scratches.with(
                || Scratch::new(&lists),
                |scratch| {
                    if scratch.band != number + 1 {
                        scratch.band = number + 1;
                        scratch.known.clear();
                        scratch.known.extend_from_slice(&known);
                        scratch.least.clear();
                        scratch.least.extend_from_slice(&least);
                    }
                    lists.read(half, band, bands.rows(stretch, number), include_self, &shared, scratch, task)?;
                    task.advance(1)
                },
            )
        })?;
    }
    best.par_iter_mut().zip(nodes.par_chunks_exact_mut(k)).zip(scores.par_chunks_exact_mut(k)).for_each(
        |((best, nodes), scores)| {
            for ((found, node), score) in best.finish().iter().zip(nodes).zip(scores) {
                (*node, *score) = (found.node.into(), found.score);
            }
        },
    );
    Ok(())
}

impl<V: Value> Bands<V> {
    /// All rows that have entries.
    fn new(half: &Half<'_, V>) -> Result<Self> {
        let bands = bands(half)?;
        // With as many as there can be, the loop over them is unrolled.
        let mut froms = [V::Sum::default(); MOST - 1];
        let unused = froms.len() + 1 - bands.len();
        froms[unused..].iter_mut().zip(&bands[1..]).for_each(|(from, band)| *from = band.from);
        let mut rows = zeros(half.len(), WHAT)?;
        let mut ends = filled(half.len().div_ceil(STRETCH), [0; MOST], WHAT)?;
        let stretches = rows.par_chunks_mut(STRETCH).zip(half.norms.par_chunks(STRETCH)).zip(&mut ends);
        stretches.for_each(|((rows, norms), ends)| {
            // Rows without entries come last; whose band a row is cannot be predicted.
            let band = |&norm: &V::Sum| {
                let band: usize = froms.iter().map(|&from| usize::from(norm >= from)).sum::<usize>() - unused;
                if norm == V::Sum::default() { MOST } else { band }
            };
            let mut next = [0; MOST + 1];
            norms.iter().for_each(|norm| next[band(norm)] += 1);
            let mut sum = 0;
            next.iter_mut().for_each(|next| sum += std::mem::replace(next, sum));
            for (y, norm) in (0..).zip(norms) {
                let next = &mut next[band(norm)];
                rows[usize::from(*next)] = y;
                *next += 1;
            }
            ends.copy_from_slice(&next[..MOST]);
        });
        Ok(Self { bands, rows, ends })
    }

    /// The rows of a band in a stretch.
    fn rows(&self, stretch: usize, band: usize) -> impl ExactSizeIterator<Item = u32> {
        let (ends, first) = (&self.ends[stretch], stretch * STRETCH);
        let start = if band == 0 { 0 } else { ends[band - 1] };
        self.rows[first..][start.into()..ends[band].into()].iter().map(move |&y| first as u32 + u32::from(y))
    }
}

/// Cuts the rows into bands by a sample of them, which is the same for any number of threads.
fn bands<V: Value>(half: &Half<'_, V>) -> Result<Vec<Band<V>>> {
    let mut sample: Vec<(V::Sum, V)> = reserve(SAMPLE + 1, WHAT)?;
    for row in (0..half.len()).step_by(half.len().div_ceil(SAMPLE).max(1)) {
        let values = half.row(row).1.iter().map(|&value| V::of(value));
        if let Some(greatest) = values.reduce(|a, b| if b > a { b } else { a }) {
            sample.push((half.norms[row], greatest));
        }
    }
    let mut band = Band { from: V::Sum::default(), cut: V::default(), by_pairs: false };
    let Some(last) = sample.len().checked_sub(1) else { return Ok(vec![band]) };
    sample.sort_unstable_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal));
    band.cut = sample[last - last / 16].1;
    sample.sort_unstable_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
    let mut bands = vec![band];
    for share in BANDS {
        let from = sample[last * share / 16].0;
        if from > band.from {
            band.from = from;
            bands.push(band);
        }
    }
    Ok(bands)
}

impl<V: Value> Lists<V> {
    /// Whether the pairs that would be met are so few that they cost less than sums of whole lists.
    fn pairs_are_cheaper(&self, half: &Half<'_, V>, bands: &Bands<V>, number: usize) -> bool {
        let band = bands.bands[number];
        let (mut sums, mut pairs, mut hits) = (0, 0, Vec::new());
        let stretches = 0..bands.ends.len();
        let n: usize = stretches.clone().map(|stretch| bands.rows(stretch, number).len()).sum();
        let rows = stretches.flat_map(|stretch| bands.rows(stretch, number).step_by(n.div_ceil(PROBE).max(1)));
        for y in rows {
            let (heavy, n) = self.hits(half.ones_or_row(y as usize), band.cut, 0, &mut hits);
            self.find(&mut hits[..n]);
            let last = self.last(&hits[..n]);
            for (at, &(number, _)) in hits[..n].iter().enumerate() {
                sums += self.all(number).len() as u64;
                let (from, to) = self.part(number, heavy, at == last);
                pairs += u64::from(to - from);
            }
        }
        let length = self.entries.len() as u64 / (self.queries.len() as u64).max(1);
        pairs * (PAIR + length) < sums * SUM
    }

    /// Reads some rows, and offers what may be among the best of a query.
    #[allow(clippy::too_many_arguments)]
    fn read(
        &self,
        half: &Half<'_, V>,
        band: Band<V>,
        mut rows: impl Iterator<Item = u32>,
        include_self: bool,
        best: &Mutex<&mut Vec<Best>>,
        scratch: &mut Scratch<V>,
        task: &Task,
    ) -> Result<()> {
        let (mut batch, mut next): (Vec<Held>, Vec<u32>) = (reserve(BATCH, WHAT)?, reserve(BATCH, WHAT)?);
        loop {
            // Each step of a row waits for memory, so a step is taken for many rows before the next one.
            batch.clear();
            let mut n = 0;
            for y in next.drain(..) {
                let start = n;
                let heavy;
                (heavy, n) = self.hits(half.ones_or_row(y as usize), band.cut, start, &mut scratch.hits);
                batch.push(Held { y, heavy, hits: start..n });
            }
            next.extend(rows.by_ref().take(BATCH));
            next.iter().for_each(|&y| half.prefetch_row(y as usize));
            if batch.is_empty() && next.is_empty() {
                break;
            }
            task.check()?;
            self.find(&mut scratch.hits[..n]);
            for &(number, _) in &scratch.hits[..n] {
                prefetch(&self.list, self.ends[number as usize][0] as usize);
            }
            if band.by_pairs {
                self.meet(half, &batch, include_self, scratch);
            } else {
                batch.iter().for_each(|held| self.sum(half, held, include_self, scratch));
            }
            if scratch.pairs.len() >= PAIRS {
                self.offer(band, best, scratch);
            }
        }
        self.offer(band, best, scratch);
        Ok(())
    }

    /// Sums the lists of a row, and keeps what may be among the best.
    #[inline(always)]
    fn sum(&self, half: &Half<'_, V>, held: &Held, include_self: bool, scratch: &mut Scratch<V>) {
        let Scratch { known, least, sums, reached, hits, pairs, .. } = scratch;
        let hits = &hits[held.hits.clone()];
        for &(number, value) in hits {
            for &(slot, entry) in self.all(number) {
                let (sum, least) = (&mut sums[slot as usize], least[slot as usize]);
                let new = entry.add_product(value, *sum);
                if new >= least && *sum < least {
                    reached.push(slot);
                }
                *sum = new;
            }
        }
        let yy = half.norms[held.y as usize];
        for slot in reached.drain(..) {
            let x = slot as usize;
            pairs.extend(self.candidate(slot, sums[x], (held.y, yy), known[x], include_self));
        }
        for &(number, _) in hits {
            for &(slot, _) in self.all(number) {
                sums[slot as usize] = V::Sum::default();
            }
        }
    }

    /// What a row is to a query, if that may be among its best.
    #[inline(always)]
    pub(super) fn candidate(
        &self,
        slot: u32,
        xy: V::Sum,
        (y, yy): (u32, V::Sum),
        (kth, node): Known,
        include_self: bool,
    ) -> Option<(u32, Match)> {
        let (xx, x) = self.queries[slot as usize];
        let score = V::score(xy, xx, yy);
        let may_count = score > 0.0 && (score > kth || score == kth && y < node) && (include_self || x != y);
        may_count.then_some((slot, Match { score, node: y }))
    }

    /// Offers the pairs that were kept, and learns the scores that the best now need.
    fn offer(&self, band: Band<V>, best: &Mutex<&mut Vec<Best>>, scratch: &mut Scratch<V>) {
        let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
        const AHEAD: usize = 8;
        for at in 0..scratch.pairs.len() {
            // Where the best of a query are kept is known late: each half of the way is asked for before its turn.
            if let Some(&(slot, _)) = scratch.pairs.get(at + 2 * AHEAD) {
                prefetch(&best, slot as usize);
                best[scratch.pairs[at + AHEAD].0 as usize].prefetch();
            }
            let (slot, found) = scratch.pairs[at];
            let (best, known) = (&mut best[slot as usize], &mut scratch.known[slot as usize]);
            best.offer(found);
            if best.threshold() > known.0 {
                scratch.least[slot as usize] = V::least(best.threshold(), self.queries[slot as usize].0, band.from);
            }
            *known = best.known();
        }
        scratch.pairs.clear();
    }
}

impl<V: Value> Scratch<V> {
    fn new(lists: &Lists<V>) -> Result<Self> {
        let q = lists.queries.len();
        Ok(Self {
            band: 0,
            known: reserve(q, WHAT)?,
            least: reserve(q, WHAT)?,
            sums: zeros(q, WHAT)?,
            reached: Vec::new(),
            met: Met::new(q, lists.ends.len())?,
            hits: Vec::new(),
            pairs: reserve(PAIRS, WHAT)?,
        })
    }
}
