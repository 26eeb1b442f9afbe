//! Kernel: `diptych_kernels::recurrent`.

use crate::arrays::{contiguous, in_precision, shaped_any};
use crate::error::exception;
use crate::run::{brief, detached, inline};
use diptych_kernels::recurrent::{self as kernel, Cell, Kind, Nonlinearity, Sequence, Weights};
use diptych_kernels::{Result, Task};
use numpy::ndarray::{Dimension, Ix1, Ix2, Ix3, Ix4};
use numpy::{Element, IntoPyArray, PyArray, PyArray1, PyArrayMethods, PyReadonlyArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

type Progress = Option<Py<PyAny>>;
type Any<'py> = Bound<'py, PyAny>;
type Lengths<'py> = Option<PyReadonlyArray<'py, i64, Ix1>>;

mod back;
mod cell;
mod contribution;

pub(crate) use back::*;
pub(crate) use cell::*;
pub(crate) use contribution::*;

/// An array of one dtype and number of dimensions.
fn array<'py, T: Element, D: Dimension>(array: &Any<'py>, name: &str) -> PyResult<PyReadonlyArray<'py, T, D>> {
    match array.cast::<PyArray<T, D>>() {
        Ok(array) => {
            array.try_readonly().map_err(|why| PyValueError::new_err(format!("{name} cannot be read: {why}.")))
        }
        Err(_) => {
            let axes = D::NDIM.unwrap_or_default();
            Err(PyTypeError::new_err(format!("{name} must be an array of {axes} axes and of the dtype of x.")))
        }
    }
}

fn optional<'py, T: Element, D: Dimension>(
    of: Option<&Any<'py>>,
    name: &str,
) -> PyResult<Option<PyReadonlyArray<'py, T, D>>> {
    of.map(|of| array(of, name)).transpose()
}

fn slice<'a, T: Element, D: Dimension>(
    array: &'a Option<PyReadonlyArray<'_, T, D>>,
    name: &str,
) -> PyResult<Option<&'a [T]>> {
    array.as_ref().map(|array| contiguous(array, name)).transpose()
}

/// Weights as they come.
struct Arrays<'py, T: Element> {
    w_ih: PyReadonlyArray<'py, T, Ix2>,
    w_hh: PyReadonlyArray<'py, T, Ix2>,
    b_ih: Option<PyReadonlyArray<'py, T, Ix1>>,
    b_hh: Option<PyReadonlyArray<'py, T, Ix1>>,
}

impl<'py, T: Element> Arrays<'py, T> {
    fn new(w_ih: &Any<'py>, w_hh: &Any<'py>, b_ih: Option<&Any<'py>>, b_hh: Option<&Any<'py>>) -> PyResult<Self> {
        Ok(Self {
            w_ih: array(w_ih, "w_ih")?,
            w_hh: array(w_hh, "w_hh")?,
            b_ih: optional(b_ih, "b_ih")?,
            b_hh: optional(b_hh, "b_hh")?,
        })
    }

    fn view(&self) -> PyResult<Weights<'_, T>> {
        Ok(Weights {
            inputs: self.w_ih.shape()[1],
            hidden: self.w_hh.shape()[1],
            w_ih: contiguous(&self.w_ih, "w_ih")?,
            w_hh: contiguous(&self.w_hh, "w_hh")?,
            b_ih: slice(&self.b_ih, "b_ih")?,
            b_hh: slice(&self.b_hh, "b_hh")?,
        })
    }
}

/// lstm, or the nonlinearity of a plain net.
fn kind_of(kind: &str) -> PyResult<Kind> {
    if kind == "lstm" { Ok(Kind::Lstm) } else { rnn_kind(kind) }
}

fn rnn_kind(nonlinearity: &str) -> PyResult<Kind> {
    Nonlinearity::from_name(nonlinearity).map(Kind::Rnn).map_err(exception)
}

