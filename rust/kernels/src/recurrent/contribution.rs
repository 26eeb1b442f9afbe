//! How much each step counts: the terms a state is the sum of, and how a state answers to an earlier one.
//!
//! The terms of an LSTM are one pass back over the gates as they lie in memory, O(T · B · H): memory is what it waits for, and
//! one thread is enough. Those of a linear net take every earlier term through the weights once a step, O(T² · B · H²), in
//! the tiles of a product. A Jacobian is carried back step by step and its norm taken, O(T · B · H³), in double precision. In
//! both, threads share the rows of the batch.

use super::order::Order;
use super::pack::{Aligned, Cell, lanes_of, pack_columns, rows_of, size};
use super::product::{To, multiply};
use super::recur::project_of;
use super::tile::ACROSS;
use super::{Kind, Nonlinearity, Sequence, Tape, Weights, expect};
use crate::parallel::{Watch, collected, filled, reserve, zeros};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Error, Result, Task};
use rayon::prelude::*;
use std::marker::PhantomData;

/// The terms of the last cell state (T + 1, B, H): what c0 left, then what each time did.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
#[allow(clippy::too_many_arguments)]
pub fn lstm_memory_terms<T: Float>(
    times: usize,
    batch: usize,
    hidden: usize,
    gates: &[T],
    c0: &[T],
    lengths: Option<&[i64]>,
    reverse: bool,
    task: &Task,
) -> Result<Vec<T>> {
    expect("gates", gates, &[times, batch, 4, hidden])?;
    expect("c0", c0, &[batch, hidden])?;
    let order = Order::new(times, batch, lengths, reverse)?;
    let what = "the terms";
    let mut terms = zeros(size(&[times + 1, batch, hidden], what, size_of::<T>())?, what)?;
    // Beside the terms: the products of the forget gates so far stand where those of c0 will.
    let (products, terms_of_times) = terms.split_at_mut(batch * hidden);
    products.fill(T::ONE);
    let mut lengths = filled(batch, 0, what)?;
    order.rows.iter().for_each(|row| lengths[row.at] = row.length);
    let mut watch = Watch::new(task);
    for nth in 0..order.steps() {
        // The last step read comes first.
        let time = if reverse { nth } else { order.steps() - 1 - nth };
        for row in 0..batch {
            watch.took(hidden)?;
            if time < lengths[row] {
                let place = time * batch + row;
                let product = &mut products[row * hidden..][..hidden];
                let terms = &mut terms_of_times[place * hidden..][..hidden];
                let gates = &gates[place * 4 * hidden..][..3 * hidden];
                let (i, rest) = gates.split_at(hidden);
                let (f, g) = rest.split_at(hidden);
                for unit in 0..hidden {
                    terms[unit] = product[unit] * (i[unit] * g[unit]);
                    product[unit] = product[unit] * f[unit];
                }
            }
        }
    }
    for (term, &c0) in products.iter_mut().zip(c0) {
        *term = *term * c0;
    }
    Ok(terms)
}

/// The terms of the last state of a linear net (T + 1, B, H): what h0 left, then what each time did.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn rnn_memory_terms<T: Float>(weights: &Weights<'_, T>, sequence: &Sequence<'_, T>, task: &Task) -> Result<Vec<T>> {
    let cell = Cell::new(Kind::Rnn(Nonlinearity::Identity), weights)?;
    sequence.check(cell.kind, cell.inputs, cell.hidden)?;
    let Sequence { times, batch, x, h0, lengths, reverse, .. } = *sequence;
    let order = Order::new(times, batch, lengths, reverse)?;
    let (hidden, width, what) = (cell.hidden, cell.panels * cell.wide(), "the terms");
    let mut terms = zeros(size(&[times + 1, batch, hidden], what, size_of::<T>())?, what)?;
    task.expect(order.rows.iter().map(|row| row.length).sum());
    let of_row = |row: usize| -> Result<Aligned<T>> {
        let of = order.rows[row];
        let len = size(&[of.length + 1, width], what, size_of::<T>())?;
        let (mut now, mut next) = (Aligned::zeros(len, what)?, Aligned::zeros(len, what)?);
        now[..hidden].copy_from_slice(&h0[of.at * hidden..][..hidden]);
        let x_of = |step| &x[order.place(row, step, batch) * cell.inputs..][..cell.inputs];
        for step in 0..of.length {
            // What came before goes through the weights, what comes now is added below it.
            through_of(&cell, &now, step + 1, &mut next);
            project_of(&cell, &[x_of(step)], &mut next[(step + 1) * width..]);
            std::mem::swap(&mut now, &mut next);
            task.advance(1)?;
        }
        Ok(now)
    };
    let found = collected((0..batch).into_par_iter().map(of_row).collect::<Vec<_>>().into_iter(), what)?;
    for (row, found) in found.into_iter().enumerate() {
        let (of, found) = (order.rows[row], found?);
        for (at, term) in found.chunks_exact(width).enumerate() {
            let place = if at == 0 { of.at } else { batch + order.place(row, at - 1, batch) };
            terms[place * hidden..][..hidden].copy_from_slice(&term[..hidden]);
        }
    }
    Ok(terms)
}

