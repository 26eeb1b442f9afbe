//! Kernel: `diptych_kernels::attention`.

use crate::arrays::{contiguous, in_precision, shaped_any};
use crate::run::{brief, detached, inline};
use diptych_kernels::attention::{self as kernel, Attention, Mask, Tape};
use diptych_kernels::recurrent::Float;
use diptych_kernels::{Result, Task};
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

type Progress = Option<Py<PyAny>>;
type Any<'py> = Bound<'py, PyAny>;

fn array<'py, T: Element>(array: &Any<'py>, name: &str) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    match array.cast::<PyArrayDyn<T>>() {
        Ok(array) => {
            array.try_readonly().map_err(|why| PyValueError::new_err(format!("{name} cannot be read: {why}.")))
        }
        Err(_) => Err(PyTypeError::new_err(format!("{name} must be an array of the dtype of query."))),
    }
}

/// A mask of either kind.
enum Masks<'py, T: Element> {
    Seen(PyReadonlyArrayDyn<'py, u8>),
    Added(PyReadonlyArrayDyn<'py, T>),
}

/// Query, key, value and mask as they come.
struct Arrays<'py, T: Element> {
    query: PyReadonlyArrayDyn<'py, T>,
    key: PyReadonlyArrayDyn<'py, T>,
    value: PyReadonlyArrayDyn<'py, T>,
    mask: Option<Masks<'py, T>>,
}

/// The arguments that hold no array.
#[derive(Clone, Copy)]
struct How {
    is_causal: bool,
    scale: f64,
    n_threads: usize,
}

impl<'py, T: Element + Float> Arrays<'py, T> {
    fn new(query: &Any<'py>, key: &Any<'py>, value: &Any<'py>, mask: Option<&Any<'py>>) -> PyResult<Self> {
        let mask = match mask {
            None => None,
            Some(mask) => Some(match mask.cast::<PyArrayDyn<bool>>() {
                // As bytes: a view of NumPy's may hold others than 0 and 1, all of which it takes for true.
                Ok(_) => Masks::Seen(array(&mask.call_method1("view", ("uint8",))?, "attn_mask")?),
                Err(_) => Masks::Added(array(mask, "attn_mask")?),
            }),
        };
        Ok(Self { query: array(query, "query")?, key: array(key, "key")?, value: array(value, "value")?, mask })
    }

    fn view(&self, how: How) -> PyResult<Attention<'_, T>> {
        let (query, key, value) = (self.query.shape(), self.key.shape(), self.value.shape());
        let (&[ref lead @ .., queries, features], &[ref theirs @ .., keys, _], &[.., width]) = (query, key, value)
        else {
            return Err(PyValueError::new_err("query, key and value must have at least two axes."));
        };
        let (heads, key_heads): (usize, usize) = (lead.iter().product(), theirs.iter().product());
        Ok(Attention {
            heads,
            group: heads / key_heads.max(1),
            queries,
            keys,
            features,
            width,
            query: contiguous(&self.query, "query")?,
            key: contiguous(&self.key, "key")?,
            value: contiguous(&self.value, "value")?,
            mask: self.mask.as_ref().map(|mask| match mask {
                Masks::Seen(mask) => Mask::Seen(mask.as_array()),
                Masks::Added(mask) => Mask::Added(mask.as_array()),
            }),
            is_causal: how.is_causal,
            scale: T::nearest(how.scale),
        })
    }
}

/// Runs a kernel the way that suits its length.
fn run<T: Float, R: Send>(
    py: Python<'_>,
    of: &Attention<'_, T>,
    n_threads: usize,
    progress: Progress,
    work: impl FnOnce(&Task) -> Result<R> + Send,
) -> PyResult<R> {
    match progress {
        None if of.is_small() => inline(|| work(&Task::new())),
        None if of.is_short() => brief(py, n_threads, work),
        progress => detached(py, n_threads, progress, work),
    }
}

