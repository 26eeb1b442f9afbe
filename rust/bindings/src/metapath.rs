//! Kernel: `diptych_kernels::metapath`.

use crate::arrays::contiguous;
use crate::error::exception;
use crate::run::{detached, inline};
use diptych_kernels::csr::Csr;
use diptych_kernels::metapath as kernel;
use diptych_kernels::{Result, Task};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

type Longs<'py> = Bound<'py, PyArray1<i64>>;
type Shorts<'py> = Bound<'py, PyArray1<i32>>;
type Floats<'py> = Bound<'py, PyArray1<f64>>;
type Best<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);
type Progress = Option<Py<PyAny>>;

/// Counts of paths, or weights.
#[derive(FromPyObject)]
pub(crate) enum Numbers<'py> {
    /// int64
    Counts(PyReadonlyArray1<'py, i64>),
    /// float64
    Weights(PyReadonlyArray1<'py, f64>),
}

/// A matrix: indptr, indices, data, number of columns.
#[derive(FromPyObject)]
pub(crate) struct Matrix<'py>(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>, Numbers<'py>, usize);

impl<'py> Matrix<'py> {
    fn relation<'a, T: Element + Copy>(
        &'a self,
        data: &'a PyReadonlyArray1<'py, T>,
    ) -> PyResult<kernel::Relation<'a, T>> {
        let (indptr, indices) = (contiguous(&self.0, "indptr")?, contiguous(&self.1, "indices")?);
        Csr::new(indptr, indices, contiguous(data, "data")?, self.3).map_err(exception)
    }

    fn half(&self) -> PyResult<Half<'_>> {
        Ok(match &self.2 {
            Numbers::Counts(data) => Half::Counts(self.relation(data)?),
            Numbers::Weights(data) => Half::Weights(self.relation(data)?),
        })
    }
}

/// A half path's matrix.
#[derive(Clone, Copy)]
enum Half<'a> {
    Counts(kernel::Relation<'a, i64>),
    Weights(kernel::Relation<'a, f64>),
}

impl<'a> Half<'a> {
    fn prepared(self) -> Result<kernel::PathSim<'a>> {
        match self {
            Half::Counts(half) => kernel::PathSim::of_counts(half),
            Half::Weights(half) => kernel::PathSim::of_weights(half),
        }
    }
}

fn chain<'py, T: Element + kernel::Number>(
    py: Python<'py>,
    relations: &[kernel::Relation<'_, T>],
    n_threads: usize,
) -> PyResult<(Longs<'py>, Shorts<'py>, Bound<'py, PyAny>)> {
    let product = detached(py, n_threads, None, |task| kernel::chain(relations, task))?;
    let data = product.data.into_pyarray(py).into_any();
    Ok((product.indptr.into_pyarray(py), product.indices.into_pyarray(py), data))
}

/// Whether a matrix can be taken as it is.
#[pyfunction]
#[pyo3(signature = (relation, /))]
pub(crate) fn metapath_is_canonical(py: Python<'_>, relation: Matrix<'_>) -> PyResult<bool> {
    let Ok(half) = relation.half() else { return Ok(false) };
    let look = |_: &Task| {
        Ok(match half {
            Half::Counts(half) => kernel::is_canonical(half),
            Half::Weights(half) => kernel::is_canonical(half),
        })
    };
    detached(py, 1, None, look)
}

/// The product of relations of one dtype.
#[pyfunction]
#[pyo3(signature = (relations, n_threads, /))]
pub(crate) fn metapath_chain<'py>(
    py: Python<'py>,
    relations: Vec<Matrix<'py>>,
    n_threads: usize,
) -> PyResult<(Longs<'py>, Shorts<'py>, Bound<'py, PyAny>)> {
    let (mut counts, mut weights) = (Vec::new(), Vec::new());
    for relation in &relations {
        match relation.half()? {
            Half::Counts(relation) => counts.push(relation),
            Half::Weights(relation) => weights.push(relation),
        }
    }
    match (counts.is_empty(), weights.is_empty()) {
        (false, false) => Err(PyTypeError::new_err("relations must have one dtype, int64 or float64.")),
        (_, true) => chain(py, &counts, n_threads),
        _ => chain(py, &weights, n_threads),
    }
}

