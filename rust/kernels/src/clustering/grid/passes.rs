//! The passes of DBSCAN over a grid: mark core points, link cells, number clusters, label.

use super::super::labels::{Numbering, Outcome};
use super::super::union_find::UnionFind;
use super::super::weights::{ExactSum, Mass, Verdict};
use super::space::{Points, Rule};
use super::sweep::{Cells, Sweep};
use super::{Grid, Job};
use crate::parallel::{collected, filled, runs_of_cells, split_runs};
use crate::simd::{Lanes, dispatched};
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::Range;

/// Points in one unit of parallel work, about.
const RUN: usize = 1 << 12;
/// Pairs of cells smaller than this are tested without looking at their boxes first.
const SMALL: usize = 16;
/// From here on it pays to ask first whether all near cells together hold `min_samples` points.
const MANY: usize = 64;

/// DBSCAN itself.
pub(super) struct Fit<'a> {
    pub mass: Mass<'a>,
    pub task: &'a Task,
}

impl Job for Fit<'_> {
    type Output = (Vec<isize>, Vec<isize>);

    fn run<R: Rule<D>, const D: usize>(self, mut grid: Grid<R, D>) -> Result<Self::Output> {
        let Fit { mass, task } = self;
        let n = grid.points.order.len();
        task.expect(3 * n);
        let runs = runs_of_cells(&grid.cells.starts, RUN);
        let core = mark_core(&grid, &runs, mass, task)?;
        let cores = gather_core(&mut grid, &runs, core)?;
        let sets = link(&grid, &runs, &cores, task)?;
        let labels = number(&grid, &cores, &sets)?;
        drop(sets);
        let outcome = Outcome::new(n)?;
        label(&grid, &runs, &cores, &labels, None, task, |row, is_core, label| outcome.set(row, is_core, label))?;
        drop(grid);
        outcome.finish()
    }
}

/// Labels of new points: the border rule alone.
pub(super) struct Predict<'a> {
    /// Labels of the first rows, which are core points; the others are new.
    pub known: &'a [u32],
    pub task: &'a Task,
}

impl Job for Predict<'_> {
    type Output = Vec<isize>;

    fn run<R: Rule<D>, const D: usize>(self, mut grid: Grid<R, D>) -> Result<Self::Output> {
        let Predict { known, task } = self;
        let n = grid.points.order.len();
        task.expect(n);
        let runs = runs_of_cells(&grid.cells.starts, RUN);
        let is_known = grid.points.order.iter().map(|&row| (row as usize) < known.len());
        let core = collected(is_known, "the marks of core points")?;
        let cores = gather_core(&mut grid, &runs, core)?;
        let label_of = |position: usize| known[grid.points.order[position] as usize];
        let smallest = |cell| core_range(&grid.cells, &cores, cell).map(label_of).min().unwrap_or(Numbering::NOISE);
        let labels = collected((0..grid.cells.len()).map(smallest), "the labels of cells")?;
        let outcome = Outcome::new(n - known.len())?;
        label(&grid, &runs, &cores, &labels, Some(known), task, |row, _, label| {
            if row >= known.len() {
                outcome.set(row - known.len(), false, label);
            }
        })?;
        Ok(outcome.finish()?.1)
    }
}

fn core_range(cells: &Cells, cores: &[u32], cell: usize) -> Range<usize> {
    let start = cells.starts[cell] as usize;
    start..start + cores[cell] as usize
}

/// The slices of a per-point vector that belong to each run of cells.
fn by_run<'a, X>(cells: &Cells, runs: &[Range<usize>], items: &'a mut [X]) -> Vec<&'a mut [X]> {
    split_runs(items, runs.iter().map(|run| cells.starts[run.end] as usize))
}

/// Tells for each position whether its point is core.
fn mark_core<R: Rule<D>, const D: usize>(
    grid: &Grid<R, D>,
    runs: &[Range<usize>],
    mass: Mass<'_>,
    task: &Task,
) -> Result<Vec<bool>> {
    let mut core = filled(grid.points.order.len(), false, "the marks of core points")?;
    by_run(&grid.cells, runs, &mut core).into_par_iter().zip(runs).try_for_each(|(core, run)| {
        if mass.weighted() {
            weigh(grid, mass, task, run, core)
        } else {
            count(grid, mass, task, run, core)
        }
        task.advance(core.len())
    })?;
    Ok(core)
}

