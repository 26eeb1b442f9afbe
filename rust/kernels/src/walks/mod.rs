//! Random walks on a graph.
//!
//! A walk is a chain of cache misses: where a row starts, which neighbour, where that one's row starts. So each thread
//! moves a ring of 64 walks at once, in passes: one pass asks the memory for what the next will read. Fixed blocks of
//! walks run in parallel; a walk draws from a stream of its own, so nothing depends on who walks it.
//!
//! A node is eight bytes (where its row starts, its degree), an edge is four (the neighbour), and eight more where
//! weights differ within some row (the slot of an alias table). A dead end leads to the abyss, a node past the last that
//! leads to itself, so that steps need not ask. Second order has two indices of the edges besides, one of a byte each but 32
//! MiB at most, one of 4 bytes per 15, and looks weights up in the caller's matrix, or in a copy where that is out of order.
//! What is read at random lies in large pages where the system grants them.
//!
//! Not the best for a handful of long walks: one walk alone runs at the speed of the memory's latency.

mod alias;
mod filter;
mod first_order;
mod graph;
mod lines;
mod second_order;
mod slots;
mod weights;

pub use alias::{alias_table, sample_alias};

use crate::csr::Csr;
use crate::parallel::{Task, reserve, zeros};
use crate::rng::Stream;
use crate::simd::prefetch;
use crate::{Error, Result};
use filter::Filter;
use graph::Graph;
use lines::{Pivots, Tree};
use rayon::prelude::*;
use second_order::{Bias, Steps};
use slots::{Slots, Split, Whole};
use std::borrow::Cow;
use weights::{Stored, Unit, Weights};

/// Walks that a thread moves together.
const RING: usize = 64;
/// About how many steps make a block, the unit of parallel work.
const BLOCK_STEPS: usize = 1 << 17;

/// Which walks to walk.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Where to start; all nodes in order where there is none.
    pub start_nodes: Option<&'a [i64]>,
    /// Nodes in a walk.
    pub walk_length: u64,
    /// Walks that start at each node.
    pub walks_per_node: u64,
    /// The return parameter.
    pub p: f64,
    /// The in-out parameter.
    pub q: f64,
    /// The key of the random streams: walk r draws from stream r.
    pub key: u64,
}

/// Walks made ready: any of them can be walked, in any order.
#[derive(Debug)]
pub struct Walks<'a> {
    plan: Plan<'a>,
    n_walks: u64,
    graph: Graph,
    weighted: Option<Weighted<'a>>,
    second_order: Option<(Bias, Pivots, Filter)>,
}

/// What is kept besides where weights differ within some row.
#[derive(Debug)]
struct Weighted<'a> {
    slots: Slots,
    /// For the second order only.
    stored: Option<Lasting<'a>>,
}

/// The weights themselves.
#[derive(Debug)]
struct Lasting<'a> {
    /// See [`weights::sums`].
    sums: Vec<[f64; 2]>,
    /// By edge: the caller's, or a copy.
    weights: Cow<'a, [f64]>,
}

/// One walk about to start.
#[derive(Clone, Copy, Debug)]
struct Start {
    node: u32,
    stream: Stream,
}

impl<'a> Walks<'a> {
    /// Checks the plan and prepares the graph: O(nodes + entries), and O(d log d) for a row of d entries out of order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a plan or a graph that breaks the contract, [`Error::OutOfMemory`].
    pub fn new<I: Copy + Ord + Into<i64> + Sync>(csr: Csr<'a, I>, plan: Plan<'a>, task: &Task) -> Result<Self> {
        let bias = Bias::new(plan.p, plan.q)?;
        if plan.walk_length == 0 || plan.walk_length > u32::MAX.into() {
            return Err(Error::Invalid(format!("walk_length={}: must be from 1 to {}.", plan.walk_length, u32::MAX)));
        }
        let n = csr.n_rows();
        let n_starts = plan.start_nodes.map_or(n, <[i64]>::len);
        let n_walks = n_starts as u128 * u128::from(plan.walks_per_node);
        let n_walks =
            u64::try_from(n_walks).map_err(|_| out_of_memory(n_walks.saturating_mul(u128::from(plan.walk_length))))?;
        if let Some(starts) = plan.start_nodes
            && let Some(at) = starts.iter().position(|&node| node < 0 || node as u64 >= n as u64)
        {
            return Err(Error::Invalid(format!("start_nodes[{at}]={}: the graph has {n} nodes.", starts[at])));
        }
        let (mut graph, weights) = Graph::new(csr, bias, task)?;
        let weighted = match weights {
            None => None,
            Some(weights) => {
                let stored = match bias {
                    None => None,
                    Some(_) => {
                        Some(Lasting { sums: weights::sums(&graph, &weights)?, weights: lasting(csr, &weights)? })
                    }
                };
                Some(Weighted { slots: Slots::new(&mut graph, weights, bias.is_some(), task)?, stored })
            }
        };
        let second_order = match bias {
            None => None,
            Some(bias) => Some((bias, Pivots::new(graph.lines())?, Filter::new(&graph, task)?)),
        };
        Ok(Self { plan, n_walks, graph, weighted, second_order })
    }

