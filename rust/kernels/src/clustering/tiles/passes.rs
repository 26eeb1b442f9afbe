//! The passes of DBSCAN over tiles: mark core points, link them, number clusters, label.

use super::super::labels::{Numbering, Outcome};
use super::super::metric::{Metric, Real, Rows};
use super::super::union_find::UnionFind;
use super::super::weights::{ExactSum, Mass, Verdict};
use super::block::{Pair, Scratch};
use super::geometry::{Geometry, Margin};
use super::index::{Index, LANES, TILE, WIDEST_TREE, WIDEST_TREE_FOR_ONE_PASS};
use super::label::Labels;
use crate::parallel::{collected, filled, filled_with, reserve};
use crate::{Result, Task};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// One search radius.
pub(super) struct Search<'a, T> {
    /// Where neighbours are looked for.
    pub index: Index<'a, T>,
    /// Whose neighbours are looked for, where that is another index.
    queries: Option<Index<'a, T>>,
    threshold: f64,
    margin: Margin,
    pub task: &'a Task,
}

/// How a visit of neighbours goes on.
pub(super) enum Next {
    Point,
    Tile,
    Stop,
}

impl<'a, T: Real> Search<'a, T> {
    /// A search of all points for all points.
    fn new(
        geometry: &'a Geometry<'a, T>,
        eps: f64,
        metric: Metric,
        widest_tree: usize,
        task: &'a Task,
    ) -> Result<Self> {
        let (threshold, margin, scale) = limits(geometry, eps, metric);
        let index = Index::new(geometry, scale, widest_tree, task)?;
        Ok(Self { index, queries: None, threshold, margin, task })
    }

    /// A search of the first `known` points for all others.
    fn of_others(geometry: &'a Geometry<'a, T>, known: u32, eps: f64, metric: Metric, task: &'a Task) -> Result<Self> {
        let (threshold, margin, scale) = limits(geometry, eps, metric);
        let index = Index::tree(geometry, 0..known, scale, task)?;
        let queries = Some(Index::tree(geometry, known..geometry.len() as u32, scale, task)?);
        Ok(Self { index, queries, threshold, margin, task })
    }

    pub fn queries(&self) -> &Index<'a, T> {
        self.queries.as_ref().unwrap_or(&self.index)
    }

    /// Visits the neighbours of points of tile `a`, one tile after the other, nearer ones first. `wanted(b)` says
    /// which points are to be tried against tile `b` (one bit each); `found` is given what a point has there.
    pub fn visit(
        &self,
        a: usize,
        scratch: &mut Scratch,
        mut wanted: impl FnMut(usize) -> u64,
        mut found: impl FnMut(Found<'_, 'a, T>) -> Next,
    ) {
        let queries = self.queries();
        let panels = queries.positions(a).len().div_ceil(LANES);
        let visit = |b| {
            if self.task.interrupted() {
                return ControlFlow::Break(());
            }
            let active = wanted(b);
            if active == 0 {
                return ControlFlow::Continue(());
            }
            let pair = Pair::new((queries, a), (&self.index, b), scratch);
            pair.limit(self.margin.sure, self.margin.maybe, scratch);
            for panel in 0..panels {
                let active = (active >> (panel * LANES)) as u16;
                if active == 0 {
                    continue;
                }
                let near = pair.test(panel, active, scratch);
                for lane in bits(u64::from(near)) {
                    match found(Found { search: self, scratch, a, q: panel * LANES + lane, b }) {
                        Next::Point => {}
                        Next::Tile => return ControlFlow::Continue(()),
                        Next::Stop => return ControlFlow::Break(()),
                    }
                }
            }
            ControlFlow::Continue(())
        };
        match &self.queries {
            None => self.index.near(a, || self.margin.maybe, visit),
            Some(queries) => self.index.near_other(queries, a, self.margin.maybe, visit),
        }
    }
}

/// The reduced distance of neighbours at most, the margin around it, and the scale of an index.
fn limits<T: Real>(geometry: &Geometry<'_, T>, eps: f64, metric: Metric) -> (f64, Margin, f64) {
    let threshold = metric.threshold(eps);
    let mut margin = geometry.margin(threshold);
    if metric == Metric::Cosine && eps >= 1.0 && !geometry.zeros().is_empty() {
        // Zero rows are neighbours of all, wherever they lie: only the contract can tell.
        margin = Margin { sure: -1.0, maybe: f64::INFINITY };
    }
    let scale = if margin.maybe.is_finite() && margin.maybe > 0.0 { 1.0 / margin.maybe } else { 1.0 };
    (threshold, margin, scale)
}

