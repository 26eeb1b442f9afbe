//! Second order (node2vec): a step depends on the present node and the one before. The reference says how a step is drawn
//! and why that is exact; here is in which order things are looked up.
//!
//! A throw needs the candidate, a miss, and then perhaps whether the edge u → x exists: a look at the [`Filter`], which
//! mostly denies it, and else a search in the [`Tree`] of rows. A throw low enough counts whatever the bias, and then
//! nothing is looked up. Each walk of the ring makes one throw per round, and a round goes in passes, of which each asks the
//! memory for what a later one reads. Walks need not keep step: one that ends, or has come to a dead end, makes room for the
//! next.
//!
//! Whether a throw counts, and whether it needs a look, is a coin toss that no processor foretells: so both are values that
//! are computed with, not branches. What is worked out of numbers alone lies in arrays, for wide instructions.

use super::filter::{Filter, Place};
use super::graph::{Graph, Row};
use super::lines::{Search, Tree};
use super::weights::Weights;
use super::{Proposal, Start};
use crate::parallel::Task;
use crate::rng::{Stream, pick, uniform};
use crate::simd::{Lanes, dispatched, prefetch};
use crate::{Error, Result};

/// Walks that a thread moves together: twice as many as in the first order, for the passes of a round are as long as few of
/// them have something to ask for.
const RING: usize = 128;
/// Of these a multiple is worked on where lanes are free.
const LANES: usize = 16;

/// What a step is weighed by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bias {
    /// 1/p, for going back.
    back: f64,
    /// 1/q, for leaving the neighbourhood of the node before.
    out: f64,
    /// Height of the main part: the greatest bias of an edge that does not go back.
    height: f64,
    /// What the return edge has above that.
    extra: f64,
    /// Every throw below it counts.
    least: f64,
}

impl Bias {
    /// None for p = q = 1, which is first order.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless p, q and their inverses are positive and finite.
    pub(super) fn new(p: f64, q: f64) -> Result<Option<Self>> {
        for (name, value) in [("p", p), ("q", q)] {
            if !(value > 0.0 && value < f64::INFINITY && (1.0 / value).is_finite()) {
                return Err(Error::Invalid(format!("{name}={value}: must be positive and finite, as its inverse.")));
            }
        }
        let (back, out) = (1.0 / p, 1.0 / q);
        let height = out.max(1.0);
        let bias = Self { back, out, height, extra: (back - height).max(0.0), least: back.min(out).min(1.0) };
        Ok((p != 1.0 || q != 1.0).then_some(bias))
    }

    /// The least bias there is.
    pub(super) fn least(self) -> f64 {
        self.least
    }

    /// The greatest bias there is.
    pub(super) fn greatest(self) -> f64 {
        self.height.max(self.back)
    }
}

/// Walks on their way, the first `n` of each: at `v`, from `u`.
struct Ring {
    n: usize,
    streams: [Stream; RING],
    /// The word that the next throw draws its candidate by: t + k · 2³³ after t nodes and k throws that did not count.
    at: [u64; RING],
    /// Where in `out` a walk begins.
    begin: [usize; RING],
    u: [u32; RING],
    v: [u32; RING],
}

/// What a round is worked out in. The first are by walk, as in the ring; the others are as many as there are of them.
struct Round {
    words: [[u64; RING]; 2],
    edges: [usize; RING],
    fractions: [u64; RING],
    degrees: [u32; RING],
    sums: [f64; RING],
    greatest: [f64; RING],
    /// A throw counts if the bias of its candidate is above; [`APART`] where it has none.
    y: [f64; RING],
    /// The node a throw takes to, or [`REJECTED`].
    next: [u32; RING],
    apart: [usize; RING],
    scans: [usize; RING],
    outliers: [Outlier; RING],
    looks: [(usize, Place); RING],
    searches: [(usize, Search); RING],
    running: Vec<f64>,
}

/// A throw on what the return edge has above the main part: it counts if that edge weighs more than `place`.
#[derive(Clone, Copy, Default)]
struct Outlier {
    walk: usize,
    place: f64,
    search: Search,
    edge: Option<u32>,
}