    /// How many walks there are.
    pub fn n_walks(&self) -> u64 {
        self.n_walks
    }

    /// Nodes of a walk, at most.
    pub fn walk_length(&self) -> usize {
        self.plan.walk_length as usize
    }

    /// Takes the walks with these numbers, as many as `out` has room for; O(1) expected per step.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    ///
    /// # Panics
    /// When there is no walk of such a number.
    pub fn walk(&self, numbers: impl IntoIterator<Item = u64>, out: &mut [i32], task: &Task) -> Result<()> {
        let starts = numbers.into_iter().take(out.len() / self.walk_length()).map(|r| self.start(r));
        match &self.weighted {
            None => self.walk_on(self.graph.neighbours(), Some(Unit), starts, out, task),
            Some(Weighted { slots, stored }) => {
                let weights = stored.as_ref().map(|Lasting { sums, weights }| Stored { sums, weights });
                let by_edge = self.graph.neighbours();
                match slots {
                    Slots::Whole(records) => self.walk_on(Whole { records, fine: by_edge }, weights, starts, out, task),
                    Slots::Split(records) => self.walk_on(Split { records, own: by_edge }, weights, starts, out, task),
                }
            }
        }
    }

    fn walk_on(
        &self,
        edges: impl Proposal,
        weights: Option<impl Weights>,
        starts: impl Iterator<Item = Start>,
        out: &mut [i32],
        task: &Task,
    ) -> Result<()> {
        let (graph, length) = (&self.graph, self.walk_length());
        match (&self.second_order, weights) {
            (Some((bias, pivots, filter)), Some(weights)) => {
                let tree = Tree::new(graph.lines(), pivots);
                let steps = Steps { graph, edges, filter, tree, weights, bias: *bias };
                second_order::walk(steps, starts, length, out, task)
            }
            _ => first_order::walk(graph, edges, starts, length, out, task),
        }
    }

    fn start(&self, r: u64) -> Start {
        let place = r / self.plan.walks_per_node;
        let node = self.plan.start_nodes.map_or(place as u32, |starts| starts[place as usize] as u32);
        Start { node, stream: Stream::new(self.plan.key, r) }
    }
}

/// Walks all of a plan: row r of the result, `walk_length` nodes wide, is walk r; -1 after a dead end.
///
/// # Errors
/// As [`Walks::new`]; [`Error::Interrupted`].
pub fn random_walks<I: Copy + Ord + Into<i64> + Sync>(
    csr: Csr<'_, I>,
    plan: Plan<'_>,
    task: &Task,
) -> Result<Vec<i32>> {
    let walks = Walks::new(csr, plan, task)?;
    let size = u128::from(walks.n_walks()) * u128::from(plan.walk_length);
    let size = usize::try_from(size).map_err(|_| out_of_memory(size))?;
    let mut out = zeros(size, "the array of walks")?;
    task.expect(size);
    let length = plan.walk_length as usize;
    let walks_per_block = (BLOCK_STEPS / length).next_multiple_of(RING).max(RING);
    out.par_chunks_mut(walks_per_block * length).enumerate().try_for_each(|(block, rows)| {
        walks.walk((block * walks_per_block) as u64.., rows, task)?;
        task.advance(rows.len())
    })?;
    Ok(out)
}

/// The weights of a matrix, to be kept while others are written over: its own where all of them are there in order.
fn lasting<'a, I: Copy + Ord + Into<i64>>(csr: Csr<'a, I>, weights: &[f64]) -> Result<Cow<'a, [f64]>> {
    let (_, indices, own) = csr.arrays();
    let own = &own[..csr.start(csr.n_rows())];
    let ascends = |v| {
        let row = &indices[csr.start(v)..csr.start(v + 1)];
        row.is_sorted_by(|a, b| a < b)
    };
    if own.len() == weights.len() && (0..csr.n_rows()).all(ascends) {
        return Ok(Cow::Borrowed(own));
    }
    let mut copy = reserve(weights.len(), "weights of the graph")?;
    copy.extend_from_slice(weights);
    Ok(Cow::Owned(copy))
}

fn out_of_memory(nodes: u128) -> Error {
    Error::OutOfMemory { what: "the array of walks", bytes: nodes.saturating_mul(size_of::<i32>() as u128) }
}

/// What is drawn from at random: the candidates of all edges.
trait Proposal: Copy + Sync {
    /// Asks for the record of an edge.
    fn prefetch(self, edge: usize);
    /// The candidate of an edge that was picked, given the place within its slot.
    fn candidate(self, edge: usize, fraction: u64) -> u32;
}

/// All edges of a row are alike: the candidate is the neighbour.
impl Proposal for &[u32] {
    #[inline(always)]
    fn prefetch(self, edge: usize) {
        prefetch(self, edge);
    }

    #[inline(always)]
    fn candidate(self, edge: usize, _: u64) -> u32 {
        self[edge]
    }
}
