//! Kernel: `diptych_kernels::metapath`.

use crate::arrays::{Indices, contiguous, shaped};
use crate::run::{detached, inline};
use diptych_kernels::metapath as kernel;
use diptych_kernels::metapath::{Number, Numbers, PathSim, Relation, Stored};
use diptych_kernels::{Error, Result, Task};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

type Floats<'py> = Bound<'py, PyArray1<f64>>;
type Csr<'py, T> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i32>>, Bound<'py, T>);
type Best<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);
type Progress = Option<Py<PyAny>>;

/// Counts of paths, or weights.
#[derive(FromPyObject)]
pub(crate) enum Data<'py> {
    /// int64
    Counts(PyReadonlyArray1<'py, i64>),
    /// float64
    Weights(PyReadonlyArray1<'py, f64>),
}

/// A matrix: indptr, indices, data, number of columns.
#[derive(FromPyObject)]
pub(crate) struct Matrix<'py>(Indices<'py>, Indices<'py>, Data<'py>, usize);

/// A matrix, for threads without an interpreter: indptr, indices, data, number of columns.
type Arrays<'a, T> = (Numbers<'a>, Numbers<'a>, &'a [T], usize);

/// A matrix of either type.
#[derive(Clone, Copy)]
enum Half<'a> {
    Counts(Arrays<'a, i64>),
    Weights(Arrays<'a, f64>),
}

impl Matrix<'_> {
    fn half(&self) -> PyResult<Half<'_>> {
        let (indptr, indices) = (numbers(&self.0, "indptr")?, numbers(&self.1, "indices")?);
        Ok(match &self.2 {
            Data::Counts(data) => Half::Counts((indptr, indices, contiguous(data, "data")?, self.3)),
            Data::Weights(data) => Half::Weights((indptr, indices, contiguous(data, "data")?, self.3)),
        })
    }
}

fn numbers<'a>(array: &'a Indices<'_>, name: &str) -> PyResult<Numbers<'a>> {
    Ok(match array {
        Indices::Long(array) => Numbers::Long(contiguous(array, name)?),
        Indices::Short(array) => Numbers::Short(contiguous(array, name)?),
    })
}

impl Half<'_> {
    /// Calls `work` with the matrix made ready; None if it is not canonical.
    fn with<R>(self, work: impl FnOnce(PathSim<'_>) -> Result<R>) -> Result<Option<R>> {
        match self {
            Half::Counts(arrays) => with(&[arrays], |relations| work(PathSim::of_counts(relations[0])?)),
            Half::Weights(arrays) => with(&[arrays], |relations| work(PathSim::of_weights(relations[0])?)),
        }
    }
}

/// Calls `work` with relations; None if one is not canonical.
fn with<T: Number, R>(
    given: &[Arrays<'_, T>],
    work: impl FnOnce(&[Relation<'_, T>]) -> Result<R>,
) -> Result<Option<R>> {
    let stored = given.iter().map(|&(indptr, indices, data, m)| Stored::new(indptr, indices, data, m));
    let Some(stored) = unless_invalid(stored.collect::<Result<Vec<_>>>())? else { return Ok(None) };
    let relations = stored.iter().map(Stored::relation).collect::<Result<Vec<_>>>();
    unless_invalid(relations)?.map(|relations| work(&relations)).transpose()
}

fn unless_invalid<R>(result: Result<R>) -> Result<Option<R>> {
    match result {
        Err(Error::Invalid(_)) => Ok(None),
        other => other.map(Some),
    }
}

fn chain<'py, T: Element + Number>(
    py: Python<'py>,
    given: &[Arrays<'_, T>],
    n_threads: usize,
) -> PyResult<Option<Csr<'py, PyAny>>> {
    let product = detached(py, n_threads, None, |task| with(given, |relations| kernel::chain(relations, task)))?;
    Ok(product.map(|product| {
        let data = product.data.into_pyarray(py).into_any();
        (product.indptr.into_pyarray(py), product.indices.into_pyarray(py), data)
    }))
}

/// The product of relations of one dtype; None if one is not canonical, as in all that follows.
#[pyfunction]
#[pyo3(signature = (relations, n_threads, /))]
pub(crate) fn metapath_chain<'py>(
    py: Python<'py>,
    relations: Vec<Matrix<'py>>,
    n_threads: usize,
) -> PyResult<Option<Csr<'py, PyAny>>> {
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
) -> PyResult<Option<Csr<'py, PyArray1<f64>>>> {
    let half = half.half()?;
    let found = detached(py, n_threads, progress, |task| half.with(|half| half.matrix(threshold, task)))?;
    Ok(found
        .map(|found| (found.indptr.into_pyarray(py), found.indices.into_pyarray(py), found.scores.into_pyarray(py))))
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
) -> PyResult<Option<Best<'py>>> {
    let half = half.half()?;
    let queries = queries.as_ref().map(|queries| contiguous(queries, "queries")).transpose()?;
    let work = |task: &Task| half.with(|half| half.top_k(k, queries, include_self, task));
    detached(py, n_threads, progress, work)?.map(|found| table(py, k, found)).transpose()
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
) -> PyResult<Option<Floats<'py>>> {
    let half = half.half()?;
    let (left, right) = (contiguous(&left, "left")?, contiguous(&right, "right")?);
    let scores = detached(py, n_threads, progress, |task| half.with(|half| half.pairs(left, right, task)))?;
    Ok(scores.map(|scores| scores.into_pyarray(py)))
}

fn table(py: Python<'_>, k: usize, (nodes, scores): (Vec<i64>, Vec<f64>)) -> PyResult<Best<'_>> {
    let shape = [nodes.len() / k, k];
    Ok((shaped(py, nodes, shape)?, shaped(py, scores, shape)?))
}

/// A half path's matrix made ready for many small questions.
#[pyclass(frozen, module = "diptych._rust")]
pub(crate) struct MetapathIndex(PathSim<'static>);

/// Makes one, on one thread.
#[pyfunction]
#[pyo3(signature = (half, /))]
pub(crate) fn metapath_index(py: Python<'_>, half: Matrix<'_>) -> PyResult<Option<MetapathIndex>> {
    let half = half.half()?;
    Ok(detached(py, 1, None, |task| half.with(|half| half.keep(task)))?.map(MetapathIndex))
}

#[pymethods]
impl MetapathIndex {
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
