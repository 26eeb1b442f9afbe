//! Kernel: `diptych_kernels::skipgram`.

use crate::arrays::{Indices, contiguous, csr, shaped, with_csr};
use crate::error::exception;
use crate::run::{detached, inline};
use diptych_kernels::{skipgram as kernel, walks};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
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
    Ok((d_center.into_pyarray(py), d_positive.into_pyarray(py), shaped(py, d_negatives, shape)?))
}

/// How to train: dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, key, (batch,
/// visits, share, pool).
#[derive(FromPyObject)]
pub(crate) struct Training(usize, u32, usize, f64, bool, u64, f64, f64, u64, (usize, u64, usize, usize));

impl Training {
    fn plan(&self) -> kernel::Plan {
        let Self(
            dimensions,
            window,
            negative,
            exponent,
            shrink,
            epochs,
            most,
            least,
            key,
            (batch, visits, share, pool),
        ) = *self;
        let (learning_rate, min_learning_rate) = (most, least);
        kernel::Plan {
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
            visits,
            share,
            pool,
        }
    }
}

/// Tables to begin with: vectors and contexts.
#[derive(FromPyObject)]
pub(crate) struct Initial<'py>(PyReadonlyArray2<'py, f32>, PyReadonlyArray2<'py, f32>);

impl Initial<'_> {
    fn tables(&self) -> PyResult<(&[f32], &[f32])> {
        Ok((contiguous(&self.0, "initial vectors")?, contiguous(&self.1, "initial contexts")?))
    }
}

type Trained<'py> = (Vectors<'py>, Vectors<'py>, Floats<'py>);

fn trained(py: Python<'_>, found: kernel::Trained, n_nodes: usize, dimensions: usize) -> PyResult<Trained<'_>> {
    let table = |numbers: Vec<f32>| shaped(py, numbers, [n_nodes, dimensions]);
    Ok((table(found.vectors)?, table(found.contexts)?, found.losses.into_pyarray(py)))
}

/// Vectors, contexts and losses, from walks.
#[pyfunction]
#[pyo3(signature = (walks, n_nodes, training, initial, n_threads, progress, /))]
pub(crate) fn skipgram_train<'py>(
    py: Python<'py>,
    walks: PyReadonlyArray2<'py, i32>,
    n_nodes: usize,
    training: Training,
    initial: Option<Initial<'py>>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Trained<'py>> {
    let (walks, plan) = (matrix(&walks, n_nodes)?, training.plan());
    let start = initial.as_ref().map(Initial::tables).transpose()?;
    let found = detached(py, n_threads, progress, |task| kernel::train(&walks, n_nodes, &plan, start, task))?;
    trained(py, found, n_nodes, plan.dimensions)
}

/// Vectors, contexts and losses, from a graph; `steps` is walk_length, walks_per_node, p, q.
#[pyfunction]
#[pyo3(signature = (indptr, indices, data, n_columns, steps, training, initial, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn skipgram_embed<'py>(
    py: Python<'py>,
    indptr: Indices<'py>,
    indices: Indices<'py>,
    data: PyReadonlyArray1<'py, f64>,
    n_columns: usize,
    steps: (u64, u64, f64, f64),
    training: Training,
    initial: Option<Initial<'py>>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Trained<'py>> {
    let (walk_length, walks_per_node, p, q) = steps;
    let plan = training.plan();
    let walking = walks::Plan { start_nodes: None, walk_length, walks_per_node, p, q, key: plan.key };
    let start = initial.as_ref().map(Initial::tables).transpose()?;
    let found = with_csr!(indptr, indices, data, n_columns, |csr| {
        detached(py, n_threads, progress, |task| {
            kernel::train(&walks::Walks::new(csr, walking, task)?, n_columns, &plan, start, task)
        })
    })?;
    trained(py, found, n_columns, plan.dimensions)
}