/// The bits of a mask.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let bit = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            bit
        })
    })
}

/// What point `q` of tile `a` has in tile `b`.
pub(super) struct Found<'f, 'a, T> {
    search: &'f Search<'a, T>,
    scratch: &'f Scratch,
    a: usize,
    pub q: usize,
    pub b: usize,
}

impl<'f, T: Real> Found<'f, '_, T> {
    /// The position of the point.
    fn position(&self) -> usize {
        self.search.queries().starts[self.a] as usize + self.q
    }

    /// The lanes of tile `b` that hold neighbours, among those of `among`.
    pub fn lanes(&self, among: u64) -> impl Iterator<Item = usize> + use<'_, 'f, T> {
        let (sure, maybe) = self.masks();
        bits(maybe & among).filter(move |&lane| sure >> lane & 1 != 0 || self.decide(lane))
    }

    /// How many neighbours there are.
    fn count(&self) -> usize {
        let (sure, maybe) = self.masks();
        sure.count_ones() as usize + bits(maybe & !sure).filter(|&lane| self.decide(lane)).count()
    }

    fn masks(&self) -> (u64, u64) {
        let masks = &self.scratch.masks;
        (masks.sure[self.q % LANES], masks.maybe[self.q % LANES])
    }

    /// The contract's own answer.
    #[cold]
    fn decide(&self, lane: usize) -> bool {
        let index = &self.search.index;
        let own = self.search.queries().order[self.position()];
        let other = index.order[index.starts[self.b] as usize + lane];
        own == other || index.geometry.reduced(own, other) <= self.search.threshold
    }
}

/// Core points and labels.
pub(in super::super) fn dbscan<T: Real>(
    rows: Rows<'_, T>,
    eps: f64,
    metric: Metric,
    mass: Mass<'_>,
    task: &Task,
) -> Result<(Vec<isize>, Vec<isize>)> {
    let n = rows.len();
    task.expect(3 * n);
    let geometry = Geometry::new(rows, metric)?;
    let search = Search::new(&geometry, eps, metric, WIDEST_TREE, task)?;
    let index = &search.index;
    let marks = mark_core(&search, mass, task)?;
    let sets = link(&search, &marks, task)?;
    let mut smallest = filled(n, Numbering::NOISE, "the numbers of clusters")?;
    for (tile, marks) in marks.iter().enumerate() {
        for position in bits(marks.core).map(|lane| index.starts[tile] as usize + lane) {
            smallest[position] = index.order[position];
        }
    }
    let labels = Numbering::of(&smallest, &sets)?;
    drop((smallest, sets));
    let outcome = Outcome::new(n)?;
    let tiles = Labels { core: &|tile| marks[tile].core, labels: &labels };
    let is_core = |tile: usize, q: usize| marks[tile].core >> q & 1 != 0;
    tiles.give(
        &search,
        &|tile| (!marks[tile].core, marks[tile].near.as_deref()),
        &|tile, q, row, label| match is_core(tile, q) {
            true => outcome.set(row, true, labels[index.starts[tile] as usize + q]),
            false => outcome.set(row, false, label),
        },
    )?;
    drop(search);
    outcome.finish()
}

