//! `diptych_kernels::recurrent::Cell`, kept.

use super::*;

/// Weights packed once, for many steps and sequences. `kind` is lstm, or the nonlinearity of a plain net.
#[pyclass(frozen, module = "diptych._rust")]
pub(crate) struct RecurrentCell(Packed);

enum Packed {
    Single(Cell<f32>),
    Double(Cell<f64>),
}

impl From<Cell<f32>> for Packed {
    fn from(cell: Cell<f32>) -> Self {
        Self::Single(cell)
    }
}

impl From<Cell<f64>> for Packed {
    fn from(cell: Cell<f64>) -> Self {
        Self::Double(cell)
    }
}

#[pymethods]
impl RecurrentCell {
    #[new]
    #[pyo3(signature = (kind, w_ih, w_hh, b_ih, b_hh, /))]
    fn new<'py>(
        kind: &str,
        w_ih: &Any<'py>,
        w_hh: &Any<'py>,
        b_ih: Option<&Any<'py>>,
        b_hh: Option<&Any<'py>>,
    ) -> PyResult<Self> {
        let kind = if kind == "lstm" { Kind::Lstm } else { rnn_kind(kind)? };
        in_precision!(w_ih, "w_ih", |T| Ok(Self(packed(kind, &Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?)?.into())))
    }

    /// h after a step, or (h, c) of an LSTM.
    #[pyo3(signature = (x, h, c=None, /))]
    fn step<'py>(&self, x: &Any<'py>, h: &Any<'py>, c: Option<&Any<'py>>) -> PyResult<Any<'py>> {
        let (new_h, new_c) = match &self.0 {
            Packed::Single(cell) => step_of(cell, x, h, c),
            Packed::Double(cell) => step_of(cell, x, h, c),
        }?;
        match new_c {
            Some(new_c) => Ok((new_h, new_c).into_pyobject(x.py())?.into_any()),
            None => Ok(new_h),
        }
    }

    /// As `recurrent_lstm`; of a plain net all but y and h are None.
    #[pyo3(signature = (x, h0, c0, lengths, reverse, keep, n_threads, progress, /))]
    #[allow(clippy::too_many_arguments)]
    fn run<'py>(
        &self,
        x: &Any<'py>,
        h0: &Any<'py>,
        c0: Option<&Any<'py>>,
        lengths: Lengths<'py>,
        reverse: bool,
        keep: bool,
        n_threads: usize,
        progress: Progress,
    ) -> PyResult<Ran<'py>> {
        let how = How { reverse, keep, n_threads, progress };
        match &self.0 {
            Packed::Single(cell) => run_of(cell, x, h0, c0, &lengths, how),
            Packed::Double(cell) => run_of(cell, x, h0, c0, &lengths, how),
        }
    }
}
