//! The alias tables of all rows, packed for walks: the record of an edge holds the two neighbours that its slot stands for
//! and the threshold between them, so that a step reads one.
//!
//! Where node numbers fit 24 bits a record is eight bytes: both numbers and the upper half of the threshold. The lower half
//! lies elsewhere and is asked for about once in 65,536 steps. Otherwise a record is twelve bytes, of which some lie in two cache
//! lines.

use super::Proposal;
use super::alias::vose;
use super::graph::{Graph, Run};
use crate::Result;
use crate::parallel::{Task, advise_large_pages, filled, reserve, split_runs};
use crate::simd::prefetch;
use rayon::prelude::*;

/// About how many edges a block of rows has.
const EDGES_PER_RUN: usize = 1 << 16;
/// Bits of a node in a record of eight bytes.
const BITS: u32 = 24;

/// By edge; the abyss's last.
#[derive(Debug)]
pub(super) enum Slots {
    Narrow(Vec<Narrow>, Vec<u16>),
    Wide(Vec<Wide>),
}

/// Upper half of the threshold, the slot's own neighbour, the other one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrow(u64);

/// The threshold is in parts of 2³², rounded down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    threshold: u32,
    first: u32,
    second: u32,
}

impl Slots {
    /// The tables of all rows. O(edges), rows in parallel.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
    pub(super) fn new(graph: &Graph, weights: &[f64], task: &Task) -> Result<Self> {
        if graph.abyss() < 1 << BITS { Self::narrow(graph, weights, task) } else { Self::wide(graph, weights, task) }
    }

    fn narrow(graph: &Graph, weights: &[f64], task: &Task) -> Result<Self> {
        let mut slots = room(weights.len(), Narrow::new(Wide::only(graph.abyss())))?;
        let mut fine = room(weights.len(), 0)?;
        let runs = graph.runs(EDGES_PER_RUN);
        let ends = || runs.iter().map(|run| run.edges.end);
        let slices = split_runs(&mut slots, ends()).into_iter().zip(split_runs(&mut fine, ends()));
        runs.par_iter().zip(slices.collect::<Vec<_>>()).try_for_each(|(run, (slots, fine))| {
            each(graph, weights, run, task, |at, slot| {
                slots[at] = Narrow::new(slot);
                fine[at] = slot.threshold as u16;
            })
        })?;
        Ok(Self::Narrow(slots, fine))
    }

    fn wide(graph: &Graph, weights: &[f64], task: &Task) -> Result<Self> {
        let mut slots = room(weights.len(), Wide::only(graph.abyss()))?;
        let runs = graph.runs(EDGES_PER_RUN);
        let slices = split_runs(&mut slots, runs.iter().map(|run| run.edges.end));
        runs.par_iter()
            .zip(slices)
            .try_for_each(|(run, slots)| each(graph, weights, run, task, |at, slot| slots[at] = slot))?;
        Ok(Self::Wide(slots))
    }
}

impl Narrow {
    fn new(slot: Wide) -> Self {
        let upper = u64::from(slot.threshold >> 16) << (2 * BITS);
        Self(upper | u64::from(slot.first) << BITS | u64::from(slot.second))
    }
}

impl Wide {
    /// A slot of one neighbour.
    fn only(node: u32) -> Self {
        Self { threshold: 0, first: node, second: node }
    }
}

/// A table of `value`, one for each edge and for the abyss's.
fn room<T: Clone>(n_edges: usize, value: T) -> Result<Vec<T>> {
    let mut slots = reserve(n_edges + 1, "alias tables of the graph")?;
    advise_large_pages(&mut slots);
    slots.resize(n_edges + 1, value);
    Ok(slots)
}

/// Calls `keep(place in the run, slot)` for all edges of some rows but dead ends.
fn each(graph: &Graph, weights: &[f64], run: &Run, task: &Task, mut keep: impl FnMut(usize, Wide)) -> Result<()> {
    let rows = &graph.rows()[run.nodes.clone()];
    let longest = rows.iter().map(|row| row.degree).max().unwrap_or(0) as usize;
    let mut threshold = filled(longest, 0.0, "a row of thresholds")?;
    let (mut alias, mut stacks) = (filled(longest, 0, "a row of aliases")?, filled(longest, 0, "a row of slots")?);
    for row in rows.iter().filter(|row| (row.start as usize) < weights.len()) {
        let (start, d) = (row.start as usize, row.degree as usize);
        let near = &graph.neighbours()[start..start + d];
        vose(&weights[start..start + d], &mut threshold[..d], &mut alias[..d], &mut stacks[..d], task)?;
        for j in 0..d {
            let threshold = (threshold[j] * (1_u64 << 32) as f64) as u32; // `as` saturates
            let slot = Wide { threshold, first: near[j], second: near[alias[j] as usize] };
            keep(start - run.edges.start + j, slot);
        }
    }
    task.advance(0)
}

impl Proposal for (&[Narrow], &[u16]) {
    #[inline(always)]
    fn prefetch(self, edge: usize) {
        prefetch(self.0, edge);
    }

    #[inline(always)]
    fn candidate(self, edge: usize, fraction: u64) -> u32 {
        const NODE: u64 = (1 << BITS) - 1;
        let Narrow(slot) = self.0[edge];
        let below = ones_if_less(fraction >> 48, slot >> (2 * BITS));
        let below = if fraction >> 48 == slot >> (2 * BITS) {
            ones_if_less(fraction >> 32 & 0xffff, self.1[edge].into())
        } else {
            below
        };
        (slot >> (below & BITS) & NODE) as u32
    }
}

impl Proposal for &[Wide] {
    #[inline(always)]
    fn prefetch(self, edge: usize) {
        prefetch(self, edge);
        prefetch(self, edge + 1); // two records in sixteen lie in two cache lines
    }

    #[inline(always)]
    fn candidate(self, edge: usize, fraction: u64) -> u32 {
        let slot = self[edge];
        let below = ones_if_less(fraction >> 32, slot.threshold.into());
        slot.second ^ (slot.first ^ slot.second) & below
    }
}

/// All bits where a < b, else none, for numbers below 2³². The upper half of the difference, and not a comparison, which
/// would be compiled into a branch: nothing can foresee which way a step goes, and walks took twice the time.
#[inline(always)]
fn ones_if_less(a: u64, b: u64) -> u32 {
    (a.wrapping_sub(b) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_records_choose_alike(
            threshold in prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), Just(1 << 16)],
            first in 0_u32..1 << BITS,
            second in 0_u32..1 << BITS,
            near in prop::collection::vec((-2_i64..=2, any::<u32>()), 1..20),
            far in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let slot = Wide { threshold, first, second };
            let (narrow, fine, wide) = ([Narrow::new(slot)], [threshold as u16], [slot]);
            let near = near.into_iter().map(|(step, low)| {
                (i64::from(threshold) + step).clamp(0, u32::MAX.into()) as u64 * (1 << 32) + u64::from(low)
            });
            for fraction in near.chain(far) {
                let chosen = (&narrow[..], &fine[..]).candidate(0, fraction);
                prop_assert_eq!(chosen, (&wide[..]).candidate(0, fraction));
            }
        }
    }
}