fn step_of<'py, T: Element + kernel::Float>(
    cell: &Cell<T>,
    x: &Any<'py>,
    h: &Any<'py>,
    c: Option<&Any<'py>>,
) -> PyResult<(Any<'py>, Option<Any<'py>>)> {
    let py = x.py();
    let x = array::<T, Ix2>(x, "x")?;
    let h = array::<T, Ix2>(h, "h")?;
    let c = optional::<T, Ix2>(c, "c")?;
    let shape = [h.shape()[0], h.shape()[1]];
    let new_h = PyArray::<T, Ix2>::zeros(py, shape, false);
    let new_c = c.is_some().then(|| PyArray::<T, Ix2>::zeros(py, shape, false));
    {
        let (x, h, c) = (contiguous(&x, "x")?, contiguous(&h, "h")?, slice(&c, "c")?.unwrap_or_default());
        let mut to_h = new_h.readwrite();
        let mut to_c = new_c.as_ref().map(|new_c| new_c.readwrite());
        let to_h = to_h.as_slice_mut()?;
        let to_c = to_c.as_mut().map(|to_c| to_c.as_slice_mut()).transpose()?.unwrap_or_default();
        if cell.is_small(shape[0]) {
            inline(|| kernel::step(cell, x, h, c, to_h, to_c, &Task::new()))?;
        } else {
            detached(py, 1, None, |task| kernel::step(cell, x, h, c, to_h, to_c, task))?;
        }
    }
    Ok((new_h.into_any(), new_c.map(Bound::into_any)))
}

/// y, h, c, gates, cells
type Ran<'py> = (Any<'py>, Any<'py>, Option<Any<'py>>, Option<Any<'py>>, Option<Any<'py>>);

/// How to run.
struct How {
    reverse: bool,
    keep: bool,
    n_threads: usize,
    progress: Progress,
}

/// What a cell is to run over.
struct Given<'py, T: Element> {
    x: PyReadonlyArray<'py, T, Ix3>,
    h0: PyReadonlyArray<'py, T, Ix2>,
    c0: Option<PyReadonlyArray<'py, T, Ix2>>,
}

impl<'py, T: Element> Given<'py, T> {
    fn new(x: &Any<'py>, h0: &Any<'py>, c0: Option<&Any<'py>>) -> PyResult<Self> {
        Ok(Self { x: array(x, "x")?, h0: array(h0, "h0")?, c0: optional(c0, "c0")? })
    }

    fn sequence<'a>(&'a self, lengths: &'a Lengths<'_>, reverse: bool) -> PyResult<Sequence<'a, T>> {
        Ok(Sequence {
            times: self.x.shape()[0],
            batch: self.x.shape()[1],
            x: contiguous(&self.x, "x")?,
            h0: contiguous(&self.h0, "h0")?,
            c0: slice(&self.c0, "c0")?,
            lengths: slice(lengths, "lengths")?,
            reverse,
        })
    }
}

fn run_of<'py, T: Element + kernel::Float>(
    cell: &Cell<T>,
    x: &Any<'py>,
    h0: &Any<'py>,
    c0: Option<&Any<'py>>,
    lengths: &Lengths<'py>,
    how: How,
) -> PyResult<Ran<'py>> {
    let given = Given::<T>::new(x, h0, c0)?;
    let sequence = given.sequence(lengths, how.reverse)?;
    ran_of(x.py(), through(x.py(), cell, &sequence, how)?, &sequence, cell.hidden())
}

/// Runs a cell the way that suits the length of the work.
fn through<T: kernel::Float>(
    py: Python<'_>,
    cell: &Cell<T>,
    sequence: &Sequence<'_, T>,
    how: How,
) -> PyResult<kernel::Run<T>> {
    let work = |task: &Task| kernel::run(cell, sequence, how.keep, task);
    let rows = sequence.times.saturating_mul(sequence.batch);
    match how.progress {
        None if cell.is_for_one(rows) => inline(|| kernel::run_on(1, cell, sequence, how.keep, &Task::new())),
        // What is kept for the way back is much, and the system takes it from this thread with each call.
        None if cell.is_short(rows) && (how.n_threads > 1 || !how.keep) => brief(py, how.n_threads, work),
        progress => detached(py, how.n_threads, progress, work),
    }
}

/// The arrays of what came out.
fn ran_of<'py, T: Element>(
    py: Python<'py>,
    ran: kernel::Run<T>,
    of: &Sequence<'_, T>,
    hidden: usize,
) -> PyResult<Ran<'py>> {
    let (times, batch) = (of.times, of.batch);
    let state = |numbers| shaped_any(py, numbers, [batch, hidden]);
    let (gates, cells) = ran.tape.unzip();
    Ok((
        shaped_any(py, ran.y, [times, batch, hidden])?,
        state(ran.h)?,
        ran.c.map(state).transpose()?,
        gates.map(|gates| shaped_any(py, gates, [times, batch, 4, hidden])).transpose()?,
        cells.map(|cells| shaped_any(py, cells, [times, batch, hidden])).transpose()?,
    ))
}

