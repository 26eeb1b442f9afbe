//! Metrics: the contract's own expression, the one judge of who is a neighbour.
//!
//! Every filter elsewhere (cells, boxes, single-precision blocks) may use any arithmetic, because whatever it cannot
//! settle by a proven margin is decided here.

use crate::error::{Error, Result};

/// The metrics that have a kernel for rows of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// √Σt²
    Euclidean,
    /// Σ|t|
    Manhattan,
    /// max |t|
    Chebyshev,
    /// (Σ|t|^p)^(1/p), p other than 1, 2, ∞
    Minkowski(f64),
    /// 1 − cos of the angle; a zero row is at distance 1 from every other row.
    Cosine,
    /// Great-circle distance of (latitude, longitude), all in radians.
    Haversine,
}

impl Metric {
    /// Finds a metric by scikit-learn's name; `p` matters to `minkowski` only.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown name or a p that is not above 0.
    pub fn from_name(name: &str, p: f64) -> Result<Self> {
        match name {
            "euclidean" => Ok(Metric::Euclidean),
            "manhattan" => Ok(Metric::Manhattan),
            "chebyshev" => Ok(Metric::Chebyshev),
            "cosine" => Ok(Metric::Cosine),
            "haversine" => Ok(Metric::Haversine),
            "minkowski" if p == 1.0 => Ok(Metric::Manhattan),
            "minkowski" if p == 2.0 => Ok(Metric::Euclidean),
            "minkowski" if p == f64::INFINITY => Ok(Metric::Chebyshev),
            "minkowski" if p > 0.0 => Ok(Metric::Minkowski(p)),
            "minkowski" => Err(Error::Invalid(format!("p={p}: must be above 0."))),
            _ => Err(Error::Invalid(format!("metric={name:?} has no kernel."))),
        }
    }

    /// What the reduced distance of neighbours is compared with (`<=`).
    pub(crate) fn threshold(self, eps: f64) -> f64 {
        match self {
            Metric::Euclidean => eps * eps,
            Metric::Manhattan | Metric::Chebyshev | Metric::Cosine => eps,
            Metric::Minkowski(p) => eps.powf(p),
            Metric::Haversine => {
                let half = (0.5 * eps).sin();
                half * half
            }
        }
    }

    /// The distance that belongs to a reduced distance.
    pub(crate) fn distance(self, reduced: f64) -> f64 {
        match self {
            Metric::Euclidean => reduced.sqrt(),
            Metric::Manhattan | Metric::Chebyshev | Metric::Cosine => reduced,
            Metric::Minkowski(p) => reduced.powf(1.0 / p),
            // Rounding may lift antipodes just above 1.
            Metric::Haversine => 2.0 * reduced.sqrt().min(1.0).asin(),
        }
    }

    /// The reduced distance of two rows: the contract's expression, in double precision, column by column.
    pub(crate) fn reduced<T: Real>(self, x: &[T], y: &[T]) -> f64 {
        let differences = x.iter().zip(y).map(|(&a, &b)| a.widen() - b.widen());
        match self {
            Metric::Euclidean => differences.fold(0.0, |s, t| s + t * t),
            Metric::Manhattan => differences.fold(0.0, |s, t| s + t.abs()),
            Metric::Chebyshev => differences.fold(0.0, |s: f64, t| s.max(t.abs())),
            Metric::Minkowski(p) => differences.fold(0.0, |s, t| s + t.abs().powf(p)),
            Metric::Cosine => cosine(x, y),
            Metric::Haversine => haversine(x, y),
        }
    }
}

/// By how much a chord between unit vectors of two rows (latitude, longitude) may differ from what the contract's
/// expression sees: their rounded coordinates, and the rounding of the difference of two angles.
pub(crate) fn chord_error<T: Real>(rows: Rows<'_, T>) -> f64 {
    let largest = rows.data.iter().fold(0.0, |most: f64, x| most.max(x.widen().abs()));
    4e-15 + 2.0 * f64::EPSILON * largest
}

/// Chords up to the first are neighbours, above the second they are not.
pub(crate) fn chord_margin(reduced: f64, error: f64) -> (f64, f64) {
    let chord = 2.0 * reduced.sqrt();
    (chord * (1.0 - 1e-12) - error, chord * (1.0 + 1e-12) + error)
}

/// Length of a row, squares summed column by column.
pub(crate) fn length<T: Real>(x: &[T]) -> f64 {
    x.iter().fold(0.0, |s, &a| s + a.widen() * a.widen()).sqrt()
}

fn cosine<T: Real>(x: &[T], y: &[T]) -> f64 {
    let (nx, ny) = (length(x), length(y));
    if nx == 0.0 || ny == 0.0 {
        return 1.0;
    }
    1.0 - x.iter().zip(y).fold(0.0, |s, (&a, &b)| s + (a.widen() / nx) * (b.widen() / ny))
}

fn haversine<T: Real>(x: &[T], y: &[T]) -> f64 {
    let (lat_x, lat_y) = (x[0].widen(), y[0].widen());
    let s0 = (0.5 * (lat_x - lat_y)).sin();
    let s1 = (0.5 * (x[1].widen() - y[1].widen())).sin();
    s0 * s0 + lat_x.cos() * lat_y.cos() * s1 * s1
}

/// The element types of the input. Single precision is widened before any arithmetic of the contract.
pub trait Real: Copy + Send + Sync + PartialOrd + 'static {
    /// The same number in double precision.
    fn widen(self) -> f64;
}

impl Real for f32 {
    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn widen(self) -> f64 {
        self
    }
}

/// A table of rows, in C order.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    data: &'a [T],
    len: usize,
    width: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    /// # Errors
    /// [`Error::Invalid`] when there are more than 2³² − 2 rows, or the data are not `len` rows of `width`.
    pub fn new(data: &'a [T], len: usize, width: usize) -> Result<Self> {
        if len.checked_mul(width) != Some(data.len()) {
            return Err(Error::Invalid(format!("{} numbers do not make {len} rows of {width}.", data.len())));
        }
        if len >= u32::MAX as usize {
            return Err(Error::Invalid(format!("{len} rows: at most {} are supported.", u32::MAX - 1)));
        }
        Ok(Self { data, len, width })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All rows, one after the other.
    pub(crate) fn data(&self) -> &'a [T] {
        self.data
    }

    /// One row.
    #[inline]
    pub fn row(&self, i: usize) -> &'a [T] {
        &self.data[i * self.width..(i + 1) * self.width]
    }
}
