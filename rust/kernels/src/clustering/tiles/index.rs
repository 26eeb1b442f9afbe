//! The index: tiles of points, and who may be near whom.

use super::super::metric::Real;
use super::balls::Balls;
use super::geometry::{Geometry, Norm};
use super::tree::Tree;
use crate::parallel::{filled, split_runs};
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::{ControlFlow, Range};

/// Points of a tile, at most.
pub(super) const TILE: usize = 64;
/// Points side by side in a panel.
pub(super) const LANES: usize = 16;
/// Up to this width a tree of boxes partitions better than balls.
pub(super) const WIDEST_TREE: usize = 12;
/// The same where the index is searched but once or for few neighbours: a tree is built faster.
pub(super) const WIDEST_TREE_FOR_ONE_PASS: usize = 24;

/// Points in tiles.
pub(super) struct Index<'a, T> {
    pub geometry: &'a Geometry<'a, T>,
    pub norm: Norm,
    /// Row of each position.
    pub order: Vec<u32>,
    /// Positions of tile t: `starts[t]..starts[t + 1]`.
    pub starts: Vec<u32>,
    /// Coordinates are multiplied by this.
    pub scale: f64,
    /// Coordinates relative to the tile's centre, scaled: by panel, then axis, sixteen points side by side.
    panels: Vec<[f32; LANES]>,
    panel_starts: Vec<u32>,
    /// Middle of each tile's box, not scaled.
    centres: Vec<f64>,
    /// Half the sides of each tile's box, scaled.
    halves: Vec<f32>,
    /// Least and largest coordinate of each panel, relative to the tile's centre, scaled: by panel, then axis.
    panel_boxes: Vec<[f32; 2]>,
    /// Largest distance of a point from the centre of its tile, scaled.
    pub radii: Vec<f64>,
    near: Near,
}

/// How points were partitioned.
pub(super) enum Near {
    Tree(Tree),
    Balls(Balls),
}

impl<'a, T: Real> Index<'a, T> {
    /// Sorts all points into tiles. `scale` is one over the distance that matters.
    pub fn new(geometry: &'a Geometry<'a, T>, scale: f64, widest_tree: usize, task: &Task) -> Result<Self> {
        if geometry.width() <= widest_tree {
            return Self::tree(geometry, 0..geometry.len() as u32, scale, task);
        }
        let (order, starts, balls) = Balls::build(geometry, task)?;
        Self::of(geometry, order, starts, Near::Balls(balls), scale, task)
    }

    /// Sorts some points into the tiles of a tree.
    pub fn tree(geometry: &'a Geometry<'a, T>, rows: Range<u32>, scale: f64, task: &Task) -> Result<Self> {
        let (order, starts, tree) = Tree::build(geometry, rows, task)?;
        Self::of(geometry, order, starts, Near::Tree(tree), scale, task)
    }

    fn of(
        geometry: &'a Geometry<'a, T>,
        order: Vec<u32>,
        starts: Vec<u32>,
        near: Near,
        scale: f64,
        task: &Task,
    ) -> Result<Self> {
        let width = geometry.width();
        let tiles = starts.len() - 1;
        let mut panel_starts = Vec::with_capacity(tiles + 1);
        panel_starts.push(0u32);
        for tile in 0..tiles {
            let points = (starts[tile + 1] - starts[tile]) as usize;
            panel_starts.push(panel_starts[tile] + points.div_ceil(LANES) as u32);
        }
        let mut index = Self {
            norm: geometry.norm(),
            panels: filled(panel_starts[tiles] as usize * width, [f32::INFINITY; LANES], "the tiles")?,
            centres: filled(tiles * width, 0.0, "the centres of tiles")?,
            halves: filled(tiles * width, 0.0, "the boxes of tiles")?,
            panel_boxes: filled(
                panel_starts[tiles] as usize * width,
                [f32::INFINITY, f32::NEG_INFINITY],
                "the boxes of tiles",
            )?,
            radii: filled(tiles, 0.0, "the radii of tiles")?,
            geometry,
            order,
            starts,
            scale,
            panel_starts,
            near,
        };
        index.fill(task)?;
        Ok(index)
    }