const REJECTED: u32 = u32::MAX;
/// Below every bias.
const CERTAIN: f64 = -1.0;
/// Below every bias too.
const APART: f64 = -2.0;

/// Everything that stays the same over the walks.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a, P, W> {
    pub(super) graph: &'a Graph,
    pub(super) edges: P,
    pub(super) filter: &'a Filter,
    pub(super) tree: Tree<'a>,
    pub(super) weights: W,
    pub(super) bias: Bias,
}

dispatched! {
    /// Walks of `length` nodes into the rows of `out`.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn walk[P: Proposal, W: Weights, S: Iterator<Item = Start>](
        steps: Steps<'_, P, W>,
        starts: S,
        length: usize,
        out: &mut [i32],
        task: &Task,
    ) -> Result<()> = walk_on
}

#[inline(always)]
fn walk_on<P: Proposal, W: Weights>(
    lanes: impl Lanes,
    steps: Steps<'_, P, W>,
    starts: impl Iterator<Item = Start>,
    length: usize,
    out: &mut [i32],
    task: &Task,
) -> Result<()> {
    let Steps { graph, weights, .. } = steps;
    let (rows, abyss) = (graph.rows(), graph.abyss());
    let (mut ring, mut round) = (Ring::new(), Round::new());
    let mut starts = starts.enumerate();
    if length == 1 {
        starts.for_each(|(row, start)| out[row] = start.node as i32);
        return Ok(());
    }
    for (row, start) in starts.by_ref().take(RING) {
        out[row * length] = start.node as i32;
        ring.n += 1;
        ring.start(ring.n - 1, row * length, start);
        prefetch(rows, start.node as usize);
        weights.prefetch(start.node);
    }
    while ring.n > 0 {
        steps.round(lanes, &ring, &mut round);
        ring.follow(&round.next);
        for i in (0..ring.n).rev() {
            let (t, v) = (ring.at[i] as u32 as usize, ring.v[i]);
            let (here, end) = (ring.begin[i] + t - 1, ring.begin[i] + length);
            out[here] = v as i32; // where a throw did not count, once more what is there
            prefetch(rows, v as usize);
            weights.prefetch(v);
            if (t == length) | (v == abyss) {
                if v == abyss {
                    out[here..end].fill(-1);
                }
                match starts.next() {
                    Some((row, start)) => {
                        out[row * length] = start.node as i32;
                        ring.start(i, row * length, start);
                        prefetch(rows, start.node as usize);
                        weights.prefetch(start.node);
                    }
                    None => ring.remove(i),
                }
            }
        }
        task.check()?;
    }
    Ok(())
}

impl Ring {
    fn new() -> Self {
        let (streams, none) = ([Stream::new(0, 0); RING], [0; RING]);
        Self { n: 0, streams, at: [0; RING], begin: [0; RING], u: none, v: none }
    }

    /// Puts a walk at its first node.
    fn start(&mut self, i: usize, begin: usize, start: Start) {
        (self.streams[i], self.at[i], self.begin[i]) = (start.stream, 1, begin);
        (self.u[i], self.v[i]) = (start.node, start.node);
    }

    /// Takes a walk out: the last gets its place.
    fn remove(&mut self, i: usize) {
        self.n -= 1;
        let last = self.n;
        (self.streams[i], self.at[i], self.begin[i]) = (self.streams[last], self.at[last], self.begin[last]);
        (self.u[i], self.v[i]) = (self.u[last], self.v[last]);
    }

    /// How many are worked on where lanes are free.
    #[inline(always)]
    fn in_lanes(&self) -> usize {
        self.n.next_multiple_of(LANES).min(RING)
    }

    /// Takes each walk to its next node.
    #[inline(always)]
    fn follow(&mut self, next: &[u32; RING]) {
        for i in 0..self.in_lanes() {
            let (at, u, v) = (self.at[i], self.u[i], self.v[i]);
            let counts = next[i] != REJECTED;
            self.at[i] = if counts { (at & u64::from(u32::MAX)).wrapping_add(1) } else { at.wrapping_add(1 << 33) };
            self.u[i] = if counts { v } else { u };
            self.v[i] = if counts { next[i] } else { v };
        }
    }
}

