//! DBSCAN of one to three coordinates on a grid whose cells are so small that any two points of one cell are
//! neighbours.
//!
//! A cell of `min_samples` points is all core, and the core points of one cell are one cluster: whole cells are
//! counted, linked and skipped at once. Points are sorted by cell (radix sort), one column per coordinate, so that
//! near cells in a row are one contiguous run of points. Once the core points are known they get a grid of their own,
//! and all others look their label up there; so do new points. O(n) to build, O(n) space; the passes cost O(n) plus
//! the tests between sparse or unconnected near cells.
//!
//! Not for data that span more than 2²⁹ cells along a coordinate, nor for an eps whose square under- or overflows:
//! the grid then declines, and the tiles take over. (Cells: Gunawan 2013; Wang, Gu, Shun 2020.)

mod core;
mod lattice;
mod passes;
mod sort;
mod space;
mod sweep;

use super::metric::{Metric, Real, Rows, chord_error, chord_margin};
use super::weights::Mass;
use crate::parallel::reserve;
use crate::{Result, Task};
use lattice::Lattice;
use space::{Flat, L1, L2, LInfinity, Norm, Points, Rule, Sphere};
use sweep::Cells;

pub(super) use space::unit_vector;

/// Sorted points and their cells.
struct Grid<const D: usize> {
    points: Points<D>,
    cells: Cells,
}

/// Who is whose neighbour, and where to look.
struct Search<R, const D: usize> {
    rule: R,
    lattice: Lattice<D>,
}

/// Something to do with tables of rows, whatever their rule and dimension. Queries are rows of the last table, what
/// they find are rows of the first.
trait Job {
    type Output;
    /// One grid for each table. The tables are not needed any more then.
    fn grids<T: Real, const D: usize>(&self, lattice: &Lattice<D>, tables: &[Rows<'_, T>]) -> Result<Vec<Grid<D>>>;
    fn run<R: Rule<D>, const D: usize>(self, search: Search<R, D>, grids: Vec<Grid<D>>) -> Result<Self::Output>;
}

/// Runs DBSCAN on a grid: core points and labels, or `None` where no grid fits.
pub(super) fn dbscan<T: Real>(
    rows: Rows<'_, T>,
    eps: f64,
    metric: Metric,
    mass: Mass<'_>,
    task: &Task,
) -> Result<Option<(Vec<isize>, Vec<isize>)>> {
    with_search(&[rows], eps, metric, passes::Fit { mass, task })
}

/// Labels `new` by core points, whose labels are known.
pub(super) fn predict<T: Real>(
    new: Rows<'_, T>,
    core: Rows<'_, T>,
    known: &[u32],
    eps: f64,
    metric: Metric,
    task: &Task,
) -> Result<Option<Vec<isize>>> {
    with_search(&[core, new], eps, metric, passes::Predict { known, task })
}

fn with_search<T: Real, J: Job>(tables: &[Rows<'_, T>], eps: f64, metric: Metric, job: J) -> Result<Option<J::Output>> {
    let threshold = metric.threshold(eps);
    if !(1e-290..1e290).contains(&threshold) {
        return Ok(None);
    }
    match metric {
        Metric::Euclidean => flat(tables, eps, Flat { norm: L2, threshold }, 2.0, job),
        Metric::Manhattan => flat(tables, eps, Flat { norm: L1, threshold }, 1.0, job),
        Metric::Chebyshev => flat(tables, eps, Flat { norm: LInfinity, threshold }, f64::INFINITY, job),
        Metric::Haversine => {
            let error = tables.iter().map(|&rows| chord_error(rows)).fold(0.0, f64::max);
            let (sure, maybe) = chord_margin(threshold, error);
            // The reach of cells has room for a relative error of some 1e-5.
            if maybe - sure > 1e-6 * maybe {
                return Ok(None);
            }
            let (found, queries) = (tables[0], tables[tables.len() - 1]);
            let decide = |a: u32, b: u32| metric.reduced(queries.row(a as usize), found.row(b as usize)) <= threshold;
            let vectors = tables.iter().map(|&rows| unit_vectors(rows)).collect::<Result<Vec<_>>>()?;
            let on_the_sphere = vectors.iter().map(|v| Rows::new(v, v.len() / 3, 3)).collect::<Result<Vec<_>>>()?;
            let Some((lattice, grids)) = on_lattice(&on_the_sphere, sure, 2.0, &job)? else { return Ok(None) };
            drop(vectors);
            let rule = Sphere::new(sure, maybe, &decide);
            job.run(Search { rule, lattice }, grids).map(Some)
        }
        Metric::Minkowski(_) | Metric::Cosine => Ok(None),
    }
}

fn unit_vectors<T: Real>(rows: Rows<'_, T>) -> Result<Vec<f64>> {
    let mut vectors = reserve(rows.len() * 3, "unit vectors")?;
    (0..rows.len()).for_each(|i| vectors.extend(unit_vector(rows.row(i))));
    Ok(vectors)
}

fn flat<T: Real, N: Norm, J: Job>(
    tables: &[Rows<'_, T>],
    eps: f64,
    rule: Flat<N>,
    p: f64,
    job: J,
) -> Result<Option<J::Output>> {
    match tables[0].width() {
        1 => search_flat::<_, _, _, 1>(tables, rule, eps, p, job),
        2 => search_flat::<_, _, _, 2>(tables, rule, eps, p, job),
        3 => search_flat::<_, _, _, 3>(tables, rule, eps, p, job),
        _ => Ok(None),
    }
}

fn search_flat<T: Real, R: Rule<D>, J: Job, const D: usize>(
    tables: &[Rows<'_, T>],
    rule: R,
    eps: f64,
    p: f64,
    job: J,
) -> Result<Option<J::Output>> {
    let Some((lattice, grids)) = on_lattice(tables, eps, p, &job)? else { return Ok(None) };
    job.run(Search { rule, lattice }, grids).map(Some)
}

/// A lattice over all tables and the grids on it, if there is one.
fn on_lattice<T: Real, J: Job, const D: usize>(
    tables: &[Rows<'_, T>],
    eps: f64,
    p: f64,
    job: &J,
) -> Result<Option<(Lattice<D>, Vec<Grid<D>>)>> {
    let Some(lattice) = Lattice::over(tables, eps, p) else { return Ok(None) };
    let grids = job.grids(&lattice, tables)?;
    Ok(Some((lattice, grids)))
}
