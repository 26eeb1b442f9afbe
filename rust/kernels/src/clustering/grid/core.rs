//! Which points are core, and the grid of the core points.

use super::super::weights::{ExactSum, Mass, Verdict};
use super::passes::RUN;
use super::space::{AT_ONCE, Points, Rule};
use super::sweep::{Cells, Sweep};
use super::{Grid, Search};
use crate::parallel::{filled, runs_of_cells, split_runs};
use crate::simd::{Lanes, dispatched};
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::Range;

/// From here on it pays to ask first whether all near cells together hold `min_samples` points.
const MANY: usize = 64;

/// The slices of a per-point vector that belong to each run of cells.
fn by_run<'a, X>(cells: &Cells, runs: &[Range<usize>], items: &'a mut [X]) -> Vec<&'a mut [X]> {
    split_runs(items, runs.iter().map(|run| cells.starts[run.end] as usize))
}

/// Tells for each position whether its point is core.
pub(super) fn mark<R: Rule<D>, const D: usize>(
    search: &Search<R, D>,
    grid: &Grid<D>,
    mass: Mass<'_>,
    task: &Task,
) -> Result<Vec<bool>> {
    let mut core = filled(grid.points.order.len(), false, "the marks of core points")?;
    let runs = runs_of_cells(&grid.cells.starts, RUN);
    by_run(&grid.cells, &runs, &mut core).into_par_iter().zip(&runs).try_for_each(|(core, run)| {
        if mass.weighted() {
            weigh(search, grid, mass, task, run, core)
        } else {
            count(search, grid, mass, task, run, core)
        }
        task.advance(core.len())
    })?;
    Ok(core)
}

