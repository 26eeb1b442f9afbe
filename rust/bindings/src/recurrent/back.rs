//! Back through time: `diptych_kernels::recurrent::backward`.

use super::*;

/// dx, dh0, dc0, dw_ih, dw_hh, db
type Back<'py> = (Any<'py>, Any<'py>, Option<Any<'py>>, Any<'py>, Any<'py>, Any<'py>);

/// What goes back, as it comes: x, h0, c0, y, gates, cells, w_ih, w_hh, reverse, dy, dh, dc.
#[derive(FromPyObject)]
pub(crate) struct Way<'py>(
    Any<'py>,
    Any<'py>,
    Option<Any<'py>>,
    Any<'py>,
    Option<Any<'py>>,
    Option<Any<'py>>,
    Any<'py>,
    Any<'py>,
    bool,
    Any<'py>,
    Option<Any<'py>>,
    Option<Any<'py>>,
);

/// And as arrays.
struct Kept<'py, T: Element> {
    kind: Kind,
    weights: Arrays<'py, T>,
    given: Given<'py, T>,
    reverse: bool,
    y: PyReadonlyArray<'py, T, Ix3>,
    gates: Option<PyReadonlyArray<'py, T, Ix4>>,
    cells: Option<PyReadonlyArray<'py, T, Ix3>>,
    dy: PyReadonlyArray<'py, T, Ix3>,
    dh: Option<PyReadonlyArray<'py, T, Ix2>>,
    dc: Option<PyReadonlyArray<'py, T, Ix2>>,
}

/// And as the kernel takes it.
struct Views<'a, T> {
    kind: Kind,
    weights: Weights<'a, T>,
    sequence: Sequence<'a, T>,
    tape: kernel::Tape<'a, T>,
    signals: kernel::Signals<'a, T>,
}

impl<'py, T: Element> Kept<'py, T> {
    fn new(kind: Kind, way: &Way<'py>) -> PyResult<Self> {
        let Way(x, h0, c0, y, gates, cells, w_ih, w_hh, reverse, dy, dh, dc) = way;
        Ok(Self {
            kind,
            weights: Arrays::new(w_ih, w_hh, None, None)?,
            given: Given::new(x, h0, c0.as_ref())?,
            reverse: *reverse,
            y: array(y, "y")?,
            gates: optional(gates.as_ref(), "gates")?,
            cells: optional(cells.as_ref(), "cells")?,
            dy: array(dy, "dy")?,
            dh: optional(dh.as_ref(), "dh")?,
            dc: optional(dc.as_ref(), "dc")?,
        })
    }

    fn views<'a>(&'a self, lengths: &'a Lengths<'_>) -> PyResult<Views<'a, T>> {
        let lstm = slice(&self.gates, "gates")?.zip(slice(&self.cells, "cells")?);
        Ok(Views {
            kind: self.kind,
            weights: self.weights.view()?,
            sequence: self.given.sequence(lengths, self.reverse)?,
            tape: kernel::Tape { y: contiguous(&self.y, "y")?, lstm },
            signals: kernel::Signals {
                dy: contiguous(&self.dy, "dy")?,
                dh: slice(&self.dh, "dh")?,
                dc: slice(&self.dc, "dc")?,
            },
        })
    }
}

impl<T: Element + kernel::Float> Views<'_, T> {
    fn back(&self, threads: usize, task: &Task) -> Result<kernel::Gradients<T>> {
        kernel::backward(threads, self.kind, &self.weights, &self.sequence, &self.tape, &self.signals, task)
    }

    fn returned<'py>(&self, py: Python<'py>, back: kernel::Gradients<T>) -> PyResult<Back<'py>> {
        let Sequence { times, batch, .. } = self.sequence;
        let (inputs, hidden, outputs) = (self.weights.inputs, self.weights.hidden, back.b.len());
        Ok((
            shaped_any(py, back.x, [times, batch, inputs])?,
            shaped_any(py, back.h0, [batch, hidden])?,
            back.c0.map(|c0| shaped_any(py, c0, [batch, hidden])).transpose()?,
            shaped_any(py, back.w_ih, [outputs, inputs])?,
            shaped_any(py, back.w_hh, [outputs, hidden])?,
            back.b.into_pyarray(py).into_any(),
        ))
    }
}

