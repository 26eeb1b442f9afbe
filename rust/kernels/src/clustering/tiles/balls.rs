//! Groups around centres, for many dimensions, where boxes stop to tell points apart.
//!
//! Pivots are spread over a sample by farthest-first traversal; every point joins its nearest pivot; the means of the
//! groups become their centres. Two groups A and B whose centres lie D apart hold no pair of points closer than
//!
//! - d(A, c_B) − r_B, where d(A, c_B) is the least distance of a point of A from the centre of B (triangle);
//! - in the L2 norm, √(d(A, c_B)² + d(B, c_A)² − D² − 2 r_A r_B): write x = c_A + a, y = c_B + b, expand |x − y|², and
//!   bound a·b by r_A r_B. In high dimension that product is all that is lost, so separated groups are told apart even
//!   where their radii exceed their distance.
//!
//! O(n · groups · width) to build, with √n to 2√n groups; O(groups²) space.

use super::super::metric::Real;
use super::block::{Centres, UNIT, gamma};
use super::geometry::{Geometry, Norm};
use super::index::{LANES, TILE};
use super::tree::arrange;
use crate::parallel::{filled, split_runs};
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::ControlFlow;

/// Groups, at most: the table of their bounds stays at a few MiB.
const MOST_GROUPS: usize = 1024;
/// From here on there are twice as many groups.
const WIDE: usize = 64;

pub(super) struct Balls {
    group_of_tile: Vec<u32>,
    /// Tiles of group g: `tiles[g]..tiles[g + 1]`.
    tiles: Vec<u32>,
    /// Lower bound of the distance between points of two groups.
    bounds: Vec<f32>,
    /// For each group, the groups by rising bound.
    nearest: Vec<u16>,
}

impl Balls {
    /// The order of the points, the start of each tile, and the groups.
    pub fn build<T: Real>(geometry: &Geometry<'_, T>, task: &Task) -> Result<(Vec<u32>, Vec<u32>, Self)> {
        let n = geometry.len();
        // Wide points cost much to compare with each other, so more comparisons with centres pay.
        let share = if geometry.width() > WIDE { 2.0 } else { 1.0 };
        let groups = ((share * (n as f64).sqrt()) as usize).clamp(1, MOST_GROUPS.min(n));
        let extent = Extent::around(geometry);
        let pivots = pivots(geometry, &extent, groups, task)?;
        let (mut order, starts) = groups_of(geometry, &extent, &pivots, task)?;
        let groups = starts.len() - 1;
        let bounds = bounds(geometry, &extent, &order, &starts, task)?;
        let mut nearest = filled(groups * groups, 0u16, "the order of groups")?;
        nearest.par_chunks_mut(groups).zip(bounds.par_chunks(groups)).enumerate().for_each(|(g, (nearest, bounds))| {
            nearest.iter_mut().zip(0..).for_each(|(slot, h)| *slot = h);
            nearest.sort_unstable_by(|&a, &b| {
                let key = |h: u16| (usize::from(h) != g, bounds[usize::from(h)]);
                let (a, b) = ((key(a), a), (key(b), b));
                a.0.0.cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)).then(a.1.cmp(&b.1))
            });
        });
        split_runs(&mut order, starts[1..].iter().map(|&end| end as usize))
            .into_par_iter()
            .try_for_each(|group| arrange(geometry, group))?;
        let mut tiles = vec![0];
        let (mut tile_starts, mut group_of_tile) = (Vec::new(), Vec::new());
        for g in 0..groups {
            for start in (starts[g]..starts[g + 1]).step_by(TILE) {
                tile_starts.push(start);
                group_of_tile.push(g as u32);
            }
            tiles.push(tile_starts.len() as u32);
        }
        tile_starts.push(n as u32);
        Ok((order, tile_starts, Self { group_of_tile, tiles, bounds, nearest }))
    }

    /// See [`super::index::Index::near`].
    pub fn near(&self, tile: usize, reach: impl Fn() -> f64, mut visit: impl FnMut(usize) -> ControlFlow<()>) {
        let groups = self.tiles.len() - 1;
        let g = self.group_of_tile[tile] as usize;
        for &h in &self.nearest[g * groups..(g + 1) * groups] {
            let h = usize::from(h);
            if f64::from(self.bounds[g * groups + h]) > reach() {
                return;
            }
            for other in self.tiles[h] as usize..self.tiles[h + 1] as usize {
                if visit(other).is_break() {
                    return;
                }
            }
        }
    }
}

/// Coordinates relative to the middle of the data, in units of their extent, so that single precision serves.
pub(super) struct Extent {
    middle: Vec<f64>,
    /// One over half the extent; 0 where that is no usable number.
    pub scale: f64,
}