dispatched!(fn through_of[T: Float](cell: &Cell<T>, now: &[T], rows: usize, next: &mut [T]) -> () = through_run);

#[inline(always)]
fn through_run<L: Both, T: Float>(lanes: L, cell: &Cell<T>, now: &[T], rows: usize, next: &mut [T]) {
    let width = cell.panels * cell.wide();
    multiply(T::lanes(lanes), now, width, rows, cell.hidden, &cell.hh, cell.panels, To::Padded(next, width));
}

/// The spectral norm of the derivative of the last state by that after each time (T, B); 0 beyond the end of a row.
///
/// # Errors
/// [`Error::Invalid`], [`Error::OutOfMemory`], [`Error::Interrupted`].
#[allow(clippy::too_many_arguments)]
pub fn jacobian_norms<T: Float>(
    kind: Kind,
    times: usize,
    batch: usize,
    tape: &Tape<'_, T>,
    w_hh: &[T],
    lengths: Option<&[i64]>,
    reverse: bool,
    task: &Task,
) -> Result<Vec<f64>> {
    let gates = kind.gates();
    let hidden = (w_hh.len() / gates).isqrt();
    if hidden == 0 {
        return Err(Error::Invalid("a cell has at least one unit.".to_owned()));
    }
    expect("w_hh", w_hh, &[gates, hidden, hidden])?;
    let order = Order::new(times, batch, lengths, reverse)?;
    match (kind, tape.lstm) {
        (Kind::Rnn(_), _) => expect("y", tape.y, &[times, batch, hidden])?,
        (Kind::Lstm, Some((gates, cells))) => {
            expect("gates", gates, &[times, batch, 4, hidden])?;
            expect("cells", cells, &[times, batch, hidden])?;
        }
        (Kind::Lstm, None) => return Err(Error::Invalid("an LSTM takes gates and cells.".to_owned())),
    }
    let what = "the Jacobians";
    let wide = ACROSS * lanes_of::<f64>(PhantomData);
    let weights = collected(w_hh.iter().map(|&w| w.into()), what)?;
    task.check()?;
    let weights = pack_columns(&rows_of(&weights, hidden)?, hidden, wide)?;
    task.check()?;
    let back = Back { kind, hidden, batch, order: &order, tape, weights: &weights, wide };
    task.expect(order.rows.iter().map(|row| row.length).sum());
    let found: Vec<Result<Vec<f64>>> = (0..batch).into_par_iter().map(|row| back.norms(row, task)).collect();
    let mut norms = zeros(size(&[times, batch], "the norms", 8)?, "the norms")?;
    for (row, found) in found.into_iter().enumerate() {
        for (step, norm) in found?.into_iter().enumerate() {
            norms[order.place(row, step, batch)] = norm;
        }
    }
    Ok(norms)
}

/// What the way back of a Jacobian reads.
struct Back<'a, T> {
    kind: Kind,
    hidden: usize,
    batch: usize,
    order: &'a Order,
    tape: &'a Tape<'a, T>,
    weights: &'a [f64],
    wide: usize,
}

