//! Some rows on their way back through a stretch of steps, from the last to the first; and what they read, packed for the
//! sums that come after.

use super::Kind;
use super::backward::{Signals, Tape};
use super::cell::{lstm_back, rnn_back};
use super::forward::{Place, Sequence};
use super::order::Order;
use super::pack::{Aligned, append_row, size};
use super::product::{To, multiply};
use super::tile::ACROSS;
use crate::parallel::zeros;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::simd::{dispatched, prefetch};
use crate::{Result, Task};
use std::ops::Range;

/// Numbers of padding of a row of derivatives: rows a power of two apart would share few places of the cache.
const APART: usize = 16;

/// What all threads read.
pub(super) struct Job<'a, T> {
    pub kind: Kind,
    pub inputs: usize,
    pub hidden: usize,
    pub sequence: &'a Sequence<'a, T>,
    pub tape: &'a Tape<'a, T>,
    pub dy: &'a [T],
    /// The panels of W_hh and of W_ih, whose outputs are terms here.
    pub hh: Vec<Aligned<T>>,
    pub ih: Vec<Aligned<T>>,
    pub wide: usize,
}

/// What the derivatives of the weights are made of, besides those of the pre-activations.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// x
    X,
    /// h before a step.
    H,
}

/// Some rows, of which one thread at a time takes care.
pub(super) struct Part<'a, T> {
    pub order: Order,
    /// Where the rows of each step begin.
    pub offsets: Vec<usize>,
    dx: Vec<Place<'a, T>>,
    /// Rows of `width` numbers: derivatives by the states between two steps.
    pub dh: Aligned<T>,
    pub dc: Vec<T>,
    /// Rows of `apart` numbers: derivatives by the pre-activations of a stretch.
    pub pre: Aligned<T>,
    /// Rows of a stretch, at most.
    room: usize,
}

impl<'a, T: Float> Job<'a, T> {
    pub(super) fn outputs(&self) -> usize {
        self.kind.gates() * self.hidden
    }

    pub(super) fn apart(&self) -> usize {
        self.outputs() + APART
    }

    pub(super) fn width(&self) -> usize {
        self.hidden.div_ceil(self.wide) * self.wide
    }

    /// h before a step.
    fn before(&self, order: &Order, row: usize, step: usize) -> &'a [T] {
        let Sequence { batch, h0, .. } = *self.sequence;
        match step {
            0 => &h0[order.rows[row].at * self.hidden..][..self.hidden],
            _ => &self.tape.y[order.place(row, step - 1, batch) * self.hidden..][..self.hidden],
        }
    }

    /// Columns of what was read, from `first` on, row by row.
    pub(super) fn pack(&self, order: &Order, steps: Range<usize>, of: Read, first: usize, panels: &mut [Aligned<T>]) {
        let Sequence { batch, x, .. } = *self.sequence;
        panels.iter_mut().for_each(Aligned::clear);
        for step in steps {
            for row in 0..order.running(step) {
                let numbers = match of {
                    Read::X => &x[order.place(row, step, batch) * self.inputs..][..self.inputs],
                    Read::H => self.before(order, row, step),
                };
                append_row(&numbers[first..], self.wide, panels);
            }
        }
    }
}

impl<'a, T: Float> Part<'a, T> {
    pub(super) fn new(
        job: &Job<'_, T>,
        order: Order,
        dx: Vec<Place<'a, T>>,
        stretches: &[(Range<usize>, usize)],
        signals: &Signals<'_, T>,
    ) -> Result<Self> {
        let (hidden, rows) = (job.hidden, order.rows.len());
        let room = |width, what| size(&[rows, width], what, size_of::<T>());
        let mut dh = Aligned::zeros(room(job.width(), "the derivatives by h")?, "the derivatives by h")?;
        let lstm = job.kind == Kind::Lstm;
        let mut dc = zeros(if lstm { room(hidden, "the derivatives by c")? } else { 0 }, "the derivatives by c")?;
        for (row, of) in order.rows.iter().enumerate() {
            let from = of.at * hidden..(of.at + 1) * hidden;
            if let Some(start) = signals.dh {
                dh[row * job.width()..][..hidden].copy_from_slice(&start[from.clone()]);
            }
            if let (true, Some(start)) = (lstm, signals.dc) {
                dc[row * hidden..][..hidden].copy_from_slice(&start[from]);
            }
        }
        let offsets = order.offsets()?;
        let last = order.steps();
        let held = |steps: &Range<usize>| offsets[steps.end.min(last)] - offsets[steps.start.min(last)];
        let room = stretches.iter().map(|(steps, _)| held(steps)).max().unwrap_or_default();
        Ok(Self { order, offsets, dx, dh, dc, pre: Aligned::default(), room })
    }
}

dispatched!(pub(super) fn back_of[T: Float](job: &Job<'_, T>, part: &mut Part<'_, T>, steps: Range<usize>, task: &Task) -> Result<()> = back_run);