impl Extent {
    pub fn around<T: Real>(geometry: &Geometry<'_, T>) -> Self {
        let width = geometry.width();
        let empty = || (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width], vec![0.0; width]);
        let (low, high, _) = (0..geometry.len() as u32)
            .into_par_iter()
            .with_min_len(1024)
            .fold(empty, |(mut low, mut high, mut place), row| {
                geometry.place(row, &mut place);
                for axis in 0..width {
                    low[axis] = low[axis].min(place[axis]);
                    high[axis] = high[axis].max(place[axis]);
                }
                (low, high, place)
            })
            .reduce(empty, |(mut low, mut high, place), (other_low, other_high, _)| {
                for axis in 0..width {
                    low[axis] = low[axis].min(other_low[axis]);
                    high[axis] = high[axis].max(other_high[axis]);
                }
                (low, high, place)
            });
        let middle: Vec<f64> = low.iter().zip(&high).map(|(low, high)| low / 2.0 + high / 2.0).collect();
        let halves: Vec<f64> = low.iter().zip(&high).map(|(low, high)| high / 2.0 - low / 2.0).collect();
        let half = geometry.norm().of(&halves);
        let usable = half > 0.0 && half.is_finite() && half.recip().is_finite();
        Self { middle, scale: if usable { half.recip() } else { 0.0 } }
    }

    fn place<T: Real>(&self, geometry: &Geometry<'_, T>, row: u32, out: &mut [f64]) {
        geometry.place(row, out);
        for (x, middle) in out.iter_mut().zip(&self.middle) {
            *x = (*x - middle) * self.scale;
        }
    }

    /// Up to sixteen points side by side; the last one is repeated.
    fn panel<T: Real>(&self, geometry: &Geometry<'_, T>, rows: &[u32], panel: &mut [[f32; LANES]]) {
        let mut place = vec![0.0; panel.len()];
        for lane in 0..LANES {
            if let Some(&row) = rows.get(lane) {
                self.place(geometry, row, &mut place);
            }
            for (panel, &x) in panel.iter_mut().zip(&place) {
                panel[lane] = x as f32;
            }
        }
    }
}

/// By how much a computed distance to a centre may be off (see [`super::block`]), scaled; no point is farther than 1 from
/// the middle.
fn error(width: usize, distance: f64) -> f64 {
    4.0 * UNIT * (1.0 + distance) + 2.0 * gamma(width) * distance
}

/// Spreads pivots over a sample: each next one is the farthest from those before.
fn pivots<T: Real>(geometry: &Geometry<'_, T>, extent: &Extent, groups: usize, task: &Task) -> Result<Centres> {
    let (n, width) = (geometry.len(), geometry.width());
    let size = n.min(4 * groups);
    let sample: Vec<u32> = (0..size).map(|i| (i * n / size) as u32).collect();
    let mut panels = filled(size.div_ceil(LANES) * width, [0.0f32; LANES], "the sample")?;
    panels
        .par_chunks_mut(width)
        .zip(sample.par_chunks(LANES))
        .for_each(|(panel, rows)| extent.panel(geometry, rows, panel));
    let mut centres = Centres::new(geometry.norm(), width);
    let mut distances = vec![[f32::INFINITY; LANES]; size.div_ceil(LANES)];
    let mut next = 0;
    for _ in 0..groups {
        let pivot: Vec<f32> = (0..width).map(|axis| panels[next / LANES * width + axis][next % LANES]).collect();
        let one = Centres::one(geometry.norm(), &pivot);
        centres.push(&pivot);
        distances.par_iter_mut().zip(panels.par_chunks(width)).with_min_len(8).for_each(|(least, panel)| {
            one.each(panel, |_, found| {
                for (least, found) in least.iter_mut().zip(found) {
                    *least = least.min(*found);
                }
            });
        });
        let flat = distances.as_flattened();
        next = (0..size).fold(0, |far, i| if flat[i] > flat[far] { i } else { far });
        task.advance(0)?;
        if flat[next] == 0.0 {
            break;
        }
    }
    Ok(centres)
}

