//! The passes of DBSCAN over tiles: mark core points, link them, number clusters, label.

use super::super::labels::{Numbering, Outcome};
use super::super::metric::{Metric, Real, Rows};
use super::super::union_find::UnionFind;
use super::super::weights::{ExactSum, Mass, Verdict};
use super::block::{Pair, Scratch};
use super::geometry::{Geometry, Margin};
use super::index::{Index, LANES, TILE, WIDEST_TREE, WIDEST_TREE_FOR_ONE_PASS};
use crate::parallel::{collected, filled, filled_with, reserve};
use crate::{Result, Task};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// One search radius on one index.
struct Search<'a, T> {
    index: Index<'a, T>,
    threshold: f64,
    margin: Margin,
    task: &'a Task,
}

/// How a visit of neighbours goes on.
enum Next {
    Point,
    Tile,
    Stop,
}

impl<'a, T: Real> Search<'a, T> {
    fn new(rows: Rows<'a, T>, eps: f64, metric: Metric, widest_tree: usize, task: &'a Task) -> Result<Self> {
        let geometry = Geometry::new(rows, metric)?;
        let threshold = metric.threshold(eps);
        let mut margin = geometry.margin(threshold);
        if metric == Metric::Cosine && eps >= 1.0 && !geometry.zeros().is_empty() {
            // Zero rows are neighbours of all, wherever they lie: only the contract can tell.
            margin = Margin { sure: -1.0, maybe: f64::INFINITY };
        }
        let scale = if margin.maybe.is_finite() && margin.maybe > 0.0 { 1.0 / margin.maybe } else { 1.0 };
        let index = Index::new(geometry, scale, widest_tree, task)?;
        Ok(Self { index, threshold, margin, task })
    }

    /// Visits the neighbours of points of tile `a`, one tile after the other, nearer ones first. `wanted(b)` says
    /// which points are to be tried against tile `b` (one bit each); `found` is given what a point has there.
    fn visit(
        &self,
        a: usize,
        scratch: &mut Scratch,
        mut wanted: impl FnMut(usize) -> u64,
        mut found: impl FnMut(Found<'_, 'a, T>) -> Next,
    ) {
        let panels = self.index.positions(a).len().div_ceil(LANES);
        let visit = |b| {
            if self.task.interrupted() {
                return ControlFlow::Break(());
            }
            let active = wanted(b);
            if active == 0 {
                return ControlFlow::Continue(());
            }
            let pair = Pair::new(&self.index, a, b, scratch);
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
        self.index.near(a, || self.margin.maybe, visit);
    }
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
struct Found<'f, 'a, T> {
    search: &'f Search<'a, T>,
    scratch: &'f Scratch,
    a: usize,
    q: usize,
    b: usize,
}

impl<'f, T: Real> Found<'f, '_, T> {
    /// The position of the point.
    fn position(&self) -> usize {
        self.search.index.starts[self.a] as usize + self.q
    }

    /// The lanes of tile `b` that hold neighbours, among those of `among`.
    fn lanes(&self, among: u64) -> impl Iterator<Item = usize> + use<'_, 'f, T> {
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
        let (own, other) = (self.position(), index.starts[self.b] as usize + lane);
        own == other || index.geometry.reduced(index.order[own], index.order[other]) <= self.search.threshold
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
    let search = Search::new(rows, eps, metric, WIDEST_TREE, task)?;
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
    label(&search, &marks, &labels, task, |row, is_core, label| outcome.set(row, is_core, label))?;
    drop(search);
    outcome.finish()
}

/// Labels of `rows[known.len()..]`, where the rows before are core points with known labels.
pub(in super::super) fn predict<T: Real>(
    rows: Rows<'_, T>,
    known: &[u32],
    eps: f64,
    metric: Metric,
    task: &Task,
) -> Result<Vec<isize>> {
    let n = rows.len();
    task.expect(n);
    let search = Search::new(rows, eps, metric, WIDEST_TREE_FOR_ONE_PASS, task)?;
    let index = &search.index;
    let mut marks = filled(index.len(), Marks::default(), "the marks of core points")?;
    let mut labels = filled(n, Numbering::NOISE, "the labels")?;
    for (tile, marks) in marks.iter_mut().enumerate() {
        for (lane, position) in index.positions(tile).enumerate() {
            if let Some(&label) = known.get(index.order[position] as usize) {
                marks.core |= 1 << lane;
                labels[position] = label;
            }
        }
    }
    let outcome = Outcome::new(n - known.len())?;
    label(&search, &marks, &labels, task, |row, is_core, label| {
        if !is_core {
            outcome.set(row - known.len(), false, label);
        }
    })?;
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

/// Labels every point: core points by their set, others by the smallest label among neighbouring core points.
/// `labels` are by position.
fn label<T: Real>(
    search: &Search<'_, T>,
    marks: &[Marks],
    labels: &[u32],
    task: &Task,
    set: impl Fn(usize, bool, u32) + Sync,
) -> Result<()> {
    let index = &search.index;
    let row = |tile: usize, lane: usize| index.order[index.starts[tile] as usize + lane] as usize;
    let labels_of = |tile: usize| bits(marks[tile].core).map(move |lane| labels[index.starts[tile] as usize + lane]);
    let smallest_of = |tile| labels_of(tile).min().unwrap_or(Numbering::NOISE);
    let smallest = collected((0..marks.len()).map(smallest_of), "the labels of tiles")?;
    (0..marks.len()).into_par_iter().try_for_each_init(Scratch::default, |scratch, a| {
        let others = u64::MAX >> (TILE - index.positions(a).len()) & !marks[a].core;
        let best = [const { Cell::new(Numbering::NOISE) }; TILE];
        if let Some(near) = &marks[a].near {
            let mut near = near.iter();
            for q in bits(others) {
                let count = near.next().map_or(0, |&count| count as usize);
                // Points that are not core have no label yet, and NOISE is larger than any.
                let smallest = near.by_ref().take(count).map(|&position| labels[position as usize]).min();
                best[q].set(smallest.unwrap_or(Numbering::NOISE));
            }
        } else if others != 0 {
            let wanted =
                |b: usize| bits(others).filter(|&q| smallest[b] < best[q].get()).fold(0, |mask, q| mask | 1 << q);
            search.visit(a, scratch, wanted, |found| {
                let best = &best[found.q];
                let first = index.starts[found.b] as usize;
                let better = bits(marks[found.b].core).filter(|&lane| labels[first + lane] < best.get());
                let better = better.fold(0, |mask, lane| mask | 1 << lane);
                let found = found.lanes(better).map(|lane| labels[first + lane]).min();
                best.set(found.map_or(best.get(), |label| label.min(best.get())));
                Next::Point
            });
        }
        for q in 0..index.positions(a).len() {
            let is_core = marks[a].core >> q & 1 != 0;
            let label = if is_core { labels[index.starts[a] as usize + q] } else { best[q].get() };
            set(row(a, q), is_core, label);
        }
        task.advance(index.positions(a).len())
    })
}