dispatched!(fn count[R: Rule<D>, const D: usize](search: &Search<R, D>, grid: &Grid<D>, mass: Mass<'_>, task: &Task, run: &Range<usize>, core: &mut [bool]) -> () = count_run);

#[inline(always)]
fn count_run<L: Lanes, R: Rule<D>, const D: usize>(
    _: L,
    search: &Search<R, D>,
    grid: &Grid<D>,
    mass: Mass<'_>,
    task: &Task,
    run: &Range<usize>,
    core: &mut [bool],
) {
    let Grid { points, cells } = grid;
    let enough = mass.enough();
    let first = cells.starts[run.start] as usize;
    let mut sweep = Sweep::new(cells, cells, &search.lattice.reach, run.start);
    let mut found: Vec<usize> = Vec::new();
    for cell in run.clone() {
        let own = cells.points(cell as u32..cell as u32 + 1);
        let core = &mut core[own.start - first..own.end - first];
        if own.len() >= enough {
            core.fill(true);
            continue;
        }
        let rows = sweep.seek(cell);
        if enough > MANY && (0..rows).map(|row| cells.points(sweep.near(row)).len()).sum::<usize>() < enough {
            continue;
        }
        // Row by row, so that rows nobody needs any more are not even looked up.
        found.clear();
        found.resize(own.len(), own.len());
        let mut open = own.len();
        for row in 0..rows {
            for others in others(cells, sweep.near(row), cell as u32) {
                for (i, q) in own.clone().enumerate().filter(|_| !others.is_empty() && !task.interrupted()) {
                    if found[i] < enough {
                        found[i] += points.count(search.rule, &points.query(q), others.clone(), enough - found[i]);
                        core[i] = found[i] >= enough;
                        open -= usize::from(core[i]);
                    }
                }
            }
            if open == 0 {
                break;
            }
        }
    }
}

/// The points of near cells of one row, without those of the cell itself.
#[inline(always)]
fn others(cells: &Cells, near: Range<u32>, cell: u32) -> [Range<usize>; 2] {
    if near.contains(&cell) {
        [cells.points(near.start..cell), cells.points(cell + 1..near.end)]
    } else {
        [cells.points(near), 0..0]
    }
}

fn weigh<R: Rule<D>, const D: usize>(
    search: &Search<R, D>,
    grid: &Grid<D>,
    mass: Mass<'_>,
    task: &Task,
    run: &Range<usize>,
    core: &mut [bool],
) {
    let Grid { points, cells } = grid;
    let first = cells.starts[run.start] as usize;
    let mut sweep = Sweep::new(cells, cells, &search.lattice.reach, run.start);
    let mut near: Vec<Range<usize>> = Vec::new();
    for cell in run.clone() {
        let own = cells.points(cell as u32..cell as u32 + 1);
        let inside: f64 = own.clone().map(|i| mass.of(points.order[i] as usize)).sum();
        if mass.grows() && mass.verdict(inside) == Verdict::Core {
            core[own.start - first..own.end - first].fill(true);
            continue;
        }
        near.clear();
        (0..sweep.seek(cell)).for_each(|row| near.extend(others(cells, sweep.near(row), cell as u32)));
        let mut own_exact: Option<ExactSum> = None;
        for q in own.clone().take_while(|_| !task.interrupted()) {
            let mut sum = inside;
            for range in &near {
                sum +=
                    points.rows_near(search.rule, points.query(q), range.clone()).map(|row| mass.of(row)).sum::<f64>();
                if mass.grows() && mass.verdict(sum) == Verdict::Core {
                    break;
                }
            }
            core[q - first] = match mass.verdict(sum) {
                Verdict::Core => true,
                Verdict::NotCore => false,
                Verdict::Unsure => {
                    let weight = |i: usize| mass.of(points.order[i] as usize);
                    let mut exact = own_exact.get_or_insert_with(|| ExactSum::of(own.clone().map(weight))).clone();
                    for row in
                        near.iter().flat_map(|range| points.rows_near(search.rule, points.query(q), range.clone()))
                    {
                        exact.add(mass.of(row));
                    }
                    mass.decide(&exact)
                }
            };
        }
    }
}

/// Splits the grid into that of the core points and that of all others.
pub(super) fn split<R: Rule<D>, const D: usize>(
    search: &Search<R, D>,
    grid: Grid<D>,
    core: &[bool],
    task: &Task,
) -> Result<(Grid<D>, Grid<D>)> {
    let Grid { points, cells } = grid;
    let part = |points: Points<D>| -> Result<Grid<D>> {
        Ok(Grid { cells: search.lattice.cells(&points, |_| 0, task)?, points })
    };
    let ends = ends_of_runs(core);
    if ends.last().is_none_or(|&count| count == core.len()) {
        let nobody = Points { columns: std::array::from_fn(|_| Vec::new()), order: Vec::new() };
        return Ok((Grid { points, cells }, part(nobody)?));
    }
    drop(cells);
    let Points { columns, order } = points;
    let (order, other_order) = parted(order, core, &ends, (0, 0))?;
    let mut inner = Points { columns: std::array::from_fn(|_| Vec::new()), order };
    let mut outer = Points { columns: std::array::from_fn(|_| Vec::new()), order: other_order };
    for (k, column) in columns.into_iter().enumerate() {
        (inner.columns[k], outer.columns[k]) = parted(column, core, &ends, (AT_ONCE, f64::NAN))?;
    }
    Ok((part(inner)?, part(outer)?))
}

/// How many core points there are up to the end of each run of positions.
fn ends_of_runs(core: &[bool]) -> Vec<usize> {
    let mut ends: Vec<usize> = core.par_chunks(RUN).map(|run| run.iter().filter(|&&is_core| is_core).count()).collect();
    let mut end = 0;
    for count in &mut ends {
        end += *count;
        *count = end;
    }
    ends
}

/// The items of the core points, and those of the others, both with some padding.
fn parted<X: Copy + Send + Sync>(
    items: Vec<X>,
    core: &[bool],
    ends: &[usize],
    padding: (usize, X),
) -> Result<(Vec<X>, Vec<X>)> {
    let (count, n) = (ends.last().copied().unwrap_or(0), core.len());
    let mut inner = filled(count + padding.0, padding.1, "the core points")?;
    let mut outer = filled(n - count + padding.0, padding.1, "the other points")?;
    let outer_ends = ends.iter().enumerate().map(|(run, end)| n.min((run + 1) * RUN) - end);
    let pieces = split_runs(&mut inner, ends.iter().copied()).into_iter().zip(split_runs(&mut outer, outer_ends));
    let pieces: Vec<_> = pieces.collect();
    pieces.into_par_iter().zip(items.par_chunks(RUN).zip(core.par_chunks(RUN))).for_each(
        |((inner, outer), (items, core))| {
            let (mut inner, mut outer) = (inner.iter_mut(), outer.iter_mut());
            for (&item, &is_core) in items.iter().zip(core) {
                let slot = if is_core { inner.next() } else { outer.next() };
                if let Some(slot) = slot {
                    *slot = item;
                }
            }
        },
    );
    Ok((inner, outer))
}
