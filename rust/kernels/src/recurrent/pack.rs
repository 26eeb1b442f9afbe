//! Weights in the order in which they are read.
//!
//! A panel is four registers of outputs wide, and for each input in turn holds the weights of all of them: [panel][K][4][N].
//! Of an LSTM the four registers are i, f, g and o of the same N units, so that a tile has all that the cell update needs;
//! of a plain net they are 4 N units in a row. Outputs beyond the last unit have zero weights and zero bias.

use super::tile::ACROSS;
use super::{Kind, Weights};
use crate::parallel::reserve;
use crate::simd::dispatched;
pub(super) use crate::simd::memory::{Aligned, lanes_of, size};
use crate::simd::numbers::{Both, Float, MOST, Numbers};
use crate::{Error, Result};
use std::marker::PhantomData;

/// A cell whose weights are packed for the path of this process.
#[derive(Debug)]
pub struct Cell<T> {
    pub(super) kind: Kind,
    pub(super) inputs: usize,
    pub(super) hidden: usize,
    /// Numbers in a register.
    pub(super) lanes: usize,
    pub(super) panels: usize,
    pub(super) ih: Aligned<T>,
    pub(super) hh: Aligned<T>,
    pub(super) bias: Aligned<T>,
}

impl<T: Float> Cell<T> {
    /// Packs weights. O(H · (I + H)) time; memory: as much as the weights, rounded up to whole panels.
    ///
    /// # Errors
    /// [`Error::Invalid`] where lengths do not fit, [`Error::OutOfMemory`].
    pub fn new(kind: Kind, weights: &Weights<'_, T>) -> Result<Self> {
        let lanes = lanes_of::<T>(PhantomData);
        let Weights { inputs, hidden, w_ih, w_hh, b_ih, b_hh } = *weights;
        if hidden == 0 {
            return Err(Error::Invalid("a cell has at least one unit.".to_owned()));
        }
        let outputs = size(&[kind.gates(), hidden], "the weights", size_of::<T>())?;
        let of = |name, numbers: &[T], wanted: usize| {
            if numbers.len() == wanted {
                Ok(())
            } else {
                Err(Error::Invalid(format!("{name} holds {} numbers, not {wanted}.", numbers.len())))
            }
        };
        of("w_ih", w_ih, size(&[outputs, inputs], "the weights", size_of::<T>())?)?;
        of("w_hh", w_hh, size(&[outputs, hidden], "the weights", size_of::<T>())?)?;
        let panels = hidden.div_ceil(kind.units(lanes));
        let mut bias = Aligned::zeros(panels * ACROSS * lanes, "the packed biases")?;
        for (name, part) in [("b_ih", b_ih), ("b_hh", b_hh)] {
            if let Some(part) = part {
                of(name, part, outputs)?;
                for output in 0..outputs {
                    bias[place(kind, hidden, lanes, output)] += part[output];
                }
            }
        }
        let pack = |w: &[T], terms: usize| -> Result<Aligned<T>> {
            let len = size(&[panels * ACROSS * lanes, terms], "the packed weights", size_of::<T>())?;
            let mut packed = Aligned::with_room(len, "the packed weights")?;
            pack_rows(kind, hidden, w, terms, &mut packed);
            Ok(packed)
        };
        let (ih, hh) = (pack(w_ih, inputs)?, pack(w_hh, hidden)?);
        Ok(Self { kind, inputs, hidden, lanes, panels, ih, hh, bias })
    }

    /// H
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// I
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether there is a cell state beside the state.
    pub fn has_memory(&self) -> bool {
        self.kind == Kind::Lstm
    }

    /// Whether so many rows are so little work, a few dozen microseconds, that they should run where they stand.
    pub fn is_small(&self, rows: usize) -> bool {
        rows.saturating_mul(self.of_row()) <= 1 << 22
    }

    /// Whether so many rows, if they are steps of sequences, are too little work for a second thread.
    pub fn is_for_one(&self, rows: usize) -> bool {
        rows.saturating_mul(self.of_row()) <= 1 << 21
    }

    /// Whether so many rows are some milliseconds of work at most.
    pub fn is_short(&self, rows: usize) -> bool {
        rows.saturating_mul(self.of_row()) <= 1 << 28
    }

