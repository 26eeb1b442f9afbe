//! Alias tables: Vose's algorithm, once in float64 as the contract has it, once packed for walks.

use super::graph::{Graph, sum};
use crate::parallel::{Task, advise_large_pages, collected, filled, filled_with, reserve, split_runs};
use crate::rng::{Stream, pick, uniform};
use crate::{Error, Result};
use rayon::prelude::*;

/// Draws that make a block.
const BLOCK: usize = 1 << 16;
/// About how many edges a block of rows has.
const EDGES_PER_RUN: usize = 1 << 16;

/// An edge as a slot of its row's table: the neighbour it stands for, or else, all that one step needs in one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// In parts of 2³², rounded down.
    threshold: u32,
    first: u32,
    second: u32,
}

impl Entry {
    /// The neighbour, given the place within the slot.
    #[inline(always)]
    pub(super) fn choose(self, fraction: u64) -> u32 {
        if ((fraction >> 32) as u32) < self.threshold { self.first } else { self.second }
    }
}

/// Threshold and alias of each slot; O(n), in one thread, and 8 bytes per slot besides the result.
///
/// # Errors
/// [`Error::Invalid`] for weights that make no distribution, [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn alias_table(weights: &[f64], task: &Task) -> Result<(Vec<f64>, Vec<i64>)> {
    if weights.is_empty() || weights.len() >= u32::MAX as usize {
        return Err(Error::Invalid(format!("weights has {} entries: 1 to {} are taken.", weights.len(), u32::MAX - 1)));
    }
    if let Some(at) = weights.iter().position(|&w| !(0.0..f64::INFINITY).contains(&w)) {
        return Err(Error::Invalid(format!("weights[{at}]={}: must be finite and not negative.", weights[at])));
    }
    if weights.iter().all(|&w| w == 0.0) {
        return Err(Error::Invalid("weights is 0 everywhere: at least one must be positive.".into()));
    }
    if !sum(weights).is_finite() {
        return Err(Error::Invalid("weights sum to more than float64 can hold: divide them by the largest.".into()));
    }
    let n = weights.len();
    let (mut threshold, mut alias) = (filled(n, 0.0, "thresholds")?, filled(n, 0_u32, "aliases")?);
    vose(weights, &mut threshold, &mut alias, &mut filled(n, 0_u32, "stacks of slots")?, task)?;
    Ok((threshold, collected(alias.iter().map(|&slot| slot.into()), "aliases")?))
}

/// Vose's algorithm. The two stacks share one array, the slots below 1 from its left end and the others from its right.
fn vose(weights: &[f64], threshold: &mut [f64], alias: &mut [u32], stacks: &mut [u32], task: &Task) -> Result<()> {
    let n = weights.len();
    threshold.fill(1.0);
    alias.iter_mut().zip(0..).for_each(|(alias, slot)| *alias = slot);
    if weights.iter().all(|&w| w == weights[0]) {
        return Ok(());
    }
    let total = sum(weights);
    let (mut small, mut large) = (0, n);
    for i in 0..n {
        threshold[i] = weights[i] / total * n as f64;
        if threshold[i] < 1.0 {
            stacks[small] = i as u32;
            small += 1;
        } else {
            large -= 1;
            stacks[large] = i as u32;
        }
    }
    while small > 0 && large < n {
        let (i, j) = (stacks[small - 1] as usize, stacks[large] as usize);
        if small % (1 << 12) == 0 {
            task.check()?;
        }
        alias[i] = j as u32;
        threshold[j] = (threshold[j] + threshold[i]) - 1.0;
        // i is done with. Where j goes from the large to the small, it takes the place that i leaves.
        if threshold[j] < 1.0 {
            large += 1;
            stacks[small - 1] = j as u32;
        } else {
            small -= 1;
        }
    }
    for &i in stacks[..small].iter().chain(&stacks[large..]) {
        threshold[i as usize] = 1.0;
    }
    Ok(())
}

