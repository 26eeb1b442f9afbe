//! Sixteen points of one tile against all points of another, in single precision.
//!
//! **Error.** Let r be the radii of both tiles together, t the distance of a pair (all in units of the scale). A
//! point is rounded when it is stored relative to its centre (its distance from it is at most its tile's radius), when
//! it is shifted to the other centre, and once more in the difference; the shift itself is at most t + r. Each rounds
//! by at most 2⁻²⁴ of its size, so the computed difference is off by at most 2⁻²⁴ · 3 · (r + t), for which [`Pair`] takes 2⁻²² · (r + t),
//! in the norm, and a fixed 10⁻¹⁸ for what underflows. The sum over the axes adds a relative (width + 2) · 2⁻²⁴, for which it takes (width + 8) · 2⁻²³.

use super::super::metric::Real;
use super::geometry::Norm;
use super::index::{Index, LANES, TILE};
use crate::simd::{Lanes, dispatched};

/// Panels of a tile, at most.
pub(super) const PANELS: usize = TILE / LANES;

/// What to tell of the pairs of two tiles.
#[derive(Clone)]
pub(super) struct Limits {
    /// At most this: neighbours.
    sure: f32,
    /// Above this, by point of the first tile: not neighbours.
    maybe: [f32; TILE],
    /// Farther than this from the centre of the second tile: no neighbour in it.
    ball: [f32; TILE],
    /// At most this far from it: all of it are neighbours.
    inside: f32,
}

/// The tile that points are tested against.
struct Other<'t> {
    panels: &'t [[f32; LANES]],
    /// Half the sides of its box.
    halves: &'t [f32],
    /// The boxes of its panels.
    boxes: &'t [[f32; 2]],
    /// How many points it holds.
    count: usize,
}

/// The pairs of a panel of one tile and another tile: a bit for each point of the other, by lane of the panel.
#[derive(Default)]
pub(super) struct Masks {
    pub sure: [u64; LANES],
    /// Neighbours or undecided; includes the sure ones.
    pub maybe: [u64; LANES],
}

/// Buffers of one thread.
pub(super) struct Scratch {
    shift: Vec<f32>,
    moved: Vec<[f32; LANES]>,
    limits: Limits,
    pub masks: Masks,
    /// Of the last test, by lane: the sums over the axes for the points of the other tile that `masks.maybe` has.
    pub sums: [[f32; TILE]; LANES],
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            shift: Vec::new(),
            moved: Vec::new(),
            limits: Limits { sure: -1.0, maybe: [0.0; TILE], ball: [0.0; TILE], inside: -1.0 },
            masks: Masks::default(),
            sums: [[0.0; TILE]; LANES],
        }
    }
}

/// Four units of rounding in single precision.
pub(super) const UNIT: f64 = 1.0 / (1 << 22) as f64;

/// What single precision may lose to underflow.
const TINY: f64 = 1e-18;

/// Relative rounding of a sum over the axes.
pub(super) fn gamma(width: usize) -> f64 {
    (width + 8) as f64 * (UNIT / 2.0)
}

/// Two tiles that are to be tested against each other.
pub(super) struct Pair<'p, 'a, T> {
    /// Where the first tile is, and which.
    points: (&'p Index<'a, T>, usize),
    /// The same of the second.
    others: (&'p Index<'a, T>, usize),
    /// Radii of both.
    r: f64,
    gamma: f64,
}

impl<'p, 'a, T: Real> Pair<'p, 'a, T> {
    pub fn new(points: (&'p Index<'a, T>, usize), others: (&'p Index<'a, T>, usize), scratch: &mut Scratch) -> Self {
        let ((index, a), (other, b)) = (points, others);
        scratch.shift.clear();
        let centres = index.centre(a).iter().zip(other.centre(b));
        scratch.shift.extend(centres.map(|(a, b)| ((a - b) * index.scale) as f32));
        scratch.moved.resize(index.width(), [0.0; LANES]);
        Self { points, others, r: index.radii[a] + other.radii[b], gamma: gamma(index.width()) }
    }