impl Round {
    fn new() -> Self {
        let (none, numbers) = ([0; RING], [1.0; RING]);
        Self {
            words: [[0; RING]; 2],
            edges: none,
            fractions: [0; RING],
            degrees: [1; RING],
            sums: numbers,
            greatest: numbers,
            y: numbers,
            next: [REJECTED; RING],
            apart: none,
            scans: none,
            outliers: [Outlier::default(); RING],
            looks: [Default::default(); RING],
            searches: [Default::default(); RING],
            running: Vec::new(),
        }
    }
}

impl<P: Proposal, W: Weights> Steps<'_, P, W> {
    /// One throw for each walk. Outliers are searched for between the passes of the others, stage by stage.
    #[inline(always)]
    fn round(&self, lanes: impl Lanes, ring: &Ring, round: &mut Round) {
        self.draw(ring, round);
        let (n_scans, n_outliers) = self.set_apart(lanes, ring, round);
        let n_looks = self.propose(ring, round);
        for outlier in &mut round.outliers[..n_outliers] {
            self.tree.descend_further(lanes, &mut outlier.search);
        }
        let n_searches = self.look(ring, round, n_looks);
        for k in 0..n_scans {
            round.next[round.scans[k]] = self.scan(ring, round.scans[k], &mut round.running);
        }
        let searches = &mut round.searches[..n_searches];
        for (_, search) in searches.iter_mut() {
            self.tree.descend(lanes, search);
        }
        for outlier in &mut round.outliers[..n_outliers] {
            outlier.edge = self.tree.found(lanes, &outlier.search);
            if let Some(edge) = outlier.edge {
                self.weights.prefetch_edge(edge as usize);
            }
        }
        for (_, search) in searches.iter_mut() {
            self.tree.descend_further(lanes, search);
        }
        for (i, search) in searches.iter() {
            let counts = self.tree.found(lanes, search).is_some() == (self.bias.out < 1.0); // y lies between 1/q and 1
            round.next[*i] = if counts { round.next[*i] } else { REJECTED };
        }
        for &Outlier { walk, place, edge, .. } in &round.outliers[..n_outliers] {
            let (u, v) = (ring.u[walk], ring.v[walk]);
            let counts = match edge {
                Some(edge) => place < self.weights.of_edge(v, edge as usize),
                None => false,
            };
            round.next[walk] = if counts { u } else { REJECTED };
        }
    }

    /// Draws where each throw falls.
    #[inline(always)]
    fn draw(&self, ring: &Ring, round: &mut Round) {
        let Bias { height, extra, least, .. } = self.bias;
        for i in 0..ring.in_lanes() {
            let (stream, at) = (ring.streams[i], ring.at[i]);
            round.words[0][i] = stream.word(at);
            round.words[1][i] = stream.word(at.wrapping_add(1 << 32));
        }
        for i in 0..ring.n {
            let v = ring.v[i];
            let row = self.graph.rows()[v as usize];
            let (slot, fraction) = pick(round.words[0][i], row.degree);
            let edge = row.start.wrapping_add(slot) as usize;
            self.edges.prefetch(edge);
            (round.edges[i], round.fractions[i], round.degrees[i]) = (edge, fraction, row.degree);
            [round.sums[i], round.greatest[i]] = self.weights.of_row(v, row.degree);
        }
        for i in 0..ring.in_lanes() {
            let (degree, sum) = (round.degrees[i], round.sums[i]);
            let main = sum * height;
            let area = main + round.greatest[i] * extra;
            let z = uniform(round.words[1][i]) * area;
            let apart = (z >= main) | (area > f64::from(degree) * least * sum);
            let y = if apart { APART } else { z / sum };
            let first = ring.at[i] as u32 == 1;
            round.y[i] = if first | (degree == 1) { CERTAIN } else { y };
        }
    }

    /// Finds the throws that have no candidate: running sums are taken, or the return edge is hit.
    #[inline(always)]
    fn set_apart(&self, lanes: impl Lanes, ring: &Ring, round: &mut Round) -> (usize, usize) {
        let Bias { height, extra, least, .. } = self.bias;
        let (mut n_apart, mut n_outliers) = (0, 0);
        for i in 0..ring.n {
            round.apart[n_apart] = i;
            n_apart += usize::from(round.y[i] == APART);
        }
        for k in 0..n_apart {
            let i = round.apart[k];
            let row = self.graph.rows()[ring.v[i] as usize];
            self.weights.prefetch_edge(row.start as usize);
            let sum = round.sums[i];
            let area = sum * height + round.greatest[i] * extra;
            round.scans[k - n_outliers] = i;
            if area <= f64::from(row.degree) * least * sum {
                let place = (uniform(round.words[1][i]) * area - sum * height) / extra;
                let mut search = Search::new(ring.u[i], row.start, row.degree);
                self.tree.descend(lanes, &mut search);
                round.outliers[n_outliers] = Outlier { walk: i, place, search, edge: None };
                n_outliers += 1;
            }
        }
        (n_apart - n_outliers, n_outliers)
    }

    /// Finds the candidates, and those that it takes a look at the edges to tell whether they count.
    #[inline(always)]
    fn propose(&self, ring: &Ring, round: &mut Round) -> usize {
        let Bias { back, out, .. } = self.bias;
        let mut n_looks = 0;
        for i in 0..ring.n {
            let x = self.edges.candidate(round.edges[i], round.fractions[i]);
            let returns = x == ring.u[i];
            let counts = round.y[i] < if returns { back } else { out.min(1.0) };
            round.next[i] = if returns & !counts { REJECTED } else { x };
            // Written in any case and counted where it is needed: whether it is cannot be foretold.
            round.looks[n_looks].0 = i;
            n_looks += usize::from(!(returns | counts));
        }
        n_looks
    }

    /// Asks the filter, and leaves to a search what it does not deny.
    #[inline(always)]
    fn look(&self, ring: &Ring, round: &mut Round, n_looks: usize) -> usize {
        let rows = self.graph.rows();
        for (i, place) in &mut round.looks[..n_looks] {
            *place = self.filter.place(rows[ring.u[*i] as usize], round.next[*i]);
            self.filter.prefetch(*place);
        }
        let mut n_searches = 0;
        for (i, place) in &round.looks[..n_looks] {
            let (x, row) = (round.next[*i], rows[ring.u[*i] as usize]);
            let may = self.filter.may_have(*place);
            round.next[*i] = if may | (self.bias.out >= 1.0) { x } else { REJECTED };
            round.searches[n_searches] = (*i, Search::new(x, row.start, row.degree));
            n_searches += usize::from(may);
        }
        n_searches
    }

    /// The next node by running sums of weight times bias.
    #[cold]
    fn scan(&self, ring: &Ring, i: usize, running: &mut Vec<f64>) -> u32 {
        let (u, v) = (ring.u[i], ring.v[i]);
        let (row_of_u, row_of_v) = (self.graph.rows()[u as usize], self.graph.rows()[v as usize]);
        let near = |row: Row| &self.graph.neighbours()[row.start as usize..][..row.degree as usize];
        let (candidates, mut known) = (near(row_of_v), near(row_of_u));
        running.clear();
        let mut total = 0.0;
        for (&x, edge) in candidates.iter().zip(row_of_v.start..) {
            let alpha = if x == u {
                self.bias.back
            } else if self.filter.may_have(self.filter.place(row_of_u, x)) {
                known = &known[known.partition_point(|&y| y < x)..]; // both ascend
                if known.first() == Some(&x) { 1.0 } else { self.bias.out }
            } else {
                self.bias.out
            };
            total += self.weights.of_edge(v, edge as usize) * alpha;
            running.push(total);
        }
        let target = uniform(ring.streams[i].word(u64::from(ring.at[i] as u32))) * total;
        candidates[running.partition_point(|&sum| sum <= target).min(candidates.len() - 1)]
    }
}
