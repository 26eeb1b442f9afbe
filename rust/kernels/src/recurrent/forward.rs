//! A step, and a sequence.
//!
//! The rows of a batch are dealt to as many parts as there are threads, longest first, and a part runs for the whole
//! sequence without a word to the others. It goes through the time in stretches of steps that are bounded by the room for
//! their pre-activations, which then stay in the cache: first what x gives, in tiles of six rows whatever their step, then
//! step by step what h gives, and the cell.

use super::cell::{lstm, rnn};
use super::order::{Order, slots};
use super::pack::{Aligned, Cell, size};
use super::tile::{ACROSS, Four, accumulate, tiles};
use super::{Kind, expect};
use crate::parallel::{reserve, zeros};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// Bytes of the pre-activations of a stretch, about.
const STRETCH: usize = 256 << 10;

/// What a cell is to run over.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a, T> {
    /// T
    pub times: usize,
    /// B
    pub batch: usize,
    /// (T, B, I)
    pub x: &'a [T],
    /// (B, H)
    pub h0: &'a [T],
    /// (B, H) of an LSTM.
    pub c0: Option<&'a [T]>,
    /// Steps of each row, else all.
    pub lengths: Option<&'a [i64]>,
    /// Whether each row begins with its own last step.
    pub reverse: bool,
}

impl<T> Sequence<'_, T> {
    pub(super) fn check(&self, kind: Kind, inputs: usize, hidden: usize) -> Result<()> {
        expect("x", self.x, &[self.times, self.batch, inputs])?;
        expect("h0", self.h0, &[self.batch, hidden])?;
        match (kind, self.c0) {
            (Kind::Lstm, Some(c0)) => expect("c0", c0, &[self.batch, hidden]),
            (Kind::Rnn(_), None) => Ok(()),
            (Kind::Lstm, None) => Err(Error::Invalid("an LSTM takes a cell state, c.".to_owned())),
            (Kind::Rnn(_), Some(_)) => Err(Error::Invalid("a plain net has no cell state, c.".to_owned())),
        }
    }
}

/// What comes of it. Beyond the end of a row y, gates and cells are 0.
#[derive(Debug)]
pub struct Run<T> {
    /// (T, B, H)
    pub y: Vec<T>,
    /// (B, H)
    pub h: Vec<T>,
    /// (B, H) of an LSTM.
    pub c: Option<Vec<T>>,
    /// (T, B, 4, H) and (T, B, H) of an LSTM, if they are to be kept.
    pub tape: Option<(Vec<T>, Vec<T>)>,
}

/// A step for all rows: x (B, I), h (B, H) and, of an LSTM, c (B, H); writes h and c after it.
///
/// # Errors
/// [`Error::Invalid`] where lengths do not fit.
pub fn step<T: Float>(cell: &Cell<T>, x: &[T], h: &[T], c: &[T], to_h: &mut [T], to_c: &mut [T]) -> Result<()> {
    let batch = h.len() / cell.hidden;
    let cells = if cell.kind == Kind::Lstm { batch } else { 0 };
    expect("x", x, &[batch, cell.inputs])?;
    for (name, numbers, rows) in [("h", h, batch), ("h", &*to_h, batch), ("c", c, cells), ("c", &*to_c, cells)] {
        expect(name, numbers, &[rows, cell.hidden])?;
    }
    step_of(cell, batch, x, h, c, to_h, to_c);
    Ok(())
}

dispatched!(fn step_of[T: Float](cell: &Cell<T>, batch: usize, x: &[T], h: &[T], c: &[T], to_h: &mut [T], to_c: &mut [T]) -> () = step_run);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn step_run<L: Both, T: Float>(
    lanes: L,
    cell: &Cell<T>,
    batch: usize,
    x: &[T],
    h: &[T],
    c: &[T],
    to_h: &mut [T],
    to_c: &mut [T],
) {
    let lanes = T::lanes(lanes);
    let (hidden, n) = (cell.hidden, lanes.n());
    for panel in 0..cell.panels {
        let (ih, hh, bias) = (part(&cell.ih, panel, cell), part(&cell.hh, panel, cell), part(&cell.bias, panel, cell));
        tiles!(T, T::Lanes<L>, batch, |first, M| {
            let mut acc = [[load_four(lanes, bias); M]];
            accumulate(lanes, rows_at::<T, M>(x, first, cell.inputs), [ih], cell.inputs, &mut acc);
            accumulate(lanes, rows_at::<T, M>(h, first, hidden), [hh], hidden, &mut acc);
            for m in 0..M {
                let row = (first + m) * hidden;
                let end = row + hidden;
                match cell.kind {
                    Kind::Lstm => {
                        let at = row + panel * n;
                        let to = at..end.min(at + n);
                        let new = lstm(lanes, acc[0][m], lanes.load_part(&c[to.clone()]));
                        lanes.store_part(new.h, &mut to_h[to.clone()]);
                        lanes.store_part(new.c, &mut to_c[to]);
                    }
                    Kind::Rnn(nonlinearity) => {
                        let new = rnn(lanes, nonlinearity, acc[0][m]);
                        for v in 0..ACROSS {
                            let at = row + (panel * ACROSS + v) * n;
                            if at < end {
                                lanes.store_part(new[v], &mut to_h[at..end.min(at + n)]);
                            }
                        }
                    }
                }
            }
        });
    }
}

