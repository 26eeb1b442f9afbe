//! DBSCAN of one to three coordinates on a grid whose cells are so small that any two points of one cell are
//! neighbours.
//!
//! A cell of `min_samples` points is all core, and the core points of one cell are one cluster: whole cells are
//! counted, linked and skipped at once. Points are sorted by cell (radix sort), one column per coordinate, so that
//! near cells in a row are one contiguous run of points. O(n) to build, O(n) space; the passes cost O(n) plus the
//! tests between sparse or unconnected near cells.
//!
//! Not for data that span more than 2³⁰ cells along a coordinate, nor for an eps whose square under- or overflows:
//! the grid then declines, and the tiles take over. (Cells: Gunawan 2013; Wang, Gu, Shun 2020.)

mod build;
mod passes;
mod sort;
mod space;
mod sweep;

use super::metric::{Metric, Real, Rows, chord_error, chord_margin};
use super::weights::Mass;
use crate::parallel::reserve;
use crate::{Result, Task};
use space::{Flat, L1, L2, LInfinity, Norm, Points, Rule, Sphere};
use sweep::Cells;

pub(super) use space::unit_vector;

/// Sorted points and their cells.
struct Grid<R, const D: usize> {
    points: Points<R, D>,
    cells: Cells,
}

/// Something to do with a grid, whatever its rule and dimension.
trait Job {
    type Output;
    fn run<R: Rule<D>, const D: usize>(self, grid: Grid<R, D>) -> Result<Self::Output>;
}

/// Runs DBSCAN on a grid: core points and labels, or `None` where no grid fits.
pub(super) fn dbscan<T: Real>(
    rows: Rows<'_, T>,
    eps: f64,
    metric: Metric,
    mass: Mass<'_>,
    task: &Task,
) -> Result<Option<(Vec<isize>, Vec<isize>)>> {
    with_grid(rows, eps, metric, task, passes::Fit { mass, task })
}

/// Labels `rows[known.len()..]` by the core points `rows[..known.len()]`, whose labels are known.
pub(super) fn predict<T: Real>(
    rows: Rows<'_, T>,
    known: &[u32],
    eps: f64,
    metric: Metric,
    task: &Task,
) -> Result<Option<Vec<isize>>> {
    with_grid(rows, eps, metric, task, passes::Predict { known, task })
}

fn with_grid<T: Real, J: Job>(
    rows: Rows<'_, T>,
    eps: f64,
    metric: Metric,
    task: &Task,
    job: J,
) -> Result<Option<J::Output>> {
    let threshold = metric.threshold(eps);
    if !(1e-290..1e290).contains(&threshold) {
        return Ok(None);
    }
    match metric {
        Metric::Euclidean => flat(rows, eps, Flat { norm: L2, threshold }, 2.0, task, job),
        Metric::Manhattan => flat(rows, eps, Flat { norm: L1, threshold }, 1.0, task, job),
        Metric::Chebyshev => flat(rows, eps, Flat { norm: LInfinity, threshold }, f64::INFINITY, task, job),
        Metric::Haversine => {
            let (sure, maybe) = chord_margin(threshold, chord_error(rows));
            // The reach of cells has room for a relative error of some 1e-5.
            if maybe - sure > 1e-6 * maybe {
                return Ok(None);
            }
            let decide = |a: u32, b: u32| metric.reduced(rows.row(a as usize), rows.row(b as usize)) <= threshold;
            let mut vectors = reserve(rows.len() * 3, "unit vectors")?;
            (0..rows.len()).for_each(|i| vectors.extend(unit_vector(rows.row(i))));
            let rule = Sphere::new(sure, maybe, &decide);
            build::grid::<_, _, 3>(Rows::new(&vectors, rows.len(), 3)?, rule, sure, 2.0, task)?
                .map(|grid| job.run(grid))
                .transpose()
        }
        Metric::Minkowski(_) | Metric::Cosine => Ok(None),
    }
}

fn flat<T: Real, N: Norm, J: Job>(
    rows: Rows<'_, T>,
    eps: f64,
    rule: Flat<N>,
    p: f64,
    task: &Task,
    job: J,
) -> Result<Option<J::Output>> {
    match rows.width() {
        1 => build::grid::<_, _, 1>(rows, rule, eps, p, task)?.map(|grid| job.run(grid)).transpose(),
        2 => build::grid::<_, _, 2>(rows, rule, eps, p, task)?.map(|grid| job.run(grid)).transpose(),
        3 => build::grid::<_, _, 3>(rows, rule, eps, p, task)?.map(|grid| job.run(grid)).transpose(),
        _ => Ok(None),
    }
}
