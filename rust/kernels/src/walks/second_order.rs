//! Second order (node2vec): a step depends on the present node and the one before. The reference says how a step is drawn
//! and why that is exact; here is in which order things are looked up.
//!
//! A throw needs the candidate, a miss, and then perhaps whether the edge u → x exists, a search in the [`Tree`] of rows.
//! Each walk of the ring makes one throw per round; all searches of a round go down their levels together. A throw low
//! enough counts whatever the bias, and then nothing is searched. Walks need not keep step: one that ends, or has come to
//! a dead end, makes room for the next.
//!
//! Whether a throw counts, and whether it needs a search, is a coin toss that no processor foretells: so both are values
//! that are computed with, not branches.

use super::graph::{Graph, sum};
use super::lines::{Search, Tree};
use super::{Proposal, RING, Start};
use crate::parallel::{Task, reserve};
use crate::rng::{Stream, pick, uniform};
use crate::simd::{Lanes, dispatched, prefetch};
use crate::{Error, Result};

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

/// The weights of the second order.
pub(super) trait Weights: Copy + Sync {
    /// Asks for what is kept of a row.
    fn prefetch(self, v: u32);
    /// Sum and greatest of a row of `degree` edges.
    fn of_row(self, v: u32, degree: u32) -> [f64; 2];
    /// Weight of an edge of a row.
    fn of_edge(self, v: u32, edge: usize) -> f64;
}

/// All edges of a row are alike.
#[derive(Clone, Copy)]
pub(super) struct Unit;

impl Weights for Unit {
    #[inline(always)]
    fn prefetch(self, _: u32) {}

    #[inline(always)]
    fn of_row(self, _: u32, degree: u32) -> [f64; 2] {
        [degree.into(), 1.0]
    }

    #[inline(always)]
    fn of_edge(self, _: u32, _: usize) -> f64 {
        1.0
    }
}

/// Weights by edge, which may be those of the caller, with [`sums`].
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) sums: &'a [[f64; 2]],
    pub(super) weights: &'a [f64],
}

impl Weights for Stored<'_> {
    #[inline(always)]
    fn prefetch(self, v: u32) {
        prefetch(self.sums, v as usize);
    }

    #[inline(always)]
    fn of_row(self, v: u32, _: u32) -> [f64; 2] {
        let [sum, greatest] = self.sums[v as usize];
        [sum, greatest.abs()]
    }

    #[inline(always)]
    fn of_edge(self, v: u32, edge: usize) -> f64 {
        if self.sums[v as usize][1] < 0.0 { 1.0 } else { self.weights[edge] }
    }
}

/// Sum and greatest of each row; of no interest for dead ends. The greatest is negative in a row of ones, whose weights the
/// caller may have by another unit.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn sums(graph: &Graph, weights: &[f64]) -> Result<Vec<[f64; 2]>> {
    let mut sums = reserve(graph.rows().len(), "sums of rows")?;
    sums.extend(graph.rows().iter().map(|row| {
        let start = (row.start as usize).min(weights.len());
        let row = &weights[start..weights.len().min(start + row.degree as usize)];
        let greatest = row.iter().copied().fold(0.0, f64::max);
        [sum(row), if row.iter().all(|&w| w == 1.0) { -greatest } else { greatest }]
    }));
    Ok(sums)
}

/// A walk on its way: at `v`, from `u`; `t` nodes are behind, and the next is drawn by throw `k`.
#[derive(Clone, Copy)]
struct Walker {
    stream: Stream,
    row: usize,
    t: usize,
    k: u64,
    u: u32,
    v: u32,
}

/// Where the point of a throw falls.
#[derive(Clone, Copy)]
enum Throw {
    /// On the candidate of an edge, if its bias is above `y`.
    Main { edge: usize, fraction: u64, y: f64 },
    /// On the return edge, if it weighs more than `place`.
    Outlier { place: f64 },
    /// An edge by running sums.
    Scan,
}

const REJECTED: u32 = u32::MAX;

/// Everything that stays the same over the walks.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a, P, W> {
    pub(super) graph: &'a Graph,
    pub(super) edges: P,
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
    let mut coming = starts.enumerate().map(|(row, start)| {
        prefetch(rows, start.node as usize);
        weights.prefetch(start.node);
        Walker { stream: start.stream, row: row * length, t: 1, k: 0, u: start.node, v: start.node }
    });
    let mut ring: Vec<Walker> = coming.by_ref().take(RING).collect();
    ring.iter().for_each(|walker| out[walker.row] = walker.v as i32);
    if length == 1 {
        coming.for_each(|walker| out[walker.row] = walker.v as i32);
        return Ok(());
    }
    let mut running = Vec::new();
    let mut next = [REJECTED; RING];
    while !ring.is_empty() {
        steps.round(lanes, &ring, &mut next, &mut running);
        for i in (0..ring.len()).rev() {
            let (walker, next) = (&mut ring[i], next[i]);
            let counts = next != REJECTED;
            out[walker.row + walker.t] = next as i32; // written over where it does not count
            (walker.u, walker.v) = if counts { (walker.v, next) } else { (walker.u, walker.v) };
            walker.k = if counts { 0 } else { walker.k + 1 };
            walker.t += usize::from(counts);
            prefetch(rows, walker.v as usize);
            weights.prefetch(walker.v);
            if (walker.t == length) | (next == abyss) {
                if next == abyss {
                    out[walker.row + walker.t - 1..walker.row + length].fill(-1);
                }
                match coming.next() {
                    Some(fresh) => {
                        out[fresh.row] = fresh.v as i32;
                        *walker = fresh;
                    }
                    None => drop(ring.swap_remove(i)),
                }
            }
        }
        task.check()?;
    }
    Ok(())
}

