//! `diptych_kernels::recurrent::Cell`, kept.

use super::*;
use crate::arrays::shaped;
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
    /// so; of all else it makes None, and the network then looks closely.
    #[pyo3(signature = (x, state, /))]
    fn stream<'py>(&self, x: &Any<'py>, state: &Any<'py>) -> PyResult<Option<Output<'py>>> {
        match &self.0 {
            Packed::Single(cell) => stream_of(cell, x, state),
            Packed::Double(cell) => stream_of(cell, x, state),
        }
    }

    /// Whole sequences likewise: y of shape (T, B, H), and the state. A state of None is 0.
    #[pyo3(signature = (x, state, n_threads, /))]
    fn sequences<'py>(&self, x: &Any<'py>, state: &Any<'py>, n_threads: usize) -> PyResult<Option<Output<'py>>> {
        match &self.0 {
            Packed::Single(cell) => sequences_of(cell, x, state, n_threads),
            Packed::Double(cell) => sequences_of(cell, x, state, n_threads),
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

/// y, and the state.
type Output<'py> = (Any<'py>, Any<'py>);

/// An array and nothing that inherits from it, such as one with a mask; C-contiguous and aligned.
fn plain<'py, T: Element, D: Dimension>(array: &Any<'py>) -> Option<PyReadonlyArray<'py, T, D>> {
    if !array.get_type().is(PyUntypedArray::type_object(array.py())) {
        return None;
    }
    let array = super::array(array, "an array").ok()?;
    contiguous(&array, "an array").is_ok().then_some(array)
}

/// The state of a network of one layer.
struct State<'py, T: Element>(PyReadonlyArray<'py, T, Ix3>, Option<PyReadonlyArray<'py, T, Ix3>>);

impl<'py, T: Element + kernel::Float> State<'py, T> {
    /// None if it does not fit.
    fn new(cell: &Cell<T>, state: &Any<'py>, batch: usize) -> Option<Self> {
        let (h, c) = if cell.has_memory() {
            let (h, c): (Any<'py>, Any<'py>) = state.cast::<PyTuple>().ok()?.extract().ok()?;
            (h, Some(plain::<T, Ix3>(&c)?))
        } else {
            (state.clone(), None)
        };
        let h = plain::<T, Ix3>(&h)?;
        let fits = |of: &PyReadonlyArray<'_, T, Ix3>| of.shape() == [1, batch, cell.hidden()];
        (fits(&h) && c.as_ref().is_none_or(fits)).then_some(Self(h, c))
    }

    fn parts(&self) -> PyResult<(&[T], Option<&[T]>)> {
        Ok((contiguous(&self.0, "h")?, slice(&self.1, "c")?))
    }
}

/// h, or (h, c), as a network returns them.
fn state_out<'py, T: Element>(
    h: Bound<'py, PyArray<T, Ix3>>,
    c: Option<Bound<'py, PyArray<T, Ix3>>>,
) -> PyResult<Any<'py>> {
    Ok(match c {
        Some(c) => (&h, c).into_pyobject(h.py())?.into_any(),
        None => h.into_any(),
    })
}

fn stream_of<'py, T: Element + kernel::Float>(
    cell: &Cell<T>,
    x: &Any<'py>,
    state: &Any<'py>,
) -> PyResult<Option<Output<'py>>> {
    let py = x.py();
    let Some(x) = plain::<T, Ix2>(x) else { return Ok(None) };
    let (batch, hidden) = (x.shape()[0], cell.hidden());
    if batch == 0 || x.shape()[1] != cell.inputs() {
        return Ok(None);
    }
    let Some(before) = State::new(cell, state, batch) else { return Ok(None) };
    let shape = [1, batch, hidden];
    let y = PyArray::<T, Ix2>::zeros(py, [batch, hidden], false);
    let new_h = PyArray::<T, Ix3>::zeros(py, shape, false);
    let new_c = cell.has_memory().then(|| PyArray::<T, Ix3>::zeros(py, shape, false));
    {
        let (x, (h, c)) = (contiguous(&x, "x")?, before.parts()?);
        let c = c.unwrap_or_default();
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
    Ok(Some((y.into_any(), state_out(new_h, new_c)?)))
}

fn sequences_of<'py, T: Element + kernel::Float>(
    cell: &Cell<T>,
    x: &Any<'py>,
    state: &Any<'py>,
    n_threads: usize,
) -> PyResult<Option<Output<'py>>> {
    let py = x.py();
    let Some(x) = plain::<T, Ix3>(x) else { return Ok(None) };
    let (times, batch, hidden) = (x.shape()[0], x.shape()[1], cell.hidden());
    if times == 0 || batch == 0 || x.shape()[2] != cell.inputs() {
        return Ok(None);
    }
    let (mut given, mut zeros) = (None, Vec::new());
    if state.is_none() {
        let room = batch.saturating_mul(hidden);
        if zeros.try_reserve_exact(room).is_err() {
            return Ok(None); // so little memory will not do for the slow way either, which says so
        }
        zeros.resize(room, T::ZERO);
    } else {
        given = State::new(cell, state, batch);
        if given.is_none() {
            return Ok(None);
        }
    }
    let (h0, c0) = match &given {
        Some(state) => state.parts()?,
        None => (&zeros[..], cell.has_memory().then_some(&zeros[..])),
    };
    let sequence = Sequence { times, batch, x: contiguous(&x, "x")?, h0, c0, lengths: None, reverse: false };
    let how = How { reverse: false, keep: false, n_threads, progress: None };
    let kernel::Run { y, h, c, .. } = through(py, cell, &sequence, how)?;
    let state = |numbers| shaped(py, numbers, [1, batch, hidden]);
    let out = state_out(state(h)?, c.map(state).transpose()?)?;
    Ok(Some((shaped_any(py, y, [times, batch, hidden])?, out)))
}
