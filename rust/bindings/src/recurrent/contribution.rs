//! `diptych_kernels::recurrent`, its terms and norms.

use super::*;

/// The terms of the last cell state of an LSTM.
#[pyfunction]
#[pyo3(signature = (gates, c0, lengths, reverse, /))]
pub(crate) fn recurrent_lstm_memory_terms<'py>(
    gates: &Any<'py>,
    c0: &Any<'py>,
    lengths: Lengths<'py>,
    reverse: bool,
) -> PyResult<Any<'py>> {
    in_precision!(gates, "gates", |T| {
        let (gates, c0) = (array::<T, Ix4>(gates, "gates")?, array::<T, Ix2>(c0, "c0")?);
        let (times, batch, hidden) = (gates.shape()[0], gates.shape()[1], gates.shape()[3]);
        let lengths = slice(&lengths, "lengths")?;
        let (numbers, c0) = (contiguous(&gates, "gates")?, contiguous(&c0, "c0")?);
        let work = |task: &Task| kernel::lstm_memory_terms(times, batch, hidden, numbers, c0, lengths, reverse, task);
        shaped_any(gates.py(), detached(gates.py(), 1, None, work)?, [times + 1, batch, hidden])
    })
}

/// The terms of the last state of a linear net.
#[pyfunction]
#[pyo3(signature = (x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_rnn_memory_terms<'py>(
    x: &Any<'py>,
    h0: &Any<'py>,
    w_ih: &Any<'py>,
    w_hh: &Any<'py>,
    b_ih: Option<&Any<'py>>,
    b_hh: Option<&Any<'py>>,
    lengths: Lengths<'py>,
    reverse: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Any<'py>> {
    in_precision!(x, "x", |T| {
        let weights = Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?;
        let (weights, py) = (weights.view()?, x.py());
        let (x, h0) = (array::<T, Ix3>(x, "x")?, array::<T, Ix2>(h0, "h0")?);
        let (times, batch) = (x.shape()[0], x.shape()[1]);
        let lengths = slice(&lengths, "lengths")?;
        let (x, h0) = (contiguous(&x, "x")?, contiguous(&h0, "h0")?);
        let sequence = Sequence { times, batch, x, h0, c0: None, lengths, reverse };
        let work = |task: &Task| kernel::rnn_memory_terms(&weights, &sequence, task);
        shaped_any(py, detached(py, n_threads, progress, work)?, [times + 1, batch, weights.hidden])
    })
}

/// Spectral norms of the derivatives of the last state of a plain net by each.
#[pyfunction]
#[pyo3(signature = (y, w_hh, nonlinearity, lengths, reverse, n_threads, progress, /))]
pub(crate) fn recurrent_rnn_jacobian_norms<'py>(
    y: &Any<'py>,
    w_hh: &Any<'py>,
    nonlinearity: &str,
    lengths: Lengths<'py>,
    reverse: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Any<'py>> {
    let kind = rnn_kind(nonlinearity)?;
    let how = How { reverse, keep: false, n_threads, progress };
    in_precision!(y, "y", |T| {
        let y = array::<T, Ix3>(y, "y")?;
        let tape = kernel::Tape { y: contiguous(&y, "y")?, lstm: None };
        norms_of(y.py(), kind, [y.shape()[0], y.shape()[1]], &tape, w_hh, &lengths, how)
    })
}

/// The same of an LSTM, the cell states held.
#[pyfunction]
#[pyo3(signature = (gates, cells, c0, w_hh, lengths, reverse, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_lstm_jacobian_norms<'py>(
    gates: &Any<'py>,
    cells: &Any<'py>,
    c0: &Any<'py>,
    w_hh: &Any<'py>,
    lengths: Lengths<'py>,
    reverse: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Any<'py>> {
    let how = How { reverse, keep: false, n_threads, progress };
    in_precision!(gates, "gates", |T| {
        // The state before the first step has no step that it is the derivative of.
        array::<T, Ix2>(c0, "c0")?;
        let (gates, cells) = (array::<T, Ix4>(gates, "gates")?, array::<T, Ix3>(cells, "cells")?);
        let lstm = Some((contiguous(&gates, "gates")?, contiguous(&cells, "cells")?));
        let tape = kernel::Tape { y: &[], lstm };
        norms_of(gates.py(), Kind::Lstm, [gates.shape()[0], gates.shape()[1]], &tape, w_hh, &lengths, how)
    })
}

fn norms_of<'py, T: Element + kernel::Float>(
    py: Python<'py>,
    kind: Kind,
    [times, batch]: [usize; 2],
    tape: &kernel::Tape<'_, T>,
    w_hh: &Any<'py>,
    lengths: &Lengths<'py>,
    how: How,
) -> PyResult<Any<'py>> {
    let w_hh = array::<T, Ix2>(w_hh, "w_hh")?;
    let (w_hh, lengths) = (contiguous(&w_hh, "w_hh")?, slice(lengths, "lengths")?);
    let work = |task: &Task| kernel::jacobian_norms(kind, times, batch, tape, w_hh, lengths, how.reverse, task);
    shaped_any(py, detached(py, how.n_threads, how.progress, work)?, [times, batch])
}