/// Sorts the points by nearest pivot; empty groups are dropped.
fn groups_of<T: Real>(
    geometry: &Geometry<'_, T>,
    extent: &Extent,
    pivots: &Centres,
    task: &Task,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let (n, width) = (geometry.len(), geometry.width());
    let mut group = filled(n, 0u16, "the groups of points")?;
    group.par_chunks_mut(LANES).enumerate().try_for_each_init(
        || vec![[0.0f32; LANES]; width],
        |panel, (chunk, group)| {
            let first = (chunk * LANES) as u32;
            let rows: [u32; LANES] = std::array::from_fn(|lane| (first + lane as u32).min(n as u32 - 1));
            extent.panel(geometry, &rows, panel);
            let mut least = [f32::INFINITY; LANES];
            pivots.each(panel, |pivot, found| {
                for (lane, group) in group.iter_mut().enumerate() {
                    if found[lane] < least[lane] {
                        (least[lane], *group) = (found[lane], pivot as u16);
                    }
                }
            });
            task.advance(0)
        },
    )?;
    let mut counts = vec![0u32; pivots.len()];
    group.iter().for_each(|&g| counts[usize::from(g)] += 1);
    let mut starts = vec![0u32];
    let mut places = vec![0u32; pivots.len()];
    for (place, &count) in places.iter_mut().zip(&counts).filter(|(_, count)| **count > 0) {
        *place = starts[starts.len() - 1];
        starts.push(*place + count);
    }
    let mut order = filled(n, 0u32, "the order of points")?;
    for (row, &g) in group.iter().enumerate() {
        order[places[usize::from(g)] as usize] = row as u32;
        places[usize::from(g)] += 1;
    }
    Ok((order, starts))
}

/// Lower bounds of the distances between groups, not scaled.
fn bounds<T: Real>(
    geometry: &Geometry<'_, T>,
    extent: &Extent,
    order: &[u32],
    starts: &[u32],
    task: &Task,
) -> Result<Vec<f32>> {
    let width = geometry.width();
    let groups = starts.len() - 1;
    let rows = |g: usize| &order[starts[g] as usize..starts[g + 1] as usize];
    let means: Vec<Vec<f32>> = (0..groups)
        .into_par_iter()
        .map(|g| {
            let (mut mean, mut place) = (vec![0.0; width], vec![0.0; width]);
            for &row in rows(g) {
                extent.place(geometry, row, &mut place);
                mean.iter_mut().zip(&place).for_each(|(mean, x)| *mean += x);
            }
            mean.iter().map(|x| (x / rows(g).len() as f64) as f32).collect()
        })
        .collect();
    let mut centres = Centres::new(geometry.norm(), width);
    means.iter().for_each(|mean| centres.push(mean));

    // Least distance of a point of group g from each centre, and the radius of g.
    let mut least = filled(groups * groups, f32::INFINITY, "the distances of groups")?;
    let radii: Vec<f64> = least
        .par_chunks_mut(groups)
        .enumerate()
        .map_init(
            || vec![[0.0f32; LANES]; width],
            |panel, (g, least)| {
                let mut radius = 0.0f32;
                for rows in rows(g).chunks(LANES) {
                    extent.panel(geometry, rows, panel);
                    centres.each(panel, |h, found| {
                        least[h] = found.iter().fold(least[h], |a, &b| a.min(b));
                        if h == g {
                            radius = found.iter().fold(radius, |a, &b| a.max(b));
                        }
                    });
                    task.advance(0)?;
                }
                let radius = f64::from(radius);
                Ok(radius + error(width, radius))
            },
        )
        .collect::<Result<_>>()?;
    // Sixteen centres side by side are a panel like any other.
    let mut apart = filled(groups * groups, 0.0f32, "the distances of groups")?;
    apart.par_chunks_mut(LANES * groups).zip(means.par_chunks(LANES)).for_each(|(apart, means)| {
        let panel: Vec<[f32; LANES]> =
            (0..width).map(|axis| std::array::from_fn(|lane| means[lane.min(means.len() - 1)][axis])).collect();
        centres.each(&panel, |h, found| {
            apart.chunks_mut(groups).zip(found).for_each(|(apart, &distance)| apart[h] = distance);
        });
    });
    let norm = geometry.norm();
    let less = |d: f64| (d - error(width, d)).max(0.0);
    let more = |d: f64| d + error(width, d);
    let bound = |g: usize, h: usize| {
        if g == h || extent.scale == 0.0 {
            return 0.0;
        }
        let (gh, hg) = (less(f64::from(least[g * groups + h])), less(f64::from(least[h * groups + g])));
        let triangle = (gh - radii[h]).max(hg - radii[g]);
        let product = gh * gh + hg * hg - more(f64::from(apart[g * groups + h])).powi(2) - 2.0 * radii[g] * radii[h];
        // The squares lose a few units in the last place of numbers that are at most some tens.
        let quadrilateral = if norm == Norm::L2 { (product - 1e-12).max(0.0).sqrt() } else { 0.0 };
        triangle.max(quadrilateral).max(0.0) / extent.scale * (1.0 - 1e-12)
    };
    let mut bounds = filled(groups * groups, 0.0f32, "the distances of groups")?;
    bounds
        .par_chunks_mut(groups)
        .enumerate()
        .for_each(|(g, row)| row.iter_mut().enumerate().for_each(|(h, slot)| *slot = down(bound(g, h))));
    Ok(bounds)
}

/// The next smaller single-precision number, at least 0.
fn down(x: f64) -> f32 {
    if x > 0.0 { (x as f32).next_down() } else { 0.0 }
}
