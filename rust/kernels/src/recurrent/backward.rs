//! Back through time.
//!
//! Stretch by stretch from the end: the rows go back step by step (`rewind`), and leave the derivatives of the
//! pre-activations of the stretch. Then the outputs of the weights add what the stretch gives to each (`gradients`).
//!
//! A batch that is not small is cut in two, and each half has sums of its own, which are added at the end. Up to two threads
//! take a half each: they have nothing to wait for from each other, and neither reads rows that the other made. More
//! share the rows, and then the outputs, of both, and stay together from one stretch to the next (`phases`).
//!
//! Halves and stretches follow from the lengths alone, and every sum over rows is taken in the order of steps and rows, so the
//! gradients do not depend on the threads.

use super::forward::{Sequence, clear_beyond};
use super::gradients::{Piece, Room, Sums, piece_of};
use super::order::{Order, slots};
use super::pack::{Aligned, append_row, lanes_of, size};
use super::phases::in_phases;
use super::rewind::{Job, Part, Read, back_of};
use super::tile::ACROSS;
use super::{Kind, Weights, expect};
use crate::parallel::{Unwritten, expect_again, reserve, share, zeros};
use crate::simd::numbers::Float;
use crate::{Error, Result, Task};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock};

/// Rows of a batch from which it is cut in two: each half then has rows enough for high tiles.
const CUT: usize = 12;

/// Bytes of a stretch, about: so much of a small second cache, beside the weights.
const STRETCH: usize = 400 << 10;

/// Rows of a stretch, at least and at most, where the sequences have them: each stretch reads all weights.
const ROWS: [usize; 2] = [128, 512];

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

/// Whether the way back from so many rows is some milliseconds of work at most.
pub fn is_short_back<T>(weights: &Weights<'_, T>, rows: usize) -> bool {
    rows.saturating_mul(weights.w_ih.len().saturating_add(weights.w_hh.len())) <= 1 << 28
}

/// The steps of each stretch, and how many rows they hold: about equally many, and no more than `most`, unless a step has.
fn stretches(order: &Order, most: usize) -> Vec<(Range<usize>, usize)> {
    let total = order.rows.iter().map(|row| row.length).fold(0, usize::saturating_add);
    let rows = total.div_ceil(total.div_ceil(most).max(1)).next_multiple_of(order.rows.len().max(1)).min(most);
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
        let few = panels.len().div_ceil(threads).max(1);
        let each = panels.chunks_mut(few).enumerate();
        pieces.extend(each.map(|(at, panels)| (matrix, columns, at * few * wide, panels)));
    }
    share(
        task,
        threads,
        pieces,
        || Ok(()),
        |(), (matrix, columns, first, panels)| {
            matrix.chunks_exact(columns).for_each(|row| append_row(&row[first..], wide, panels));
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
    let threads = if alone { 1 } else { threads.clamp(1, batch.max(1)) };
    let [hh, ih] = panels_of([(w_hh, hidden), (w_ih, inputs)], outputs, wide, threads, task)?;
    let job = Job { kind, inputs, hidden, sequence, tape, dy: signals.dy, hh, ih, wide };

    let kept = tape.lstm.map_or(0, |(gates, cells)| gates.len() + cells.len()) + tape.y.len() + sequence.x.len();
    expect_again(kept.saturating_mul(2 * size_of::<T>()));
    let mut dx = Unwritten::new(sequence.x.len(), "the derivative by x")?;
    clear_beyond(&order, sequence, dx.places());
    let n_halves = if batch < CUT { 1 } else { 2 };
    // So many that the threads share them evenly.
    let n_parts = if threads.is_multiple_of(n_halves) { threads } else { n_halves * threads };
    let orders = (0..n_parts).map(|first| order.part(first, n_parts)).collect::<Result<Vec<_>>>()?;
    let dx_slots = slots(&orders.iter().collect::<Vec<_>>(), dx.places(), inputs, 1, batch)?;
    let mut halves = Vec::new();
    for first in 0..n_halves {
        halves.push(Half::new(&job, order.part(first, n_halves)?, threads.div_ceil(n_halves))?);
    }
    for (at, (order, dx)) in orders.into_iter().zip(dx_slots).enumerate() {
        let half = &mut halves[at % n_halves];
        half.parts.push(RwLock::new(Part::new(&job, order, dx, &half.stretches, signals)?));
    }
    task.expect(total);
    let sums = if threads > n_halves {
        together(&job, &halves, threads, task)?
    } else {
        let mut sums: Vec<Vec<Sums<T>>> = halves.iter().map(|_| Vec::new()).collect();
        let each = halves.iter().zip(&mut sums).collect();
        share(
            task,
            threads,
            each,
            || Ok(()),
            |(), (half, sums)| {
                *sums = together(&job, std::slice::from_ref(half), 1, task)?;
                Ok(())
            },
        )?;
        sums.into_iter().flatten().collect()
    };
    let mut h0 = zeros(sequence.h0.len(), "the derivative by h0")?;
    let mut c0 = zeros(if lstm { sequence.h0.len() } else { 0 }, "the derivative by c0")?;
    for part in halves.iter().flat_map(|half| &half.parts) {
        let part = part.read().unwrap_or_else(PoisonError::into_inner);
        for (row, of) in part.order.rows.iter().enumerate() {
            let to = of.at * hidden..(of.at + 1) * hidden;
            h0[to.clone()].copy_from_slice(&part.dh[row * job.width()..][..hidden]);
            if lstm {
                c0[to].copy_from_slice(&part.dc[row * hidden..][..hidden]);
            }
        }
    }
    drop(halves);
    let Sums { w_ih, w_hh, b } = all_of(sums, threads, task)?;
    // SAFETY: the parts wrote all inputs of each step of a row, or there had been an error; `clear_beyond` wrote the rest.
    #[allow(unsafe_code)]
    let dx = unsafe { dx.written() };
    Ok(Gradients { x: dx, h0, c0: lstm.then_some(c0), w_ih, w_hh, b })
}

/// All rows, or half of them, with sums of their own.
struct Half<'a, T> {
    order: Order,
    /// The steps of each stretch, and how many rows they hold.
    stretches: Vec<(Range<usize>, usize)>,
    parts: Vec<RwLock<Part<'a, T>>>,
    /// Of a stretch: columns of x, and then of h before each step.
    read: Vec<Panels<T>>,
}

