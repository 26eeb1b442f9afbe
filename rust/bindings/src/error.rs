//! Kernel errors as Python exceptions.

use diptych_kernels::Error;
use pyo3::exceptions::{
    PyFloatingPointError, PyKeyboardInterrupt, PyMemoryError, PyOverflowError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;

pyo3::create_exception!(
    diptych,
    InternalError,
    PyRuntimeError,
    "A kernel broke one of its own rules: a bug in diptych, please report it."
);

/// The exception for a kernel's error.
pub(crate) fn exception(error: Error) -> PyErr {
    match error {
        Error::OutOfMemory { .. } => PyMemoryError::new_err(error.to_string()),
        Error::Overflow(_) => PyOverflowError::new_err(error.to_string()),
        Error::Diverged { .. } => PyFloatingPointError::new_err(error.to_string()),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        other => PyValueError::new_err(other.to_string()),
    }
}

/// The exception for a panic.
pub(crate) fn from_panic(payload: &(dyn std::any::Any + Send)) -> PyErr {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned());
    InternalError::new_err(format!("{text} (this is a bug in diptych, please report it)"))
}
