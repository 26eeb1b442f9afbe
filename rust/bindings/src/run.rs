//! The one door through which work leaves Python.

use crate::crew;
use crate::error::{exception, from_panic};
use diptych_kernels::{Result, Task};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a running kernel is asked whether to stop, and tells how far it is.
const POLL: Duration = Duration::from_millis(50);

/// Runs a kernel on this thread and others, outside the interpreter.
///
/// Every 50 ms this thread looks for signals and calls `progress(done, total)`, between two blocks of its own work or while
/// it waits for others: Ctrl-C, or an exception from `progress`, stops the kernel at its next block. Panics become
/// `InternalError`.
///
/// # Errors
/// The exception that stopped it, or that of the kernel's own error.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    threads: usize,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Task) -> Result<T> + Send,
) -> PyResult<T> {
    let stopped = Arc::new(Mutex::new(None));
    let why = Arc::clone(&stopped);
    let task = Task::watched(POLL, move |done, total| {
        let look = || Python::attach(|py| look(py, (done, total), progress.as_ref()));
        let outcome = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| Err(from_panic(&*panic)));
        outcome.map_err(|error| *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error)).is_ok()
    });
    let outcome = py.detach(|| crew::run(threads.max(1), || work(&task)));
    if let Some(error) = stopped.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    match outcome {
        Ok(Ok(result)) => result.map_err(exception),
        Ok(Err(panic)) => Err(from_panic(&*panic)),
        Err(error) => Err(cannot_start(threads, &error)),
    }
}

fn look(py: Python<'_>, (done, total): (u64, u64), progress: Option<&Py<PyAny>>) -> PyResult<()> {
    py.check_signals()?;
    if let Some(progress) = progress {
        progress.call1(py, (done, total))?;
    }
    Ok(())
}

/// Runs work of a few microseconds where it stands: no other thread, no signals, the interpreter stays attached.
///
/// # Errors
/// That of the kernel; panics become `InternalError`.
pub(crate) fn inline<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(exception),
        Err(panic) => Err(from_panic(&*panic)),
    }
}

/// As [`inline`], for work that is written for several threads.
///
/// # Errors
/// As [`inline`].
pub(crate) fn alone<T: Send>(work: impl FnOnce(&Task) -> Result<T> + Send) -> PyResult<T> {
    match crew::run(1, || work(&Task::new())) {
        Ok(Ok(result)) => result.map_err(exception),
        Ok(Err(panic)) => Err(from_panic(&*panic)),
        Err(error) => Err(cannot_start(1, &error)),
    }
}

fn cannot_start(threads: usize, error: &dyn std::fmt::Display) -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(format!("cannot start {threads} threads: {error}"))
}