    /// Looks for pairs at most `maybe` apart, `sure` up to `sure` (not scaled), for all points alike.
    pub fn limit(&self, sure: f64, maybe: f64, scratch: &mut Scratch) {
        let (scale, radius) = (self.scale(), self.radius());
        let (sure, maybe) = (sure * scale, maybe * scale);
        scratch.limits.sure = self.below(sure);
        scratch.limits.inside = self.below(sure - radius);
        scratch.limits.maybe = [self.above(maybe); TILE];
        scratch.limits.ball = [self.above(maybe + radius); TILE];
    }

    /// Looks for pairs at most `maybe[q]` (not scaled) from point q.
    pub fn limit_each(&self, maybe: &[f64; TILE], scratch: &mut Scratch) {
        (scratch.limits.sure, scratch.limits.inside) = (-1.0, -1.0);
        for (q, &maybe) in maybe.iter().enumerate() {
            scratch.limits.maybe[q] = self.above(maybe * self.scale());
            scratch.limits.ball[q] = self.above(maybe * self.scale() + self.radius());
        }
    }

    fn scale(&self) -> f64 {
        self.points.0.scale
    }

    /// Radius of the second tile.
    fn radius(&self) -> f64 {
        self.others.0.radii[self.others.1]
    }

    /// The distance (not scaled) that a pair with this sum has at most.
    pub fn distance_at_most(&self, sum: f32) -> f64 {
        let x = if self.points.0.norm == Norm::L2 { f64::from(sum).sqrt() } else { f64::from(sum) };
        (x + 2.0 * (UNIT * (self.r + x) + self.gamma * x + TINY)) / self.scale()
    }

    /// The sum that a pair at most `distance` apart (not scaled) has at most.
    pub fn sum_at_most(&self, distance: f64) -> f32 {
        self.above(distance * self.scale())
    }

    fn power(&self, x: f64) -> f64 {
        if self.points.0.norm == Norm::L2 { x * x } else { x }
    }

    fn above(&self, x: f64) -> f32 {
        (self.power((x + UNIT * (self.r + x) + TINY) * (1.0 + self.gamma)) as f32).next_up()
    }

    fn below(&self, x: f64) -> f32 {
        let x = (x - UNIT * (self.r + x) - TINY) * (1.0 - self.gamma);
        if x > 0.0 { (self.power(x) as f32).next_down() } else { -1.0 }
    }

    /// Tests the points `active` of panel `panel` of the first tile against the second; returns those that have a
    /// neighbour there, or an undecided pair, for which `scratch.masks` is filled.
    pub fn test(&self, panel: usize, active: u16, scratch: &mut Scratch) -> u16 {
        let ((index, a), (other, b)) = (self.points, self.others);
        let width = index.width();
        test_panel(
            index.norm,
            &index.panels(a)[panel * width..(panel + 1) * width],
            &Other {
                panels: other.panels(b),
                halves: other.halves(b),
                boxes: other.panel_boxes(b),
                count: other.positions(b).len(),
            },
            active,
            panel * LANES,
            scratch,
        )
    }
}

