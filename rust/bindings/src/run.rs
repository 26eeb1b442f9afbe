//! The one door through which work leaves Python.

use crate::error::{exception, from_panic};
use arc_swap::{ArcSwapOption, Guard};
use diptych_kernels::{Crew, Result, Task, cores};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often a running kernel is asked whether to stop, and tells how far it is.
const POLL: Duration = Duration::from_millis(50);

/// The thread pools of one process, by number of threads.
struct Pools {
    process: u32,
    by_size: Mutex<HashMap<usize, Arc<ThreadPool>>>,
    /// And the crews, likewise.
    crews: Mutex<HashMap<usize, Arc<Crew>>>,
    /// How many cores the first caller might use: a thread of a pool may stay on one.
    cores: usize,
}

static POOLS: ArcSwapOption<Pools> = ArcSwapOption::const_empty();

/// The pools of this process. A forked child has none of its parent's threads, so it starts with pools of its own.
fn pools() -> Arc<Pools> {
    let process = std::process::id();
    let mut pools = POOLS.load_full();
    while pools.as_ref().is_none_or(|pools| pools.process != process) {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let fresh = Arc::new(Pools { process, by_size: Mutex::default(), crews: Mutex::default(), cores });
        // Of several threads that come first, one puts its pools there. Dropping those of the parent would wait for
        // threads that do not exist here.
        let before = Guard::into_inner(POOLS.compare_and_swap(&pools, Some(fresh)));
        if before.as_ref().is_some_and(|before| before.process != process) {
            std::mem::forget(before);
        }
        std::mem::forget(std::mem::replace(&mut pools, POOLS.load_full()));
    }
    let Some(pools) = pools else { unreachable!("set above") };
    pools
}

/// The pool with `threads` threads, built on first use.
fn pool(threads: usize) -> PyResult<Arc<ThreadPool>> {
    let pools = pools();
    let mut by_size = pools.by_size.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = by_size.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let cores = cores::one_for_each(threads);
    let built = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("diptych-{index}"))
        .start_handler(move |index| cores.iter().for_each(|cores| cores::stay_on(cores[index])))
        .build()
        .map_err(|error| cannot_start(threads, &error))?;
    let pool = Arc::new(built);
    by_size.insert(threads, Arc::clone(&pool));
    Ok(pool)
}

/// The crew for so many threads, the caller's included, brought together on first use: no more than there are cores, for
/// they wait for each other in loops.
fn crew(threads: usize) -> PyResult<Arc<Crew>> {
    let pools = pools();
    let mut crews = pools.crews.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(crew) = crews.get(&threads) {
        return Ok(Arc::clone(crew));
    }
    let crew = Arc::new(Crew::new(threads.min(pools.cores)).map_err(|error| cannot_start(threads, &error))?);
    crews.insert(threads, Arc::clone(&crew));
    Ok(crew)
}

fn cannot_start(threads: usize, error: &dyn std::error::Error) -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(format!("cannot start {threads} threads: {error}"))
}

/// Runs a kernel in the pool, outside the interpreter.
///
/// The calling thread waits, looks for signals and calls `progress(done, total)` every 50 ms: Ctrl-C, or an exception
/// from `progress`, stops the kernel at its next block. Panics become `InternalError`.
///
/// # Errors
/// The exception that stopped it, or that of the kernel's own error.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    threads: usize,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Task) -> Result<T> + Send,
) -> PyResult<T> {
    let pool = pool(threads.max(1))?;
    let task = Task::on_cores(pools().cores);
    let slot = Mutex::new(None);
    let ready = Condvar::new();
    let mut stopped = None;
    py.detach(|| {
        pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(&task)));
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                ready.notify_one();
            });
            let mut outcome = slot.lock().unwrap_or_else(PoisonError::into_inner);
            while outcome.is_none() {
                outcome = ready.wait_timeout(outcome, POLL).unwrap_or_else(PoisonError::into_inner).0;
                if outcome.is_none() && stopped.is_none() {
                    drop(outcome);
                    stopped = Python::attach(|py| look(py, &task, progress.as_ref())).err();
                    if stopped.is_some() {
                        task.interrupt();
                    }
                    outcome = slot.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
        });
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    match slot.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(Ok(result)) => result.map_err(exception),
        Some(Err(panic)) => Err(from_panic(&*panic)),
        None => unreachable!("the scope ends after the work"),
    }
}

fn look(py: Python<'_>, task: &Task, progress: Option<&Py<PyAny>>) -> PyResult<()> {
    py.check_signals()?;
    let Some(progress) = progress else { return Ok(()) };
    let tell = |py: Python<'_>| progress.call1(py, task.progress()).map(drop);
    if !py.import("sys")?.getattr("modules")?.contains("greenlet")? {
        return tell(py);
    }
    // A switch to another greenlet moves the stack of this thread away, which the workers look at. From a thread of its own it
    // is an exception instead.
    py.detach(|| {
        thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, || Python::attach(tell)) {
            Ok(other) => other.join().unwrap_or_else(|panic| Err(from_panic(&*panic))),
            Err(_) => Ok(()), // where none can be started nobody is told
        })
    })
}

/// Runs work of some milliseconds at most on this thread and its crew, outside the interpreter: no pool, no signals.
///
/// # Errors
/// That of the kernel; panics become `InternalError`.
pub(crate) fn brief<T: Send>(
    py: Python<'_>,
    threads: usize,
    work: impl FnOnce(&Task) -> Result<T> + Send,
) -> PyResult<T> {
    let task = Task::of(crew(threads.max(1))?);
    py.detach(|| inline(|| work(&task)))
}

/// Runs work of a few dozen microseconds where it stands: no pool, no signals, the interpreter stays attached.
///
/// # Errors
/// That of the kernel; panics become `InternalError`.
pub(crate) fn inline<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(exception),
        Err(panic) => Err(from_panic(&*panic)),
    }
}