impl<T: Float> Back<'_, T> {
    /// The norms by step of a row.
    fn norms(&self, row: usize, task: &Task) -> Result<Vec<f64>> {
        let (n, what) = (self.hidden, "the Jacobians");
        let width = n.div_ceil(self.wide) * self.wide;
        let outputs = self.kind.gates() * n;
        let length = self.order.rows[row].length;
        // ∂h_last/∂h_t and, of an LSTM, ∂h_last/∂c_t.
        let mut a = Aligned::<f64>::zeros(size(&[n, width], what, 8)?, what)?;
        let mut c: Vec<f64> = zeros(if self.kind == Kind::Lstm { size(&[n, n], what, 8)? } else { 0 }, what)?;
        task.check()?; // for large matrices, pages take as long as numbers
        let mut d: Vec<f64> = zeros(size(&[n, outputs], what, 8)?, what)?;
        task.check()?;
        let mut factors: Vec<f64> = zeros(6 * n, what)?;
        (0..n).for_each(|unit| a[unit * width + unit] = 1.0);
        let mut norms = reserve(length, what)?;
        for step in (0..length).rev() {
            norms.push(if step + 1 == length { 1.0 } else { super::spectrum::norm(&a, n, width, self.wide, task)? });
            if step > 0 {
                self.factors(row, step, &mut factors);
                match self.kind {
                    Kind::Rnn(_) => {
                        for i in 0..n {
                            (0..n).for_each(|unit| d[i * n + unit] = a[i * width + unit] * factors[unit]);
                        }
                    }
                    Kind::Lstm => {
                        let [to_c, i, f, g, o, forget] = std::array::from_fn(|at| &factors[at * n..][..n]);
                        for row in 0..n {
                            let (a, c) = (&a[row * width..][..n], &mut c[row * n..][..n]);
                            let d = &mut d[row * outputs..][..outputs];
                            for unit in 0..n {
                                let by_c = f64::mul_add(a[unit], to_c[unit], c[unit]);
                                d[unit] = by_c * i[unit];
                                d[n + unit] = by_c * f[unit];
                                d[2 * n + unit] = by_c * g[unit];
                                d[3 * n + unit] = a[unit] * o[unit];
                                c[unit] = by_c * forget[unit];
                            }
                        }
                    }
                }
                jacobian_of(&d, n, outputs, self.weights, &mut a, width, task);
            }
            task.advance(1)?;
        }
        norms.reverse();
        Ok(norms)
    }

    /// By unit: the derivatives of a step that a row of the Jacobian is multiplied with.
    fn factors(&self, row: usize, step: usize, to: &mut [f64]) {
        let n = self.hidden;
        let place = self.order.place(row, step, self.batch);
        match (self.kind, self.tape.lstm) {
            (Kind::Lstm, Some((gates, cells))) => {
                let before = self.order.place(row, step - 1, self.batch);
                for unit in 0..n {
                    let gate = |at: usize| -> f64 { gates[(place * 4 + at) * n + unit].into() };
                    let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
                    let c: f64 = cells[place * n + unit].into();
                    let c_before: f64 = cells[before * n + unit].into();
                    let squashed = tanh_of_one(c);
                    let all = [
                        o * (1.0 - squashed * squashed),
                        g * (i * (1.0 - i)),
                        c_before * (f * (1.0 - f)),
                        i * (1.0 - g * g),
                        squashed * (o * (1.0 - o)),
                        f,
                    ];
                    all.into_iter().enumerate().for_each(|(at, factor)| to[at * n + unit] = factor);
                }
            }
            (Kind::Rnn(nonlinearity), _) => {
                for unit in 0..n {
                    let h: f64 = self.tape.y[place * n + unit].into();
                    to[unit] = match nonlinearity {
                        Nonlinearity::Tanh => 1.0 - h * h,
                        Nonlinearity::Relu => f64::from(h > 0.0),
                        Nonlinearity::Identity => 1.0,
                    };
                }
            }
            (Kind::Lstm, None) => unreachable!("checked"),
        }
    }
}

/// As the kernels' own.
fn tanh_of_one(x: f64) -> f64 {
    let mut to = [0.0];
    super::activation::tanh_of(&[x], &mut to);
    to[0]
}

dispatched!(fn jacobian_of[](d: &[f64], n: usize, outputs: usize, weights: &[f64], to: &mut [f64], width: usize, task: &Task) -> () = jacobian_run);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn jacobian_run<L: Both>(
    lanes: L,
    d: &[f64],
    n: usize,
    outputs: usize,
    weights: &[f64],
    to: &mut [f64],
    width: usize,
    task: &Task,
) {
    let lanes = <f64 as Float>::lanes(lanes);
    let wide = ACROSS * Numbers::<f64>::n(lanes);
    for panel in 0..width / wide {
        if task.interrupted() {
            return;
        }
        let weights = &weights[panel * outputs * wide..];
        multiply(lanes, d, outputs, n, outputs, weights, 1, To::Padded(&mut to[panel * wide..], width));
    }
}