    fn fill(&mut self, task: &Task) -> Result<()> {
        let width = self.geometry.width();
        let panel_ends = self.panel_starts[1..].iter().map(|&end| end as usize * width);
        let panels = split_runs(&mut self.panels, panel_ends.clone());
        let tiles = panels
            .into_par_iter()
            .zip(split_runs(&mut self.panel_boxes, panel_ends))
            .zip(self.centres.par_chunks_mut(width))
            .zip(self.halves.par_chunks_mut(width))
            .zip(&mut self.radii)
            .enumerate();
        let (order, starts, geometry) = (&self.order, &self.starts, self.geometry);
        let (scale, norm) = (self.scale, self.norm);
        tiles.try_for_each(|(tile, ((((panels, boxes), centre), halves), radius))| {
            let points = &order[starts[tile] as usize..starts[tile + 1] as usize];
            let mut places = filled(points.len() * width, 0.0, "one tile")?;
            for (&row, place) in points.iter().zip(places.chunks_mut(width)) {
                geometry.place(row, place);
            }
            let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
            for place in places.chunks(width) {
                for axis in 0..width {
                    low[axis] = low[axis].min(place[axis]);
                    high[axis] = high[axis].max(place[axis]);
                }
            }
            // Halves first: the sum of two large coordinates may overflow.
            centre.iter_mut().zip(low.iter().zip(&high)).for_each(|(c, (low, high))| *c = low / 2.0 + high / 2.0);
            for (point, place) in places.chunks_mut(width).enumerate() {
                let (panel, lane) = (point / LANES, point % LANES);
                for axis in 0..width {
                    place[axis] = (place[axis] - centre[axis]) * scale;
                    halves[axis] = halves[axis].max((place[axis].abs() as f32).next_up());
                    let x = place[axis] as f32;
                    panels[panel * width + axis][lane] = x;
                    let [low, high] = &mut boxes[panel * width + axis];
                    (*low, *high) = (low.min(x.next_down()), high.max(x.next_up()));
                }
                *radius = radius.max(norm.of(place));
            }
            task.advance(0)
        })
    }

    pub fn width(&self) -> usize {
        self.geometry.width()
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Positions of a tile.
    #[inline]
    pub fn positions(&self, tile: usize) -> Range<usize> {
        self.starts[tile] as usize..self.starts[tile + 1] as usize
    }

    /// The panels of a tile, one after the other. Places without a point hold ∞.
    #[inline]
    pub fn panels(&self, tile: usize) -> &[[f32; LANES]] {
        let width = self.width();
        &self.panels[self.panel_starts[tile] as usize * width..self.panel_starts[tile + 1] as usize * width]
    }

    /// The boxes of the panels of a tile, one after the other.
    #[inline]
    pub fn panel_boxes(&self, tile: usize) -> &[[f32; 2]] {
        let width = self.width();
        &self.panel_boxes[self.panel_starts[tile] as usize * width..self.panel_starts[tile + 1] as usize * width]
    }

    #[inline]
    pub fn centre(&self, tile: usize) -> &[f64] {
        &self.centres[tile * self.width()..(tile + 1) * self.width()]
    }

    #[inline]
    pub fn halves(&self, tile: usize) -> &[f32] {
        &self.halves[tile * self.width()..(tile + 1) * self.width()]
    }

    /// Visits the tiles that may hold a point within `reach()` (not scaled) of a point of `tile`: the tile itself
    /// first, nearer ones earlier, until told to stop. `reach` is asked again as the visits go on, and may shrink.
    pub fn near(&self, tile: usize, reach: impl Fn() -> f64, mut visit: impl FnMut(usize) -> ControlFlow<()>) {
        if visit(tile).is_break() {
            return;
        }
        let others = |other| if other == tile { ControlFlow::Continue(()) } else { visit(other) };
        match &self.near {
            Near::Tree(tree) => tree.near(self.norm, tree.tile_box(tile), tile, reach, others),
            Near::Balls(balls) => balls.near(tile, reach, others),
        };
    }

    /// Visits the tiles that may hold a point within `reach` (not scaled) of a point of a tile of another tree.
    pub fn near_other(&self, other: &Self, tile: usize, reach: f64, visit: impl FnMut(usize) -> ControlFlow<()>) {
        let (Near::Tree(tree), Near::Tree(other)) = (&self.near, &other.near) else {
            unreachable!("only trees are searched for points of another index");
        };
        tree.near(self.norm, other.tile_box(tile), 0, || reach, visit);
    }
}

impl Norm {
    /// The norm of a difference.
    #[inline]
    pub fn of(self, difference: &[f64]) -> f64 {
        match self {
            Norm::L2 => difference.iter().map(|t| t * t).sum::<f64>().sqrt(),
            Norm::L1 => difference.iter().map(|t| t.abs()).sum(),
            Norm::LInfinity => difference.iter().fold(0.0, |max, t| t.abs().max(max)),
        }
    }
}