dispatched!(fn test_panel[](norm: Norm, points: &[[f32; LANES]], other: &Other<'_>, active: u16, first: usize, scratch: &mut Scratch) -> u16 = test_panel_norm);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn test_panel_norm<L: Lanes>(
    lanes: L,
    norm: Norm,
    points: &[[f32; LANES]],
    other: &Other<'_>,
    active: u16,
    first: usize,
    scratch: &mut Scratch,
) -> u16 {
    match norm {
        Norm::L2 => run(lanes, SquareSum, points, other, active, first, scratch),
        Norm::L1 => run(lanes, Sum, points, other, active, first, scratch),
        Norm::LInfinity => run(lanes, Largest, points, other, active, first, scratch),
    }
}

/// How one axis enters the sum.
trait Step: Copy {
    fn step<L: Lanes>(self, lanes: L, t: L::V, sum: L::V) -> L::V;
}

#[derive(Clone, Copy)]
struct SquareSum;
#[derive(Clone, Copy)]
struct Sum;
#[derive(Clone, Copy)]
struct Largest;

impl Step for SquareSum {
    #[inline(always)]
    fn step<L: Lanes>(self, lanes: L, t: L::V, sum: L::V) -> L::V {
        lanes.mul_add(t, t, sum)
    }
}

impl Step for Sum {
    #[inline(always)]
    fn step<L: Lanes>(self, lanes: L, t: L::V, sum: L::V) -> L::V {
        lanes.add(lanes.abs(t), sum)
    }
}

impl Step for Largest {
    #[inline(always)]
    fn step<L: Lanes>(self, lanes: L, t: L::V, sum: L::V) -> L::V {
        // A difference that is no number may be lost here. It takes coordinates beyond single precision, and with such
        // radii no pair is sure and none is excluded.
        lanes.max(sum, lanes.abs(t))
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn run<L: Lanes, S: Step>(
    lanes: L,
    step: S,
    points: &[[f32; LANES]],
    other: &Other<'_>,
    active: u16,
    first: usize,
    scratch: &mut Scratch,
) -> u16 {
    let width = points.len();
    let Scratch { shift, moved, limits, masks, sums: kept } = scratch;
    let (shift, halves, moved) = (&shift[..width], &other.halves[..width], &mut moved[..width]);
    let zero = lanes.splat(0.0);
    let (mut gap, mut ball) = (zero, zero);
    for axis in 0..width {
        let x = lanes.add(lanes.load(&points[axis]), lanes.splat(shift[axis]));
        lanes.store(x, &mut moved[axis]);
        ball = step.step(lanes, x, ball);
        gap = step.step(lanes, lanes.max(zero, lanes.sub(lanes.abs(x), lanes.splat(halves[axis]))), gap);
    }
    let row = |limits: &[f32; TILE]| {
        let (rows, _) = limits.as_chunks::<LANES>();
        lanes.load(&rows[first / LANES])
    };
    let near = active & lanes.not_gt(gap, row(&limits.maybe)) & lanes.not_gt(ball, row(&limits.ball));
    let inside = near & lanes.le(ball, lanes.splat(limits.inside));
    if inside != 0 {
        let all = u64::MAX >> (TILE - other.count.clamp(1, TILE));
        for lane in (0..LANES).filter(|lane| inside >> lane & 1 != 0) {
            (masks.sure[lane], masks.maybe[lane]) = (all, all);
        }
    }
    let (near, mut hit) = (near & !inside, inside);
    if near == 0 {
        return hit;
    }
    for lane in (0..LANES).filter(|lane| near >> lane & 1 != 0) {
        (masks.sure[lane], masks.maybe[lane]) = (0, 0);
    }
    let sure = lanes.splat(limits.sure);
    for (panel, (points, boxes)) in other.panels.chunks_exact(width).zip(other.boxes.chunks_exact(width)).enumerate() {
        let panel = panel & (PANELS - 1);
        let mut gap = zero;
        for (x, [low, high]) in moved.iter().zip(boxes) {
            let x = lanes.load(x);
            let outside = lanes.max(lanes.sub(lanes.splat(*low), x), lanes.sub(x, lanes.splat(*high)));
            gap = step.step(lanes, lanes.max(outside, zero), gap);
        }
        let mut left = near & lanes.not_gt(gap, row(&limits.maybe));
        while left != 0 {
            // Four points at a time; the last one is repeated where fewer are left.
            let mut four = [0; 4];
            let mut last = 0;
            for slot in &mut four {
                if left != 0 {
                    last = left.trailing_zeros() as usize;
                    left &= left - 1;
                }
                *slot = last & (LANES - 1);
            }
            let mut sums = [zero; 4];
            for (moved, point) in moved.iter().zip(points) {
                let point = lanes.load(point);
                for i in 0..4 {
                    sums[i] = step.step(lanes, lanes.sub(lanes.splat(moved[four[i]]), point), sums[i]);
                }
            }
            let real = points_in(other.count, panel);
            for i in 0..4 {
                let lane = four[i];
                let maybe = lanes.not_gt(sums[i], lanes.splat(limits.maybe[(first + lane) & (TILE - 1)])) & real;
                if maybe != 0 {
                    hit |= 1 << lane;
                    masks.maybe[lane] |= u64::from(maybe) << (panel * LANES);
                    masks.sure[lane] |= u64::from(lanes.le(sums[i], sure) & real) << (panel * LANES);
                    let (kept, _) = kept[lane].as_chunks_mut::<LANES>();
                    lanes.store(sums[i], &mut kept[panel]);
                }
            }
        }
    }
    hit
}

/// The lanes of a panel that hold points.
#[inline(always)]
fn points_in(count: usize, panel: usize) -> u16 {
    let here = count.saturating_sub(panel * LANES).min(LANES);
    (0xffffu32 >> (LANES - here)) as u16
}

/// Points to which distances are taken, one after the other.
pub(super) struct Centres {
    norm: Norm,
    width: usize,
    flat: Vec<f32>,
}

impl Centres {
    pub fn new(norm: Norm, width: usize) -> Self {
        Self { norm, width, flat: Vec::new() }
    }

    pub fn one(norm: Norm, centre: &[f32]) -> Self {
        Self { norm, width: centre.len(), flat: centre.to_vec() }
    }

    pub fn push(&mut self, centre: &[f32]) {
        self.flat.extend(centre);
    }

    pub fn len(&self) -> usize {
        self.flat.len() / self.width
    }

    /// Calls `found(centre, distances)` with the distances of sixteen points from each centre.
    pub fn each(&self, points: &[[f32; LANES]], mut found: impl FnMut(usize, &[f32; LANES])) {
        let mut out = [[0.0; LANES]; 4];
        for (group, four) in self.flat.chunks(4 * self.width).enumerate() {
            distances(self.norm, points, four, &mut out);
            for (i, out) in out[..four.len() / self.width].iter().enumerate() {
                found(4 * group + i, out);
            }
        }
    }
}

dispatched!(fn distances[](norm: Norm, points: &[[f32; LANES]], centres: &[f32], out: &mut [[f32; LANES]; 4]) -> () = distances_norm);

#[inline(always)]
fn distances_norm<L: Lanes>(
    lanes: L,
    norm: Norm,
    points: &[[f32; LANES]],
    centres: &[f32],
    out: &mut [[f32; LANES]; 4],
) {
    match norm {
        Norm::L2 => {
            distances_run(lanes, SquareSum, points, centres, out);
            out.as_flattened_mut().iter_mut().for_each(|x| *x = x.sqrt());
        }
        Norm::L1 => distances_run(lanes, Sum, points, centres, out),
        Norm::LInfinity => distances_run(lanes, Largest, points, centres, out),
    }
}

#[inline(always)]
fn distances_run<L: Lanes, S: Step>(
    lanes: L,
    step: S,
    points: &[[f32; LANES]],
    centres: &[f32],
    out: &mut [[f32; LANES]; 4],
) {
    let width = points.len();
    let count = centres.len() / width;
    // Fewer than four: the first is repeated.
    let four: [&[f32]; 4] = std::array::from_fn(|i| {
        let i = if i < count { i } else { 0 };
        &centres[i * width..(i + 1) * width]
    });
    let mut sums = [lanes.splat(0.0); 4];
    for axis in 0..width {
        let x = lanes.load(&points[axis]);
        for i in 0..4 {
            sums[i] = step.step(lanes, lanes.sub(x, lanes.splat(four[i][axis])), sums[i]);
        }
    }
    for i in 0..4 {
        lanes.store(sums[i], &mut out[i]);
    }
}
