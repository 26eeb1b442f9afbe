//! Points in cell order, one column per coordinate, and the neighbour tests on runs of them.
//!
//! The tests are plain loops over columns, so that they vectorise over points. For the L norms they evaluate the
//! contract's expression itself, in double precision. On the sphere they compare chords, and only a chunk that holds
//! a chord within the rounding of the limit is decided point by point.

use super::super::metric::Real;
use std::ops::Range;

/// Points tested between two looks at whether to go on.
const CHUNK: usize = 64;

/// The points of a grid, sorted by cell.
pub(super) struct Points<R, const D: usize> {
    /// One column per coordinate.
    pub columns: [Vec<f64>; D],
    /// Row of the input at each position.
    pub order: Vec<u32>,
    /// Who is whose neighbour.
    pub rule: R,
}

/// Tells neighbours by their columns.
pub(super) trait Rule<const D: usize>: Copy + Send + Sync {
    /// Whether two points are neighbours beyond doubt, and whether they may be.
    fn test(self, x: &[f64; D], y: &[f64; D]) -> (bool, bool);

    /// The contract's own answer for two rows of the input.
    fn decide(self, a: u32, b: u32) -> bool;
}

impl<R: Rule<D>, const D: usize> Points<R, D> {
    #[inline(always)]
    fn at(&self, position: usize) -> [f64; D] {
        std::array::from_fn(|k| self.columns[k][position])
    }

    /// Whether the points at two positions are neighbours.
    #[inline(always)]
    fn neighbours(&self, a: usize, b: usize) -> bool {
        let (sure, maybe) = self.rule.test(&self.at(a), &self.at(b));
        sure || (maybe && self.decide(a, b))
    }

    #[cold]
    fn decide(&self, a: usize, b: usize) -> bool {
        self.rule.decide(self.order[a], self.order[b])
    }

    /// How many points of `range` are neighbours of the point at `q`; stops once there are `enough`.
    #[inline(always)]
    pub fn count(&self, q: usize, range: Range<usize>, enough: usize) -> usize {
        let x = self.at(q);
        let mut start = range.start;
        let mut total = 0;
        while start < range.end && total < enough {
            let end = range.end.min(start + CHUNK);
            let columns: [&[f64]; D] = std::array::from_fn(|k| &self.columns[k][start..end]);
            let (mut sure, mut maybe) = (0u64, 0u64);
            for i in 0..end - start {
                let (s, m) = self.rule.test(&x, &std::array::from_fn(|k| columns[k][i]));
                sure += u64::from(s);
                maybe += u64::from(m);
            }
            total +=
                if sure == maybe { sure as usize } else { (start..end).filter(|&i| self.neighbours(q, i)).count() };
            start = end;
        }
        total
    }

    /// Whether a point of `range` is a neighbour of the point at `q`.
    #[inline(always)]
    pub fn any(&self, q: usize, range: Range<usize>) -> bool {
        self.count(q, range, 1) > 0
    }

    /// The sum of `weight` over the neighbours of the point at `q` in `range`, added in any order.
    #[inline(always)]
    pub fn sum(&self, q: usize, range: Range<usize>, weight: impl Fn(usize) -> f64) -> f64 {
        let near = range.filter(|&i| self.neighbours(q, i));
        near.fold(0.0, |sum, i| sum + weight(self.order[i] as usize))
    }

    /// The rows of the input that are neighbours of the point at `q`, among the positions of `range`.
    pub fn rows_near(&self, q: usize, range: Range<usize>) -> impl Iterator<Item = usize> {
        range.filter(move |&i| self.neighbours(q, i)).map(|i| self.order[i] as usize)
    }

    /// The box around some points.
    pub fn bounds(&self, range: Range<usize>) -> [(f64, f64); D] {
        std::array::from_fn(|k| {
            self.columns[k][range.clone()]
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
        })
    }

    /// Whether the point at `q` may have a neighbour inside a box: no point of the box is nearer than the one whose
    /// coordinates are clamped to it, in rounded arithmetic too.
    #[inline(always)]
    pub fn may_reach(&self, q: usize, bounds: &[(f64, f64); D]) -> bool {
        let x = self.at(q);
        let nearest = std::array::from_fn(|k| x[k].clamp(bounds[k].0, bounds[k].1));
        self.rule.test(&x, &nearest).1
    }
}

/// How the difference of one coordinate enters the reduced distance.
pub(super) trait Norm: Copy + Send + Sync {
    fn add(self, sum: f64, difference: f64) -> f64;
}

/// Neighbours by an L norm: the contract's expression on the columns.
#[derive(Clone, Copy)]
pub(super) struct Flat<N> {
    pub norm: N,
    pub threshold: f64,
}

impl<N: Norm, const D: usize> Rule<D> for Flat<N> {
    #[inline(always)]
    fn test(self, x: &[f64; D], y: &[f64; D]) -> (bool, bool) {
        let mut sum = 0.0;
        for k in 0..D {
            sum = self.norm.add(sum, x[k] - y[k]);
        }
        (sum <= self.threshold, sum <= self.threshold)
    }

    fn decide(self, _: u32, _: u32) -> bool {
        unreachable!("an L norm is never in doubt")
    }
}

/// Neighbours on the sphere: the squared chord, with a margin around the limit.
#[derive(Clone, Copy)]
pub(super) struct Sphere<'a> {
    sure: f64,
    maybe: f64,
    decide: &'a (dyn Fn(u32, u32) -> bool + Sync),
}

impl<'a> Sphere<'a> {
    /// The rule for chords; between `sure` and `maybe`, `decide` is the contract's answer for two rows.
    pub fn new(sure: f64, maybe: f64, decide: &'a (dyn Fn(u32, u32) -> bool + Sync)) -> Self {
        let square = |x: f64, rounding: f64| x * x * (1.0 + rounding);
        Self { sure: square(sure, -1e-14), maybe: square(maybe, 1e-14), decide }
    }
}

impl Rule<3> for Sphere<'_> {
    #[inline(always)]
    fn test(self, x: &[f64; 3], y: &[f64; 3]) -> (bool, bool) {
        let t = [x[0] - y[0], x[1] - y[1], x[2] - y[2]];
        let chord = t[0] * t[0] + t[1] * t[1] + t[2] * t[2];
        (chord <= self.sure, chord <= self.maybe)
    }

    fn decide(self, a: u32, b: u32) -> bool {
        (self.decide)(a, b)
    }
}

/// The unit vector of a (latitude, longitude).
pub(in super::super) fn unit_vector<T: Real>(row: &[T]) -> [f64; 3] {
    let (lat, lon) = (row[0].widen(), row[1].widen());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

#[derive(Clone, Copy)]
pub(super) struct L2;
#[derive(Clone, Copy)]
pub(super) struct L1;
#[derive(Clone, Copy)]
pub(super) struct LInfinity;
impl Norm for L2 {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        sum + t * t
    }
}

impl Norm for L1 {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        sum + t.abs()
    }
}

impl Norm for LInfinity {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        let t = t.abs();
        if t > sum { t } else { sum }
    }
}
