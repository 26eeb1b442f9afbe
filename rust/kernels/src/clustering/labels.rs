//! From components to scikit-learn's labels.

use super::union_find::UnionFind;
use crate::Result;
use crate::parallel::{filled, filled_with, reserve};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

/// Numbers components by their smallest core row.
pub(super) struct Numbering;

impl Numbering {
    /// The label of no cluster, larger than any other.
    pub const NOISE: u32 = u32::MAX;

    /// The label of each member, where `smallest[member]` is its smallest core row, or [`Self::NOISE`] for a member
    /// without one.
    pub fn of(smallest: &[u32], sets: &UnionFind) -> Result<Vec<u32>> {
        let mut first = filled(smallest.len(), Self::NOISE, "the numbers of clusters")?;
        for (member, &row) in smallest.iter().enumerate().filter(|&(_, &row)| row != Self::NOISE) {
            let root = sets.find(member as u32) as usize;
            first[root] = first[root].min(row);
        }
        let is_root = |&root: &u32| first[root as usize] != Self::NOISE;
        let all = 0..first.len() as u32;
        let mut roots = reserve(all.clone().filter(is_root).count(), "the numbers of clusters")?;
        roots.extend(all.filter(is_root));
        roots.sort_unstable_by_key(|&root| first[root as usize]);
        for (label, &root) in roots.iter().enumerate() {
            first[root as usize] = label as u32;
        }
        // A root is the smallest member of its set, so it still holds its label when its members ask.
        for member in (0..smallest.len()).rev() {
            first[member] =
                if smallest[member] == Self::NOISE { Self::NOISE } else { first[sets.find(member as u32) as usize] };
        }
        Ok(first)
    }
}

/// Labels and core marks by row, written by many threads.
pub(super) struct Outcome {
    labels: Vec<AtomicIsize>,
    core: Vec<AtomicBool>,
}

impl Outcome {
    pub fn new(n: usize) -> Result<Self> {
        Ok(Self {
            labels: filled_with(n, || AtomicIsize::new(-1), "the labels")?,
            core: filled_with(n, || AtomicBool::new(false), "the marks of core points")?,
        })
    }

    #[inline]
    pub fn set(&self, row: usize, is_core: bool, label: u32) {
        if is_core {
            self.core[row].store(true, Relaxed);
        }
        if label != Numbering::NOISE {
            self.labels[row].store(label as isize, Relaxed);
        }
    }

    /// The rows of the core points, ascending, and the label of each row.
    pub fn finish(self) -> Result<(Vec<isize>, Vec<isize>)> {
        let count = self.core.iter().filter(|core| core.load(Relaxed)).count();
        let mut core = reserve(count, "the core points")?;
        core.extend(self.core.iter().enumerate().filter(|(_, core)| core.load(Relaxed)).map(|(row, _)| row as isize));
        // In place: the standard library reuses the buffer.
        Ok((core, self.labels.into_iter().map(AtomicIsize::into_inner).collect()))
    }
}
