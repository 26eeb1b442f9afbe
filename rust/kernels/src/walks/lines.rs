//! Numbers in cache lines, and rows of them searched a line at a time.

use crate::Result;
use crate::parallel::{advise_large_pages, reserve};
use crate::simd::{Lanes, prefetch};

/// Numbers in a line: what is compared at once.
pub(super) const LINE: usize = 16;
/// Bytes in a line.
const LINE_BYTES: usize = LINE * size_of::<u32>();

/// A vector of numbers, cut into lines that are those of the cache.
#[derive(Debug)]
pub(super) struct Lines {
    /// Begins before the first number and ends after the last, at ends of lines.
    padded: Vec<u32>,
    first: usize,
    len: usize,
}

impl Lines {
    /// Room for `len` numbers.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], which names `what`.
    pub(super) fn with_room(len: usize, what: &'static str) -> Result<Self> {
        let mut padded: Vec<u32> = reserve(len.saturating_add(3 * LINE), what)?;
        advise_large_pages(&mut padded);
        let first = padded.as_ptr().align_offset(LINE_BYTES).min(LINE);
        padded.resize(first, 0);
        Ok(Self { padded, first, len: 0 })
    }

    /// Puts numbers behind those there are.
    pub(super) fn extend(&mut self, numbers: impl Iterator<Item = u32>) {
        self.padded.extend(numbers);
        self.len = self.padded.len() - self.first;
    }

    /// Fills up the last line, and one more: a line from any number on can be read.
    pub(super) fn finish(&mut self) {
        let padded = (self.len / LINE + 2) * LINE;
        self.padded.resize(self.first + padded, 0);
    }

    /// The numbers.
    pub(super) fn numbers(&self) -> &[u32] {
        &self.padded[self.first..self.first + self.len]
    }

    /// The same, to be changed.
    pub(super) fn numbers_mut(&mut self) -> &mut [u32] {
        &mut self.padded[self.first..self.first + self.len]
    }

    /// All lines.
    fn lines(&self) -> &[[u32; LINE]] {
        self.padded[self.first..].as_chunks().0
    }
}

/// The tree of all rows: every 16th neighbour, and every 16th of those, wherever rows begin. A row of d edges is found in
/// three lines for d up to 4096, and in log₂(d / 4096) comparisons more beyond; of the three, only the last is likely to be
/// far from the processor. 4 bytes per 15 edges.
#[derive(Debug)]
pub(super) struct Pivots {
    fine: Lines,
    coarse: Lines,
}

impl Pivots {
    /// Of rows that ascend.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(super) fn new(neighbours: &Lines) -> Result<Self> {
        let every_16th = |numbers: &[u32]| {
            let mut pivots = Lines::with_room(numbers.len().div_ceil(LINE), "an index of edges")?;
            pivots.extend(numbers.iter().copied().step_by(LINE));
            pivots.finish();
            Ok(pivots)
        };
        let fine = every_16th(neighbours.numbers())?;
        let coarse = every_16th(fine.numbers())?;
        Ok(Self { fine, coarse })
    }
}

/// A search for `node` in the row of edges `start..end`.
#[derive(Clone, Copy, Default)]
pub(super) struct Search {
    pub(super) node: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The line where it is, if it is there, at the present level.
    line: u32,
}

impl Search {
    pub(super) fn new(node: u32, start: u32, degree: u32) -> Self {
        Self { node, start, end: start.wrapping_add(degree), line: 0 }
    }
}

/// What is searched.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    coarse: &'a [u32],
    fine: &'a [[u32; LINE]],
    leaves: &'a [[u32; LINE]],
}

impl<'a> Tree<'a> {
    pub(super) fn new(neighbours: &'a Lines, pivots: &'a Pivots) -> Self {
        let coarse = &pivots.coarse.padded[pivots.coarse.first..];
        Self { coarse, fine: pivots.fine.lines(), leaves: neighbours.lines() }
    }

