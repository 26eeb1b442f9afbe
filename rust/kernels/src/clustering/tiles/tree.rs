//! A tree of boxes, split about the middle of the axis of most variance, down to tiles.
//!
//! Splits fall on multiples of the tile size, so all tiles but the last are full, and the tree over t tiles is an
//! array of 2t − 1 nodes in preorder. O(n · width · log n) to build, in parallel; ties are split by row, so the tree
//! depends on the data only.

use super::super::metric::Real;
use super::geometry::{Geometry, Norm};
use super::index::{LANES, TILE};
use crate::parallel::{collected, filled};
use crate::{Result, Task};
use std::ops::{ControlFlow, Range};

/// Nodes smaller than this are built by one thread.
const SERIAL: usize = 4096;

pub(super) struct Tree {
    width: usize,
    /// Low and high corner of each node, in preorder.
    boxes: Vec<f64>,
    tiles: usize,
}

/// What one call of `split` has to fill.
struct Part<'a> {
    order: &'a mut [u32],
    boxes: &'a mut [f64],
}

impl Tree {
    /// The order of the points, the start of each tile, and the tree.
    pub fn build<T: Real>(
        geometry: &Geometry<'_, T>,
        rows: Range<u32>,
        task: &Task,
    ) -> Result<(Vec<u32>, Vec<u32>, Self)> {
        let (n, width) = (rows.len(), geometry.width());
        let tiles = n.div_ceil(TILE);
        let mut order = collected(rows, "the order of points")?;
        let mut boxes = filled((2 * tiles - 1) * 2 * width, 0.0, "the boxes of the tree")?;
        split(geometry, Part { order: &mut order, boxes: &mut boxes }, task)?;
        let starts = collected((0..tiles + 1).map(|tile| (tile * TILE).min(n) as u32), "the starts of tiles")?;
        Ok((order, starts, Self { width, boxes, tiles }))
    }

    /// See [`super::index::Index::near`]; `own` is the box of the points whose neighbours are asked for, and where nothing
    /// else tells which is nearer, what holds or is close to tile `tile` comes first.
    pub fn near(
        &self,
        norm: Norm,
        own: &[f64],
        tile: usize,
        reach: impl Fn() -> f64,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let gap = |node: usize| gap(norm, own, self.box_of(node));
        // (node, first tile, tiles, gap), nearest on top.
        let mut stack = vec![(0, 0, self.tiles, 0.0)];
        while let Some((node, first, tiles, distance)) = stack.pop() {
            if distance > reach() {
                continue;
            }
            if tiles == 1 {
                if visit(first).is_break() {
                    return;
                }
                continue;
            }
            let left = tiles_on_the_left(tiles);
            let (a, b) = (node + 1, node + 2 * left);
            let a = (a, first, left, gap(a));
            let b = (b, first + left, tiles - left, gap(b));
            // Where both touch, the half that holds the tile itself comes first.
            let b_first = b.3 < a.3 || (b.3 == a.3 && tile >= first + left);
            let (far, close) = if b_first { (a, b) } else { (b, a) };
            stack.push(far);
            stack.push(close);
        }
    }

    /// The box of a tile: its low and its high corner.
    pub fn tile_box(&self, tile: usize) -> &[f64] {
        self.box_of(self.leaf(tile))
    }

    fn box_of(&self, node: usize) -> &[f64] {
        &self.boxes[node * 2 * self.width..(node + 1) * 2 * self.width]
    }

    fn leaf(&self, tile: usize) -> usize {
        let (mut node, mut first, mut tiles) = (0, 0, self.tiles);
        while tiles > 1 {
            let left = tiles_on_the_left(tiles);
            if tile < first + left {
                (node, tiles) = (node + 1, left);
            } else {
                (node, first, tiles) = (node + 2 * left, first + left, tiles - left);
            }
        }
        node
    }
}

fn tiles_on_the_left(tiles: usize) -> usize {
    tiles / 2
}

fn split<T: Real>(geometry: &Geometry<'_, T>, part: Part<'_>, task: &Task) -> Result<()> {
    let width = geometry.width();
    let Part { order, boxes } = part;
    task.advance(0)?;
    let (own, below) = boxes.split_at_mut(2 * width);
    let spread = geometry.spread(order);
    own[..width].copy_from_slice(&spread.low);
    own[width..].copy_from_slice(&spread.high);
    let tiles = order.len().div_ceil(TILE);
    if tiles == 1 {
        return arrange(geometry, order);
    }
    let left = tiles_on_the_left(tiles);
    halve(geometry, order, left * TILE, spread.most_varied())?;
    let serial = order.len() < SERIAL;
    let (order_a, order_b) = order.split_at_mut(left * TILE);
    let (boxes_a, boxes_b) = below.split_at_mut((2 * left - 1) * 2 * width);
    let a = Part { order: order_a, boxes: boxes_a };
    let b = Part { order: order_b, boxes: boxes_b };
    if serial {
        split(geometry, a, task)?;
        split(geometry, b, task)
    } else {
        let (a, b) = rayon::join(|| split(geometry, a, task), || split(geometry, b, task));
        a.and(b)
    }
}

/// Sorts points so that tiles, and panels within them, hold points that lie together.
pub(super) fn arrange<T: Real>(geometry: &Geometry<'_, T>, order: &mut [u32]) -> Result<()> {
    let unit = if order.len() > TILE { TILE } else { LANES };
    if order.len() <= unit {
        return Ok(());
    }
    let left = order.len().div_ceil(unit) / 2 * unit;
    halve(geometry, order, left, geometry.spread(order).most_varied())?;
    let (a, b) = order.split_at_mut(left);
    arrange(geometry, a)?;
    arrange(geometry, b)
}

/// Moves the `left` points that are least along an axis to the front.
fn halve<T: Real>(geometry: &Geometry<'_, T>, order: &mut [u32], left: usize, axis: usize) -> Result<()> {
    let mut keys = collected(order.iter().map(|&row| (geometry.coordinate(row, axis), row)), "a split of the tree")?;
    keys.select_nth_unstable_by(left, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.iter_mut().zip(&keys).for_each(|(row, key)| *row = key.1);
    Ok(())
}

/// Distance of two boxes. Every step is monotone in the coordinates, also when rounded, so no pair of their points
/// has a smaller rounded distance; the square root is compared with a reach that has room for it.
#[inline]
fn gap(norm: Norm, a: &[f64], b: &[f64]) -> f64 {
    let width = a.len() / 2;
    let (a_low, a_high) = a.split_at(width);
    let (b_low, b_high) = b.split_at(width);
    let gaps = (0..width).map(|k| (b_low[k] - a_high[k]).max(a_low[k] - b_high[k]).max(0.0));
    match norm {
        Norm::L2 => gaps.map(|g| g * g).sum::<f64>().sqrt(),
        Norm::L1 => gaps.sum(),
        Norm::LInfinity => gaps.fold(0.0, f64::max),
    }
}
