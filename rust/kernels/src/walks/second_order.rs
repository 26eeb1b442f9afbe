//! Second order (node2vec): a step depends on the present node and the one before. The reference says how a step is drawn
//! and why that is exact; here is in which order things are looked up.
//!
//! A throw needs the candidate, a miss, and then perhaps whether the edge u → x exists, a binary search with a miss per
//! level. Each walk of the ring makes one throw per round; all searches of a round go down their levels together. A
//! throw low enough counts whatever the bias, and then nothing is searched. Walks need not keep step: one that ends makes
//! room for the next.

use super::graph::{Graph, Row, sum};
use super::{Proposal, RING, Start};
use crate::parallel::{Task, reserve};
use crate::rng::{Stream, pick, uniform};
use crate::simd::prefetch;
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
    /// Weight of an edge.
    fn of_edge(self, edge: usize) -> f64;
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
    fn of_edge(self, _: usize) -> f64 {
        1.0
    }
}

/// Weights by edge, with [`sums`].
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
        self.sums[v as usize]
    }

    #[inline(always)]
    fn of_edge(self, edge: usize) -> f64 {
        self.weights[edge]
    }
}

/// Sum and greatest of each row; of no interest for dead ends.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn sums(graph: &Graph, weights: &[f64]) -> Result<Vec<[f64; 2]>> {
    let mut sums = reserve(graph.rows().len(), "sums of rows")?;
    sums.extend(graph.rows().iter().map(|row| {
        let start = (row.start as usize).min(weights.len());
        let row = &weights[start..weights.len().min(start + row.degree as usize)];
        [sum(row), row.iter().copied().fold(0.0, f64::max)]
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

/// What became of a throw, once its candidate or its search is known.
#[derive(Clone, Copy)]
enum Throw {
    /// The candidate of an edge, whatever its bias.
    Sure { edge: usize, fraction: u64 },
    /// The candidate of an edge, if its bias is above `y`.
    Main { edge: usize, fraction: u64, y: f64 },
    /// The return edge, if it weighs more than `place`.
    Outlier { place: f64 },
    /// An edge by running sums.
    Scan,
}

/// A binary search for `node` in a part of the edges that starts at `start`; what it is for is in the throw.
#[derive(Clone, Copy, Default)]
struct Search {
    walker: usize,
    node: u32,
    start: usize,
    len: usize,
    found: bool,
}

const REJECTED: u32 = u32::MAX;

/// Everything that stays the same over the walks.
#[derive(Clone, Copy)]
struct Steps<'a, P, W> {
    graph: &'a Graph,
    edges: P,
    weights: W,
    bias: Bias,
}

/// Walks of `length` nodes into the rows of `out`.
///
/// # Errors
/// [`Error::Interrupted`].
#[allow(clippy::too_many_arguments)]
pub(super) fn walk(
    graph: &Graph,
    edges: impl Proposal,
    weights: impl Weights,
    bias: Bias,
    starts: impl Iterator<Item = Start>,
    length: usize,
    out: &mut [i32],
    task: &Task,
) -> Result<()> {
    let steps = Steps { graph, edges, weights, bias };
    let mut coming = starts.enumerate().map(|(row, start)| {
        prefetch(graph.rows(), start.node as usize);
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
        steps.round(&ring, &mut next, &mut running);
        for i in (0..ring.len()).rev() {
            let walker = &mut ring[i];
            if next[i] == REJECTED {
                walker.k += 1;
                continue;
            }
            out[walker.row + walker.t] = if next[i] == graph.abyss() { -1 } else { next[i] as i32 };
            (walker.u, walker.v, walker.t, walker.k) = (walker.v, next[i], walker.t + 1, 0);
            prefetch(graph.rows(), walker.v as usize);
            weights.prefetch(walker.v);
            if walker.t == length {
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
    fn round(&self, ring: &[Walker], next: &mut [u32; RING], running: &mut Vec<f64>) {
        let mut throws = [Throw::Scan; RING];
        for (walker, throw) in ring.iter().zip(&mut throws) {
            *throw = self.throw(walker);
        }
        let mut searches = [Search::default(); RING];
        let mut n_searches = 0;
        for (i, (walker, throw)) in ring.iter().zip(&throws).enumerate() {
            let rows = self.graph.rows();
            let mut search = |node: u32, row: Row| {
                let (start, len) = (row.start as usize, row.degree as usize);
                prefetch(self.graph.neighbours(), start + len / 2);
                searches[n_searches] = Search { walker: i, node, start, len, found: false };
                n_searches += 1;
                node
            };
            next[i] = match *throw {
                Throw::Sure { edge, fraction } => self.edges.candidate(edge, fraction),
                Throw::Main { edge, fraction, y } => match self.edges.candidate(edge, fraction) {
                    x if x == walker.u => {
                        if y < self.bias.back {
                            x
                        } else {
                            REJECTED
                        }
                    }
                    x if y < self.bias.out.min(1.0) => x,
                    x => search(x, rows[walker.u as usize]),
                },
                Throw::Outlier { .. } => search(walker.u, rows[walker.v as usize]),
                Throw::Scan => self.scan(walker, running),
            };
        }
        let searches = &mut searches[..n_searches];
        search_all(self.graph.neighbours(), searches);
        for search in searches {
            let counts = match throws[search.walker] {
                Throw::Outlier { place } => search.found && place < self.weights.of_edge(search.start),
                _ => search.found == (self.bias.out < 1.0), // y lies between 1/q and 1
            };
            if !counts {
                next[search.walker] = REJECTED;
            }
        }
    }

    /// Where the point of a throw falls.
    #[inline(always)]
    fn throw(&self, walker: &Walker) -> Throw {
        let Bias { height, extra, least, .. } = self.bias;
        let row = self.graph.rows()[walker.v as usize];
        let at = (walker.t as u64).wrapping_add(walker.k << 33);
        let (slot, fraction) = pick(walker.stream.word(at), row.degree);
        let edge = row.start.wrapping_add(slot) as usize;
        self.edges.prefetch(edge);
        if walker.t == 1 || row.degree == 1 {
            return Throw::Sure { edge, fraction };
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
            total += self.weights.of_edge(start + j) * alpha;
            running.push(total);
        }
        let target = uniform(walker.stream.word(walker.t as u64)) * total;
        candidates[running.partition_point(|&sum| sum <= target).min(candidates.len() - 1)]
    }
}

/// Takes all searches down together, a level at a time: each leaves `start` at the last node not above the one sought.
fn search_all(neighbours: &[u32], searches: &mut [Search]) {
    let longest = searches.iter().map(|search| search.len).max().unwrap_or(0);
    let mut width = longest;
    while width > 1 {
        for search in searches.iter_mut() {
            let half = search.len / 2;
            let above = neighbours[search.start + half] > search.node;
            search.start += if above { 0 } else { half };
            search.len -= half;
            prefetch(neighbours, search.start + search.len / 2);
        }
        width -= width / 2;
    }
    for search in searches {
        search.found = neighbours[search.start] == search.node;
    }
}
