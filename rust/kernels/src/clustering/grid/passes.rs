//! The passes of DBSCAN over grids: mark core points, link their cells, number clusters, label.

use super::super::labels::{Numbering, Outcome};
use super::super::metric::{Real, Rows};
use super::super::union_find::UnionFind;
use super::super::weights::Mass;
use super::core::{mark, split};
use super::lattice::Lattice;
use super::space::{Points, Rule};
use super::sweep::Sweep;
use super::{Grid, Job, Search};
use crate::parallel::{collected, filled, runs_of_cells};
use crate::simd::{Lanes, dispatched};
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::Range;

/// Points in one unit of parallel work, about.
pub(super) const RUN: usize = 1 << 12;
/// Pairs of cells smaller than this are tested without looking at their boxes first.
const SMALL: usize = 16;

/// DBSCAN itself.
pub(super) struct Fit<'a> {
    pub mass: Mass<'a>,
    pub task: &'a Task,
}

impl Job for Fit<'_> {
    type Output = (Vec<isize>, Vec<isize>);

    fn grids<T: Real, const D: usize>(&self, lattice: &Lattice<D>, tables: &[Rows<'_, T>]) -> Result<Vec<Grid<D>>> {
        self.task.expect(2 * tables[0].len());
        Ok(vec![lattice.grid(tables[0], |_| 0, 0, self.task)?])
    }

    fn run<R: Rule<D>, const D: usize>(self, search: Search<R, D>, mut grids: Vec<Grid<D>>) -> Result<Self::Output> {
        let Fit { mass, task } = self;
        let grid = grids.swap_remove(0);
        let n = grid.points.order.len();
        let marks = mark(&search, &grid, mass, task)?;
        let (core, others) = split(&search, grid, &marks, task)?;
        drop(marks);
        let labels = {
            let sets = link(&search, &core, task)?;
            number(&core, &sets)?
        };
        let outcome = Outcome::new(n)?;
        labels.par_iter().enumerate().for_each(|(cell, &label)| {
            let positions = core.cells.points(cell as u32..cell as u32 + 1);
            core.points.order[positions].iter().for_each(|&row| outcome.set(row as usize, true, label));
        });
        label(&search, &others, &core, &labels, task, &|row, label| outcome.set(row, false, label))?;
        drop((core, others));
        outcome.finish()
    }
}

/// Labels of new points: the border rule alone. The tables are the core points and the new points.
pub(super) struct Predict<'a> {
    /// Labels of the core points.
    pub known: &'a [u32],
    pub task: &'a Task,
}

impl Job for Predict<'_> {
    type Output = Vec<isize>;

    fn grids<T: Real, const D: usize>(&self, lattice: &Lattice<D>, tables: &[Rows<'_, T>]) -> Result<Vec<Grid<D>>> {
        let Predict { known, task } = *self;
        task.expect(tables[1].len());
        let most = known.iter().copied().max().unwrap_or(0);
        let core = lattice.grid(tables[0], |row| known[row], u32::BITS - most.leading_zeros(), task)?;
        Ok(vec![core, lattice.grid(tables[1], |_| 0, 0, task)?])
    }

    fn run<R: Rule<D>, const D: usize>(self, search: Search<R, D>, grids: Vec<Grid<D>>) -> Result<Self::Output> {
        let Predict { known, task } = self;
        let [core, new] = &grids[..] else { unreachable!("two tables, two grids") };
        let starts = &core.cells.starts[..core.cells.len()];
        let label_of = |&start: &u32| known[core.points.order[start as usize] as usize];
        let labels = collected(starts.iter().map(label_of), "the labels of cells")?;
        let outcome = Outcome::new(new.points.order.len())?;
        label(&search, new, core, &labels, task, &|row, label| outcome.set(row, false, label))?;
        drop(grids);
        Ok(outcome.finish()?.1)
    }
}

/// Joins the cells that hold neighbours. All points are core.
fn link<R: Rule<D>, const D: usize>(search: &Search<R, D>, core: &Grid<D>, task: &Task) -> Result<UnionFind> {
    let sets = UnionFind::new(core.cells.len())?;
    runs_of_cells(&core.cells.starts, RUN).par_iter().try_for_each(|run| {
        link_cells(search, core, task, run, &sets);
        task.advance(core.cells.points(run.start as u32..run.end as u32).len())
    })?;
    Ok(sets)
}

dispatched!(fn link_cells[R: Rule<D>, const D: usize](search: &Search<R, D>, core: &Grid<D>, task: &Task, run: &Range<usize>, sets: &UnionFind) -> () = link_run);

