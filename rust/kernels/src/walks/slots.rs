//! The alias tables of all rows, packed for walks: a record of eight bytes for each edge, written over its weight, since
//! memory may not hold both.
//!
//! A slot stands for its own neighbour below a threshold, else for another. Where nothing else needs the neighbours, and
//! node numbers fit 24 bits, a record is whole: it holds both neighbours and the upper half of the threshold, so that a
//! step reads one. The lower half, asked for about once in 65,536 steps, takes the place of the neighbour in the graph.
//! Otherwise a record holds the threshold and the other neighbour, and a step reads the slot's own besides.

use super::Proposal;
use super::alias::vose;
use super::graph::{Graph, Row, Run};
use crate::Result;
use crate::parallel::{Task, filled, split_runs};
use crate::simd::prefetch;
use rayon::prelude::*;

/// About how many edges a block of rows has.
const EDGES_PER_RUN: usize = 1 << 16;
/// Bits of a node in a whole record.
const BITS: u32 = 24;

/// By edge; the abyss's last.
#[derive(Debug)]
pub(super) enum Slots {
    Whole(Vec<u64>),
    Split(Vec<u64>),
}

/// What is drawn from where records are whole.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    /// Upper half of the threshold, the slot's own neighbour, the other one.
    pub(super) records: &'a [u64],
    /// Lower half of the threshold.
    pub(super) fine: &'a [u32],
}

/// What is drawn from where they are split.
#[derive(Clone, Copy)]
pub(super) struct Split<'a> {
    /// The threshold, the other neighbour.
    pub(super) records: &'a [u64],
    /// The slot's own.
    pub(super) own: &'a [u32],
}

/// What a slot stands for. The threshold is in parts of 2³², rounded down.
#[derive(Clone, Copy, Debug)]
struct Slot {
    threshold: u32,
    own: u32,
    other: u32,
}

impl Slots {
    /// The tables of all rows. O(edges), rows in parallel. Where the neighbours are not `needed` any more, there may be
    /// lower halves of thresholds in their place.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
    pub(super) fn new(graph: &mut Graph, weights: Vec<f64>, needed: bool, task: &Task) -> Result<Self> {
        let whole = !needed && graph.abyss() < 1 << BITS;
        // In place: as many bytes, and the library sees it; a test of peak memory would see if it did not.
        let mut records: Vec<u64> = weights.into_iter().map(f64::to_bits).collect();
        let (runs, abyss) = (graph.runs(EDGES_PER_RUN), graph.abyss());
        let (rows, numbers) = graph.rows_and_neighbours();
        let ends = || runs.iter().map(|run| run.edges.end);
        let slices = split_runs(&mut records, ends()).into_iter().zip(split_runs(numbers, ends()));
        runs.par_iter().zip(slices.collect::<Vec<_>>()).try_for_each(|(run, (records, numbers))| {
            each(rows, run, records, numbers, task, |slot| {
                if whole { (slot.whole(), slot.threshold & 0xffff) } else { (slot.split(), slot.own) }
            })
        })?;
        let last = Slot { threshold: 0, own: abyss, other: abyss };
        records.push(if whole { last.whole() } else { last.split() }); // there is room
        Ok(if whole { Self::Whole(records) } else { Self::Split(records) })
    }
}

impl Slot {
    fn whole(self) -> u64 {
        u64::from(self.threshold >> 16) << (2 * BITS) | u64::from(self.own) << BITS | u64::from(self.other)
    }

    fn split(self) -> u64 {
        u64::from(self.threshold) << 32 | u64::from(self.other)
    }
}

/// Puts what `kept` makes of its slot in place of the weight and the neighbour of each edge of some rows.
fn each(
    rows: &[Row],
    run: &Run,
    weights: &mut [u64],
    neighbours: &mut [u32],
    task: &Task,
    kept: impl Fn(Slot) -> (u64, u32),
) -> Result<()> {
    let rows = &rows[run.nodes.clone()];
    let longest = rows.iter().map(|row| row.degree).max().unwrap_or(0) as usize;
    let (mut row_weights, mut threshold) = (room(longest, 0.0)?, room(longest, 0.0)?);
    let (mut near, mut alias, mut stacks) = (room(longest, 0)?, room(longest, 0)?, room(longest, 0)?);
    for row in rows.iter().filter(|row| (row.start as usize) < run.edges.end) {
        let (start, d) = (row.start as usize - run.edges.start, row.degree as usize);
        let (weights, neighbours) = (&mut weights[start..start + d], &mut neighbours[start..start + d]);
        row_weights.iter_mut().zip(&*weights).for_each(|(weight, bits)| *weight = f64::from_bits(*bits));
        near[..d].copy_from_slice(neighbours);
        vose(&row_weights[..d], &mut threshold[..d], &mut alias[..d], &mut stacks[..d], task)?;
        for j in 0..d {
            let threshold = (threshold[j] * (1_u64 << 32) as f64) as u32; // `as` saturates
            let slot = Slot { threshold, own: near[j], other: near[alias[j] as usize] };
            (weights[j], neighbours[j]) = kept(slot);
        }
    }
    task.advance(0)
}

fn room<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    filled(len, value, "the alias table of a row")
}

impl Proposal for Whole<'_> {
    #[inline(always)]
    fn prefetch(self, edge: usize) {
        prefetch(self.records, edge);
    }

    #[inline(always)]
    fn candidate(self, edge: usize, fraction: u64) -> u32 {
        const NODE: u64 = (1 << BITS) - 1;
        let slot = self.records[edge];
        let below = ones_if_less(fraction >> 48, slot >> (2 * BITS));
        let below = if fraction >> 48 == slot >> (2 * BITS) {
            ones_if_less(fraction >> 32 & 0xffff, self.fine[edge].into())
        } else {
            below
        };
        (slot >> (below & BITS) & NODE) as u32
    }
}

impl Proposal for Split<'_> {
    #[inline(always)]
    fn prefetch(self, edge: usize) {
        prefetch(self.records, edge);
        prefetch(self.own, edge);
    }

    #[inline(always)]
    fn candidate(self, edge: usize, fraction: u64) -> u32 {
        let (slot, own) = (self.records[edge], self.own[edge]);
        let other = slot as u32;
        other ^ (own ^ other) & ones_if_less(fraction >> 32, slot >> 32)
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
        fn both_records_choose_as_the_threshold_says(
            threshold in prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), Just(1 << 16)],
            own in prop_oneof![0_u32..1 << BITS, Just((1 << BITS) - 1)],
            other in prop_oneof![0_u32..1 << BITS, Just((1 << BITS) - 1)],
            near in prop::collection::vec((-2_i64..=2, any::<u32>()), 1..20),
            far in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let slot = Slot { threshold, own, other };
            let whole = Whole { records: &[slot.whole()], fine: &[threshold & 0xffff] };
            let split = Split { records: &[slot.split()], own: &[own] };
            let near = near.into_iter().map(|(step, low)| {
                (i64::from(threshold) + step).clamp(0, u32::MAX.into()) as u64 * (1 << 32) + u64::from(low)
            });
            for fraction in near.chain(far) {
                let chosen = if fraction >> 32 < threshold.into() { own } else { other };
                prop_assert_eq!(whole.candidate(0, fraction), chosen);
                prop_assert_eq!(split.candidate(0, fraction), chosen);
            }
        }
    }
}
