//! Helpers for work too short for a pool.
//!
//! To wake a thread of a pool, which wakes the next, and to be woken when they have finished takes longer than many a short
//! kernel runs. Here the caller takes part, and whoever helped it looks out for more for a moment before it sleeps. Nobody
//! waits for a helper that has not come when the work is done.

use crate::cores;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use std::{hint, io, thread};

/// How long a helper looks out for more work before it sleeps.
const AWAKE: Duration = Duration::from_micros(200);

/// Rounds of a loop of waiting between two looks at the clock, or before the processor is offered to others.
const SPINS: usize = 64;

/// A caller and those who help it, at one piece of work at a time.
#[derive(Debug)]
pub struct Crew {
    shared: Arc<Shared>,
    helpers: Vec<Arc<Helper>>,
    /// As many cores as there are members, where each is to stay on its own.
    cores: Option<Vec<usize>>,
    turn: Mutex<()>,
}

/// What is known of a helper.
#[derive(Debug, Default)]
struct Helper {
    thread: cores::Thread,
    /// The core it stays on, plus one.
    core: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shared {
    /// Counts the jobs.
    jobs: Line<AtomicUsize>,
    /// Helpers that are at the job.
    busy: Line<AtomicUsize>,
    state: Mutex<State>,
    more: Condvar,
}

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

#[derive(Debug, Default)]
struct State {
    job: Option<Job>,
    asleep: usize,
    is_over: bool,
    panic: Option<Box<dyn Any + Send>>,
}

/// Work that several threads do at once.
struct Job {
    follow: *const (dyn Fn() + Sync),
    /// How many more may follow.
    room: usize,
}

// SAFETY: what it points to may be called from any thread, and `Crew::lead` keeps it until no helper is at it.
#[allow(unsafe_code)]
unsafe impl Send for Job {}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Crew {
    /// Starts a crew of so many, the caller included.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn new(members: usize) -> io::Result<Self> {
        let mut crew = Self {
            shared: Arc::default(),
            helpers: Vec::new(),
            cores: cores::one_for_each(members),
            turn: Mutex::default(),
        };
        for at in 1..members {
            let (shared, helper) = (Arc::clone(&crew.shared), Arc::<Helper>::default());
            crew.helpers.push(Arc::clone(&helper));
            thread::Builder::new().name(format!("diptych-helper-{at}")).spawn(move || {
                helper.thread.is_this();
                shared.help();
            })?;
        }
        Ok(crew)
    }

