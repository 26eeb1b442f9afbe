//! Kernel: `diptych_kernels::clustering`.

use crate::arrays::{Table, contiguous, csr, with_both, with_rows};
use crate::error::exception;
use crate::run::detached;
use diptych_kernels::clustering as kernel;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

type Ids<'py> = Bound<'py, PyArray1<isize>>;
type Distances<'py> = Bound<'py, PyArray1<f64>>;
type Progress = Option<Py<PyAny>>;

fn pair(py: Python<'_>, (core, labels): (Vec<isize>, Vec<isize>)) -> (Ids<'_>, Ids<'_>) {
    (core.into_pyarray(py), labels.into_pyarray(py))
}

fn optional<'a>(weights: Option<&'a PyReadonlyArray1<'_, f64>>) -> PyResult<Option<&'a [f64]>> {
    weights.map(|weights| contiguous(weights, "sample_weight")).transpose()
}

/// Core points and labels.
#[pyfunction]
#[pyo3(signature = (x, eps, min_samples, metric, p, sample_weight, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn dbscan<'py>(
    py: Python<'py>,
    x: Table<'py>,
    eps: f64,
    min_samples: usize,
    metric: &str,
    p: f64,
    sample_weight: Option<PyReadonlyArray1<'py, f64>>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Ids<'py>, Ids<'py>)> {
    let metric = kernel::Metric::from_name(metric, p).map_err(exception)?;
    let weights = optional(sample_weight.as_ref())?;
    let found = with_rows!(x, "X", |rows| detached(py, n_threads, progress, |task| {
        kernel::dbscan(rows, eps, min_samples, metric, weights, task)
    }))?;
    Ok(pair(py, found))
}

/// Core points and labels, from a matrix of distances.
#[pyfunction]
#[pyo3(signature = (d, eps, min_samples, sample_weight, n_threads, progress, /))]
pub(crate) fn dbscan_dense<'py>(
    py: Python<'py>,
    d: Table<'py>,
    eps: f64,
    min_samples: usize,
    sample_weight: Option<PyReadonlyArray1<'py, f64>>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Ids<'py>, Ids<'py>)> {
    let weights = optional(sample_weight.as_ref())?;
    let found = with_rows!(d, "X", |rows| detached(py, n_threads, progress, |task| {
        kernel::dbscan_dense(rows, eps, min_samples, weights, task)
    }))?;
    Ok(pair(py, found))
}

/// Core points and labels, from a sparse matrix of distances.
#[pyfunction]
#[pyo3(signature = (indptr, indices, data, n_columns, eps, min_samples, sample_weight, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn dbscan_csr<'py>(
    py: Python<'py>,
    indptr: PyReadonlyArray1<'py, i64>,
    indices: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, f64>,
    n_columns: usize,
    eps: f64,
    min_samples: usize,
    sample_weight: Option<PyReadonlyArray1<'py, f64>>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Ids<'py>, Ids<'py>)> {
    let csr = csr(&indptr, &indices, &data, n_columns)?;
    let weights = optional(sample_weight.as_ref())?;
    let found = detached(py, n_threads, progress, |task| kernel::dbscan_csr(csr, eps, min_samples, weights, task))?;
    Ok(pair(py, found))
}

/// Labels of new rows.
#[pyfunction]
#[pyo3(signature = (x_new, core_points, core_labels, eps, metric, p, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn dbscan_predict<'py>(
    py: Python<'py>,
    x_new: Table<'py>,
    core_points: Table<'py>,
    core_labels: PyReadonlyArray1<'py, i64>,
    eps: f64,
    metric: &str,
    p: f64,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Ids<'py>> {
    let metric = kernel::Metric::from_name(metric, p).map_err(exception)?;
    let labels = contiguous(&core_labels, "core_labels")?;
    let found = with_both!(x_new, core_points, "X_new", "core_points", |new, core| detached(
        py,
        n_threads,
        progress,
        |task| kernel::predict(new, core, labels, eps, metric, task)
    ))?;
    Ok(found.into_pyarray(py))
}

/// Labels of new rows, from their distances to the core points.
#[pyfunction]
#[pyo3(signature = (d, core_labels, eps, n_threads, progress, /))]
pub(crate) fn dbscan_predict_dense<'py>(
    py: Python<'py>,
    d: Table<'py>,
    core_labels: PyReadonlyArray1<'py, i64>,
    eps: f64,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Ids<'py>> {
    let labels = contiguous(&core_labels, "core_labels")?;
    let found = with_rows!(d, "X_new", |rows| detached(py, n_threads, progress, |task| {
        kernel::predict_dense(rows, labels, eps, task)
    }))?;
    Ok(found.into_pyarray(py))
}

/// Labels of new rows, from their stored distances to the core points.
#[pyfunction]
#[pyo3(signature = (indptr, indices, data, n_columns, core_labels, eps, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn dbscan_predict_csr<'py>(
    py: Python<'py>,
    indptr: PyReadonlyArray1<'py, i64>,
    indices: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, f64>,
    n_columns: usize,
    core_labels: PyReadonlyArray1<'py, i64>,
    eps: f64,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Ids<'py>> {
    let csr = csr(&indptr, &indices, &data, n_columns)?;
    let labels = contiguous(&core_labels, "core_labels")?;
    let found = detached(py, n_threads, progress, |task| kernel::predict_csr(csr, labels, eps, task))?;
    Ok(found.into_pyarray(py))
}

/// Distances to the k-th other row.
#[pyfunction]
#[pyo3(signature = (x, k, metric, p, n_threads, progress, /))]
pub(crate) fn k_distances<'py>(
    py: Python<'py>,
    x: Table<'py>,
    k: usize,
    metric: &str,
    p: f64,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Distances<'py>> {
    let metric = kernel::Metric::from_name(metric, p).map_err(exception)?;
    let found = with_rows!(x, "X", |rows| detached(py, n_threads, progress, |task| {
        kernel::k_distances(rows, k, metric, task)
    }))?;
    Ok(found.into_pyarray(py))
}

/// Distances to the k-th other row, from a matrix of distances.
#[pyfunction]
#[pyo3(signature = (d, k, n_threads, progress, /))]
pub(crate) fn k_distances_dense<'py>(
    py: Python<'py>,
    d: Table<'py>,
    k: usize,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Distances<'py>> {
    let found = with_rows!(d, "X", |rows| detached(py, n_threads, progress, |task| {
        kernel::k_distances_dense(rows, k, task)
    }))?;
    Ok(found.into_pyarray(py))
}

/// Distances to the k-th other row, from a sparse matrix of distances.
#[pyfunction]
#[pyo3(signature = (indptr, indices, data, n_columns, k, n_threads, progress, /))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn k_distances_csr<'py>(
    py: Python<'py>,
    indptr: PyReadonlyArray1<'py, i64>,
    indices: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, f64>,
    n_columns: usize,
    k: usize,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Distances<'py>> {
    let csr = csr(&indptr, &indices, &data, n_columns)?;
    let found = detached(py, n_threads, progress, |task| kernel::k_distances_csr(csr, k, task))?;
    Ok(found.into_pyarray(py))
}
