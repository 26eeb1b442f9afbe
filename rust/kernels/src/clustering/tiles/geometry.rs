//! Where rows lie, and how far apart neighbours can be there.
//!
//! Every metric is a distance of coordinates in one of three norms, up to a margin: the L norms on the rows
//! themselves, the cosine on unit vectors (chord² = 2 · distance), the great circle on the unit sphere. Minkowski's
//! other p have the largest difference as a lower bound.

use super::super::grid::unit_vector;
use super::super::metric::{Metric, Real, Rows, chord_error, chord_margin, length};
use crate::parallel::{filled, reserve};
use rayon::prelude::*;

/// The norm in which coordinates are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    /// Sum of squares.
    L2,
    /// Sum of absolute values.
    L1,
    /// Largest absolute value.
    LInfinity,
}

/// Distances that settle a pair of neighbours: at most `sure` they are, above `maybe` they are not, in between the
/// contract decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    pub sure: f64,
    pub maybe: f64,
}

/// Coordinates of rows for one metric.
pub(super) struct Geometry<'a, T> {
    rows: Rows<'a, T>,
    metric: Metric,
    embedding: Embedding,
    width: usize,
}

enum Embedding {
    /// The rows as they are.
    Plain,
    /// Divided by their lengths; a zero row lies far from everything, at a place of its own. Where squares under- or
    /// overflow, a row over its length need not be a unit vector, and nothing follows from where it lies.
    Unit { lengths: Vec<f64>, zeros: Vec<u32>, trusted: bool },
    /// Unit vectors of (latitude, longitude), and the error of their chords.
    Sphere { vectors: Vec<[f64; 3]>, error: f64 },
}

/// Where zero rows go: out of reach of the unit sphere and of each other.
const FAR: f64 = 16.0;

