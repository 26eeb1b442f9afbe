//! Threads that wait for work, and a pool for one call made of them and of the thread that calls.
//!
//! A call that takes a millisecond is over before threads of a standing pool are all awake, on cores of their own; the thread that
//! calls is awake. So it is the first worker, and runs whatever runs on one thread; the others come when they come.
//! A rayon pool is a few small allocations, and lasts as long as the call.

use arc_swap::{ArcSwapOption, Guard};
use rayon::{ThreadBuilder, ThreadPoolBuildError, ThreadPoolBuilder};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A thread that waits, and the workers that it is to become and to send for.
#[derive(Debug, Default)]
struct Seat {
    workers: Mutex<Vec<ThreadBuilder>>,
    called: Condvar,
}

/// The waiting threads of one process.
struct Crew {
    process: u32,
    waiting: Mutex<Vec<Arc<Seat>>>,
}

static CREW: ArcSwapOption<Crew> = ArcSwapOption::const_empty();

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The crew of this process. A forked child has none of its parent's threads, so it starts with a crew of its own.
fn crew() -> Arc<Crew> {
    let process = std::process::id();
    loop {
        let crew = CREW.load_full();
        match crew {
            Some(crew) if crew.process == process => return crew,
            other => {
                let fresh = Arc::new(Crew { process, waiting: Mutex::default() });
                // Of several threads that come first, one puts its crew there. That of the parent is never dropped: its
                // locks may be held by threads that do not exist here.
                std::mem::forget(Guard::into_inner(CREW.compare_and_swap(&other, Some(fresh))));
                std::mem::forget(other);
            }
        }
    }
}

/// Sends for threads to become these workers; the first that comes sends for the others. Where no thread can be
/// started there are fewer workers, which changes no result.
fn send(crew: &Arc<Crew>, workers: Vec<ThreadBuilder>) {
    if workers.is_empty() {
        return;
    }
    let waiting = locked(&crew.waiting).pop();
    let seat = waiting.unwrap_or_else(|| {
        let seat = Arc::new(Seat::default());
        let (crew, own) = (Arc::clone(crew), Arc::clone(&seat));
        let name = workers[0].name().unwrap_or("diptych").to_owned();
        // A thread that cannot be started drops its seat, and the workers in it.
        drop(std::thread::Builder::new().name(name).spawn(move || wait(&crew, &own)));
        seat
    });
    *locked(&seat.workers) = workers;
    seat.called.notify_one();
}

/// What a thread of the crew does all its life.
fn wait(crew: &Arc<Crew>, seat: &Arc<Seat>) {
    loop {
        let mut workers = locked(&seat.workers);
        while workers.is_empty() {
            workers = seat.called.wait(workers).unwrap_or_else(PoisonError::into_inner);
        }
        let mut others = std::mem::take(&mut *workers);
        drop(workers);
        let own = others.pop();
        let half = others.split_off(others.len() / 2);
        send(crew, others);
        send(crew, half);
        if let Some(worker) = own {
            worker.run();
        }
        locked(&crew.waiting).push(Arc::clone(seat));
    }
}

/// Calls `work` here, as the first of so many workers of a pool; a panic is given back.
///
/// # Errors
/// Where rayon makes no pool.
#[allow(unsafe_code)]
pub(crate) fn run<R: Send>(
    threads: usize,
    work: impl FnOnce() -> R + Send,
) -> Result<Result<R, Box<dyn Any + Send>>, ThreadPoolBuildError> {
    if rayon::current_thread_index().is_some() {
        // A signal handler or a progress bar that calls a kernel, in the middle of one: a thread is one worker only.
        return std::thread::scope(|scope| {
            scope.spawn(|| run(threads, work)).join().unwrap_or_else(|panic| Ok(Err(panic)))
        });
    }
    let mut workers = Vec::with_capacity(threads);
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("diptych-{index}"));
    let pool = pool.spawn_handler(|worker| {
        workers.push(worker);
        Ok(())
    });
    let pool = Arc::new(pool.build()?);
    let first = workers.remove(0);
    let mut outcome = None;
    let (slot, own) = (&mut outcome, Arc::clone(&pool));
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || {
        if !workers.is_empty() {
            send(&crew(), workers);
        }
        *slot = Some(catch_unwind(AssertUnwindSafe(work)));
        drop(own); // the pool ends, and with it what its workers do
    });
    // SAFETY: the job is the pool's only one and is run below before this function returns: `run` ends when the pool
    // does, which the job itself keeps alive, and no other worker exists before the job has sent for it. It cannot
    // unwind past what it borrows, because nothing between here and there panics.
    let job = unsafe { std::mem::transmute::<Box<dyn FnOnce() + Send + '_>, Box<dyn FnOnce() + Send + 'static>>(job) };
    pool.spawn(job);
    drop(pool);
    first.run();
    outcome.map_or_else(|| unreachable!("the pool ends after the work"), Ok)
}
