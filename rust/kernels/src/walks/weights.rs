//! The weights that the second order reads.

use super::graph::{Graph, sum};
use crate::Result;
use crate::parallel::{advise_large_pages, reserve};
use crate::simd::prefetch;

/// What is read of weights.
pub(super) trait Weights: Copy + Sync {
    /// Asks for what is kept of a row.
    fn prefetch(self, v: u32);
    /// Sum and greatest of a row of `degree` edges.
    fn of_row(self, v: u32, degree: u32) -> [f64; 2];
    /// Asks for the weight of an edge.
    fn prefetch_edge(self, edge: usize);
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
    fn prefetch_edge(self, _: usize) {}

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
    fn prefetch_edge(self, edge: usize) {
        prefetch(self.weights, edge);
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
/// [`crate::Error::OutOfMemory`].
pub(super) fn sums(graph: &Graph, weights: &[f64]) -> Result<Vec<[f64; 2]>> {
    let mut sums = reserve(graph.rows().len(), "sums of rows")?;
    advise_large_pages(&mut sums);
    sums.extend(graph.rows().iter().map(|row| {
        let start = (row.start as usize).min(weights.len());
        let row = &weights[start..weights.len().min(start + row.degree as usize)];
        let greatest = row.iter().copied().fold(0.0, f64::max);
        [sum(row), if row.iter().all(|&w| w == 1.0) { -greatest } else { greatest }]
    }));
    Ok(sums)
}
