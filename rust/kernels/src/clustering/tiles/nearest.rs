//! Distances to the k-th nearest other point.
//!
//! Tiles are visited from near to far. Each point of a tile keeps the k least reduced distances so far, measured by
//! the contract; the k-th of them limits what the filter lets through, and the largest of the tile's limits ends the
//! visits. O(k · tile) memory beside the index.

use super::super::metric::{Metric, Real, Rows};
use super::balls::Extent;
use super::block::{Pair, Scratch};
use super::geometry::Geometry;
use super::index::{Index, LANES, TILE, WIDEST_TREE_FOR_ONE_PASS};
use super::passes::bits;
use crate::parallel::{filled, split_runs};
use crate::{Result, Task};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::ControlFlow;

/// See `diptych.kernels.clustering.k_distances`; 0 < k < n.
pub(in super::super) fn k_distances<T: Real>(
    rows: Rows<'_, T>,
    k: usize,
    metric: Metric,
    task: &Task,
) -> Result<Vec<f64>> {
    let n = rows.len();
    task.expect(n);
    let geometry = Geometry::new(rows, metric)?;
    let scale = Extent::around(&geometry).scale;
    let index = Index::new(&geometry, if scale > 0.0 { scale } else { 1.0 }, WIDEST_TREE_FOR_ONE_PASS, task)?;
    let mut found = filled(n, 0.0, "the distances")?;
    split_runs(&mut found, index.starts[1..].iter().map(|&end| end as usize))
        .into_par_iter()
        .enumerate()
        .try_for_each_init(Scratch::default, |scratch, (tile, found)| {
            nearest(&index, tile, k, found, scratch, task)?;
            task.advance(found.len())
        })?;
    let mut out = filled(n, 0.0, "the distances")?;
    for (&row, &reduced) in index.order.iter().zip(&found) {
        out[row as usize] = metric.distance(reduced);
    }
    Ok(out)
}

/// The k-th least reduced distance of each point of a tile.
fn nearest<T: Real>(
    index: &Index<'_, T>,
    a: usize,
    k: usize,
    found: &mut [f64],
    scratch: &mut Scratch,
    task: &Task,
) -> Result<()> {
    let geometry = index.geometry;
    // Zero rows lie where no search finds them: they are at distance 1 from everything.
    let zeros = geometry.zeros();
    let is_zero = |row: u32| zeros.binary_search(&row).is_ok();
    let points: Vec<u32> = index.positions(a).map(|position| index.order[position]).collect();
    // For each point, a heap with the largest of the k least distances on top.
    let mut best = filled(points.len() * k, f64::INFINITY, "the nearest points")?;
    for (&row, best) in points.iter().zip(best.chunks_mut(k)) {
        let known = if is_zero(row) { k } else { zeros.len().min(k) };
        best[k - known..].fill(1.0);
    }
    let open = points.iter().enumerate().filter(|&(_, &row)| !is_zero(row)).fold(0u64, |mask, (q, _)| mask | 1 << q);
    let mut reach = [0.0; TILE];
    bits(open).for_each(|q| reach[q] = geometry.margin(best[q * k]).maybe);
    let farthest = Cell::new(f64::INFINITY);
    let mut sums = Vec::with_capacity(TILE);
    let visit = |b: usize| {
        if task.interrupted() {
            return ControlFlow::Break(());
        }
        let pair = Pair::new((index, a), (index, b), scratch);
        pair.limit_each(&reach, scratch);
        let first = index.starts[b] as usize;
        let mut changed = false;
        for panel in 0..points.len().div_ceil(LANES) {
            let near = pair.test(panel, (open >> (panel * LANES)) as u16, scratch);
            for lane in bits(u64::from(near)) {
                let q = panel * LANES + lane;
                let best = &mut best[q * k..(q + 1) * k];
                let mut maybe = scratch.masks.maybe[lane];
                if best[0] == f64::INFINITY && maybe.count_ones() as usize > k + 1 {
                    // Nothing is known yet: the k + 1 least sums (the point itself among them) limit the others.
                    sums.clear();
                    sums.extend(bits(maybe).map(|other| scratch.sums[lane][other]));
                    let within = pair.distance_at_most(*sums.select_nth_unstable_by(k, f32::total_cmp).1);
                    let limit = pair.sum_at_most(geometry.margin(geometry.reduced_at_most(within)).maybe);
                    let beyond = |sum: f32| sum > limit;
                    let within = bits(maybe).filter(|&other| !beyond(scratch.sums[lane][other]));
                    maybe = within.fold(0, |mask, other| mask | 1 << other);
                }
                for position in bits(maybe).map(|other| first + other) {
                    let row = index.order[position];
                    let reduced = geometry.reduced(points[q], row);
                    if row != points[q] && reduced < best[0] && !is_zero(row) {
                        replace_largest(best, reduced);
                        changed = true;
                    }
                }
                reach[q] = geometry.margin(best[0]).maybe;
            }
        }
        if changed {
            farthest.set(bits(open).fold(0.0, |far, q| reach[q].max(far)));
        }
        ControlFlow::Continue(())
    };
    index.near(a, || farthest.get(), visit);
    found.iter_mut().zip(best.chunks(k)).for_each(|(found, best)| *found = best[0]);
    Ok(())
}

/// Puts a smaller number in the place of the largest of a heap.
fn replace_largest(heap: &mut [f64], x: f64) {
    let mut hole = 0;
    loop {
        let left = 2 * hole + 1;
        let Some(&first) = heap.get(left) else { break };
        let (child, largest) = match heap.get(left + 1) {
            Some(&second) if second > first => (left + 1, second),
            _ => (left, first),
        };
        if largest <= x {
            break;
        }
        heap[hole] = largest;
        hole = child;
    }
    heap[hole] = x;
}