dispatched!(fn count[R: Rule<D>, const D: usize](grid: &Grid<R, D>, mass: Mass<'_>, task: &Task, run: &Range<usize>, core: &mut [bool]) -> () = count_run);

#[inline(always)]
fn count_run<L: Lanes, R: Rule<D>, const D: usize>(
    _: L,
    grid: &Grid<R, D>,
    mass: Mass<'_>,
    task: &Task,
    run: &Range<usize>,
    core: &mut [bool],
) {
    let Grid { points, cells } = grid;
    let enough = mass.enough();
    let first = cells.starts[run.start] as usize;
    let mut sweep = Sweep::new(cells, run.start);
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
                        found[i] += points.count(q, others.clone(), enough - found[i]);
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
    grid: &Grid<R, D>,
    mass: Mass<'_>,
    task: &Task,
    run: &Range<usize>,
    core: &mut [bool],
) {
    let Grid { points, cells } = grid;
    let first = cells.starts[run.start] as usize;
    let mut sweep = Sweep::new(cells, run.start);
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
                sum += points.sum(q, range.clone(), |row| mass.of(row));
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
                    for row in near.iter().flat_map(|range| points.rows_near(q, range.clone())) {
                        exact.add(mass.of(row));
                    }
                    mass.decide(&exact)
                }
            };
        }
    }
}

/// Moves the core points of each cell to its front; returns how many each has.
fn gather_core<R: Rule<D>, const D: usize>(
    grid: &mut Grid<R, D>,
    runs: &[Range<usize>],
    mut core: Vec<bool>,
) -> Result<Vec<u32>> {
    let Grid { points, cells } = grid;
    let mut cores = filled(cells.len(), 0u32, "the core points of cells")?;
    let mut columns: Vec<_> = points.columns.iter_mut().map(|column| by_run(cells, runs, column).into_iter()).collect();
    let pieces: Vec<_> = by_run(cells, runs, &mut points.order)
        .into_iter()
        .zip(by_run(cells, runs, &mut core))
        .zip(split_runs(&mut cores, runs.iter().map(|run| run.end)))
        .zip(runs)
        .map(|piece| (piece, columns.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()))
        .collect();
    pieces.into_par_iter().for_each(|((((order, core), cores), run), mut columns)| {
        let first = cells.starts[run.start] as usize;
        for cell in run.clone() {
            let own = cells.points(cell as u32..cell as u32 + 1);
            let mut front = own.start - first;
            for i in own.start - first..own.end - first {
                if core[i] {
                    if front < i {
                        order.swap(front, i);
                        core.swap(front, i);
                        columns.iter_mut().for_each(|column| column.swap(front, i));
                    }
                    front += 1;
                }
            }
            cores[cell - run.start] = (front + first - own.start) as u32;
        }
    });
    Ok(cores)
}

/// Joins the cells that hold neighbouring core points.
fn link<R: Rule<D>, const D: usize>(
    grid: &Grid<R, D>,
    runs: &[Range<usize>],
    cores: &[u32],
    task: &Task,
) -> Result<UnionFind> {
    let sets = UnionFind::new(grid.cells.len())?;
    runs.par_iter().try_for_each(|run| {
        link_cells(grid, task, run, cores, &sets);
        task.advance(grid.cells.points(run.start as u32..run.end as u32).len())
    })?;
    Ok(sets)
}

dispatched!(fn link_cells[R: Rule<D>, const D: usize](grid: &Grid<R, D>, task: &Task, run: &Range<usize>, cores: &[u32], sets: &UnionFind) -> () = link_run);

#[inline(always)]
fn link_run<L: Lanes, R: Rule<D>, const D: usize>(
    _: L,
    grid: &Grid<R, D>,
    task: &Task,
    run: &Range<usize>,
    cores: &[u32],
    sets: &UnionFind,
) {
    let Grid { points, cells } = grid;
    let mut sweep = Sweep::back(cells, run.start);
    for cell in run.clone().filter(|&cell| cores[cell] > 0) {
        let mut set = sets.find(cell as u32);
        for row in 0..sweep.seek(cell) {
            let range = sweep.near(row);
            // Each pair once: the later cell of the pair looks back.
            for other in (range.start..range.end.min(cell as u32)).filter(|&other| cores[other as usize] > 0) {
                if sets.find(other) != set
                    && touch(points, task, core_range(cells, cores, cell), core_range(cells, cores, other as usize))
                {
                    sets.join(cell as u32, other);
                    set = sets.find(cell as u32);
                }
            }
        }
    }
}

