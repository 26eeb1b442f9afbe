//! Whether an edge may exist, at a glance: one byte is read.

use super::graph::{Graph, Row};
use crate::Result;
use crate::parallel::{Task, advise_large_pages, reserve, split_runs};
use crate::simd::prefetch;
use rayon::prelude::*;

/// About how many edges a block of rows has.
const EDGES_PER_RUN: usize = 1 << 16;
/// Bytes of a filter, at most.
const MOST: usize = 1 << 25;

/// A row of d edges has d bytes, and each of its neighbours sets two bits of one of them. Where one is clear there is no
/// such edge; that both are set says nothing, and of nodes that are no neighbours one in sixteen finds it so. The bytes of a
/// row lie together, so those of a hub, which is asked for most, stay near the processor.
///
/// Where that would be too many bytes, 2^`shift` edges have one, and more finds are false.
#[derive(Debug)]
pub(super) struct Filter {
    bytes: Vec<u8>,
    shift: u32,
}

/// Where the bits of an edge are.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    byte: u32,
    bits: u8,
}

impl Filter {
    /// Of rows that ascend. O(edges), in parallel.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
    pub(super) fn new(graph: &Graph, task: &Task) -> Result<Self> {
        Self::of_at_most(MOST, graph, task)
    }

    fn of_at_most(most: usize, graph: &Graph, task: &Task) -> Result<Self> {
        let (rows, neighbours) = (graph.rows(), graph.neighbours());
        let shift = neighbours.len().div_ceil(most).next_power_of_two().ilog2();
        let n_bytes = |n_edges: usize| n_edges.div_ceil(1 << shift);
        let mut bytes = reserve(n_bytes(neighbours.len()), "an index of edges")?;
        advise_large_pages(&mut bytes);
        bytes.resize(n_bytes(neighbours.len()), 0);
        let mut filter = Self { bytes, shift };
        let runs = graph.runs(if shift == 0 { EDGES_PER_RUN } else { usize::MAX }); // rows that share a byte are one run
        let slices = split_runs(&mut filter.bytes, runs.iter().map(|run| n_bytes(run.edges.end)));
        runs.par_iter().zip(slices).try_for_each(|(run, bytes)| {
            for row in rows[run.nodes.clone()].iter().filter(|row| (row.start as usize) < run.edges.end) {
                for &x in &neighbours[row.start as usize..][..row.degree as usize] {
                    let place = Place::new(*row, x, shift);
                    bytes[place.byte as usize - n_bytes(run.edges.start)] |= place.bits;
                }
                task.check()?;
            }
            Ok(())
        })?;
        Ok(filter)
    }

    /// Where the edge from a row to a node is looked for.
    #[inline(always)]
    pub(super) fn place(&self, row: Row, node: u32) -> Place {
        Place::new(row, node, self.shift)
    }

    /// Asks for what is there.
    #[inline(always)]
    pub(super) fn prefetch(&self, place: Place) {
        prefetch(&self.bytes, place.byte as usize);
    }

    /// Whether the edge may exist.
    #[inline(always)]
    pub(super) fn may_have(&self, place: Place) -> bool {
        self.bytes[place.byte as usize] & place.bits == place.bits
    }
}

impl Place {
    #[inline(always)]
    fn new(row: Row, node: u32, shift: u32) -> Self {
        let hash = node.wrapping_mul(0x9E37_79B1); // 2³² over the golden ratio: numbers that follow each other lie apart
        let at = u64::from(hash) * u64::from(row.degree);
        let pair = ((at & 0xffff_ffff) * PAIRS.len() as u64) >> 32;
        Self { byte: row.start.wrapping_add((at >> 32) as u32) >> shift, bits: PAIRS[pair as usize] }
    }
}

/// Each two of eight bits.
const PAIRS: [u8; 28] = {
    let mut pairs = [0; 28];
    let (mut n, mut bits) = (0, 0_u8);
    while n < pairs.len() {
        if bits.count_ones() == 2 {
            pairs[n] = bits;
            n += 1;
        }
        bits += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn graph(edges: &[BTreeSet<i64>], n: usize) -> Graph {
        let mut indptr = vec![0];
        let mut indices = Vec::new();
        for v in 0..n {
            indices.extend(edges.get(v).into_iter().flatten());
            indptr.push(indices.len() as i64);
        }
        let data = vec![1.0; indices.len()];
        Graph::new(Csr::new(&indptr, &indices, &data, n).unwrap(), None, &Task::new()).unwrap().0
    }

    proptest! {
        #[test]
        fn no_edge_is_denied(
            edges in prop::collection::vec(prop::collection::btree_set(0..300_i64, 0..60), 1..40),
            most in prop_oneof![Just(MOST), 1..400_usize],
        ) {
            let graph = graph(&edges, 300);
            let filter = Filter::of_at_most(most, &graph, &Task::new()).unwrap();
            prop_assert!(filter.bytes.len() <= most);
            for (row, neighbours) in graph.rows().iter().zip(&edges) {
                for &x in neighbours {
                    prop_assert!(filter.may_have(filter.place(*row, x as u32)));
                }
            }
        }
    }

    #[test]
    fn most_others_are() {
        // Steps that neither divide the number of nodes nor are near a fraction of it.
        let edges: Vec<_> =
            (1..200).map(|v| (0..40 + v).map(|i| (i * i * 7919 + v * 31) % 100_003).collect()).collect();
        let graph = graph(&edges, 100_003);
        let filter = Filter::new(&graph, &Task::new()).unwrap();
        let (mut others, mut found) = (0, 0);
        for (row, neighbours) in graph.rows().iter().zip(&edges) {
            for x in (0..100_003).step_by(101).filter(|x| !neighbours.contains(x)) {
                others += 1;
                found += u32::from(filter.may_have(filter.place(*row, x as u32)));
            }
        }
        assert!(others > 190_000 && found * 12 < others, "{found} of {others}");
    }
}