/// output, maximum, total, weights
type Found<'py> = (Any<'py>, Option<Any<'py>>, Option<Any<'py>>, Option<Any<'py>>);

fn forward_of<'py, T: Element + Float>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    how: How,
    with_weights: bool,
    keep: bool,
    progress: Progress,
) -> PyResult<Found<'py>> {
    let of = arrays.view(how)?;
    let found = run(py, &of, how.n_threads, progress, |task| kernel::forward(&of, with_weights, task))?;
    let mut shape = arrays.query.shape().to_vec();
    shape.pop();
    let kept = |numbers| if keep { shaped_any(py, numbers, &shape[..]).map(Some) } else { Ok(None) };
    let (maximum, total) = (kept(found.maximum)?, kept(found.total)?);
    shape.push(of.width);
    let output = shaped_any(py, found.output, &shape[..])?;
    shape.pop();
    shape.push(of.keys);
    Ok((output, maximum, total, found.weights.map(|weights| shaped_any(py, weights, &shape[..])).transpose()?))
}

/// Kernel: `attention::forward`.
#[pyfunction]
#[pyo3(signature = (query, key, value, mask, is_causal, scale, with_weights, keep, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn attention_forward<'py>(
    query: &Any<'py>,
    key: &Any<'py>,
    value: &Any<'py>,
    mask: Option<&Any<'py>>,
    is_causal: bool,
    scale: f64,
    with_weights: bool,
    keep: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Found<'py>> {
    let how = How { is_causal, scale, n_threads };
    in_precision!(query, "query", |T| {
        forward_of(query.py(), &Arrays::<T>::new(query, key, value, mask)?, how, with_weights, keep, progress)
    })
}

/// What the way there left, and the derivatives by the output.
struct Left<'py, T: Element> {
    output: PyReadonlyArrayDyn<'py, T>,
    maximum: PyReadonlyArrayDyn<'py, T>,
    total: PyReadonlyArrayDyn<'py, T>,
    d_output: PyReadonlyArrayDyn<'py, T>,
}

fn backward_of<'py, T: Element + Float>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    how: How,
    left: &Left<'py, T>,
    progress: Progress,
) -> PyResult<(Any<'py>, Any<'py>, Any<'py>)> {
    let of = arrays.view(how)?;
    let tape = Tape {
        output: contiguous(&left.output, "output")?,
        maximum: contiguous(&left.maximum, "maximum")?,
        total: contiguous(&left.total, "total")?,
    };
    let d_output = contiguous(&left.d_output, "d_output")?;
    let found = run(py, &of, how.n_threads, progress, |task| kernel::backward(&of, &tape, d_output, task))?;
    Ok((
        shaped_any(py, found.query, arrays.query.shape())?,
        shaped_any(py, found.key, arrays.key.shape())?,
        shaped_any(py, found.value, arrays.value.shape())?,
    ))
}

/// Kernel: `attention::backward`.
#[pyfunction]
#[pyo3(signature = (
    query, key, value, mask, is_causal, scale, output, maximum, total, d_output, n_threads, progress, /
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn attention_backward<'py>(
    query: &Any<'py>,
    key: &Any<'py>,
    value: &Any<'py>,
    mask: Option<&Any<'py>>,
    is_causal: bool,
    scale: f64,
    output: &Any<'py>,
    maximum: &Any<'py>,
    total: &Any<'py>,
    d_output: &Any<'py>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Any<'py>, Any<'py>, Any<'py>)> {
    let how = How { is_causal, scale, n_threads };
    in_precision!(query, "query", |T| {
        let left = Left {
            output: array(output, "output")?,
            maximum: array(maximum, "maximum")?,
            total: array(total, "total")?,
            d_output: array(d_output, "d_output")?,
        };
        backward_of(query.py(), &Arrays::<T>::new(query, key, value, mask)?, how, &left, progress)
    })
}