/// Whether two runs of points hold a pair of neighbours. Large ones are first cut down to the points that can reach
/// the box around the other.
#[inline(always)]
fn touch<R: Rule<D>, const D: usize>(points: &Points<R, D>, task: &Task, a: Range<usize>, b: Range<usize>) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut few = few.take_while(|_| !task.interrupted());
    if many.len() <= SMALL {
        return few.any(|q| points.any(q, many.clone()));
    }
    let bounds = points.bounds(many.clone());
    few.any(|q| points.may_reach(q, &bounds) && points.any(q, many.clone()))
}

/// Numbers the clusters by their smallest core row; returns the label of each cell.
fn number<R: Rule<D>, const D: usize>(grid: &Grid<R, D>, cores: &[u32], sets: &UnionFind) -> Result<Vec<u32>> {
    let mut smallest = filled(grid.cells.len(), Numbering::NOISE, "the labels of cells")?;
    smallest.par_iter_mut().enumerate().for_each(|(cell, smallest)| {
        let core = core_range(&grid.cells, cores, cell);
        *smallest = grid.points.order[core].iter().copied().min().unwrap_or(Numbering::NOISE);
    });
    Numbering::of(&smallest, sets)
}

/// Labels every point: core points by their cell, others by the smallest label among neighbouring core points.
///
/// `mixed` holds the labels of the core rows where one cell may hold several.
fn label<R: Rule<D>, const D: usize>(
    grid: &Grid<R, D>,
    runs: &[Range<usize>],
    cores: &[u32],
    labels: &[u32],
    mixed: Option<&[u32]>,
    task: &Task,
    set: impl Fn(usize, bool, u32) + Sync,
) -> Result<()> {
    runs.par_iter().try_for_each(|run| {
        label_cells(grid, task, run, cores, labels, mixed, &set);
        task.advance(grid.cells.points(run.start as u32..run.end as u32).len())
    })
}

dispatched!(fn label_cells[R: Rule<D>, F: Fn(usize, bool, u32), const D: usize](grid: &Grid<R, D>, task: &Task, run: &Range<usize>, cores: &[u32], labels: &[u32], mixed: Option<&[u32]>, set: &F) -> () = label_run);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn label_run<L: Lanes, R: Rule<D>, F: Fn(usize, bool, u32), const D: usize>(
    _: L,
    grid: &Grid<R, D>,
    task: &Task,
    run: &Range<usize>,
    cores: &[u32],
    labels: &[u32],
    mixed: Option<&[u32]>,
    set: &F,
) {
    let Grid { points, cells } = grid;
    let mut sweep = Sweep::new(cells, run.start);
    let mut candidates: Vec<(u32, Range<usize>)> = Vec::new();
    let mut boxes = Vec::new();
    for cell in run.clone() {
        let own = cells.points(cell as u32..cell as u32 + 1);
        let core = core_range(cells, cores, cell);
        core.clone().for_each(|q| set(points.order[q] as usize, true, labels[cell]));
        if core.end == own.end {
            continue;
        }
        candidates.clear();
        for row in 0..sweep.seek(cell) {
            for other in sweep.near(row).map(|other| other as usize).filter(|&other| labels[other] < labels[cell]) {
                candidates.push((labels[other], core_range(cells, cores, other)));
            }
        }
        // The smallest label first: then the first hit is the answer, but for cells of several labels.
        if candidates.windows(2).any(|pair| pair[0].0 > pair[1].0) {
            candidates.sort_by_key(|candidate| candidate.0);
        }
        // Boxes pay where many points would be tested many times.
        boxes.clear();
        if own.len() > SMALL {
            boxes.extend(candidates.iter().map(|(_, range)| points.bounds(range.clone())));
        }
        for q in (core.end..own.end).take_while(|_| !task.interrupted()) {
            let mut best = labels[cell];
            for (i, (label, range)) in candidates.iter().enumerate() {
                if *label >= best {
                    break;
                }
                if boxes.get(i).is_some_and(|bounds| !points.may_reach(q, bounds)) {
                    continue;
                }
                match mixed {
                    None if points.any(q, range.clone()) => best = *label,
                    None => {}
                    Some(known) => {
                        best = points.rows_near(q, range.clone()).map(|row| known[row]).fold(best, u32::min);
                    }
                }
            }
            set(points.order[q] as usize, false, best);
        }
    }
}