/// h after a step of a plain net.
#[pyfunction]
#[pyo3(signature = (x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, /))]
pub(crate) fn recurrent_rnn_step<'py>(
    x: &Any<'py>,
    h: &Any<'py>,
    w_ih: &Any<'py>,
    w_hh: &Any<'py>,
    b_ih: Option<&Any<'py>>,
    b_hh: Option<&Any<'py>>,
    nonlinearity: &str,
) -> PyResult<Any<'py>> {
    in_precision!(x, "x", |T| {
        let cell = packed(rnn_kind(nonlinearity)?, &Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?)?;
        Ok(step_of(&cell, x, h, None)?.0)
    })
}

/// h and c after a step of an LSTM.
#[pyfunction]
#[pyo3(signature = (x, h, c, w_ih, w_hh, b_ih, b_hh, /))]
pub(crate) fn recurrent_lstm_step<'py>(
    x: &Any<'py>,
    h: &Any<'py>,
    c: &Any<'py>,
    w_ih: &Any<'py>,
    w_hh: &Any<'py>,
    b_ih: Option<&Any<'py>>,
    b_hh: Option<&Any<'py>>,
) -> PyResult<(Any<'py>, Option<Any<'py>>)> {
    in_precision!(x, "x", |T| {
        let cell = packed(Kind::Lstm, &Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?)?;
        step_of(&cell, x, h, Some(c))
    })
}

fn packed<T: Element + kernel::Float>(kind: Kind, weights: &Arrays<'_, T>) -> PyResult<Cell<T>> {
    let weights = weights.view()?;
    inline(|| Cell::new(kind, &weights))
}

/// y and h of a plain net over sequences.
#[pyfunction]
#[pyo3(signature = (x, h0, w_ih, w_hh, b_ih, b_hh, nonlinearity, lengths, reverse, keep, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_rnn<'py>(
    x: &Any<'py>,
    h0: &Any<'py>,
    w_ih: &Any<'py>,
    w_hh: &Any<'py>,
    b_ih: Option<&Any<'py>>,
    b_hh: Option<&Any<'py>>,
    nonlinearity: &str,
    lengths: Lengths<'py>,
    reverse: bool,
    keep: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Any<'py>, Any<'py>)> {
    in_precision!(x, "x", |T| {
        let cell = packed(rnn_kind(nonlinearity)?, &Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?)?;
        let (y, h, ..) = run_of(&cell, x, h0, None, &lengths, How { reverse, keep, n_threads, progress })?;
        Ok((y, h))
    })
}

/// y, h, c, and if kept gates and cells, of an LSTM over sequences.
#[pyfunction]
#[pyo3(signature = (x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse, keep, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_lstm<'py>(
    x: &Any<'py>,
    h0: &Any<'py>,
    c0: &Any<'py>,
    w_ih: &Any<'py>,
    w_hh: &Any<'py>,
    b_ih: Option<&Any<'py>>,
    b_hh: Option<&Any<'py>>,
    lengths: Lengths<'py>,
    reverse: bool,
    keep: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Ran<'py>> {
    in_precision!(x, "x", |T| {
        let cell = packed(Kind::Lstm, &Arrays::<T>::new(w_ih, w_hh, b_ih, b_hh)?)?;
        run_of(&cell, x, h0, Some(c0), &lengths, How { reverse, keep, n_threads, progress })
    })
}

/// σ of each number.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn recurrent_sigmoid<'py>(x: &Any<'py>) -> PyResult<Any<'py>> {
    in_precision!(x, "x", |T| each::<T>(x, kernel::sigmoids))
}

/// tanh of each number.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn recurrent_tanh<'py>(x: &Any<'py>) -> PyResult<Any<'py>> {
    in_precision!(x, "x", |T| each::<T>(x, kernel::tanhs))
}

fn each<'py, T: Element + Sync>(x: &Any<'py>, f: fn(&[T]) -> Result<Vec<T>>) -> PyResult<Any<'py>> {
    let numbers = array::<T, Ix1>(x, "x")?;
    let numbers = contiguous(&numbers, "x")?;
    let found: Bound<'py, PyArray1<T>> = detached(x.py(), 1, None, |_| f(numbers))?.into_pyarray(x.py());
    Ok(found.into_any())
}