/// Labels of new rows, by core points with known labels.
pub(in super::super) fn predict<T: Real>(
    new: Rows<'_, T>,
    core: Rows<'_, T>,
    known: &[u32],
    eps: f64,
    metric: Metric,
    task: &Task,
) -> Result<Vec<isize>> {
    task.expect(new.len());
    let outcome = Outcome::new(new.len())?;
    if core.is_empty() {
        return Ok(outcome.finish()?.1);
    }
    let mut both = reserve((core.len() + new.len()) * new.width(), "core points and new points")?;
    both.extend_from_slice(core.data());
    both.extend_from_slice(new.data());
    let geometry = Geometry::new(Rows::new(&both, core.len() + new.len(), new.width())?, metric)?;
    // Where groups are what tells points apart, core points and new points share them.
    let apart = geometry.width() <= WIDEST_TREE_FOR_ONE_PASS;
    let search = if apart {
        Search::of_others(&geometry, known.len() as u32, eps, metric, task)?
    } else {
        Search::new(&geometry, eps, metric, 0, task)?
    };
    let index = &search.index;
    let label_of = |&row: &u32| known.get(row as usize).copied().unwrap_or(Numbering::NOISE);
    let labels = collected(index.order.iter().map(label_of), "the labels")?;
    let mask = |index: &Index<'_, T>, tile: usize, core: bool| {
        let is = |position: usize| ((index.order[position] as usize) < known.len()) == core;
        index.positions(tile).enumerate().fold(0, |mask, (lane, position)| mask | u64::from(is(position)) << lane)
    };
    let masks = collected((0..index.len()).map(|tile| mask(index, tile, true)), "the marks of core points")?;
    Labels { core: &|tile| masks[tile], labels: &labels }.give(
        &search,
        &|tile| (mask(search.queries(), tile, false), None),
        &|_, _, row, label| {
            if row >= known.len() {
                outcome.set(row - known.len(), false, label);
            }
        },
    )?;
    drop(search);
    Ok(outcome.finish()?.1)
}

/// What the first pass finds in a tile.
#[derive(Clone, Default)]
struct Marks {
    /// One bit per core point.
    core: u64,
    /// Where few neighbours make a core point: for each other point, how many it has, and their positions. They settle
    /// its label without another search.
    near: Option<Vec<u32>>,
}

/// Marks core points, by tile.
fn mark_core<T: Real>(search: &Search<'_, T>, mass: Mass<'_>, task: &Task) -> Result<Vec<Marks>> {
    let mut marks = filled(search.index.len(), Marks::default(), "the marks of core points")?;
    // The lists take at most as much memory as the coordinates do in double precision.
    let few = !mass.weighted() && mass.enough() <= 2 * search.index.width() + 1;
    marks.par_iter_mut().enumerate().try_for_each_init(
        || (Scratch::default(), Vec::new()),
        |(scratch, lists), (a, marks)| {
            *marks = if few {
                core_and_near(search, mass.enough(), a, scratch, lists)?
            } else {
                Marks { core: core_of(search, mass, a, scratch), near: None }
            };
            task.advance(search.index.positions(a).len())
        },
    )?;
    Ok(marks)
}

/// Core points of a tile by counting; keeps the neighbours of those that are none.
fn core_and_near<T: Real>(
    search: &Search<'_, T>,
    enough: usize,
    a: usize,
    scratch: &mut Scratch,
    lists: &mut Vec<u32>,
) -> Result<Marks> {
    let index = &search.index;
    lists.resize(TILE * enough, 0);
    let mut counts = [0; TILE];
    let open = Cell::new(u64::MAX >> (TILE - index.positions(a).len()));
    let mut core = 0;
    search.visit(
        a,
        scratch,
        |_| open.get(),
        |found| {
            let (list, count) = (&mut lists[found.q * enough..(found.q + 1) * enough], &mut counts[found.q]);
            for lane in found.lanes(u64::MAX) {
                list[*count] = index.starts[found.b] + lane as u32;
                *count += 1;
                if *count == enough {
                    core |= 1 << found.q;
                    open.set(open.get() & !(1 << found.q));
                    break;
                }
            }
            if open.get() == 0 { Next::Stop } else { Next::Point }
        },
    );
    let others = open.get();
    let mut near = reserve(bits(others).map(|q| 1 + counts[q]).sum(), "the neighbours of points that are not core")?;
    for q in bits(others) {
        near.push(counts[q] as u32);
        near.extend(&lists[q * enough..q * enough + counts[q]]);
    }
    Ok(Marks { core, near: Some(near) })
}

