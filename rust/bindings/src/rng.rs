//! Kernel: `diptych_kernels::rng`.

use crate::run::inline;
use diptych_kernels::rng::Stream;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

/// Words `start..start + count` of a stream.
#[pyfunction]
#[pyo3(signature = (seed, stream, start, count, /))]
pub(crate) fn splitmix64(
    py: Python<'_>,
    seed: u64,
    stream: u64,
    start: u64,
    count: usize,
) -> PyResult<Bound<'_, PyArray1<u64>>> {
    Ok(inline(|| Stream::new(seed, stream).words(start, count))?.into_pyarray(py))
}
