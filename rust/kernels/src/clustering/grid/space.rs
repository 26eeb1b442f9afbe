//! Points in cell order, one column per coordinate, and the neighbour tests on runs of them.
//!
//! The tests are plain loops over columns, so that they vectorise over points. For the L norms they evaluate the
//! contract's expression itself, in double precision. On the sphere they compare chords, and only a chunk that holds
//! a chord within the rounding of the limit is decided point by point.

use super::super::metric::Real;
use std::ops::Range;

/// Points tested at once. A fixed number, so that short runs are vector code too; what is beyond a run is masked.
pub(super) const AT_ONCE: usize = 16;

/// The points of a grid, sorted by cell.
pub(super) struct Points<const D: usize> {
    /// One column per coordinate, with [`AT_ONCE`] places of padding.
    pub columns: [Vec<f64>; D],
    /// Row of the table at each position.
    pub order: Vec<u32>,
}

/// A point whose neighbours are asked for: its place, and its row.
#[derive(Clone, Copy)]
pub(super) struct Query<const D: usize> {
    place: [f64; D],
    row: u32,
}

/// Tells neighbours by their places.
pub(super) trait Rule<const D: usize>: Copy + Send + Sync {
    /// Whether two points are neighbours beyond doubt, and whether they may be.
    fn test(self, x: &[f64; D], y: &[f64; D]) -> (bool, bool);

    /// The contract's own answer for the row of a query and a row of the points.
    fn decide(self, query: u32, row: u32) -> bool;
}

impl<const D: usize> Points<D> {
    /// The place of a point.
    #[inline(always)]
    pub fn at(&self, position: usize) -> [f64; D] {
        std::array::from_fn(|k| self.columns[k][position])
    }

    /// Asks for the neighbours of the point at a position.
    #[inline(always)]
    pub fn query(&self, position: usize) -> Query<D> {
        Query { place: self.at(position), row: self.order[position] }
    }

    /// Whether the point at a position is a neighbour of a query.
    #[inline(always)]
    fn is_near<R: Rule<D>>(&self, rule: R, query: &Query<D>, position: usize) -> bool {
        let (sure, maybe) = rule.test(&query.place, &self.at(position));
        sure || (maybe && rule.decide(query.row, self.order[position]))
    }

    /// How many points of `range` are neighbours of a query; stops once there are `enough`.
    #[inline(always)]
    pub fn count<R: Rule<D>>(&self, rule: R, query: &Query<D>, range: Range<usize>, enough: usize) -> usize {
        let mut start = range.start;
        let mut total = 0;
        while start < range.end && total < enough {
            let end = range.end.min(start + AT_ONCE);
            let (sure, maybe) = if end - start == AT_ONCE {
                self.test_block(rule, query, start, AT_ONCE)
            } else {
                self.test_block(rule, query, start, end - start)
            };
            total += if sure == maybe {
                sure as usize
            } else {
                (start..end).filter(|&i| self.is_near(rule, query, i)).count()
            };
            start = end;
        }
        total
    }

    /// How many of the first `inside` points of a block are neighbours beyond doubt, and how many may be.
    #[inline(always)]
    fn test_block<R: Rule<D>>(&self, rule: R, query: &Query<D>, start: usize, inside: usize) -> (u64, u64) {
        let columns: [&[f64]; D] = std::array::from_fn(|k| &self.columns[k][start..start + AT_ONCE]);
        let (mut sure, mut maybe) = (0u64, 0u64);
        for i in 0..AT_ONCE {
            let (s, m) = rule.test(&query.place, &std::array::from_fn(|k| columns[k][i]));
            sure += u64::from(s & (i < inside));
            maybe += u64::from(m & (i < inside));
        }
        (sure, maybe)
    }

    /// Whether a point of `range` is a neighbour of a query.
    #[inline(always)]
    pub fn any<R: Rule<D>>(&self, rule: R, query: &Query<D>, range: Range<usize>) -> bool {
        self.count(rule, query, range, 1) > 0
    }

    /// The rows of the points of `range` that are neighbours of a query.
    #[inline(always)]
    pub fn rows_near<R: Rule<D>>(&self, rule: R, query: Query<D>, range: Range<usize>) -> impl Iterator<Item = usize> {
        range.filter(move |&i| self.is_near(rule, &query, i)).map(|i| self.order[i] as usize)
    }

    /// The box around some points.
    pub fn bounds(&self, range: Range<usize>) -> [(f64, f64); D] {
        std::array::from_fn(|k| {
            self.columns[k][range.clone()]
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
        })
    }
}

impl<const D: usize> Query<D> {
    /// Whether there may be a neighbour inside a box: no point of the box is nearer than the one whose coordinates are
    /// clamped to it, in rounded arithmetic too.
    #[inline(always)]
    pub fn may_reach<R: Rule<D>>(&self, rule: R, bounds: &[(f64, f64); D]) -> bool {
        let nearest = std::array::from_fn(|k| self.place[k].clamp(bounds[k].0, bounds[k].1));
        rule.test(&self.place, &nearest).1
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
    /// The rule for chords; between `sure` and `maybe`, `decide` is the contract's answer for the row of a query and a row
    /// of the points.
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
