//! A stretch of a sequence: what x gives to all its steps at once, then step by step what h gives, and the cell.

use super::Kind;
use super::cell::{lstm, rnn};
use super::forward::{Part, Sequence};
use super::pack::{Aligned, Cell};
use super::tile::{ACROSS, Four, accumulate, accumulate_ahead, tiles};
use crate::simd::cache::LINE;
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use std::ops::Range;

/// A panel of packed numbers.
#[inline(always)]
pub(super) fn part<'a, T: Float>(packed: &'a Aligned<T>, panel: usize, cell: &Cell<T>) -> &'a [T] {
    let len = packed.len() / cell.panels;
    &packed[panel * len..(panel + 1) * len]
}

#[inline(always)]
pub(super) fn load_four<T: Float, L: Numbers<T>>(lanes: L, from: &[T]) -> Four<L::V> {
    let mut four = [lanes.splat(T::ZERO); ACROSS];
    for v in 0..ACROSS {
        four[v] = lanes.load(&from[v * L::N..]);
    }
    four
}

dispatched!(pub(super) fn project_of[T: Float](cell: &Cell<T>, x: &[&[T]], pre: &mut [T]) -> () = project_run);

#[inline(always)]
fn project_run<L: Both, T: Float>(lanes: L, cell: &Cell<T>, x: &[&[T]], pre: &mut [T]) {
    project(T::lanes(lanes), cell, 0..cell.panels, x, pre);
}

/// The biases and what x gives to some panels, for all rows of a stretch.
#[inline(always)]
pub(super) fn project<T: Float, L: Numbers<T>>(
    lanes: L,
    cell: &Cell<T>,
    panels: Range<usize>,
    x: &[&[T]],
    pre: &mut [T],
) {
    let (wide, of_row) = (cell.wide(), panels.len() * cell.wide());
    for panel in panels.clone() {
        let (ih, bias) = (part(&cell.ih, panel, cell), part(&cell.bias, panel, cell));
        let start = load_four(lanes, bias);
        tiles!(L::HIGH, x.len(), |first, M| {
            let mut rows: [&[T]; M] = [&[]; M];
            rows.copy_from_slice(&x[first..first + M]);
            let mut acc = [[start; M]];
            accumulate(lanes, rows, [ih], cell.inputs, &mut acc);
            for m in 0..M {
                let to = &mut pre[(first + m) * of_row + (panel - panels.start) * wide..][..wide];
                for v in 0..ACROSS {
                    lanes.store(acc[0][m][v], &mut to[v * L::N..]);
                }
            }
        });
    }
}

/// What the tile that begins with a row asks for of the panel that comes next: as much as it has terms for. Tiles are about
/// equally high, so a tile begins after as many rows as the highest tiles before it have, or a little sooner.
#[inline(always)]
fn to_ask_for<'a, T: Float, L: Numbers<T>>(
    packed: &'a Aligned<T>,
    cell: &Cell<T>,
    on: &Part<'_, T>,
    coming: usize,
    first: usize,
) -> &'a [T] {
    let panel = part(packed, on.panels.start + coming, cell);
    let (tile, shares) = (first.div_ceil(L::HIGH), cell.wide() * size_of::<T>() / LINE);
    if on.far && tile < shares { &panel[tile * (panel.len() / shares)..] } else { &[] }
}

/// Where a step stands.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub step: usize,
    /// Rows of the stretch that come before.
    pub done: usize,
    /// Rows that run.
    pub running: usize,
    pub keep: bool,
}

/// What h gives, and the cell: one step of the rows that run.
#[inline(always)]
pub(super) fn recur<T: Float, L: Numbers<T>>(
    lanes: L,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    part: &mut Part<'_, T>,
    at: At,
) {
    let panels = part.panels.len();
    // Every other step goes through the panels backwards: what was read last is still in the cache.
    let back = at.step % 2 == 1;
    // A row alone has four sums to wait for; two panels at once keep the processor busy.
    let pairs = if at.running == 1 { panels / 2 } else { 0 };
    if back {
        for panel in (2 * pairs..panels).rev() {
            tiles!(L::HIGH, at.running, |first, M| tile::<T, L, M, 1>(lanes, cell, sequence, part, at, first, panel));
        }
    }
    for pair in 0..pairs {
        let pair = if back { pairs - 1 - pair } else { pair };
        tile::<T, L, 1, 2>(lanes, cell, sequence, part, at, 0, 2 * pair);
    }
    if !back {
        for panel in 2 * pairs..panels {
            tiles!(L::HIGH, at.running, |first, M| tile::<T, L, M, 1>(lanes, cell, sequence, part, at, first, panel));
        }
    }
}