/// A panel of packed numbers.
#[inline(always)]
fn part<'a, T: Float>(packed: &'a Aligned<T>, panel: usize, cell: &Cell<T>) -> &'a [T] {
    let len = packed.len() / cell.panels;
    &packed[panel * len..(panel + 1) * len]
}

#[inline(always)]
fn rows_at<T, const M: usize>(matrix: &[T], first: usize, columns: usize) -> [&[T]; M] {
    let mut rows: [&[T]; M] = [&[]; M];
    for m in 0..M {
        rows[m] = &matrix[(first + m) * columns..][..columns];
    }
    rows
}

#[inline(always)]
fn load_four<T: Float, L: Numbers<T>>(lanes: L, from: &[T]) -> Four<L::V> {
    let mut four = [lanes.splat(T::ZERO); ACROSS];
    for v in 0..ACROSS {
        four[v] = lanes.load(&from[v * L::N..]);
    }
    four
}

/// The rows of one thread, and where their results go.
struct Part<'a, T> {
    order: Order,
    offsets: Vec<usize>,
    y: Vec<&'a mut [T]>,
    gates: Vec<&'a mut [T]>,
    cells: Vec<&'a mut [T]>,
    /// Rows of `width` numbers, the units and padding: h and c before a step, h after it.
    h: Aligned<T>,
    next: Aligned<T>,
    c: Aligned<T>,
    /// The pre-activations of a stretch: by row and panel.
    pre: Aligned<T>,
    /// (rows, H): h at the end of each row.
    last: Vec<T>,
}

/// Runs a cell over a sequence; `keep` keeps what the way back needs.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn run<T: Float>(cell: &Cell<T>, sequence: &Sequence<'_, T>, keep: bool, task: &Task) -> Result<Run<T>> {
    sequence.check(cell.kind, cell.inputs, cell.hidden)?;
    let Sequence { times, batch, lengths, reverse, .. } = *sequence;
    let order = Order::new(times, batch, lengths, reverse)?;
    let total = order.rows.iter().map(|row| row.length).fold(0, usize::saturating_add);
    let lstm = cell.kind == Kind::Lstm;
    let room = |gates: usize, what| size(&[times, batch, gates, cell.hidden], what, size_of::<T>());
    let mut y = zeros(room(1, "y")?, "y")?;
    let keep = keep && lstm;
    let mut gates = zeros(if keep { room(4, "the gates")? } else { 0 }, "the gates")?;
    let mut cells = zeros(if keep { room(1, "the cells")? } else { 0 }, "the cells")?;
    let n_parts = if cell.is_small(total) { 1 } else { rayon::current_num_threads().clamp(1, batch.max(1)) };
    let orders = (0..n_parts).map(|first| order.part(first, n_parts)).collect::<Result<Vec<_>>>()?;
    let views: Vec<&Order> = orders.iter().collect();
    let y_slots = slots(&views, &mut y, cell.hidden, batch)?;
    // What is not kept needs no places: 16 bytes for each step of each row.
    let kept = if keep { &views[..] } else { &[] };
    let mut gate_slots = slots(kept, &mut gates, 4 * cell.hidden, batch)?;
    let mut cell_slots = slots(kept, &mut cells, cell.hidden, batch)?;
    gate_slots.resize_with(n_parts, Vec::new);
    cell_slots.resize_with(n_parts, Vec::new);
    drop(views);
    let mut parts = reserve(n_parts, "the parts")?;
    for (((order, y), gates), cells) in orders.into_iter().zip(y_slots).zip(gate_slots).zip(cell_slots) {
        parts.push(Part::new(cell, sequence, order, y, gates, cells)?);
    }
    task.expect(total);
    if let [part] = &mut parts[..] {
        part_of(cell, sequence, part, keep, task)?;
    } else {
        parts.par_iter_mut().try_for_each(|part| part_of(cell, sequence, part, keep, task))?;
    }
    let mut h = zeros(sequence.h0.len(), "h")?;
    let mut c = zeros(if lstm { sequence.h0.len() } else { 0 }, "c")?;
    for part in &parts {
        let width = cell.panels * cell.units();
        for (row, of) in part.order.rows.iter().enumerate() {
            let to = of.at * cell.hidden..(of.at + 1) * cell.hidden;
            h[to.clone()].copy_from_slice(&part.last[row * cell.hidden..][..cell.hidden]);
            if lstm {
                c[to].copy_from_slice(&part.c[row * width..][..cell.hidden]);
            }
        }
    }
    drop(parts);
    Ok(Run { y, h, c: lstm.then_some(c), tape: keep.then_some((gates, cells)) })
}