/// Some columns of what is read, in panels.
struct Panels<T> {
    of: Read,
    first: usize,
    panels: RwLock<Vec<Aligned<T>>>,
}

impl<'a, T: Float> Half<'a, T> {
    /// Its packing is cut for so many threads.
    fn new(job: &Job<'_, T>, order: Order, threads: usize) -> Result<Self> {
        let of_row = size(&[job.apart() + job.inputs + job.hidden], "the rows", size_of::<T>())? * size_of::<T>();
        let stretches = stretches(&order, (STRETCH / of_row).clamp(ROWS[0], ROWS[1]));
        let rows = stretches.iter().map(|&(_, held)| held).max().unwrap_or_default();
        let what = "the packed rows";
        let room = size(&[job.wide, rows], what, size_of::<T>())?;
        let mut read = Vec::new();
        for (of, n) in [(Read::X, job.ih.len()), (Read::H, job.hh.len())] {
            let few = n.div_ceil(threads).max(1);
            for first in (0..n).step_by(few) {
                let panels =
                    (first..n.min(first + few)).map(|_| Aligned::with_room(room, what)).collect::<Result<_>>()?;
                read.push(Panels { of, first: first * job.wide, panels: RwLock::new(panels) });
            }
        }
        Ok(Self { order, stretches, parts: Vec::new(), read })
    }

    /// A stretch is two phases: the rows go back, while what they read is packed; then the sums take up what they found.
    fn phases(&self) -> usize {
        2 * self.stretches.len()
    }

    fn items(&self, phase: usize, pieces: usize) -> usize {
        if phase.is_multiple_of(2) { self.parts.len() + self.read.len() } else { pieces }
    }

    fn work(
        &self,
        job: &Job<'_, T>,
        pieces: &[Mutex<Piece<'_, T>>],
        phase: usize,
        item: usize,
        task: &Task,
    ) -> Result<()> {
        let (steps, held) = &self.stretches[self.stretches.len() - 1 - phase / 2];
        if phase.is_multiple_of(2) {
            return match item.checked_sub(self.parts.len()) {
                None => {
                    let mut part = self.parts[item].write().unwrap_or_else(PoisonError::into_inner);
                    back_of(job, &mut part, steps.clone(), task)
                }
                Some(at) => {
                    let Panels { of, first, ref panels } = self.read[at];
                    let mut to = panels.write().unwrap_or_else(PoisonError::into_inner);
                    job.pack(&self.order, steps.clone(), of, first, &mut to);
                    Ok(())
                }
            };
        }
        if item == 0 {
            task.advance(*held)?;
        }
        let parts: Vec<_> = self.parts.iter().map(|part| part.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let panels: Vec<_> =
            self.read.iter().map(|of| of.panels.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let mut d = reserve(*held, "the rows of a stretch")?;
        for step in steps.clone() {
            for row in 0..self.order.running(step) {
                let part = &parts[row % parts.len()];
                let at = part.offsets[step] - part.offsets[steps.start] + row / parts.len();
                d.push(&part.pre[at * job.apart()..][..job.outputs()]);
            }
        }
        let packed: Vec<&[T]> = panels.iter().flat_map(|panels| panels.iter().map(|panel| &panel[..])).collect();
        let mut piece = pieces[item].lock().unwrap_or_else(PoisonError::into_inner);
        piece_of(&d, &packed, &mut piece, job.inputs, job.hidden);
        Ok(())
    }
}

/// Takes some halves back, on so many threads that go through the phases together, and returns the sums of each.
fn together<T: Float>(job: &Job<'_, T>, halves: &[Half<'_, T>], threads: usize, task: &Task) -> Result<Vec<Sums<T>>> {
    // By a thread that adds to them, and not by one for all.
    let room = |_: &_| Room::new(job.outputs(), job.inputs, job.hidden);
    let rooms = halves.iter().map(room).collect::<Result<_>>()?;
    Room::filled(rooms, threads, |pieces| {
        let last = halves.iter().map(Half::phases).max().unwrap_or_default();
        let at_work = |phase| halves.iter().zip(pieces).filter(move |(half, _)| phase < half.phases());
        let items_of = |phase| at_work(phase).map(|(half, pieces)| half.items(phase, pieces.len()) as u32).sum();
        let items: Vec<u32> = (0..last).map(items_of).collect();
        in_phases(task, threads, &items, &|phase, item| {
            // The halves in turn: they have equally many.
            let n = at_work(phase).count();
            let Some((half, pieces)) = at_work(phase).nth(item % n) else { return Ok(()) };
            half.work(job, pieces, phase, item / n, task)
        })
    })
}

/// The sums of all halves, added in order.
fn all_of<T: Float>(sums: Vec<Sums<T>>, threads: usize, task: &Task) -> Result<Sums<T>> {
    let mut sums = sums.into_iter();
    let Some(mut all) = sums.next() else { unreachable!("there is one half at least") };
    for other in sums {
        all.add(&other, threads, task)?;
    }
    Ok(all)
}