/// The tables of all rows, by edge; the abyss's last. O(edges), rows in parallel.
///
/// # Errors
/// [`Error::OutOfMemory`], [`Error::Interrupted`].
pub(super) fn entries(graph: &Graph, weights: &[f64], task: &Task) -> Result<Vec<Entry>> {
    let abyss = Entry { threshold: 0, first: graph.abyss(), second: graph.abyss() };
    let mut entries = reserve(weights.len() + 1, "alias tables of the graph")?;
    advise_large_pages(&mut entries);
    entries.resize(weights.len() + 1, abyss);
    let runs = graph.runs(EDGES_PER_RUN);
    let slices = split_runs(&mut entries, runs.iter().map(|run| run.edges.end));
    runs.par_iter().zip(slices).try_for_each(|(run, entries)| {
        let longest = graph.rows()[run.nodes.clone()].iter().map(|row| row.degree).max().unwrap_or(0) as usize;
        let mut threshold = filled(longest, 0.0, "a row of thresholds")?;
        let (mut alias, mut stacks) = (filled(longest, 0, "a row of aliases")?, filled(longest, 0, "a row of slots")?);
        for row in graph.rows()[run.nodes.clone()].iter().filter(|row| (row.start as usize) < weights.len())
        // no dead ends
        {
            let (start, d) = (row.start as usize, row.degree as usize);
            let near = &graph.neighbours()[start..start + d];
            vose(&weights[start..start + d], &mut threshold[..d], &mut alias[..d], &mut stacks[..d], task)?;
            for (j, entry) in entries[start - run.edges.start..][..d].iter_mut().enumerate() {
                let threshold = (threshold[j] * (1_u64 << 32) as f64) as u32; // `as` saturates
                *entry = Entry { threshold, first: near[j], second: near[alias[j] as usize] };
            }
        }
        task.advance(0)
    })?;
    Ok(entries)
}

/// `size` slots drawn from a table: draw i is made of word i of stream 0.
///
/// # Errors
/// [`Error::Invalid`] for a table that is none, [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn sample_alias(threshold: &[f64], alias: &[i64], size: usize, key: u64, task: &Task) -> Result<Vec<i64>> {
    let n = u32::try_from(alias.len()).ok().filter(|&n| n > 0 && threshold.len() == alias.len());
    let Some(n) = n else {
        let lengths = format!("{} thresholds and {} aliases", threshold.len(), alias.len());
        return Err(Error::Invalid(format!("table has {lengths}: one of each for 1 to {} slots is needed.", u32::MAX)));
    };
    let mut out = filled_with(size, || 0_i64, "the draws")?;
    let stream = Stream::new(key, 0);
    task.expect(size);
    out.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, draws)| {
        for (draw, i) in draws.iter_mut().zip((block * BLOCK) as u64..) {
            let (slot, fraction) = pick(stream.word(i), n);
            let own = uniform(fraction) < threshold[slot as usize];
            *draw = if own { slot.into() } else { alias[slot as usize] };
        }
        task.advance(draws.len())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_table_reproduces_its_weights(weights in prop::collection::vec(0.0..1e3_f64, 1..60)) {
            prop_assume!(weights.iter().any(|&w| w > 0.0));
            let (threshold, alias) = alias_table(&weights, &Task::new()).unwrap();
            let mut share = threshold.clone();
            for (i, &j) in alias.iter().enumerate() {
                share[j as usize] += 1.0 - threshold[i];
            }
            let scale = weights.len() as f64 / weights.iter().sum::<f64>();
            for (share, weight) in share.iter().zip(&weights) {
                prop_assert!((share - weight * scale).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn malformed_tables_are_refused() {
        let task = Task::new();
        assert!(sample_alias(&[], &[], 1, 0, &task).is_err());
        assert!(sample_alias(&[1.0], &[0, 0], 1, 0, &task).is_err());
        assert!(alias_table(&[], &task).is_err());
        assert!(alias_table(&[0.0, 0.0], &task).is_err());
        assert!(alias_table(&[1.0, f64::NAN], &task).is_err());
        assert!(alias_table(&[1e308, 1.7e308], &task).is_err());
    }
}