/// One tile of a step: M rows from `first` on, U panels from the part's `panel` on.
#[inline(always)]
fn tile<T: Float, L: Numbers<T>, const M: usize, const U: usize>(
    lanes: L,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    on: &mut Part<'_, T>,
    at: At,
    first: usize,
    panel: usize,
) {
    let (hidden, n, wide) = (cell.hidden, L::N, cell.wide());
    let (width, of_row) = (cell.panels * cell.units(), on.panels.len() * wide);
    let own = on.panels.len() * cell.units();
    let room = on.units.len();
    let slot = on.offsets[at.step] + first;
    // `recur` goes through the panels backwards in every other step.
    let coming = if at.step % 2 == 1 { panel.saturating_sub(1) } else { (panel + U).min(on.panels.len() - 1) };
    // Loops throughout: a closure would be compiled apart, without the wide registers, and its sums would go through memory.
    let mut acc = [[[lanes.splat(T::ZERO); ACROSS]; M]; U];
    let mut hh: [&[T]; U] = [&[]; U];
    let mut h: [&[T]; M] = [&[]; M];
    for u in 0..U {
        hh[u] = part(&cell.hh, on.panels.start + panel + u, cell);
    }
    let mut rest = &on.h[first * width..];
    for m in 0..M {
        (h[m], rest) = rest.split_at(width);
    }
    if on.at_once {
        let (mut ih, mut x): ([&[T]; U], [&[T]; M]) = ([&[]; U], [&[]; M]);
        for u in 0..U {
            ih[u] = part(&cell.ih, on.panels.start + panel + u, cell);
            acc[u] = [load_four(lanes, part(&cell.bias, on.panels.start + panel + u, cell)); M];
        }
        for m in 0..M {
            let place = on.order.place(first + m, at.step, sequence.batch);
            x[m] = &sequence.x[place * cell.inputs..][..cell.inputs];
        }
        accumulate_ahead(lanes, x, ih, cell.inputs, &mut acc, to_ask_for::<T, L>(&cell.ih, cell, on, coming, first));
    } else {
        let mut rest = &on.pre[(at.done + first) * of_row..];
        for m in 0..M {
            let row;
            (row, rest) = rest.split_at(of_row);
            for u in 0..U {
                acc[u][m] = load_four(lanes, &row[(panel + u) * wide..][..wide]);
            }
        }
    }
    accumulate_ahead(lanes, h, hh, hidden, &mut acc, to_ask_for::<T, L>(&cell.hh, cell, on, coming, first));
    for u in 0..U {
        match cell.kind {
            Kind::Lstm => {
                let unit = (panel + u) * n;
                let (memory, next) = (&mut on.c[first * own..][..M * own], &mut on.next[first * own..][..M * own]);
                let y = &mut on.y[slot..][..M];
                let mut c = [lanes.splat(T::ZERO); M];
                for m in 0..M {
                    c[m] = lanes.load(&memory[m * own + unit..]);
                }
                let new = lstm(lanes, &mut acc[u], &mut c);
                for m in 0..M {
                    lanes.store(c[m], &mut memory[m * own + unit..]);
                    lanes.store(new[m], &mut next[m * own + unit..]);
                    lanes.store_new(new[m], &mut y[m][unit..]);
                }
                if at.keep {
                    let (gates, cells) = (&mut on.gates[slot * ACROSS..][..M * ACROSS], &mut on.cells[slot..][..M]);
                    for m in 0..M {
                        for v in 0..ACROSS {
                            lanes.store_new(acc[u][m][v], &mut gates[m * ACROSS + v][unit..]);
                        }
                        lanes.store_new(c[m], &mut cells[m][unit..]);
                    }
                }
            }
            Kind::Rnn(nonlinearity) => {
                for m in 0..M {
                    let new = rnn(lanes, nonlinearity, acc[u][m]);
                    for v in 0..ACROSS {
                        let unit = ((panel + u) * ACROSS + v) * n;
                        if unit < room {
                            lanes.store(new[v], &mut on.next[(first + m) * own + unit..]);
                            lanes.store_new(new[v], &mut on.y[slot + m][unit..]);
                        }
                    }
                }
            }
        }
    }
}
