//! Threads that go through phases of work together, one right after the other.
//!
//! A phase of some dozens of microseconds is over before a pool has woken a thread for it. The threads here stay awake
//! from the first phase to the last and wait for the next one in a loop. Nobody waits for a thread that may never come: the
//! items of a phase go to whoever is there, and the one who leads can do them all.

use crate::crew::{Line, wait};
use crate::{Error, Result, Task};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rounds of a loop of waiting before the processor is offered to others.
pub(super) const SPINS: usize = 10_000;

/// What a phase does with an item.
pub(super) type Work<'w> = dyn Fn(usize, usize) -> Result<()> + Sync + 'w;

/// What the threads share.
struct Shared<'w> {
    work: &'w Work<'w>,
    /// How many items each phase has.
    items: &'w [u32],
    /// The phase in the upper half; how many of its items nobody has taken in the lower.
    open: Line<AtomicU64>,
    /// Items of the phase that are done.
    done: Line<AtomicUsize>,
    /// Whether the last phase is over, or somebody has failed.
    over: AtomicBool,
    failed: Mutex<Option<Error>>,
}

/// Ends the waiting of the others, however its owner leaves.
struct Leaving<'c>(&'c AtomicBool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Calls `work(phase, item)` for all items of a phase, in order and on up to so many threads, then for those of the next:
/// `items` has how many there are in each.
///
/// # Errors
/// The first of the work.
pub(super) fn in_phases(task: &Task, threads: usize, items: &[u32], work: &Work<'_>) -> Result<()> {
    if threads < 2 {
        for (phase, &n) in items.iter().enumerate() {
            (0..n as usize).try_for_each(|item| work(phase, item))?;
        }
        return Ok(());
    }
    let shared = Shared {
        work,
        items,
        open: Line(AtomicU64::new(0)),
        done: Line(AtomicUsize::new(0)),
        over: AtomicBool::new(false),
        failed: Mutex::new(None),
    };
    let lead = || {
        let leaving = Leaving(&shared.over);
        for (phase, &n) in items.iter().enumerate() {
            shared.done.0.store(0, Ordering::Relaxed);
            shared.open.0.store((phase as u64) << 32 | u64::from(n), Ordering::Release);
            shared.take_part();
            wait(SPINS, || shared.done.0.load(Ordering::Acquire) == n as usize || shared.over.load(Ordering::Acquire));
            if shared.over.load(Ordering::Acquire) {
                break;
            }
        }
        drop(leaving);
    };
    task.together(threads, lead, || shared.follow());
    shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

impl Shared<'_> {
    /// Works on what is open until all is over.
    fn follow(&self) {
        loop {
            wait(SPINS, || self.open.0.load(Ordering::Relaxed) as u32 > 0 || self.over.load(Ordering::Acquire));
            if self.over.load(Ordering::Acquire) {
                return;
            }
            self.take_part();
        }
    }

    /// Does items of the phase that is open until none is left.
    fn take_part(&self) {
        let one_less = |open: u64| if open as u32 > 0 { Some(open - 1) } else { None };
        while let Ok(open) = self.open.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_less) {
            let leaving = Leaving(&self.over);
            let (phase, left) = ((open >> 32) as usize, open as u32);
            if let Err(why) = (self.work)(phase, (self.items[phase] - left) as usize) {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                return;
            }
            std::mem::forget(leaving); // only who fails, or panics, leaves
            self.done.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::AssertUnwindSafe;

    #[test]
    fn every_item_once_and_no_phase_before_the_last_is_done() {
        let items: Vec<u32> = (0..300).map(|phase| phase % 7).collect();
        for threads in 1..4 {
            let done: Vec<_> = items.iter().map(|_| AtomicUsize::new(0)).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let work = |phase: usize, item: usize| {
                for (&n, done) in items.iter().zip(&done).take(phase) {
                    assert_eq!(done.load(Ordering::Relaxed).count_ones(), n);
                }
                let before = done[phase].fetch_or(1 << item, Ordering::Relaxed);
                assert_eq!(before >> item & 1, 0);
                Ok(())
            };
            pool.install(|| in_phases(&Task::new(), threads, &items, &work)).unwrap();
            assert_eq!(done.last().unwrap().load(Ordering::Relaxed).count_ones(), items[299]);
        }
    }

    #[test]
    fn who_fails_ends_it() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for item in 0..8 {
            let came = AtomicUsize::new(0);
            let work = |phase: usize, at: usize| {
                came.fetch_max(phase, Ordering::Relaxed);
                if (phase, at) == (5, item) { Err(Error::Interrupted) } else { Ok(()) }
            };
            for threads in [1, 3] {
                let found = pool.install(|| in_phases(&Task::new(), threads, &[8; 20], &work));
                assert!(matches!(found, Err(Error::Interrupted)));
                assert_eq!(came.load(Ordering::Relaxed), 5);
            }
        }
    }

    #[test]
    fn who_panics_is_heard() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let work = |phase: usize, _: usize| if phase == 3 { panic!("here") } else { Ok(()) };
        let run = AssertUnwindSafe(|| pool.install(|| in_phases(&Task::new(), 2, &[4; 6], &work)));
        let found = std::panic::catch_unwind(run);
        assert_eq!(found.unwrap_err().downcast_ref(), Some(&"here"));
    }
}
