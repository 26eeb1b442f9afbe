//! The border rule over tiles: the smallest label among the core points near a point.

use super::super::labels::Numbering;
use super::super::metric::Real;
use super::block::Scratch;
use super::index::TILE;
use super::passes::{Next, Search, bits};
use crate::Result;
use crate::parallel::collected;
use rayon::prelude::*;
use std::cell::Cell;

/// The labels of the core points of an index.
pub(super) struct Labels<'l> {
    /// The core points of a tile.
    pub core: &'l (dyn Fn(usize) -> u64 + Sync),
    /// By position.
    pub labels: &'l [u32],
}

/// What is asked of a tile: one bit for each point that wants a label, and their neighbours where those are known.
pub(super) type Asked<'l> = (u64, Option<&'l [u32]>);

impl Labels<'_> {
    /// Finds the smallest label among the core points near each point that asks for it, and calls
    /// `set(tile, lane, row, label)` for every point of the search.
    pub fn give<'m, T: Real>(
        &self,
        search: &Search<'_, T>,
        asked: &(dyn Fn(usize) -> Asked<'m> + Sync),
        set: &(dyn Fn(usize, usize, usize, u32) + Sync),
    ) -> Result<()> {
        let (index, queries, labels) = (&search.index, search.queries(), self.labels);
        let first = |tile: usize| index.starts[tile] as usize;
        let smallest_of =
            |tile| bits((self.core)(tile)).map(|lane| labels[first(tile) + lane]).min().unwrap_or(Numbering::NOISE);
        let smallest = collected((0..index.len()).map(smallest_of), "the labels of tiles")?;
        (0..queries.len()).into_par_iter().try_for_each_init(Scratch::default, |scratch, a| {
            let (wanted, near) = asked(a);
            let wanted = wanted & u64::MAX >> (TILE - queries.positions(a).len());
            let best = [const { Cell::new(Numbering::NOISE) }; TILE];
            if let Some(near) = near {
                let mut near = near.iter();
                for q in bits(wanted) {
                    let count = near.next().map_or(0, |&count| count as usize);
                    // Points that are not core have no label yet, and NOISE is larger than any.
                    let smallest = near.by_ref().take(count).map(|&position| labels[position as usize]).min();
                    best[q].set(smallest.unwrap_or(Numbering::NOISE));
                }
            } else if wanted != 0 {
                let open =
                    |b: usize| bits(wanted).filter(|&q| smallest[b] < best[q].get()).fold(0, |mask, q| mask | 1 << q);
                search.visit(a, scratch, open, |found| {
                    let best = &best[found.q];
                    let better = bits((self.core)(found.b)).filter(|&lane| labels[first(found.b) + lane] < best.get());
                    let better = better.fold(0, |mask, lane| mask | 1 << lane);
                    let found = found.lanes(better).map(|lane| labels[first(found.b) + lane]).min();
                    best.set(found.map_or(best.get(), |label| label.min(best.get())));
                    Next::Point
                });
            }
            for (q, position) in queries.positions(a).enumerate() {
                set(a, q, queries.order[position] as usize, best[q].get());
            }
            search.task.advance(queries.positions(a).len())
        })
    }
}
