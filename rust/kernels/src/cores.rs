//! Threads that stay on cores of their own.
//!
//! A system may wake two threads on one core and leave them there for milliseconds, longer than many a kernel runs: then
//! two threads are no quicker than one.

use std::sync::atomic::{AtomicI32, Ordering};

/// The cores this process may use, where there are just so many of them; only Linux tells. Fewer threads than cores are left
/// to the system, which knows who else is running.
pub fn one_for_each(threads: usize) -> Option<Vec<usize>> {
    let cores = allowed()?;
    (threads > 1 && cores.len() == threads).then_some(cores)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn allowed() -> Option<Vec<usize>> {
    // SAFETY: a set of cores is an array of bits, for which zeros are a value; the call writes no more than its size.
    let (set, is_known) = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let status = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
        (set, status == 0)
    };
    // SAFETY: looks at a bit of the set, below its size.
    let is_in = |&core: &usize| unsafe { libc::CPU_ISSET(core, &set) };
    is_known.then(|| (0..libc::CPU_SETSIZE as usize).filter(is_in).collect())
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> Option<Vec<usize>> {
    None
}

/// Keeps this thread on a core, if the system allows it.
pub fn stay_on(core: usize) {
    stay(0, core);
}

/// The core this thread runs on now; only Linux tells.
#[allow(unsafe_code)]
pub(crate) fn this() -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes nothing and touches no memory of ours.
        usize::try_from(unsafe { libc::sched_getcpu() }).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// A thread that others may keep on a core, once it has said who it is.
#[derive(Debug, Default)]
pub(crate) struct Thread(AtomicI32);

impl Thread {
    /// Says that it is the calling one.
    #[allow(unsafe_code)]
    pub(crate) fn is_this(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: takes nothing and touches no memory of ours.
        self.0.store(unsafe { libc::gettid() }, Ordering::Release);
    }

    /// Keeps it on a core. Tells whether it will stay there.
    pub(crate) fn stay_on(&self, core: usize) -> bool {
        let thread = self.0.load(Ordering::Acquire);
        thread != 0 && stay(thread, core)
    }
}

/// Keeps a thread of the system on a core, 0 this one.
#[allow(unsafe_code, unused_variables)]
fn stay(thread: i32, core: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: as in `allowed`; the core is one of a set, so its bit is below the size, and the call reads the set.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(core, &mut set);
            libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &raw const set) == 0
        }
    }
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_one_of_the_cores() {
        let cores = allowed().unwrap();
        assert_eq!(one_for_each(cores.len()), Some(cores.clone()).filter(|cores| cores.len() > 1));
        assert_eq!(one_for_each(cores.len() + 1), None);
        let core = *cores.last().unwrap();
        let stayed = std::thread::spawn(move || {
            stay_on(core);
            allowed()
        });
        assert_eq!(stayed.join().unwrap(), Some(vec![core]));
        assert_eq!(allowed(), Some(cores)); // the others stay free
    }
}
