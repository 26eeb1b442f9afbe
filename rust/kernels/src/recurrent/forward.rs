//! Sequences.
//!
//! The rows of a batch are dealt to as many parts as there are threads, longest first, and a part runs for the whole
//! sequence without a word to the others. Where rows are fewer than threads, or few and the weights larger than the first
//! cache, or not many and the weights so large that few second caches hold them, the parts are units of all rows instead, and
//! exchange h after each step (`team`): each reads its own share of the weights.
//!
//! A part that has rows enough for high tiles adds what x and what h give in one tile, step by step, and asks a panel ahead
//! for weights that come from far. Another goes through the time in stretches of steps that are bounded by the room for their
//! pre-activations, which then stay in the cache: first what x gives, in tiles of six rows whatever their step, then step by
//! step what h gives, and the cell.

use super::order::{Order, slots, unit_slots};
use super::pack::{Aligned, Cell, size};
use super::recur::{At, project, recur};
use super::team::{Seat, Team};
use super::tile::ACROSS;
use super::{Kind, expect};
use crate::parallel::{Unwritten, reserve, share, zeros};
use crate::simd::cache;
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float};
use crate::{Error, Result, Task};
use std::cmp::Ordering::{Equal, Greater, Less};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows from which the tiles of a step are high enough by themselves.
const MANY: usize = 6;

/// Bytes of the pre-activations of a stretch, about.
const STRETCH: usize = 256 << 10;

/// Bytes of weights that few second caches keep: a thread should read a share of them.
const LARGE: usize = 2 << 20;

/// Rows of a thread, below which units are shared whatever the weights.
const FEW: usize = 2;

/// Rows of a thread that have enough to do while all of large weights come.
const ENOUGH: usize = 48;

/// Panels of a thread, at least, for units of many rows to be shared evenly, and a row's places to be small beside the row.
const EVEN: usize = 4;

/// Products of h in a step of a row, from which it pays to exchange h after each step, if that puts more threads to work than
/// there are rows. An exchange takes a third of a microsecond where the way from core to core is long.
const PAYS_WITH_MORE: usize = 16 << 10;

/// The same, if as many threads are at work either way, and only read less of the weights each.
const PAYS_WITH_AS_MANY: usize = 36 << 10;

/// Products that a thread does in a nanosecond, about, for one row.
const WORK_OF_A_NANOSECOND: u64 = 50;

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

/// Some rows and some panels, of one thread, and where their results go.
pub(super) struct Part<'a, T> {
    pub order: Order,
    pub panels: Range<usize>,
    /// The units of the panels.
    pub units: Range<usize>,
    pub offsets: Vec<usize>,
    /// By step and row, its own units.
    pub y: Vec<Place<'a, T>>,
    /// The same, by gate.
    pub gates: Vec<Place<'a, T>>,
    pub cells: Vec<Place<'a, T>>,
    /// Rows of all units, padded: h before a step.
    pub h: Aligned<T>,
    /// Rows of its own units, padded: h after a step, and c.
    pub next: Aligned<T>,
    pub c: Aligned<T>,
    /// Whether a tile adds what x gives and what h gives, one after the other.
    pub at_once: bool,
    /// Else what x gives to the pre-activations of a stretch: by row and panel.
    pub pre: Aligned<T>,
    /// Whether tiles ask for the panel that comes next: the weights fill half the second cache or more.
    pub far: bool,
    /// Rows of a stretch, at most.
    room: usize,
    /// Rows of its own units: h at the end of each row.
    last: Vec<T>,
}

/// Where results go: y, gates, cells.
struct Places<'a, T>(Vec<Place<'a, T>>, Vec<Place<'a, T>>, Vec<Place<'a, T>>);

/// Where a part writes, once, and does not read.
pub(super) type Place<'a, T> = &'a mut [MaybeUninit<T>];

/// Runs a cell over a sequence; `keep` keeps what the way back needs.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn run<T: Float>(cell: &Cell<T>, sequence: &Sequence<'_, T>, keep: bool, task: &Task) -> Result<Run<T>> {
    run_on(task.threads(), cell, sequence, keep, task)
}