impl<'a, T: Float> Part<'a, T> {
    fn new(
        cell: &Cell<T>,
        sequence: &Sequence<'_, T>,
        order: Order,
        y: Vec<&'a mut [T]>,
        gates: Vec<&'a mut [T]>,
        cells: Vec<&'a mut [T]>,
    ) -> Result<Self> {
        let (hidden, width, rows) = (cell.hidden, cell.panels * cell.units(), order.rows.len());
        let room = size(&[rows, width], "the states", size_of::<T>())?;
        let c_room = if sequence.c0.is_some() { room } else { 0 };
        let [mut h, next, mut c] = [
            Aligned::zeros(room, "the states")?,
            Aligned::zeros(room, "the states")?,
            Aligned::zeros(c_room, "the cells")?,
        ];
        let mut last = zeros(size(&[rows, hidden], "the states", size_of::<T>())?, "the states")?;
        for (row, of) in order.rows.iter().enumerate() {
            let from = of.at * hidden..(of.at + 1) * hidden;
            h[row * width..][..hidden].copy_from_slice(&sequence.h0[from.clone()]);
            last[row * hidden..][..hidden].copy_from_slice(&sequence.h0[from.clone()]);
            if let Some(c0) = sequence.c0 {
                c[row * width..][..hidden].copy_from_slice(&c0[from]);
            }
        }
        let offsets = order.offsets()?;
        let of_row = cell.panels * cell.wide();
        let rows_of_stretch = (STRETCH / size_of::<T>() / of_row).min(offsets[order.steps()]).max(rows);
        let pre = size(&[rows_of_stretch, of_row], "the pre-activations", size_of::<T>())?;
        let pre = Aligned::zeros(pre, "the pre-activations")?;
        Ok(Self { order, offsets, y, gates, cells, h, next, c, pre, last })
    }
}

dispatched!(fn part_of[T: Float](cell: &Cell<T>, sequence: &Sequence<'_, T>, part: &mut Part<'_, T>, keep: bool, task: &Task) -> Result<()> = part_run);

#[inline(always)]
fn part_run<L: Both, T: Float>(
    lanes: L,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    part: &mut Part<'_, T>,
    keep: bool,
    task: &Task,
) -> Result<()> {
    let lanes = T::lanes(lanes);
    let (hidden, width) = (cell.hidden, cell.panels * cell.units());
    let of_row = cell.panels * cell.wide();
    let mut x_rows = reserve(part.pre.len() / of_row.max(1), "the rows of x")?;
    let mut first = 0;
    while first < part.order.steps() {
        let (steps, held) = part.order.stretch(first, part.pre.len() / of_row);
        x_rows.clear();
        for step in steps.clone() {
            for row in 0..part.order.running(step) {
                let at = part.order.place(row, step, sequence.batch) * cell.inputs;
                x_rows.push(&sequence.x[at..at + cell.inputs]);
            }
        }
        project(lanes, cell, &x_rows, &mut part.pre);
        let mut done = 0;
        for step in steps.clone() {
            let running = part.order.running(step);
            recur(lanes, cell, part, step, running, done, keep);
            done += running;
            std::mem::swap(&mut part.h, &mut part.next);
            let going_on = part.order.running(step + 1);
            for row in going_on..running {
                part.last[row * hidden..][..hidden].copy_from_slice(&part.h[row * width..][..hidden]);
            }
        }
        task.advance(held)?;
        first = steps.end;
    }
    Ok(())
}

dispatched!(pub(super) fn project_of[T: Float](cell: &Cell<T>, x: &[&[T]], pre: &mut [T]) -> () = project_run);