impl<P: Proposal, W: Weights> Steps<'_, P, W> {
    /// One throw for each walk: the node it takes to, or [`REJECTED`]. `running` is room for sums.
    #[inline(always)]
    fn round(&self, lanes: impl Lanes, ring: &[Walker], next: &mut [u32; RING], running: &mut Vec<f64>) {
        let mut throws = [Throw::Scan; RING];
        let throws = &mut throws[..ring.len()];
        for (walker, throw) in ring.iter().zip(throws.iter_mut()).rev() {
            *throw = self.throw(walker);
        }
        let rows = self.graph.rows();
        let Bias { back, out, .. } = self.bias;
        let mut searches = [(0, Search::default()); RING];
        let mut n_searches = 0;
        for (i, (walker, throw)) in ring.iter().zip(throws.iter()).enumerate().rev() {
            let (node, row, sought) = match *throw {
                Throw::Main { edge, fraction, y } => {
                    let x = self.edges.candidate(edge, fraction);
                    let returns = x == walker.u;
                    let counts = y < if returns { back } else { out.min(1.0) };
                    next[i] = if returns & !counts { REJECTED } else { x };
                    (x, rows[walker.u as usize], !(returns | counts))
                }
                Throw::Outlier { .. } => {
                    next[i] = walker.u;
                    (walker.u, rows[walker.v as usize], true)
                }
                Throw::Scan => {
                    next[i] = self.scan(walker, running);
                    continue;
                }
            };
            // Written in any case and counted where it is needed: whether it is cannot be foretold.
            searches[n_searches] = (i, Search::new(node, row.start, row.degree));
            n_searches += usize::from(sought);
        }
        let searches = &mut searches[..n_searches];
        for (_, search) in searches.iter_mut() {
            self.tree.descend(lanes, search);
        }
        for (_, search) in searches.iter_mut() {
            self.tree.descend_further(lanes, search);
        }
        for (i, search) in searches {
            let found = self.tree.found(lanes, search);
            let weight = |edge: u32| self.weights.of_edge(ring[*i].v, edge as usize);
            let counts = match throws[*i] {
                Throw::Outlier { place } => found.is_some_and(|edge| place < weight(edge)),
                _ => found.is_some() == (out < 1.0), // y lies between 1/q and 1
            };
            next[*i] = if counts { next[*i] } else { REJECTED };
        }
    }

    /// Draws a throw.
    #[inline(always)]
    fn throw(&self, walker: &Walker) -> Throw {
        let Bias { height, extra, least, .. } = self.bias;
        let row = self.graph.rows()[walker.v as usize];
        let at = (walker.t as u64).wrapping_add(walker.k << 33);
        let (slot, fraction) = pick(walker.stream.word(at), row.degree);
        let edge = row.start.wrapping_add(slot) as usize;
        self.edges.prefetch(edge);
        if (walker.t == 1) | (row.degree == 1) {
            return Throw::Main { edge, fraction, y: 0.0 }; // counts whatever the bias
        }
        let [sum, greatest] = self.weights.of_row(walker.v, row.degree);
        let area = sum * height + greatest * extra;
        if area > f64::from(row.degree) * least * sum {
            return Throw::Scan;
        }
        let z = uniform(walker.stream.word(at.wrapping_add(1 << 32))) * area;
        if z >= sum * height {
            return Throw::Outlier { place: (z - sum * height) / extra };
        }
        prefetch(self.graph.rows(), walker.u as usize);
        Throw::Main { edge, fraction, y: z / sum }
    }

    /// The next node by running sums of weight times bias.
    fn scan(&self, walker: &Walker, running: &mut Vec<f64>) -> u32 {
        let near = |v: u32| {
            let row = self.graph.rows()[v as usize];
            (row.start as usize, &self.graph.neighbours()[row.start as usize..][..row.degree as usize])
        };
        let (start, candidates) = near(walker.v);
        let (_, mut known) = near(walker.u);
        running.clear();
        let mut total = 0.0;
        for (j, &x) in candidates.iter().enumerate() {
            known = &known[known.partition_point(|&y| y < x)..]; // both ascend
            let alpha = if x == walker.u {
                self.bias.back
            } else if known.first() == Some(&x) {
                1.0
            } else {
                self.bias.out
            };
            total += self.weights.of_edge(walker.v, start + j) * alpha;
            running.push(total);
        }
        let target = uniform(walker.stream.word(walker.t as u64)) * total;
        candidates[running.partition_point(|&sum| sum <= target).min(candidates.len() - 1)]
    }
}