/// [`run`] on so many threads of the pool.
///
/// # Errors
/// As there.
pub fn run_on<T: Float>(
    threads: usize,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    keep: bool,
    task: &Task,
) -> Result<Run<T>> {
    sequence.check(cell.kind, cell.inputs, cell.hidden)?;
    let Sequence { times, batch, lengths, reverse, .. } = *sequence;
    let order = Order::new(times, batch, lengths, reverse)?;
    let total = order.rows.iter().map(|row| row.length).fold(0, usize::saturating_add);
    let lstm = cell.kind == Kind::Lstm;
    let room = |gates: usize, what| size(&[times, batch, gates, cell.hidden], what, size_of::<T>());
    let mut y = Unwritten::new(room(1, "y")?, "y")?;
    let keep = keep && lstm;
    let mut gates = Unwritten::new(if keep { room(ACROSS, "the gates")? } else { 0 }, "the gates")?;
    let mut cells = Unwritten::new(if keep { room(1, "the cells")? } else { 0 }, "the cells")?;
    clear_beyond(&order, sequence, y.places());
    clear_beyond(&order, sequence, gates.places());
    clear_beyond(&order, sequence, cells.places());
    task.expect(total);
    let threads = if cell.is_for_one(total) { 1 } else { threads };
    let run = Running { cell, sequence, keep, task };
    let parts = if shares_units(cell, batch, threads) {
        run.by_units(order, threads.min(cell.panels), total, y.places(), gates.places(), cells.places())?
    } else {
        run.by_rows(&order, threads.min(batch).max(1), y.places(), gates.places(), cells.places())?
    };
    let mut h = zeros(sequence.h0.len(), "h")?;
    let mut c = zeros(if lstm { sequence.h0.len() } else { 0 }, "c")?;
    for part in &parts {
        let (own, n) = (part.panels.len() * cell.units(), part.units.len());
        for (row, of) in part.order.rows.iter().enumerate() {
            let to = of.at * cell.hidden + part.units.start..of.at * cell.hidden + part.units.end;
            h[to.clone()].copy_from_slice(&part.last[row * n..][..n]);
            if lstm {
                c[to].copy_from_slice(&part.c[row * own..][..n]);
            }
        }
    }
    drop(parts);
    // SAFETY: the parts wrote all units of each step of a row, or there had been an error; `clear_beyond` wrote the rest.
    #[allow(unsafe_code)]
    let (y, gates, cells) = unsafe { (y.written(), gates.written(), cells.written()) };
    Ok(Run { y, h, c: lstm.then_some(c), tape: keep.then_some((gates, cells)) })
}

/// Whether so many threads share units and not rows.
pub(super) fn shares_units<T: Float>(cell: &Cell<T>, batch: usize, threads: usize) -> bool {
    let most = if cell.bytes() < LARGE || cell.panels < threads.saturating_mul(EVEN) { FEW } else { ENOUGH };
    let products = cell.kind.gates() * cell.hidden * cell.hidden;
    threads > 1
        && batch < most.saturating_mul(threads)
        && match threads.min(cell.panels).cmp(&threads.min(batch)) {
            Greater => products >= PAYS_WITH_MORE,
            Equal => products >= PAYS_WITH_AS_MANY,
            Less => false,
        }
}

/// Writes zeros beyond the end of each row of an array (T, B, …).
pub(super) fn clear_beyond<T: Float>(order: &Order, sequence: &Sequence<'_, T>, array: Place<'_, T>) {
    let width = array.len() / (sequence.times * sequence.batch).max(1);
    for row in &order.rows {
        for time in row.length..sequence.times {
            array[(time * sequence.batch + row.at) * width..][..width].fill(MaybeUninit::new(T::ZERO));
        }
    }
}

/// What every part is given.
struct Running<'r, T> {
    cell: &'r Cell<T>,
    sequence: &'r Sequence<'r, T>,
    keep: bool,
    task: &'r Task,
}

impl<T: Float> Running<'_, T> {
    fn by_rows<'a>(
        &self,
        order: &Order,
        n_parts: usize,
        y: Place<'a, T>,
        gates: Place<'a, T>,
        cells: Place<'a, T>,
    ) -> Result<Vec<Part<'a, T>>> {
        let &Self { cell, sequence, keep, task } = self;
        let (batch, hidden) = (sequence.batch, cell.hidden);
        let orders = (0..n_parts).map(|first| order.part(first, n_parts)).collect::<Result<Vec<_>>>()?;
        let views: Vec<&Order> = orders.iter().collect();
        let y = slots(&views, y, hidden, 1, batch)?;
        let gates = slots(&views, gates, hidden, ACROSS, batch)?;
        let cells = slots(&views, cells, hidden, 1, batch)?;
        drop(views);
        let mut parts = reserve(n_parts, "the parts")?;
        for (((order, y), gates), cells) in orders.into_iter().zip(y).zip(gates).zip(cells) {
            parts.push(Part::new(cell, sequence, order, 0..cell.panels, Places(y, gates, cells))?);
        }
        share(
            task,
            n_parts,
            parts.iter_mut().collect(),
            || Ok(()),
            |(), part| part_of(cell, sequence, part, None, keep, task),
        )?;
        Ok(parts)
    }

    fn by_units<'a>(
        &self,
        order: Order,
        threads: usize,
        total: usize,
        y: Place<'a, T>,
        gates: Place<'a, T>,
        cells: Place<'a, T>,
    ) -> Result<Vec<Part<'a, T>>> {
        let &Self { cell, sequence, keep, task } = self;
        let work = (total as u64).saturating_mul((cell.panels * cell.wide() * (cell.inputs + cell.hidden)) as u64);
        let threads = threads.min(task.abreast());
        let team = Team::new(threads, work / WORK_OF_A_NANOSECOND);
        let run = |part: &mut Part<'a, T>, seat: &Seat<'_, T>| part_of(cell, sequence, part, Some(seat), keep, task);
        task.together(
            threads,
            || team.play(|members| self.parts_by_units(&order, members, y, gates, cells), run),
            || team.join(run),
        )
    }

    fn parts_by_units<'a>(
        &self,
        order: &Order,
        n_parts: usize,
        y: Place<'a, T>,
        gates: Place<'a, T>,
        cells: Place<'a, T>,
    ) -> Result<Vec<Part<'a, T>>> {
        let &Self { cell, sequence, .. } = self;
        let panels = |part: usize| part * cell.panels / n_parts..(part + 1) * cell.panels / n_parts;
        let units: Vec<Range<usize>> = (0..n_parts).map(|part| units_of(cell, panels(part))).collect();
        let slots = |array, pieces| unit_slots(order, &units, array, cell.hidden, pieces, sequence.batch);
        let (y, gates, cells) = (slots(y, 1)?, slots(gates, ACROSS)?, slots(cells, 1)?);
        let mut parts = reserve(n_parts, "the parts")?;
        for (((part, y), gates), cells) in (0..n_parts).zip(y).zip(gates).zip(cells) {
            parts.push(Part::new(cell, sequence, order.part(0, 1)?, panels(part), Places(y, gates, cells))?);
        }
        Ok(parts)
    }
}

