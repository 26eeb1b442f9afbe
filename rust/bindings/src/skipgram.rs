//! Kernel: `diptych_kernels::skipgram`.

use crate::arrays::contiguous;
use crate::error::exception;
use crate::run::{detached, inline};
use diptych_kernels::skipgram as kernel;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

type Floats<'py> = Bound<'py, PyArray1<f64>>;
type Numbers<'py> = Bound<'py, PyArray1<i64>>;
type Vectors<'py> = Bound<'py, PyArray2<f32>>;

fn matrix<'a>(walks: &'a PyReadonlyArray2<'_, i32>, n_nodes: usize) -> PyResult<kernel::Matrix<'a>> {
    let shape = walks.shape();
    kernel::Matrix::new(contiguous(walks, "walks")?, shape[0], shape[1], n_nodes).map_err(exception)
}

/// The pairs of all windows.
#[pyfunction]
#[pyo3(signature = (walks, window, shrink, key, n_threads, progress, /))]
pub(crate) fn skipgram_window_pairs<'py>(
    py: Python<'py>,
    walks: PyReadonlyArray2<'py, i32>,
    window: u32,
    shrink: bool,
    key: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Numbers<'py>, Numbers<'py>)> {
    let walks = matrix(&walks, i32::MAX as usize)?;
    let (centers, contexts) =
        detached(py, n_threads, progress, |task| kernel::window_pairs(&walks, window, shrink, key, task))?;
    Ok((centers.into_pyarray(py), contexts.into_pyarray(py)))
}

/// The distribution of negatives.
#[pyfunction]
#[pyo3(signature = (counts, exponent, /))]
pub(crate) fn skipgram_noise<'py>(
    py: Python<'py>,
    counts: PyReadonlyArray1<'py, f64>,
    exponent: f64,
) -> PyResult<Floats<'py>> {
    let counts = contiguous(&counts, "counts")?;
    Ok(inline(|| kernel::distribution(counts, exponent))?.into_pyarray(py))
}

/// The loss of a pair and its negatives.
#[pyfunction]
#[pyo3(signature = (center, positive, negatives, /))]
pub(crate) fn skipgram_sgns_loss(
    center: PyReadonlyArray1<'_, f64>,
    positive: PyReadonlyArray1<'_, f64>,
    negatives: PyReadonlyArray2<'_, f64>,
) -> PyResult<f64> {
    let (center, positive) = (contiguous(&center, "center")?, contiguous(&positive, "positive")?);
    let negatives = contiguous(&negatives, "negatives")?;
    inline(|| kernel::sgns_loss(center, positive, negatives))
}

/// Its derivatives.
#[pyfunction]
#[pyo3(signature = (center, positive, negatives, /))]
pub(crate) fn skipgram_sgns_gradients<'py>(
    py: Python<'py>,
    center: PyReadonlyArray1<'py, f64>,
    positive: PyReadonlyArray1<'py, f64>,
    negatives: PyReadonlyArray2<'py, f64>,
) -> PyResult<(Floats<'py>, Floats<'py>, Bound<'py, PyArray2<f64>>)> {
    let shape = [negatives.shape()[0], negatives.shape()[1]];
    let (center, positive) = (contiguous(&center, "center")?, contiguous(&positive, "positive")?);
    let negatives = contiguous(&negatives, "negatives")?;
    let (d_center, d_positive, d_negatives) = inline(|| kernel::sgns_gradients(center, positive, negatives))?;
    Ok((d_center.into_pyarray(py), d_positive.into_pyarray(py), d_negatives.into_pyarray(py).reshape(shape)?))
}

/// Vectors, contexts and losses.
#[pyfunction]
#[pyo3(signature = (walks, n_nodes, dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, initial_vectors, initial_contexts, key, batch, share, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn skipgram_train<'py>(
    py: Python<'py>,
    walks: PyReadonlyArray2<'py, i32>,
    n_nodes: usize,
    dimensions: usize,
    window: u32,
    negative: usize,
    exponent: f64,
    shrink: bool,
    epochs: u64,
    learning_rate: f64,
    min_learning_rate: f64,
    initial_vectors: Option<PyReadonlyArray2<'py, f32>>,
    initial_contexts: Option<PyReadonlyArray2<'py, f32>>,
    key: u64,
    batch: usize,
    share: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Vectors<'py>, Vectors<'py>, Floats<'py>)> {
    let walks = matrix(&walks, n_nodes)?;
    let start = match (&initial_vectors, &initial_contexts) {
        (Some(vectors), Some(contexts)) => {
            Some((contiguous(vectors, "initial vectors")?, contiguous(contexts, "initial contexts")?))
        }
        _ => None,
    };
    let plan = kernel::Plan {
        dimensions,
        window,
        shrink,
        negative,
        exponent,
        epochs,
        learning_rate,
        min_learning_rate,
        key,
        batch,
        share,
    };
    let trained = detached(py, n_threads, progress, |task| kernel::train(&walks, n_nodes, &plan, start, task))?;
    let shape = [n_nodes, dimensions];
    Ok((
        trained.vectors.into_pyarray(py).reshape(shape)?,
        trained.contexts.into_pyarray(py).reshape(shape)?,
        trained.losses.into_pyarray(py),
    ))
}
