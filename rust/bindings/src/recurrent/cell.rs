//! `diptych_kernels::recurrent::Cell`, kept.

use super::*;
use numpy::PyUntypedArray;
use pyo3::PyTypeInfo;
use pyo3::types::PyTuple;

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
        let kind = kind_of(kind)?;
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

    /// A step of a network of one layer: y, and the state, h or (h, c) of shape (1, B, H). Takes arrays that are just
    /// so, and refuses all else in few words: the network then looks closely.
    #[pyo3(signature = (x, state, /))]
    fn stream<'py>(&self, x: &Any<'py>, state: &Any<'py>) -> PyResult<(Any<'py>, Any<'py>)> {
        match &self.0 {
            Packed::Single(cell) => stream_of(cell, x, state),
            Packed::Double(cell) => stream_of(cell, x, state),
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

/// What each of two directions starts from: h0, and c0 of an LSTM.
type States<'py> = (Any<'py>, Option<Any<'py>>);

/// As `RecurrentCell.run` of two directions at once, of which the second reads in reverse.
#[pyfunction]
#[pyo3(signature = (first, second, x, states, lengths, keep, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn recurrent_run_both<'py>(
    first: &RecurrentCell,
    second: &RecurrentCell,
    x: &Any<'py>,
    states: (States<'py>, States<'py>),
    lengths: Lengths<'py>,
    keep: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Ran<'py>, Ran<'py>)> {
    let how = How { reverse: false, keep, n_threads, progress };
    match (&first.0, &second.0) {
        (Packed::Single(first), Packed::Single(second)) => both_of(first, second, x, &states, &lengths, how),
        (Packed::Double(first), Packed::Double(second)) => both_of(first, second, x, &states, &lengths, how),
        _ => Err(PyTypeError::new_err("both cells must be of one dtype.")),
    }
}

fn both_of<'py, T: Element + kernel::Float>(
    first: &Cell<T>,
    second: &Cell<T>,
    x: &Any<'py>,
    (states, reversed): &(States<'py>, States<'py>),
    lengths: &Lengths<'py>,
    how: How,
) -> PyResult<(Ran<'py>, Ran<'py>)> {
    let py = x.py();
    let there = Given::<T>::new(x, &states.0, states.1.as_ref())?;
    let back = Given::<T>::new(x, &reversed.0, reversed.1.as_ref())?;
    let (there, back) = (there.sequence(lengths, false)?, back.sequence(lengths, true)?);
    let work = |task: &Task| {
        kernel::both(
            task,
            |n| kernel::run_on(n, first, &there, how.keep, task),
            |n| kernel::run_on(n, second, &back, how.keep, task),
        )
    };
    let rows = there.times.saturating_mul(there.batch);
    let twice = rows.saturating_mul(2);
    let (one, other) = match how.progress {
        None if first.is_small(twice) => inline(|| {
            let task = Task::new();
            Ok((kernel::run_on(1, first, &there, how.keep, &task)?, kernel::run_on(1, second, &back, how.keep, &task)?))
        }),
        None if how.n_threads == 2 && first.is_short(twice) => brief(py, how.n_threads, work),
        progress => detached(py, how.n_threads, progress, work),
    }?;
    Ok((ran_of(py, one, &there, first.hidden())?, ran_of(py, other, &back, second.hidden())?))
}

/// An array and nothing that inherits from it, such as one with a mask.
fn plain<'py, T: Element, D: Dimension>(array: &Any<'py>) -> PyResult<PyReadonlyArray<'py, T, D>> {
    if !array.get_type().is(PyUntypedArray::type_object(array.py())) {
        return Err(PyTypeError::new_err("an array is needed."));
    }
    super::array(array, "an array")
}

fn stream_of<'py, T: Element + kernel::Float>(
    cell: &Cell<T>,
    x: &Any<'py>,
    state: &Any<'py>,
) -> PyResult<(Any<'py>, Any<'py>)> {
    let py = x.py();
    let pair = if cell.has_memory() { Some(state.cast::<PyTuple>()?) } else { None };
    let (h, c) = match pair {
        Some(pair) if pair.len() == 2 => (pair.get_item(0)?, Some(plain::<T, Ix3>(&pair.get_item(1)?)?)),
        Some(_) => return Err(PyTypeError::new_err("a pair is needed.")),
        None => (state.clone(), None),
    };
    let (x, h) = (plain::<T, Ix2>(x)?, plain::<T, Ix3>(&h)?);
    let (batch, hidden) = (x.shape()[0], cell.hidden());
    let shape = [1, batch, hidden];
    let fits = |of: &PyReadonlyArray<'_, T, Ix3>| of.shape() == shape;
    if batch == 0 || x.shape()[1] != cell.inputs() || !fits(&h) || !c.as_ref().is_none_or(fits) {
        return Err(PyValueError::new_err("shapes do not fit."));
    }
    let y = PyArray::<T, Ix2>::zeros(py, [batch, hidden], false);
    let new_h = PyArray::<T, Ix3>::zeros(py, shape, false);
    let new_c = c.is_some().then(|| PyArray::<T, Ix3>::zeros(py, shape, false));
    {
        let (x, h, c) = (contiguous(&x, "x")?, contiguous(&h, "h")?, slice(&c, "c")?.unwrap_or_default());
        let (mut to_y, mut to_h) = (y.readwrite(), new_h.readwrite());
        let mut to_c = new_c.as_ref().map(|new_c| new_c.readwrite());
        let (to_y, to_h) = (to_y.as_slice_mut()?, to_h.as_slice_mut()?);
        let to_c = to_c.as_mut().map(|to_c| to_c.as_slice_mut()).transpose()?.unwrap_or_default();
        if cell.is_small(batch) {
            inline(|| kernel::step(cell, x, h, c, to_h, to_c, &Task::new()))?;
        } else {
            detached(py, 1, None, |task| kernel::step(cell, x, h, c, to_h, to_c, task))?;
        }
        to_y.copy_from_slice(to_h);
    }
    let state = match new_c {
        Some(new_c) => (new_h, new_c).into_pyobject(py)?.into_any(),
        None => new_h.into_any(),
    };
    Ok((y.into_any(), state))
}
