//! Kernel: `diptych_kernels::walks`.

use crate::arrays::{Indices, contiguous, csr, shaped, with_csr};
use crate::run::detached;
use diptych_kernels::walks as kernel;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

type Numbers<'py> = Bound<'py, PyArray1<i64>>;

/// Threshold and alias of each slot.
#[pyfunction]
#[pyo3(signature = (weights, progress, /))]
pub(crate) fn alias_table<'py>(
    py: Python<'py>,
    weights: PyReadonlyArray1<'py, f64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Numbers<'py>)> {
    let weights = contiguous(&weights, "weights")?;
    let (threshold, alias) = detached(py, 1, progress, |task| kernel::alias_table(weights, task))?;
    Ok((threshold.into_pyarray(py), alias.into_pyarray(py)))
}

/// Slots drawn from a table.
#[pyfunction]
#[pyo3(signature = (threshold, alias, size, key, n_threads, progress, /))]
pub(crate) fn sample_alias<'py>(
    py: Python<'py>,
    threshold: PyReadonlyArray1<'py, f64>,
    alias: PyReadonlyArray1<'py, i64>,
    size: usize,
    key: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Numbers<'py>> {
    let (threshold, alias) = (contiguous(&threshold, "threshold")?, contiguous(&alias, "alias")?);
    let draws = detached(py, n_threads, progress, |task| kernel::sample_alias(threshold, alias, size, key, task))?;
    Ok(draws.into_pyarray(py))
}

/// Walks, one per row.
#[pyfunction]
#[pyo3(signature = (indptr, indices, data, n_columns, start_nodes, walk_length, walks_per_node, p, q, key, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn random_walks<'py>(
    py: Python<'py>,
    indptr: Indices<'py>,
    indices: Indices<'py>,
    data: PyReadonlyArray1<'py, f64>,
    n_columns: usize,
    start_nodes: Option<PyReadonlyArray1<'py, i64>>,
    walk_length: u64,
    walks_per_node: u64,
    p: f64,
    q: f64,
    key: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let start_nodes = start_nodes.as_ref().map(|nodes| contiguous(nodes, "start_nodes")).transpose()?;
    let plan = kernel::Plan { start_nodes, walk_length, walks_per_node, p, q, key };
    let walks = with_csr!(indptr, indices, data, n_columns, |csr| {
        detached(py, n_threads, progress, |task| kernel::random_walks(csr, plan, task))
    })?;
    let shape = [walks.len() / walk_length as usize, walk_length as usize];
    shaped(py, walks, shape)
}