impl<'a, T: Real> Geometry<'a, T> {
    pub fn new(rows: Rows<'a, T>, metric: Metric) -> crate::Result<Self> {
        let n = rows.len();
        let (embedding, width) = match metric {
            Metric::Cosine => {
                let mut lengths = filled(n, 0.0, "the lengths of rows")?;
                // A row whose length overflows is zero when divided by it.
                let finite = |length: f64| if length.is_finite() { length } else { 0.0 };
                lengths.par_iter_mut().enumerate().for_each(|(i, to)| *to = finite(length(rows.row(i))));
                let zeros = (0..n as u32).filter(|&i| lengths[i as usize] == 0.0).collect();
                let trusted = lengths.iter().all(|&length| length == 0.0 || (1e-140..1e140).contains(&length));
                (Embedding::Unit { lengths, zeros, trusted }, rows.width())
            }
            Metric::Haversine => {
                let mut vectors = reserve(n, "unit vectors")?;
                vectors.extend((0..n).map(|i| unit_vector(rows.row(i))));
                (Embedding::Sphere { vectors, error: chord_error(rows) }, 3)
            }
            _ => (Embedding::Plain, rows.width()),
        };
        Ok(Self { rows, metric, embedding, width })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of coordinates.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn norm(&self) -> Norm {
        match self.metric {
            Metric::Euclidean | Metric::Cosine | Metric::Haversine => Norm::L2,
            Metric::Manhattan => Norm::L1,
            Metric::Chebyshev | Metric::Minkowski(_) => Norm::LInfinity,
        }
    }

    /// One coordinate of a row.
    #[inline]
    pub fn coordinate(&self, row: u32, axis: usize) -> f64 {
        match &self.embedding {
            Embedding::Plain => self.rows.row(row as usize)[axis].widen(),
            Embedding::Unit { lengths, zeros, .. } => match lengths[row as usize] {
                0.0 if axis > 0 => 0.0,
                0.0 => FAR * (2 + zeros.partition_point(|&zero| zero < row)) as f64,
                length => self.rows.row(row as usize)[axis].widen() / length,
            },
            Embedding::Sphere { vectors, .. } => vectors[row as usize][axis],
        }
    }

    /// All coordinates of a row.
    #[inline]
    pub fn place(&self, row: u32, out: &mut [f64]) {
        match &self.embedding {
            Embedding::Plain => {
                for (out, x) in out.iter_mut().zip(self.rows.row(row as usize)) {
                    *out = x.widen();
                }
            }
            Embedding::Unit { lengths, .. } if lengths[row as usize] > 0.0 => {
                let length = lengths[row as usize];
                for (out, x) in out.iter_mut().zip(self.rows.row(row as usize)) {
                    *out = x.widen() / length;
                }
            }
            _ => (0..self.width).for_each(|axis| out[axis] = self.coordinate(row, axis)),
        }
    }

    /// The box around some rows, and how they spread.
    pub fn spread(&self, order: &[u32]) -> Spread {
        let width = self.width;
        let mut spread = Spread {
            low: vec![f64::INFINITY; width],
            high: vec![f64::NEG_INFINITY; width],
            origin: vec![0.0; width],
            sum: vec![0.0; width],
            squares: vec![0.0; width],
            count: order.len() as f64,
        };
        self.place(order[0], &mut spread.origin);
        if let Embedding::Plain = self.embedding {
            order.iter().for_each(|&row| spread.add(self.rows.row(row as usize).iter().map(|x| x.widen())));
        } else {
            let mut place = vec![0.0; width];
            for &row in order {
                self.place(row, &mut place);
                spread.add(place.iter().copied());
            }
        }
        spread
    }

    /// The contract's reduced distance of two rows.
    #[inline]
    pub fn reduced(&self, a: u32, b: u32) -> f64 {
        match &self.embedding {
            Embedding::Unit { .. } if a == b => 0.0,
            _ => self.metric.reduced(self.rows.row(a as usize), self.rows.row(b as usize)),
        }
    }

    /// The rows that are zero, and so at distance 1 from every other; no search by coordinates finds them.
    pub fn zeros(&self) -> &[u32] {
        match &self.embedding {
            Embedding::Unit { zeros, .. } => zeros,
            _ => &[],
        }
    }

    /// The reduced distance that a pair has at most whose coordinates are this far apart.
    pub fn reduced_at_most(&self, distance: f64) -> f64 {
        let distance = distance * (1.0 + self.rounding());
        match self.metric {
            Metric::Euclidean => distance * distance,
            Metric::Manhattan | Metric::Chebyshev => distance,
            Metric::Minkowski(p) => self.width as f64 * distance.powf(p) * (1.0 + 1e-12),
            Metric::Cosine => (distance * distance + 8.0 * self.rounding()) / 2.0,
            Metric::Haversine => (distance + self.chord_error()).powi(2) / 4.0 * (1.0 + 1e-11),
        }
    }

    /// A distance above which the contract's sum cannot underflow to nothing.
    fn vanishing(&self) -> f64 {
        match self.metric {
            Metric::Euclidean => 1e-160 * (self.width as f64).sqrt(),
            Metric::Minkowski(p) if p >= 1.0 => 1e-320f64.powf(1.0 / p) * self.width as f64,
            _ => f64::INFINITY,
        }
    }

    fn chord_error(&self) -> f64 {
        if let Embedding::Sphere { error, .. } = self.embedding { error } else { 0.0 }
    }

    /// Relative error of the contract's sum: each step rounds once; doubled for the comparison from the other side.
    fn rounding(&self) -> f64 {
        (self.rows.width() + 8) as f64 * f64::EPSILON
    }

    /// The margin around a reduced distance.
    pub fn margin(&self, reduced: f64) -> Margin {
        let rounding = self.rounding();
        if reduced == f64::INFINITY {
            return Margin { sure: -1.0, maybe: f64::INFINITY };
        }
        let plain = |distance: f64| match reduced {
            _ if (1e-290..1e290).contains(&reduced) => {
                Margin { sure: distance * (1.0 - rounding), maybe: distance * (1.0 + rounding) }
            }
            // Powers that underflow lose less than the smallest number each; the contract decides the rest.
            _ if reduced < 1.0 => Margin { sure: -1.0, maybe: distance * (1.0 + rounding) + self.vanishing() },
            _ => Margin { sure: -1.0, maybe: f64::INFINITY },
        };
        match self.metric {
            _ if matches!(self.embedding, Embedding::Unit { trusted: false, .. }) => {
                Margin { sure: -1.0, maybe: f64::INFINITY }
            }
            Metric::Euclidean => plain(reduced.sqrt()),
            Metric::Manhattan | Metric::Chebyshev => {
                Margin { sure: reduced * (1.0 - rounding), maybe: reduced * (1.0 + rounding) + f64::MIN_POSITIVE }
            }
            Metric::Minkowski(p) => Margin { sure: -1.0, ..plain(reduced.powf(1.0 / p) * (1.0 + 1e-12)) },
            Metric::Cosine => {
                let (sure, maybe) = (2.0 * reduced - 8.0 * rounding, 2.0 * reduced + 8.0 * rounding);
                Margin { sure: if sure > 0.0 { sure.sqrt() } else { -1.0 }, maybe: maybe.max(0.0).sqrt() }
            }
            Metric::Haversine => {
                let (sure, maybe) = chord_margin(reduced, self.chord_error());
                Margin { sure, maybe }
            }
        }
    }
}

/// Where some points are, axis by axis.
pub(super) struct Spread {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    /// One of the points: sums are relative to it.
    origin: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
    count: f64,
}

impl Spread {
    #[inline(always)]
    fn add(&mut self, place: impl Iterator<Item = f64>) {
        let bounds = self.low.iter_mut().zip(&mut self.high);
        let sums = self.sum.iter_mut().zip(&mut self.squares).zip(&self.origin);
        for ((x, (low, high)), ((sum, squares), origin)) in place.zip(bounds).zip(sums) {
            (*low, *high) = (low.min(x), high.max(x));
            let t = x - origin;
            (*sum, *squares) = (*sum + t, *squares + t * t);
        }
    }

    /// The axis of most variance; the first where that is no number.
    pub fn most_varied(&self) -> usize {
        let variance = |axis: usize| self.squares[axis] - self.sum[axis] * self.sum[axis] / self.count;
        (0..self.low.len()).fold(0, |most, axis| if variance(axis) > variance(most) { axis } else { most })
    }
}