    /// How many they are, the caller included.
    pub fn members(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Leads here while helpers that come before this is over follow, `most` of them at most. Followers must come to an end
    /// when the leader does. Who finds the crew at work for somebody else goes alone.
    ///
    /// # Panics
    /// If the leader does, or a follower.
    #[allow(unsafe_code)]
    pub(crate) fn lead<R>(&self, most: usize, lead: impl FnOnce() -> R, follow: &(dyn Fn() + Sync)) -> R {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(), // by a job that panicked, which left nothing behind
            Err(TryLockError::WouldBlock) => return lead(),
        };
        self.spread();
        // SAFETY: only the lifetime changes. Helpers take the job from where it is put now, and before this function is left,
        // by a panic too, `Closing` takes it away and waits for those who are at it.
        let lasting = unsafe { std::mem::transmute::<*const (dyn Fn() + Sync + '_), *const (dyn Fn() + Sync)>(follow) };
        let stale = {
            let mut state = self.shared.lock();
            state.job = Some(Job { follow: lasting, room: most });
            self.shared.jobs.0.fetch_add(1, Ordering::Release);
            for _ in 0..state.asleep.min(most) {
                self.shared.more.notify_one();
            }
            state.panic.take()
        };
        let closing = Closing(&self.shared);
        drop(stale); // of a job whose leader panicked too
        let led = lead();
        drop(closing);
        let panic = self.shared.lock().panic.take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        led
    }

    /// Sends a helper that stays on the core of the caller, or nowhere yet, to a core where nobody is.
    fn spread(&self) {
        let Some(cores) = &self.cores else { return };
        let Some(here) = cores::this() else { return };
        let is_apart = |helper: &Arc<Helper>| ![0, here + 1].contains(&helper.core.load(Ordering::Relaxed));
        // Whoever has since been told to stay on fewer cores, or on others, is left to the system.
        if self.helpers.iter().all(is_apart) || cores::one_for_each(self.members()).as_ref() != Some(cores) {
            return;
        }
        for helper in &self.helpers {
            if is_apart(helper) {
                continue;
            }
            let is_free = |&&core: &&usize| {
                core != here && self.helpers.iter().all(|other| other.core.load(Ordering::Relaxed) != core + 1)
            };
            if let Some(&free) = cores.iter().find(is_free)
                && helper.thread.stay_on(free)
            {
                helper.core.store(free + 1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.jobs.0.fetch_add(1, Ordering::Release);
        self.shared.more.notify_all();
    }
}

/// Ends a job: no helper begins it any more, and those who are at it have finished.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().job = None;
        wait(SPINS, || self.0.busy.0.load(Ordering::Acquire) == 0);
    }
}

/// Waits in a loop until something holds, and offers the processor to others every so many rounds.
pub(crate) fn wait(spins: usize, holds: impl Fn() -> bool) {
    let mut rounds = 0;
    while !holds() {
        rounds += 1;
        if rounds % spins == 0 { thread::yield_now() } else { hint::spin_loop() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a helper.
    #[allow(unsafe_code)]
    fn help(&self) {
        let mut known = 0;
        loop {
            self.look_out(known);
            let job = {
                let mut state = self.lock();
                while self.jobs.0.load(Ordering::Acquire) == known && !state.is_over {
                    state.asleep += 1;
                    state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.asleep -= 1;
                }
                if state.is_over {
                    return;
                }
                known = self.jobs.0.load(Ordering::Acquire);
                match &mut state.job {
                    Some(job) if job.room > 0 => {
                        job.room -= 1;
                        self.busy.0.fetch_add(1, Ordering::AcqRel);
                        Some(job.follow)
                    }
                    _ => None,
                }
            };
            if let Some(follow) = job {
                // SAFETY: `busy` was raised before `Closing` could take the job away, and it waits until that is lowered.
                let done = catch_unwind(AssertUnwindSafe(|| unsafe { (*follow)() }));
                let other = done.err().and_then(|panic| self.lock().panic.replace(panic));
                self.busy.0.fetch_sub(1, Ordering::AcqRel);
                drop(other);
            }
        }
    }

    /// Waits for another job than the known one, for a moment.
    fn look_out(&self, known: usize) {
        let since = Instant::now();
        let mut spins = 0;
        while self.jobs.0.load(Ordering::Acquire) == known {
            spins += 1;
            if spins % SPINS == 0 && since.elapsed() > AWAKE {
                return;
            }
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_takes_part_and_nobody_is_left_at_it() {
        let crew = Crew::new(3).unwrap();
        let (mut most, since) = (0, Instant::now());
        for round in 0.. {
            // On a machine that is busy with other tests a helper may be long in coming.
            if round >= 200 && (most > 1 || since.elapsed() > Duration::from_secs(60)) {
                break;
            }
            let (left, came) = (AtomicUsize::new(1000), AtomicUsize::new(0));
            let job = || {
                came.fetch_add(1, Ordering::Relaxed);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    hint::spin_loop();
                }
            };
            crew.lead(2, job, &job);
            assert_eq!(left.load(Ordering::Relaxed), 0);
            most = most.max(came.load(Ordering::Relaxed));
            if round % 50 == 0 {
                thread::sleep(2 * AWAKE); // they sleep
            }
        }
        assert!((2..=3).contains(&most), "{most}");
    }

    #[test]
    fn a_crew_at_work_leaves_others_to_themselves() {
        let crew = Crew::new(2).unwrap();
        let inner = AtomicUsize::new(0);
        let count = || {
            inner.fetch_add(1, Ordering::Relaxed);
        };
        let both = || crew.lead(1, count, &count);
        crew.lead(1, both, &both);
        assert!((1..=2).contains(&inner.load(Ordering::Relaxed)));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_crew_goes_on() {
        let crew = Crew::new(2).unwrap();
        let caller = thread::current().id();
        for round in 0..20 {
            let helped = AtomicUsize::new(0);
            let job = || {
                if thread::current().id() == caller {
                    while helped.load(Ordering::Relaxed) == 0 {
                        thread::yield_now();
                    }
                }
                let is_ours = (thread::current().id() == caller) == (round % 2 == 0);
                helped.store(1, Ordering::Relaxed);
                assert!(!is_ours, "ours");
            };
            let panic = catch_unwind(AssertUnwindSafe(|| crew.lead(2, job, &job))).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"ours"));
        }
    }
}
