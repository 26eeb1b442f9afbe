//! Back through time.
//!
//! Stretch by stretch from the end: the threads share the rows; each takes its rows back step by step, keeping the
//! derivatives of the pre-activations of the stretch, and from those derives what x gets. Then the threads share the
//! outputs of the weights, and add what the stretch gives to each. They stay together from one stretch to the next (`phases`).
//! Stretches follow from the lengths alone, and every sum over rows is taken in the order of steps and rows, so the gradients
//! do not depend on the threads.

use super::cell::{lstm_back, rnn_back};
use super::forward::{Place, Sequence, clear_beyond};
use super::gradients::{Sums, piece_of};
use super::order::{Order, slots};
use super::pack::{Aligned, append, lanes_of, pack_panel, size};
use super::phases::in_phases;
use super::product::{To, multiply};
use super::tile::ACROSS;
use super::{Kind, Weights, expect};
use crate::parallel::{Unwritten, expect_again, reserve, share, zeros};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Error, Result, Task};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock};

/// Rows of a stretch, at most, unless a step has more.
const STRETCH: usize = 512;

/// Numbers of padding of a row of derivatives: rows a power of two apart would share few places of the cache.
const APART: usize = 16;

/// What the way there left: y (T, B, H) and, of an LSTM, gates (T, B, 4, H) and cells (T, B, H).
#[derive(Clone, Copy, Debug)]
pub struct Tape<'a, T> {
    /// (T, B, H)
    pub y: &'a [T],
    /// (T, B, 4, H) and (T, B, H)
    pub lstm: Option<(&'a [T], &'a [T])>,
}

/// Derivatives of the loss by what came out.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a, T> {
    /// (T, B, H)
    pub dy: &'a [T],
    /// (B, H), or zeros.
    pub dh: Option<&'a [T]>,
    /// (B, H), or zeros; of an LSTM.
    pub dc: Option<&'a [T]>,
}

/// Derivatives of the loss by what went in.
#[derive(Debug)]
pub struct Gradients<T> {
    /// (T, B, I)
    pub x: Vec<T>,
    /// (B, H)
    pub h0: Vec<T>,
    /// (B, H) of an LSTM.
    pub c0: Option<Vec<T>>,
    /// (gates · H, I)
    pub w_ih: Vec<T>,
    /// (gates · H, H)
    pub w_hh: Vec<T>,
    /// (gates · H): of each of the two biases.
    pub b: Vec<T>,
}

/// What all threads read.
struct Job<'a, T> {
    kind: Kind,
    inputs: usize,
    hidden: usize,
    sequence: &'a Sequence<'a, T>,
    tape: &'a Tape<'a, T>,
    dy: &'a [T],
    /// The panels of W_hh and of W_ih, whose outputs are terms here.
    hh: Vec<Aligned<T>>,
    ih: Vec<Aligned<T>>,
    wide: usize,
}

/// The rows of one thread.
struct Part<'a, T> {
    order: Order,
    /// From the order of all rows to this one's: every `n_parts`-th.
    offsets: Vec<usize>,
    dx: Vec<Place<'a, T>>,
    /// Rows of `width` numbers: derivatives by the states between two steps.
    dh: Aligned<T>,
    dc: Vec<T>,
    /// Rows of `apart` numbers: derivatives by the pre-activations of a stretch.
    pre: Aligned<T>,
    /// Rows of a stretch, at most.
    room: usize,
}

impl<'a, T: Float> Job<'a, T> {
    fn outputs(&self) -> usize {
        self.kind.gates() * self.hidden
    }

    fn apart(&self) -> usize {
        self.outputs() + APART
    }