#[inline(always)]
fn project_run<L: Both, T: Float>(lanes: L, cell: &Cell<T>, x: &[&[T]], pre: &mut [T]) {
    project(T::lanes(lanes), cell, x, pre);
}

/// The biases and what x gives, for all rows of a stretch.
#[inline(always)]
fn project<T: Float, L: Numbers<T>>(lanes: L, cell: &Cell<T>, x: &[&[T]], pre: &mut [T]) {
    let (wide, of_row) = (cell.wide(), cell.panels * cell.wide());
    for panel in 0..cell.panels {
        let (ih, bias) = (part(&cell.ih, panel, cell), part(&cell.bias, panel, cell));
        let start = load_four(lanes, bias);
        tiles!(T, L, x.len(), |first, M| {
            let mut rows: [&[T]; M] = [&[]; M];
            rows.copy_from_slice(&x[first..first + M]);
            let mut acc = [[start; M]];
            accumulate(lanes, rows, [ih], cell.inputs, &mut acc);
            for m in 0..M {
                let to = &mut pre[(first + m) * of_row + panel * wide..][..wide];
                for v in 0..ACROSS {
                    lanes.store(acc[0][m][v], &mut to[v * L::N..]);
                }
            }
        });
    }
}

/// What h gives, and the cell: one step of the first `running` rows. `done` rows of the stretch come before.
#[inline(always)]
fn recur<T: Float, L: Numbers<T>>(
    lanes: L,
    cell: &Cell<T>,
    part: &mut Part<'_, T>,
    step: usize,
    running: usize,
    done: usize,
    keep: bool,
) {
    let mut panel = 0;
    // A row alone has four sums to wait for; several panels at once keep the processor busy.
    if running == 1 {
        while panel + 2 <= cell.panels {
            tile::<T, L, 1, 2>(lanes, cell, part, step, done, 0, panel, keep);
            panel += 2;
        }
    }
    while panel < cell.panels {
        tiles!(T, L, running, |first, M| tile::<T, L, M, 1>(lanes, cell, part, step, done, first, panel, keep));
        panel += 1;
    }
}

/// One tile of a step: M rows from `first` on, U panels from `panel` on.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<T: Float, L: Numbers<T>, const M: usize, const U: usize>(
    lanes: L,
    cell: &Cell<T>,
    on: &mut Part<'_, T>,
    step: usize,
    done: usize,
    first: usize,
    panel: usize,
    keep: bool,
) {
    let (hidden, width, n) = (cell.hidden, cell.panels * cell.units(), L::N);
    let (wide, of_row) = (cell.wide(), cell.panels * cell.wide());
    let (mut acc, mut hh): (_, [&[T]; U]) = ([[[lanes.splat(T::ZERO); ACROSS]; M]; U], [&[]; U]);
    for u in 0..U {
        hh[u] = part(&cell.hh, panel + u, cell);
        for m in 0..M {
            acc[u][m] = load_four(lanes, &on.pre[(done + first + m) * of_row + (panel + u) * wide..][..wide]);
        }
    }
    let mut rows: [&[T]; M] = [&[]; M];
    for m in 0..M {
        rows[m] = &on.h[(first + m) * width..][..hidden];
    }
    accumulate(lanes, rows, hh, hidden, &mut acc);
    for u in 0..U {
        for m in 0..M {
            let (row, slot) = ((first + m) * width, on.offsets[step] + first + m);
            match cell.kind {
                Kind::Lstm => {
                    let unit = (panel + u) * n;
                    let at = row + unit;
                    let new = lstm(lanes, acc[u][m], lanes.load(&on.c[at..]));
                    lanes.store(new.c, &mut on.c[at..]);
                    lanes.store(new.h, &mut on.next[at..]);
                    lanes.store_part(new.h, &mut on.y[slot][unit..]);
                    if keep {
                        let end = hidden.min(unit + n);
                        for v in 0..ACROSS {
                            lanes.store_part(new.gates[v], &mut on.gates[slot][v * hidden + unit..v * hidden + end]);
                        }
                        lanes.store_part(new.c, &mut on.cells[slot][unit..]);
                    }
                }
                Kind::Rnn(nonlinearity) => {
                    let new = rnn(lanes, nonlinearity, acc[u][m]);
                    for v in 0..ACROSS {
                        let unit = ((panel + u) * ACROSS + v) * n;
                        if unit < hidden {
                            lanes.store(new[v], &mut on.next[row + unit..]);
                            lanes.store_part(new[v], &mut on.y[slot][unit..]);
                        }
                    }
                }
            }
        }
    }
}