#[inline(always)]
fn link_run<L: Lanes, R: Rule<D>, const D: usize>(
    _: L,
    search: &Search<R, D>,
    core: &Grid<D>,
    task: &Task,
    run: &Range<usize>,
    sets: &UnionFind,
) {
    let Grid { points, cells } = core;
    let mut sweep = Sweep::new(cells, cells, &search.lattice.reach_back, run.start);
    for cell in run.clone() {
        let own = cells.points(cell as u32..cell as u32 + 1);
        let mut set = sets.find(cell as u32);
        for row in 0..sweep.seek(cell) {
            let range = sweep.near(row);
            // Each pair once: the later cell of the pair looks back.
            for other in range.start..range.end.min(cell as u32) {
                if !sets.is_child(other, set)
                    && sets.find(other) != set
                    && !task.interrupted()
                    && touch(search.rule, points, own.clone(), cells.points(other..other + 1))
                {
                    sets.join(cell as u32, other);
                    set = sets.find(cell as u32);
                }
            }
        }
    }
}

/// Whether two runs of points hold a pair of neighbours. Of large ones, only points that can reach the box around
/// the other are tried.
#[inline(always)]
fn touch<R: Rule<D>, const D: usize>(rule: R, points: &Points<D>, a: Range<usize>, b: Range<usize>) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    // Loops, not `any`: an iterator's method would be compiled apart, without wide instructions.
    let boxes = (many.len() > SMALL).then(|| (points.bounds(few.clone()), points.bounds(many.clone())));
    if let Some((around_few, _)) = &boxes {
        let mut reached = false;
        for q in many.clone() {
            reached = points.query(q).may_reach(rule, around_few);
            if reached {
                break;
            }
        }
        if !reached {
            return false;
        }
    }
    for q in few {
        let query = points.query(q);
        let apart = boxes.as_ref().is_some_and(|(_, around_many)| !query.may_reach(rule, around_many));
        if !apart && points.any(rule, &query, many.clone()) {
            return true;
        }
    }
    false
}

/// Numbers the clusters by their smallest core row; returns the label of each cell.
fn number<const D: usize>(core: &Grid<D>, sets: &UnionFind) -> Result<Vec<u32>> {
    let mut smallest = filled(core.cells.len(), Numbering::NOISE, "the labels of cells")?;
    smallest.par_iter_mut().enumerate().for_each(|(cell, smallest)| {
        let positions = core.cells.points(cell as u32..cell as u32 + 1);
        *smallest = core.points.order[positions].iter().copied().min().unwrap_or(Numbering::NOISE);
    });
    Numbering::of(&smallest, sets)
}

/// Gives each point of `others` the smallest label among the core points near it. `labels` are those of the cells of
/// `core`.
fn label<R: Rule<D>, const D: usize>(
    search: &Search<R, D>,
    others: &Grid<D>,
    core: &Grid<D>,
    labels: &[u32],
    task: &Task,
    set: &(impl Fn(usize, u32) + Sync),
) -> Result<()> {
    runs_of_cells(&others.cells.starts, RUN).par_iter().try_for_each(|run| {
        label_cells(search, others, core, labels, task, run, set);
        task.advance(others.cells.points(run.start as u32..run.end as u32).len())
    })
}

dispatched!(fn label_cells[R: Rule<D>, F: Fn(usize, u32), const D: usize](search: &Search<R, D>, others: &Grid<D>, core: &Grid<D>, labels: &[u32], task: &Task, run: &Range<usize>, set: &F) -> () = label_run);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn label_run<L: Lanes, R: Rule<D>, F: Fn(usize, u32), const D: usize>(
    _: L,
    search: &Search<R, D>,
    others: &Grid<D>,
    core: &Grid<D>,
    labels: &[u32],
    task: &Task,
    run: &Range<usize>,
    set: &F,
) {
    let mut sweep = Sweep::new(&others.cells, &core.cells, &search.lattice.reach, run.start);
    let mut candidates: Vec<(u32, Range<usize>)> = Vec::new();
    let mut boxes = Vec::new();
    for cell in run.clone() {
        candidates.clear();
        for row in 0..sweep.seek(cell) {
            let mut near = sweep.near(row);
            // Cells of one label that follow each other are one candidate.
            while let Some(label) = labels.get(near.start as usize).filter(|_| !near.is_empty()) {
                let same = near.clone().take_while(|&other| labels[other as usize] == *label).count() as u32;
                candidates.push((*label, core.cells.points(near.start..near.start + same)));
                near.start += same;
            }
        }
        // The smallest label first: then the first hit is the answer.
        if candidates.windows(2).any(|pair| pair[0].0 > pair[1].0) {
            candidates.sort_by_key(|candidate| candidate.0);
        }
        let own = others.cells.points(cell as u32..cell as u32 + 1);
        // Boxes pay where many points would be tested many times.
        boxes.clear();
        if own.len() > SMALL {
            boxes.extend(candidates.iter().map(|(_, range)| core.points.bounds(range.clone())));
        }
        for q in own.take_while(|_| !task.interrupted()) {
            let query = others.points.query(q);
            let hit = candidates.iter().enumerate().find(|&(i, (_, range))| {
                boxes.get(i).is_none_or(|bounds| query.may_reach(search.rule, bounds))
                    && core.points.any(search.rule, &query, range.clone())
            });
            if let Some((_, &(label, _))) = hit {
                set(others.points.order[q] as usize, label);
            }
        }
    }
}