    fn width(&self) -> usize {
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

    /// Some columns of x, and then of h before the step, row by row: what the derivatives of the weights are made of.
    fn pack(&self, order: &Order, steps: Range<usize>, panel: usize, to: &mut Aligned<T>) {
        let (of_x, wide, inputs) = (self.inputs.div_ceil(self.wide), self.wide, self.inputs);
        to.clear();
        for step in steps {
            for row in 0..order.running(step) {
                match panel.checked_sub(of_x) {
                    None => {
                        let x = &self.sequence.x[order.place(row, step, self.sequence.batch) * inputs..][..inputs];
                        append(&x[panel * wide..], wide, to);
                    }
                    Some(panel) => append(&self.before(order, row, step)[panel * wide..], wide, to),
                }
            }
        }
    }
}

/// Whether the way back from so many rows is some milliseconds of work at most.
pub fn is_short_back<T>(weights: &Weights<'_, T>, rows: usize) -> bool {
    rows.saturating_mul(weights.w_ih.len().saturating_add(weights.w_hh.len())) <= 1 << 28
}

/// The steps of each stretch, and how many rows they hold: about equally many.
fn stretches(order: &Order, total: usize) -> Vec<(Range<usize>, usize)> {
    let rows = total.div_ceil(total.div_ceil(STRETCH).max(1)).next_multiple_of(order.rows.len().max(1)).min(STRETCH);
    let mut stretches = Vec::new();
    let mut first = 0;
    while first < order.steps() {
        stretches.push(order.stretch(first, rows));
        first = stretches[stretches.len() - 1].0.end;
    }
    stretches
}

/// The panels of two matrices with so many rows.
fn panels_of<T: Float>(
    matrices: [(&[T], usize); 2],
    rows: usize,
    wide: usize,
    threads: usize,
    task: &Task,
) -> Result<[Vec<Aligned<T>>; 2]> {
    let what = "the packed weights";
    let room = size(&[rows, wide], what, size_of::<T>())?;
    let mut found = [Vec::new(), Vec::new()];
    let mut pieces = Vec::new();
    for ((matrix, columns), panels) in matrices.into_iter().zip(&mut found) {
        for _ in 0..columns.div_ceil(wide) {
            panels.push(Aligned::with_room(room, what)?);
        }
        pieces.extend(panels.iter_mut().enumerate().map(|(panel, to)| (matrix, columns, panel, to)));
    }
    share(
        task,
        threads,
        pieces,
        || Ok(()),
        |(), (matrix, columns, panel, to)| {
            pack_panel(matrix, columns, panel, wide, to);
            Ok(())
        },
    )?;
    Ok(found)
}

/// The gradients of a run, on so many threads.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn backward<T: Float>(
    threads: usize,
    kind: Kind,
    weights: &Weights<'_, T>,
    sequence: &Sequence<'_, T>,
    tape: &Tape<'_, T>,
    signals: &Signals<'_, T>,
    task: &Task,
) -> Result<Gradients<T>> {
    let Weights { inputs, hidden, w_ih, w_hh, .. } = *weights;
    let Sequence { times, batch, lengths, reverse, .. } = *sequence;
    sequence.check(kind, inputs, hidden)?;
    if hidden == 0 {
        return Err(Error::Invalid("a cell has at least one unit.".to_owned()));
    }
    let outputs = size(&[kind.gates(), hidden], "the weights", size_of::<T>())?;
    let lstm = kind == Kind::Lstm;
    expect("w_ih", w_ih, &[outputs, inputs])?;
    expect("w_hh", w_hh, &[outputs, hidden])?;
    expect("y", tape.y, &[times, batch, hidden])?;
    expect("dy", signals.dy, &[times, batch, hidden])?;
    match (lstm, tape.lstm) {
        (true, Some((gates, cells))) => {
            expect("gates", gates, &[times, batch, outputs])?;
            expect("cells", cells, &[times, batch, hidden])?;
        }
        (true, None) => return Err(Error::Invalid("an LSTM's way back takes gates and cells.".to_owned())),
        (false, _) => {}
    }
    for (name, numbers) in [("dh", signals.dh), ("dc", signals.dc)] {
        numbers.map_or(Ok(()), |numbers| expect(name, numbers, &[batch, hidden]))?;
    }

    let order = Order::new(times, batch, lengths, reverse)?;
    let wide = ACROSS * lanes_of::<T>(PhantomData);
    let total = order.rows.iter().map(|row| row.length).fold(0, usize::saturating_add);
    let alone = total.saturating_mul(outputs).saturating_mul(inputs + hidden) <= 1 << 18;
    let n_parts = if alone { 1 } else { threads.clamp(1, batch.max(1)) };
    let stretches = stretches(&order, total);
    let [hh, ih] = panels_of([(w_hh, hidden), (w_ih, inputs)], outputs, wide, n_parts, task)?;
    let job = Job { kind, inputs, hidden, sequence, tape, dy: signals.dy, hh, ih, wide };

    let kept = tape.lstm.map_or(0, |(gates, cells)| gates.len() + cells.len()) + tape.y.len() + sequence.x.len();
    expect_again(kept.saturating_mul(2 * size_of::<T>()));
    let mut dx = Unwritten::new(sequence.x.len(), "the derivative by x")?;
    clear_beyond(&order, sequence, dx.places());
    let orders = (0..n_parts).map(|first| order.part(first, n_parts)).collect::<Result<Vec<_>>>()?;
    let dx_slots = slots(&orders.iter().collect::<Vec<_>>(), dx.places(), inputs, 1, batch)?;
    let mut parts = reserve(n_parts, "the parts")?;
    for (order, dx) in orders.into_iter().zip(dx_slots) {
        parts.push(RwLock::new(Part::new(&job, order, dx, &stretches, signals)?));
    }
    let mut sums = Sums::new(outputs, inputs, hidden)?;
    task.expect(total);
    let rows = stretches.iter().map(|&(_, held)| held).max().unwrap_or_default();
    let what = "the packed rows";
    let room = size(&[wide, rows], what, size_of::<T>())?;
    let panels: Vec<_> = (0..job.ih.len() + job.hh.len())
        .map(|_| Ok(RwLock::new(Aligned::with_room(room, what)?)))
        .collect::<Result<_>>()?;
    let pieces: Vec<_> = sums.pieces(n_parts).into_iter().map(Mutex::new).collect();
    let both = [parts.len() + panels.len(), pieces.len()].map(|n| n as u32);
    in_phases(task, n_parts, &both.repeat(stretches.len()), &|phase, item| {
        let (steps, held) = &stretches[stretches.len() - 1 - phase / 2];
        if phase % 2 == 0 {
            match item.checked_sub(panels.len()) {
                Some(part) => {
                    let mut part = parts[part].write().unwrap_or_else(PoisonError::into_inner);
                    return back_of(&job, &mut part, steps.clone(), task);
                }
                None => {
                    let mut panel = panels[item].write().unwrap_or_else(PoisonError::into_inner);
                    job.pack(&order, steps.clone(), item, &mut panel);
                    return Ok(());
                }
            }
        }
        if item == 0 {
            task.advance(*held)?;
        }
        let parts: Vec<_> = parts.iter().map(|part| part.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let panels: Vec<_> = panels.iter().map(|panel| panel.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let mut d = reserve(*held, "the rows of a stretch")?;
        for step in steps.clone() {
            for row in 0..order.running(step) {
                let part = &parts[row % n_parts];
                let at = part.offsets[step] - part.offsets[steps.start] + row / n_parts;
                d.push(&part.pre[at * job.apart()..][..outputs]);
            }
        }
        let packed: Vec<&[T]> = panels.iter().map(|panel| &panel[..]).collect();
        let mut piece = pieces[item].lock().unwrap_or_else(PoisonError::into_inner);
        piece_of(&d, &packed, &mut piece, inputs, hidden);
        Ok(())
    })?;
    drop(pieces);
    let mut h0 = zeros(sequence.h0.len(), "the derivative by h0")?;
    let mut c0 = zeros(if lstm { sequence.h0.len() } else { 0 }, "the derivative by c0")?;
    for part in &parts {
        let part = part.read().unwrap_or_else(PoisonError::into_inner);
        for (row, of) in part.order.rows.iter().enumerate() {
            let to = of.at * hidden..(of.at + 1) * hidden;
            h0[to.clone()].copy_from_slice(&part.dh[row * job.width()..][..hidden]);
            if lstm {
                c0[to].copy_from_slice(&part.dc[row * hidden..][..hidden]);
            }
        }
    }
    drop(parts);
    let Sums { w_ih, w_hh, b, .. } = sums;
    // SAFETY: the parts wrote all inputs of each step of a row, or there had been an error; `clear_beyond` wrote the rest.
    #[allow(unsafe_code)]
    let dx = unsafe { dx.written() };
    Ok(Gradients { x: dx, h0, c0: lstm.then_some(c0), w_ih, w_hh, b })
}

impl<'a, T: Float> Part<'a, T> {
    fn new(
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

dispatched!(fn back_of[T: Float](job: &Job<'_, T>, part: &mut Part<'_, T>, steps: Range<usize>, task: &Task) -> Result<()> = back_run);

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
                Kind::Lstm => lstm_row(lanes, job, part, row, step, at + row),
                Kind::Rnn(nonlinearity) => {
                    let place = part.order.place(row, step, job.sequence.batch) * job.hidden;
                    let (y, dy) = (&job.tape.y[place..][..job.hidden], &job.dy[place..][..job.hidden]);
                    let carried = &part.dh[row * width..][..job.hidden];
                    let to = &mut part.pre[(at + row) * (outputs + APART)..][..outputs];
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
) {
    let (hidden, outputs) = (job.hidden, job.outputs());
    let Some((gates, cells)) = job.tape.lstm else { unreachable!("checked") };
    let batch = job.sequence.batch;
    let place = part.order.place(row, step, batch);
    let before = match (step, job.sequence.c0) {
        (0, Some(c0)) => &c0[part.order.rows[row].at * hidden..][..hidden],
        (0, None) => unreachable!("checked"),
        _ => &cells[part.order.place(row, step - 1, batch) * hidden..][..hidden],
    };
    let gates = &gates[place * outputs..][..outputs];
    let (c, dy) = (&cells[place * hidden..][..hidden], &job.dy[place * hidden..][..hidden]);
    let dh = &part.dh[row * job.width()..][..hidden];
    let dc = &mut part.dc[row * hidden..][..hidden];
    let to = &mut part.pre[at * job.apart()..][..outputs];
    let mut unit = 0;
    while unit < hidden {
        let end = hidden.min(unit + L::N);
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