#[inline(always)]
fn back_run<L: Both, T: Float>(
    lanes: L,
    job: &Job<'_, T>,
    part: &mut Part<'_, T>,
    steps: Range<usize>,
    task: &Task,
) -> Result<()> {
    let lanes = T::lanes(lanes);
    if steps.start >= part.order.steps() {
        return Ok(());
    }
    let (outputs, width, wide) = (job.outputs(), job.width(), job.wide);
    if part.pre.is_empty() {
        // By the thread that fills it, and not by one for all.
        let what = "the derivatives by pre-activations";
        part.pre = Aligned::zeros(size(&[part.room, job.apart()], what, size_of::<T>())?, what)?;
    }
    let start = part.offsets[steps.start];
    for step in steps.clone().rev() {
        let running = part.order.running(step);
        if running == 0 {
            continue;
        }
        let at = part.offsets[step] - start;
        for row in 0..running {
            match job.kind {
                Kind::Lstm => lstm_row(lanes, job, part, row, step, at + row, running),
                Kind::Rnn(nonlinearity) => {
                    let place = part.order.place(row, step, job.sequence.batch) * job.hidden;
                    let (y, dy) = (&job.tape.y[place..][..job.hidden], &job.dy[place..][..job.hidden]);
                    let carried = &part.dh[row * width..][..job.hidden];
                    let to = &mut part.pre[(at + row) * job.apart()..][..outputs];
                    let mut unit = 0;
                    while unit < job.hidden {
                        let dh = lanes.add(lanes.load_part(&dy[unit..]), lanes.load_part(&carried[unit..]));
                        let d = rnn_back(lanes, nonlinearity, lanes.load_part(&y[unit..]), dh);
                        lanes.store_part(d, &mut to[unit..]);
                        unit += lanes.n();
                    }
                }
            }
        }
        let rows = &part.pre[at * job.apart()..];
        for panel in 0..job.hh.len() {
            let to = To::Padded(&mut part.dh[panel * wide..], width);
            multiply(lanes, rows, job.apart(), running, outputs, &job.hh[panel], 1, to);
        }
        task.check()?;
    }
    let last = steps.end.min(part.order.steps());
    let held = part.offsets[last] - start;
    let slots = &mut part.dx[start..start + held];
    for panel in 0..job.ih.len() {
        let to = To::Slots(&mut *slots, panel * wide);
        multiply(lanes, &part.pre, job.apart(), held, outputs, &job.ih[panel], 1, to);
    }
    Ok(())
}

/// A row of an LSTM's step: from the derivatives by its states to those by its pre-activations.
#[inline(always)]
fn lstm_row<T: Float, L: Numbers<T>>(
    lanes: L,
    job: &Job<'_, T>,
    part: &mut Part<'_, T>,
    row: usize,
    step: usize,
    at: usize,
    running: usize,
) {
    let (hidden, outputs) = (job.hidden, job.outputs());
    let Some((all_gates, cells)) = job.tape.lstm else { unreachable!("checked") };
    let batch = job.sequence.batch;
    let place = part.order.place(row, step, batch);
    let before = match (step, job.sequence.c0) {
        (0, Some(c0)) => &c0[part.order.rows[row].at * hidden..][..hidden],
        (0, None) => unreachable!("checked"),
        _ => &cells[part.order.place(row, step - 1, batch) * hidden..][..hidden],
    };
    let gates = &all_gates[place * outputs..][..outputs];
    let (c, dy) = (&cells[place * hidden..][..hidden], &job.dy[place * hidden..][..hidden]);
    let dh = &part.dh[row * job.width()..][..hidden];
    let dc = &mut part.dc[row * hidden..][..hidden];
    let to = &mut part.pre[at * job.apart()..][..outputs];
    // What the next row reads is too far from here for the processor to foresee it.
    let (next_row, next_step) = if row + 1 < running { (row + 1, step) } else { (0, step.saturating_sub(1)) };
    let next = part.order.place(next_row, next_step, batch);
    let before_next = part.order.place(next_row, next_step.saturating_sub(1), batch);
    let mut unit = 0;
    while unit < hidden {
        let end = hidden.min(unit + L::N);
        for v in 0..ACROSS {
            prefetch(all_gates, next * outputs + v * hidden + unit);
        }
        prefetch(job.dy, next * hidden + unit);
        prefetch(cells, before_next * hidden + unit);
        let mut four = [lanes.splat(T::ZERO); ACROSS];
        for v in 0..ACROSS {
            four[v] = lanes.load_part(&gates[v * hidden + unit..v * hidden + end]);
        }
        let total = lanes.add(lanes.load_part(&dy[unit..]), lanes.load_part(&dh[unit..]));
        let (c, before) = (lanes.load_part(&c[unit..]), lanes.load_part(&before[unit..]));
        let back = lstm_back(lanes, four, c, before, total, lanes.load_part(&dc[unit..]));
        lanes.store_part(back.c, &mut dc[unit..]);
        for v in 0..ACROSS {
            lanes.store_part(back.gates[v], &mut to[v * hidden + unit..v * hidden + end]);
        }
        unit = end;
    }
}
