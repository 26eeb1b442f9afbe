//! What the tests run, and the definition it is compared with.

use super::super::*;
use crate::Task;
use crate::rng::Stream;

pub(in crate::recurrent) type Function<T> = fn(T) -> T;

/// What the definition needs besides.
pub(in crate::recurrent) trait Number: Float + Into<f64> {
    fn of(x: f64) -> Self;
    fn chain(x: Self, w: Self, sum: Self) -> Self;
    fn bits(self) -> u64;
}

impl Number for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }

    fn chain(x: f32, w: f32, sum: f32) -> f32 {
        f32::mul_add(x, w, sum)
    }

    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Number for f64 {
    fn of(x: f64) -> f64 {
        x
    }

    fn chain(x: f64, w: f64, sum: f64) -> f64 {
        f64::mul_add(x, w, sum)
    }

    fn bits(self) -> u64 {
        self.to_bits()
    }
}

pub(in crate::recurrent) fn uniform<T: Number>(n: usize, scale: f64, stream: u64) -> Vec<T> {
    let words = Stream::new(7, stream).words(0, n).unwrap();
    words.into_iter().map(|word| T::of(((word >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * scale)).collect()
}

/// A cell with something to run over.
#[derive(Clone)]
pub(in crate::recurrent) struct Case<T> {
    pub(in crate::recurrent) kind: Kind,
    pub(in crate::recurrent) sizes: [usize; 4],
    pub(in crate::recurrent) w_ih: Vec<T>,
    pub(in crate::recurrent) w_hh: Vec<T>,
    pub(in crate::recurrent) b_ih: Vec<T>,
    pub(in crate::recurrent) b_hh: Vec<T>,
    pub(in crate::recurrent) x: Vec<T>,
    pub(in crate::recurrent) h0: Vec<T>,
    pub(in crate::recurrent) c0: Vec<T>,
    pub(in crate::recurrent) lengths: Option<Vec<i64>>,
    pub(in crate::recurrent) reverse: bool,
}

impl<T: Number> Case<T> {
    /// Sizes are T, B, I, H.
    pub(in crate::recurrent) fn new(kind: Kind, sizes: [usize; 4], ragged: bool, reverse: bool) -> Self {
        let [times, batch, inputs, hidden] = sizes;
        let outputs = kind.gates() * hidden;
        let scale = 1.5 / (hidden as f64).sqrt();
        let lengths = (0..batch).map(|row| 1 + (row * 37 + 40) as i64 % times as i64).collect();
        Self {
            kind,
            sizes,
            w_ih: uniform(outputs * inputs, scale, 1),
            w_hh: uniform(outputs * hidden, scale, 2),
            b_ih: uniform(outputs, 0.3, 3),
            b_hh: uniform(outputs, 0.3, 4),
            x: uniform(times * batch * inputs, 1.0, 5),
            h0: uniform(batch * hidden, 1.0, 6),
            c0: uniform(if kind == Kind::Lstm { batch * hidden } else { 0 }, 1.0, 7),
            lengths: ragged.then_some(lengths),
            reverse,
        }
    }

    /// Steps of all rows.
    pub(in crate::recurrent) fn total(&self) -> usize {
        let all = self.sizes[0] * self.sizes[1];
        self.lengths.as_ref().map_or(all, |lengths| lengths.iter().sum::<i64>() as usize)
    }

    pub(in crate::recurrent) fn weights(&self) -> Weights<'_, T> {
        let [.., inputs, hidden] = self.sizes;
        let (b_ih, b_hh) = (Some(&self.b_ih[..]), Some(&self.b_hh[..]));
        Weights { inputs, hidden, w_ih: &self.w_ih, w_hh: &self.w_hh, b_ih, b_hh }
    }

    pub(in crate::recurrent) fn sequence(&self) -> Sequence<'_, T> {
        let [times, batch, ..] = self.sizes;
        Sequence {
            times,
            batch,
            x: &self.x,
            h0: &self.h0,
            c0: (self.kind == Kind::Lstm).then_some(&self.c0),
            lengths: self.lengths.as_deref(),
            reverse: self.reverse,
        }
    }

    pub(in crate::recurrent) fn run(&self) -> Run<T> {
        run(&Cell::new(self.kind, &self.weights()).unwrap(), &self.sequence(), true, &Task::new()).unwrap()
    }

    /// The definition: one number after the other, with the given σ and tanh.
    pub(in crate::recurrent) fn definition(&self, sigmoid: Function<T>, tanh: Function<T>) -> Run<T> {
        let [times, batch, inputs, hidden] = self.sizes;
        let zeros = |n| vec![T::ZERO; n];
        let (mut y, mut gates, mut cells) =
            (zeros(times * batch * hidden), zeros(times * batch * 4 * hidden), zeros(times * batch * hidden));
        let (mut h, mut c) = (self.h0.clone(), self.c0.clone());
        for row in 0..batch {
            let length = self.lengths.as_ref().map_or(times, |lengths| lengths[row] as usize);
            for step in 0..length {
                let time = if self.reverse { length - 1 - step } else { step };
                let place = time * batch + row;
                let before = h[row * hidden..][..hidden].to_vec();
                let pre = |output: usize| {
                    let mut sum = self.b_ih[output] + self.b_hh[output];
                    for k in 0..inputs {
                        sum = T::chain(self.x[place * inputs + k], self.w_ih[output * inputs + k], sum);
                    }
                    for k in 0..hidden {
                        sum = T::chain(before[k], self.w_hh[output * hidden + k], sum);
                    }
                    sum
                };
                for unit in 0..hidden {
                    let (at, to) = (row * hidden + unit, place * hidden + unit);
                    h[at] = match self.kind {
                        Kind::Lstm => {
                            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| pre(gate * hidden + unit));
                            let (i, f, g, o) = (sigmoid(i), sigmoid(f), tanh(g), sigmoid(o));
                            c[at] = T::chain(f, c[at], i * g);
                            [i, f, g, o].into_iter().enumerate().for_each(|(gate, value)| {
                                gates[(place * 4 + gate) * hidden + unit] = value;
                            });
                            cells[to] = c[at];
                            o * tanh(c[at])
                        }
                        Kind::Rnn(Nonlinearity::Tanh) => tanh(pre(unit)),
                        Kind::Rnn(Nonlinearity::Relu) if pre(unit) < T::ZERO => T::ZERO,
                        Kind::Rnn(_) => pre(unit),
                    };
                    y[to] = h[at];
                }
            }
        }
        let lstm = self.kind == Kind::Lstm;
        Run { y, h, c: lstm.then_some(c), tape: lstm.then_some((gates, cells)) }
    }

    /// Loss: the products of what comes out with fixed numbers.
    pub(in crate::recurrent) fn loss(&self) -> f64 {
        let sigmoid: Function<T> = |x| T::of(1.0 / (1.0 + (-x.into()).exp()));
        let run = self.definition(sigmoid, |x| T::of(x.into().tanh()));
        let [dy, dh, dc] = self.signals();
        let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(&a, &b)| a.into() * b.into()).sum::<f64>();
        // y is 0 beyond the end, whatever dy is there.
        dot(&run.y, &dy) + dot(&run.h, &dh) + dot(&run.c.unwrap_or_default(), &dc)
    }

    pub(in crate::recurrent) fn signals(&self) -> [Vec<T>; 3] {
        let [times, batch, _, hidden] = self.sizes;
        [uniform(times * batch * hidden, 1.0, 11), uniform(batch * hidden, 1.0, 12), uniform(self.c0.len(), 1.0, 13)]
    }

    pub(in crate::recurrent) fn gradients(&self) -> Gradients<T> {
        self.gradients_on(rayon::current_num_threads(), &Task::new())
    }

    pub(in crate::recurrent) fn gradients_on(&self, threads: usize, task: &Task) -> Gradients<T> {
        let run = self.run();
        let [dy, dh, dc] = self.signals();
        let tape = Tape { y: &run.y, lstm: run.tape.as_ref().map(|(gates, cells)| (&gates[..], &cells[..])) };
        let dc = (self.kind == Kind::Lstm).then_some(&dc[..]);
        let signals = Signals { dy: &dy, dh: Some(&dh), dc };
        backward(threads, self.kind, &self.weights(), &self.sequence(), &tape, &signals, task).unwrap()
    }
}