    /// Products of a weight and a number, padding included.
    fn of_row(&self) -> usize {
        (self.panels * self.wide()).saturating_mul(self.inputs + self.hidden + 32)
    }

    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.ih) + size_of_val(&*self.hh)
    }

    /// Units of a panel.
    pub(super) fn units(&self) -> usize {
        self.kind.units(self.lanes)
    }

    /// Numbers across a panel.
    pub(super) fn wide(&self) -> usize {
        ACROSS * self.lanes
    }
}

/// Where the bias of an output stands.
fn place(kind: Kind, hidden: usize, lanes: usize, output: usize) -> usize {
    match kind {
        Kind::Lstm => (output % hidden / lanes * ACROSS + output / hidden) * lanes + output % hidden % lanes,
        Kind::Rnn(_) => output,
    }
}

dispatched!(
    /// Appends weights of `terms` numbers for each output.
    fn pack_rows[T: Float](kind: Kind, hidden: usize, w: &[T], terms: usize, packed: &mut Aligned<T>) -> () = pack_rows_run
);

#[inline(always)]
fn pack_rows_run<L: Both, T: Float>(
    lanes: L,
    kind: Kind,
    hidden: usize,
    w: &[T],
    terms: usize,
    packed: &mut Aligned<T>,
) {
    let lanes = T::lanes(lanes);
    let n = lanes.n();
    let wide = ACROSS * n;
    for panel in 0..hidden.div_ceil(kind.units(n)) {
        for term in (0..terms).step_by(4) {
            let few = 4.min(terms - term);
            let mut to = [T::ZERO; 4 * ACROSS * MOST];
            for v in 0..ACROSS {
                let (first, unit) = match kind {
                    Kind::Lstm => (v * hidden + panel * n, panel * n),
                    Kind::Rnn(_) => ((panel * ACROSS + v) * n, (panel * ACROSS + v) * n),
                };
                let outputs = n.min(hidden.saturating_sub(unit));
                if outputs == n && few == 4 {
                    let x = lanes.four_columns(&w[first * terms..], terms, term);
                    for i in 0..4 {
                        lanes.store(x[i], &mut to[i * wide + v * n..]);
                    }
                } else {
                    for output in 0..outputs {
                        for i in 0..few {
                            to[i * wide + v * n + output] = w[(first + output) * terms + term + i];
                        }
                    }
                }
            }
            packed.extend(&to[..few * wide]);
        }
    }
}

/// Packs the columns of a matrix of `terms` rows as panels, for products in which a term is a row: dG · W, and dGᵀ · X.
pub(super) fn pack_columns<T: Float>(rows: &[&[T]], columns: usize, wide: usize) -> Result<Aligned<T>> {
    let panels = columns.div_ceil(wide);
    let len = size(&[panels, wide, rows.len()], "the packed rows", size_of::<T>())?;
    let mut packed = Aligned::zeros(len, "the packed rows")?;
    if !rows.is_empty() {
        for (panel, to) in packed.chunks_exact_mut(rows.len() * wide).enumerate() {
            let n = wide.min(columns - panel * wide);
            for (row, to) in rows.iter().zip(to.chunks_exact_mut(wide)) {
                to[..n].copy_from_slice(&row[panel * wide..][..n]);
            }
        }
    }
    Ok(packed)
}

/// Appends a row to panels, as far as they go, and zeros beyond its end.
#[inline(always)]
pub(super) fn append_row<T: Float>(row: &[T], wide: usize, panels: &mut [Aligned<T>]) {
    for (part, to) in row.chunks(wide).zip(panels) {
        to.extend(part);
        to.extend(&[T::ZERO; ACROSS * MOST][..wide - part.len()]);
    }
}

/// Rows of a matrix.
pub(super) fn rows_of<T>(matrix: &[T], columns: usize) -> Result<Vec<&[T]>> {
    if columns == 0 {
        return Ok(Vec::new());
    }
    let mut rows = reserve(matrix.len() / columns, "the rows")?;
    rows.extend(matrix.chunks_exact(columns));
    Ok(rows)
}