    /// From the coarse pivots to the line of fine ones.
    #[inline(always)]
    pub(super) fn descend(self, lanes: impl Lanes, search: &mut Search) {
        let (start, end) = (up(search.start), up(search.end));
        let (mut from, to) = (up(start), up(end));
        let first = from;
        let mut len = to - from;
        while len > LINE as u32 {
            let half = len / 2;
            let above = self.coarse[(from + half) as usize] > search.node;
            from += if above { 0 } else { half };
            len -= half;
        }
        let keys = self.coarse[from as usize..].first_chunk().expect("there is a line of padding");
        let below = from + count(lanes, keys, 0, len, search.node);
        search.line = if below == first { start / LINE as u32 } else { below - 1 };
        prefetch(self.fine, search.line as usize);
    }

    /// From the fine pivots to the line of neighbours.
    #[inline(always)]
    pub(super) fn descend_further(self, lanes: impl Lanes, search: &mut Search) {
        let (start, end) = (up(search.start), up(search.end));
        let base = search.line * LINE as u32;
        let from = start.saturating_sub(base);
        let below = count(lanes, &self.fine[search.line as usize], from, end - base, search.node);
        search.line = if below == 0 { search.start / LINE as u32 } else { base + from + below - 1 };
        prefetch(self.leaves, search.line as usize);
    }

    /// The edge that leads to the node sought.
    #[inline(always)]
    pub(super) fn found(self, lanes: impl Lanes, search: &Search) -> Option<u32> {
        let base = search.line * LINE as u32;
        let (from, to) = (search.start.saturating_sub(base), search.end - base);
        let keys = &self.leaves[search.line as usize];
        let below = count(lanes, keys, from, to, search.node);
        let last = from.wrapping_add(below).wrapping_sub(1) % LINE as u32; // of those not above, if there are any
        ((below > 0) & (keys[last as usize] == search.node)).then_some(base | last)
    }
}

/// The pivots before a place.
fn up(place: u32) -> u32 {
    place.div_ceil(LINE as u32)
}

/// How many of the keys `from..to` are not above a node.
#[inline(always)]
fn count(lanes: impl Lanes, keys: &[u32; LINE], from: u32, to: u32, node: u32) -> u32 {
    let not_above = u32::from(lanes.not_above(keys, node)) & ((1 << to.min(LINE as u32)) - 1);
    (not_above >> from).trailing_ones() // they ascend
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::PortableLanes;
    use proptest::prelude::*;

    /// The edge to each node of `0..n_nodes`, found in a row that follows `before` edges and precedes one.
    fn search(before: usize, row: &[u32], n_nodes: u32) -> Vec<Option<u32>> {
        let mut neighbours = Lines::with_room(before + row.len() + 1, "edges").unwrap();
        // Around the row are nodes that are sought too, and must not be found.
        neighbours.extend((0..before as u32).chain(row.iter().copied()).chain([n_nodes / 2]));
        neighbours.finish();
        let pivots = Pivots::new(&neighbours).unwrap();
        let tree = Tree::new(&neighbours, &pivots);
        let find = |node| {
            let mut search = Search::new(node, before as u32, row.len() as u32);
            tree.descend(PortableLanes, &mut search);
            tree.descend_further(PortableLanes, &mut search);
            tree.found(PortableLanes, &search)
        };
        (0..n_nodes).map(find).collect()
    }

    fn expected(before: usize, row: &[u32], n_nodes: u32) -> Vec<Option<u32>> {
        (0..n_nodes).map(|node| row.binary_search(&node).ok().map(|place| (before + place) as u32)).collect()
    }

    proptest! {
        #[test]
        fn what_is_in_a_row_is_found(before in 0..600_usize, row in prop::collection::btree_set(0..700_u32, 1..600)) {
            let row: Vec<u32> = row.into_iter().collect();
            prop_assert_eq!(search(before, &row, 700), expected(before, &row, 700));
        }
    }

    #[test]
    fn long_rows_are_searched_too() {
        for (before, degree) in [(0, 4096), (1, 4097), (255, 5000), (16, 70_000)] {
            let row: Vec<u32> = (0..degree).map(|i| 2 * i + i % 2).collect();
            assert_eq!(search(before, &row, 2 * degree), expected(before, &row, 2 * degree));
        }
    }
}