/// Similarities of at least a threshold: indptr, indices, scores.
#[pyfunction]
#[pyo3(signature = (half, threshold, n_threads, progress, /))]
pub(crate) fn metapath_pathsim<'py>(
    py: Python<'py>,
    half: Matrix<'py>,
    threshold: f64,
    n_threads: usize,
    progress: Progress,
) -> PyResult<(Longs<'py>, Shorts<'py>, Floats<'py>)> {
    let half = half.half()?;
    let found = detached(py, n_threads, progress, |task| half.prepared()?.matrix(threshold, task))?;
    Ok((found.indptr.into_pyarray(py), found.indices.into_pyarray(py), found.scores.into_pyarray(py)))
}

/// The most similar nodes and their scores, one row per query.
#[pyfunction]
#[pyo3(signature = (half, k, queries, include_self, n_threads, progress, /))]
pub(crate) fn metapath_top_k<'py>(
    py: Python<'py>,
    half: Matrix<'py>,
    k: usize,
    queries: Option<PyReadonlyArray1<'py, i64>>,
    include_self: bool,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Best<'py>> {
    let half = half.half()?;
    let queries = queries.as_ref().map(|queries| contiguous(queries, "queries")).transpose()?;
    let work = |task: &Task| half.prepared()?.top_k(k, queries, include_self, task);
    table(py, k, detached(py, n_threads, progress, work)?)
}

/// The similarity of each pair.
#[pyfunction]
#[pyo3(signature = (half, left, right, n_threads, progress, /))]
pub(crate) fn metapath_pairs<'py>(
    py: Python<'py>,
    half: Matrix<'py>,
    left: PyReadonlyArray1<'py, i64>,
    right: PyReadonlyArray1<'py, i64>,
    n_threads: usize,
    progress: Progress,
) -> PyResult<Floats<'py>> {
    let half = half.half()?;
    let (left, right) = (contiguous(&left, "left")?, contiguous(&right, "right")?);
    let scores = detached(py, n_threads, progress, |task| half.prepared()?.pairs(left, right, task))?;
    Ok(scores.into_pyarray(py))
}

fn table(py: Python<'_>, k: usize, (nodes, scores): (Vec<i64>, Vec<f64>)) -> PyResult<Best<'_>> {
    let shape = [nodes.len() / k, k];
    Ok((nodes.into_pyarray(py).reshape(shape)?, scores.into_pyarray(py).reshape(shape)?))
}

/// A half path's matrix made ready for many small questions.
#[pyclass(frozen, module = "diptych._rust")]
pub(crate) struct MetapathIndex(kernel::PathSim<'static>);

#[pymethods]
impl MetapathIndex {
    #[new]
    #[pyo3(signature = (half, /))]
    fn new(py: Python<'_>, half: Matrix<'_>) -> PyResult<Self> {
        let half = half.half()?;
        detached(py, 1, None, |_| half.prepared()?.keep()).map(Self)
    }

    /// As `metapath_top_k`. One query is answered where it stands.
    #[pyo3(signature = (k, queries, include_self, n_threads, progress, /))]
    #[allow(clippy::too_many_arguments)]
    fn top_k<'py>(
        &self,
        py: Python<'py>,
        k: usize,
        queries: Option<PyReadonlyArray1<'py, i64>>,
        include_self: bool,
        n_threads: usize,
        progress: Progress,
    ) -> PyResult<Best<'py>> {
        let queries = queries.as_ref().map(|queries| contiguous(queries, "queries")).transpose()?;
        let work = |task: &Task| self.0.top_k(k, queries, include_self, task);
        let found = match queries {
            Some([_]) => inline(|| work(&Task::new())),
            _ => detached(py, n_threads, progress, work),
        }?;
        table(py, k, found)
    }

    /// As `metapath_pairs`. One pair is answered where it stands.
    #[pyo3(signature = (left, right, n_threads, progress, /))]
    fn pairs<'py>(
        &self,
        py: Python<'py>,
        left: PyReadonlyArray1<'py, i64>,
        right: PyReadonlyArray1<'py, i64>,
        n_threads: usize,
        progress: Progress,
    ) -> PyResult<Floats<'py>> {
        let (left, right) = (contiguous(&left, "left")?, contiguous(&right, "right")?);
        let work = |task: &Task| self.0.pairs(left, right, task);
        let scores = match left {
            [_] => inline(|| work(&Task::new())),
            _ => detached(py, n_threads, progress, work),
        }?;
        Ok(scores.into_pyarray(py))
    }
}