fn core_of<T: Real>(search: &Search<'_, T>, mass: Mass<'_>, a: usize, scratch: &mut Scratch) -> u64 {
    let index = &search.index;
    let weight = |tile: usize, lane: usize| mass.of(index.order[index.starts[tile] as usize + lane] as usize);
    let all = u64::MAX >> (TILE - index.positions(a).len());
    let open = Cell::new(all);
    let mut core = 0;
    let mut sums = [0.0; TILE];
    search.visit(
        a,
        scratch,
        |_| open.get(),
        |found| {
            let sum = &mut sums[found.q];
            *sum += if mass.weighted() {
                found.lanes(u64::MAX).map(|lane| weight(found.b, lane)).sum()
            } else {
                found.count() as f64
            };
            if mass.grows() && mass.verdict(*sum) == Verdict::Core {
                core |= 1 << found.q;
                open.set(open.get() & !(1 << found.q));
            }
            if open.get() == 0 { Next::Stop } else { Next::Point }
        },
    );
    let mut unsure = 0;
    for q in bits(open.get()) {
        match mass.verdict(sums[q]) {
            Verdict::Core => core |= 1 << q,
            Verdict::NotCore => {}
            Verdict::Unsure => unsure |= 1 << q,
        }
    }
    if unsure != 0 {
        let mut exact: [ExactSum; TILE] = std::array::from_fn(|_| ExactSum::default());
        search.visit(
            a,
            scratch,
            |_| unsure,
            |found| {
                found.lanes(u64::MAX).for_each(|lane| exact[found.q].add(weight(found.b, lane)));
                Next::Point
            },
        );
        core |= bits(unsure).filter(|&q| mass.decide(&exact[q])).fold(0, |mask, q| mask | 1 << q);
    }
    core
}

/// Joins neighbouring core points. Members of the sets are positions.
fn link<T: Real>(search: &Search<'_, T>, marks: &[Marks], task: &Task) -> Result<UnionFind> {
    let sets = UnionFind::new(search.index.order.len())?;
    let joined = filled_with(marks.len(), || AtomicBool::new(false), "the marks of joined tiles")?;
    let links = Links { search, marks, sets: &sets, joined: &joined };
    (0..marks.len()).into_par_iter().try_for_each_init(Scratch::default, |scratch, a| {
        links.of(a, scratch);
        task.advance(search.index.positions(a).len())
    })?;
    Ok(sets)
}

struct Links<'l, 'a, T> {
    search: &'l Search<'a, T>,
    marks: &'l [Marks],
    sets: &'l UnionFind,
    /// Whether all core points of a tile are known to be one cluster; then they stay one.
    joined: &'l [AtomicBool],
}

impl<T: Real> Links<'_, '_, T> {
    fn position(&self, tile: usize, lane: usize) -> u32 {
        self.search.index.starts[tile] + lane as u32
    }

    /// The one set of all core points of a tile, if they are in one.
    fn set_of(&self, tile: usize) -> Option<u32> {
        let mut lanes = bits(self.marks[tile].core).map(|lane| self.sets.find(self.position(tile, lane)));
        let set = lanes.next()?;
        if self.joined[tile].load(Relaxed) {
            return Some(set);
        }
        let one = lanes.all(|other| other == set);
        if one {
            self.joined[tile].store(true, Relaxed);
        }
        one.then_some(set)
    }

    /// Joins the core points of tile `a` with those of the tiles before it.
    fn of(&self, a: usize, scratch: &mut Scratch) {
        if self.marks[a].core == 0 {
            return;
        }
        let wanted = |b: usize| {
            if b > a || self.marks[b].core == 0 {
                return 0;
            }
            match (self.set_of(a), self.set_of(b)) {
                (Some(x), Some(y)) if x == y => 0,
                (_, Some(y)) if a != b => {
                    let apart = bits(self.marks[a].core).filter(|&q| self.sets.find(self.position(a, q)) != y);
                    apart.fold(0, |mask, q| mask | 1 << q)
                }
                _ => self.marks[a].core,
            }
        };
        self.search.visit(a, scratch, wanted, |found| {
            let own = found.position() as u32;
            let (a_joined, b_joined) = (self.joined[a].load(Relaxed), self.joined[found.b].load(Relaxed));
            let apart = bits(self.marks[found.b].core)
                .filter(|&lane| self.sets.find(self.position(found.b, lane)) != self.sets.find(own))
                .fold(0, |mask, lane| mask | 1 << lane);
            for lane in found.lanes(apart) {
                self.sets.join(own, self.position(found.b, lane));
                if b_joined {
                    return if a_joined { Next::Tile } else { Next::Point };
                }
            }
            Next::Point
        });
    }
}