pub(in crate::recurrent) fn kinds() -> [Kind; 4] {
    let rnn = [Nonlinearity::Tanh, Nonlinearity::Relu, Nonlinearity::Identity].map(Kind::Rnn);
    [Kind::Lstm, rnn[0], rnn[1], rnn[2]]
}

/// Sizes on either side of registers, tiles, panels and stretches.
pub(in crate::recurrent) const SIZES: [[usize; 4]; 9] = [
    [1, 1, 1, 1],
    [3, 2, 5, 4],
    [9, 7, 3, 17],
    [5, 13, 8, 33],
    [4, 1, 16, 64],
    [11, 3, 1, 70],
    [700, 2, 2, 3],
    [6, 31, 9, 130],
    [2, 300, 3, 5],
];

pub(in crate::recurrent) fn all_cases<T: Number>() -> impl Iterator<Item = Case<T>> {
    let shapes = [(false, false), (true, false), (false, true), (true, true)];
    kinds().into_iter().flat_map(move |kind| {
        SIZES.into_iter().flat_map(move |sizes| {
            shapes.into_iter().map(move |(ragged, reverse)| Case::new(kind, sizes, ragged, reverse))
        })
    })
}

pub(in crate::recurrent) fn bits<T: Number>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|number| number.bits()).collect()
}

pub(in crate::recurrent) fn all_bits<T: Number>(run: &Run<T>) -> Vec<u64> {
    let mut all = [bits(&run.y), bits(&run.h), bits(run.c.as_deref().unwrap_or_default())].concat();
    if let Some((gates, cells)) = &run.tape {
        all.extend([bits(gates), bits(cells)].concat());
    }
    all
}

pub(in crate::recurrent) fn gradient_bits<T: Number>(back: &Gradients<T>) -> Vec<u64> {
    let c0 = back.c0.as_deref().unwrap_or_default();
    [&back.x, &back.h0, c0, &back.w_ih, &back.w_hh, &back.b].map(bits).concat()
}