/// The units of some panels.
fn units_of<T: Float>(cell: &Cell<T>, panels: Range<usize>) -> Range<usize> {
    panels.start * cell.units()..cell.hidden.min(panels.end * cell.units())
}

impl<'a, T: Float> Part<'a, T> {
    fn new(
        cell: &Cell<T>,
        sequence: &Sequence<'_, T>,
        order: Order,
        panels: Range<usize>,
        Places(y, gates, cells): Places<'a, T>,
    ) -> Result<Self> {
        let (hidden, width, rows) = (cell.hidden, cell.panels * cell.units(), order.rows.len());
        let (units, own) = (units_of(cell, panels.clone()), panels.len() * cell.units());
        let what = "the states";
        let room = |width| size(&[rows, width], what, size_of::<T>());
        let (mut h, next) = (Aligned::zeros(room(width)?, what)?, Aligned::zeros(room(own)?, what)?);
        let mut c = Aligned::zeros(if sequence.c0.is_some() { room(own)? } else { 0 }, what)?;
        let mut last = zeros(room(units.len())?, what)?;
        for (row, of) in order.rows.iter().enumerate() {
            let from = of.at * hidden..(of.at + 1) * hidden;
            h[row * width..][..hidden].copy_from_slice(&sequence.h0[from.clone()]);
            last[row * units.len()..][..units.len()].copy_from_slice(&sequence.h0[from.clone()][units.clone()]);
            if let Some(c0) = sequence.c0 {
                c[row * own..][..units.len()].copy_from_slice(&c0[from][units.clone()]);
            }
        }
        let offsets = order.offsets()?;
        let of_row = panels.len() * cell.wide();
        let room = (STRETCH / size_of::<T>() / of_row).min(offsets[order.steps()]).max(rows);
        let at_once = rows >= MANY;
        let pre = size(&[if at_once { 0 } else { room }, of_row], "the pre-activations", size_of::<T>())?;
        let pre = Aligned::zeros(pre, "the pre-activations")?;
        let far = at_once && cell.bytes() / cell.panels * panels.len() >= cache::second() / 2;
        Ok(Self { order, panels, units, offsets, y, gates, cells, h, next, c, at_once, pre, far, room, last })
    }
}

dispatched!(fn part_of[T: Float](cell: &Cell<T>, sequence: &Sequence<'_, T>, part: &mut Part<'_, T>, seat: Option<&Seat<'_, T>>, keep: bool, task: &Task) -> Result<()> = part_run);

#[inline(always)]
fn part_run<L: Both, T: Float>(
    lanes: L,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    part: &mut Part<'_, T>,
    seat: Option<&Seat<'_, T>>,
    keep: bool,
    task: &Task,
) -> Result<()> {
    let lanes = T::lanes(lanes);
    let n = part.units.len();
    let own = part.panels.len() * cell.units();
    let mut x_rows = reserve(if part.at_once { 0 } else { part.room }, "the rows of x")?;
    let mut first = 0;
    while first < part.order.steps() {
        let (steps, held) = part.order.stretch(first, part.room);
        if !part.at_once {
            x_rows.clear();
            for step in steps.clone() {
                for row in 0..part.order.running(step) {
                    let at = part.order.place(row, step, sequence.batch) * cell.inputs;
                    x_rows.push(&sequence.x[at..at + cell.inputs]);
                }
            }
            project(lanes, cell, part.panels.clone(), &x_rows, &mut part.pre);
        }
        let mut done = 0;
        for step in steps.clone() {
            let running = part.order.running(step);
            recur(lanes, cell, sequence, part, At { step, done, running, keep });
            done += running;
            for row in part.order.running(step + 1)..running {
                part.last[row * n..][..n].copy_from_slice(&part.next[row * own..][..n]);
            }
            match seat {
                None => std::mem::swap(&mut part.h, &mut part.next),
                Some(seat) => seat.exchange(step, running, &part.next, &mut part.h)?,
            }
        }
        match seat {
            Some(seat) if !seat.is_first() => task.check()?,
            _ => task.advance(held)?,
        }
        first = steps.end;
    }
    Ok(())
}