fn back_of<'py>(
    kind: Kind,
    way: &Way<'py>,
    lengths: &Lengths<'py>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Back<'py>> {
    let x = &way.0;
    in_precision!(x, "x", |T| {
        let kept = Kept::<T>::new(kind, way)?;
        let views = kept.views(lengths)?;
        let rows = views.sequence.times.saturating_mul(views.sequence.batch);
        let work = |task: &Task| views.back(n_threads, task);
        let back = match progress {
            None if kernel::is_short_back(&views.weights, rows) => brief(x.py(), n_threads, work),
            progress => detached(x.py(), n_threads, progress, work),
        }?;
        views.returned(x.py(), back)
    })
}

/// The gradients of a plain net: x, h0, w_ih, w_hh, either bias.
#[pyfunction]
#[pyo3(signature = (x, h0, y, w_ih, w_hh, nonlinearity, lengths, reverse, dy, dh, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_rnn_backward<'py>(
    x: Any<'py>,
    h0: Any<'py>,
    y: Any<'py>,
    w_ih: Any<'py>,
    w_hh: Any<'py>,
    nonlinearity: &str,
    lengths: Lengths<'py>,
    reverse: bool,
    dy: Any<'py>,
    dh: Option<Any<'py>>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>)> {
    let kind = rnn_kind(nonlinearity)?;
    let way = Way(x, h0, None, y, None, None, w_ih, w_hh, reverse, dy, dh, None);
    let (x, h0, _, w_ih, w_hh, b) = back_of(kind, &way, &lengths, n_threads, progress)?;
    Ok((x, h0, w_ih, w_hh, b))
}

/// The gradients of an LSTM: x, h0, c0, w_ih, w_hh, either bias.
#[pyfunction]
#[pyo3(signature = (
    x, h0, c0, y, gates, cells, w_ih, w_hh, lengths, reverse, dy, dh, dc, n_threads, progress, /
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_lstm_backward<'py>(
    x: Any<'py>,
    h0: Any<'py>,
    c0: Any<'py>,
    y: Any<'py>,
    gates: Any<'py>,
    cells: Any<'py>,
    w_ih: Any<'py>,
    w_hh: Any<'py>,
    lengths: Lengths<'py>,
    reverse: bool,
    dy: Any<'py>,
    dh: Option<Any<'py>>,
    dc: Option<Any<'py>>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Back<'py>> {
    let way = Way(x, h0, Some(c0), y, Some(gates), Some(cells), w_ih, w_hh, reverse, dy, dh, dc);
    back_of(Kind::Lstm, &way, &lengths, n_threads, progress)
}

/// What `recurrent_rnn_backward` and, where `kind` is lstm, `recurrent_lstm_backward` return, of two directions at once.
#[pyfunction]
#[pyo3(signature = (kind, first, second, lengths, n_threads, progress, /))]
pub(crate) fn recurrent_backward_both<'py>(
    py: Python<'py>,
    kind: &str,
    first: Way<'py>,
    second: Way<'py>,
    lengths: Lengths<'py>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Back<'py>, Back<'py>)> {
    let kind = kind_of(kind)?;
    in_precision!(&first.0, "x", |T| {
        let (first, second) = (Kept::<T>::new(kind, &first)?, Kept::<T>::new(kind, &second)?);
        let (first, second) = (first.views(&lengths)?, second.views(&lengths)?);
        let work = |task: &Task| kernel::both(task, |n| first.back(n, task), |n| second.back(n, task));
        let twice = first.sequence.times.saturating_mul(first.sequence.batch).saturating_mul(2);
        let (one, other) = match progress {
            None if n_threads == 2 && kernel::is_short_back(&first.weights, twice) => brief(py, n_threads, work),
            progress => detached(py, n_threads, progress, work),
        }?;
        Ok((first.returned(py, one)?, second.returned(py, other)?))
    })
}
