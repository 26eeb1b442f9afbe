//! What every kernel needs to run on several threads: a handle to be stopped by, and vectors that may be refused.

use crate::crew::Crew;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One running kernel, seen from outside: it can be interrupted, and it tells how far it is.
#[derive(Debug, Default)]
pub struct Task {
    stop: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    crew: Option<Arc<Crew>>,
    cores: Option<usize>,
}

impl Task {
    /// A task that nobody has interrupted.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, in a process that may use so many cores. The pool may have more threads.
    pub fn on_cores(cores: usize) -> Self {
        Self { cores: Some(cores), ..Self::default() }
    }

    /// A task that is too short for a pool, nor to be interrupted.
    pub fn of(crew: Arc<Crew>) -> Self {
        Self { crew: Some(crew), ..Self::default() }
    }

    /// How many threads there are for it.
    pub(crate) fn threads(&self) -> usize {
        self.crew.as_ref().map_or_else(rayon::current_num_threads, |crew| crew.members())
    }

    /// How many of them may wait for each other in loops: no more than there are cores, where that is known.
    pub(crate) fn abreast(&self) -> usize {
        self.threads().min(self.cores.unwrap_or(usize::MAX))
    }

    /// Whether it is the work of a crew.
    pub(crate) fn has_crew(&self) -> bool {
        self.crew.is_some()
    }

    /// Leads here while up to `threads` − 1 others follow, of the pool or of the crew: whoever comes before this is over.
    /// Followers must come to an end when the leader does.
    pub(crate) fn together<R: Send>(
        &self,
        threads: usize,
        lead: impl FnOnce() -> R + Send,
        follow: impl Fn() + Sync,
    ) -> R {
        match &self.crew {
            Some(crew) => crew.lead(threads.saturating_sub(1), lead, &follow),
            None => rayon::in_place_scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|_| follow());
                }
                lead()
            }),
        }
    }

    /// Asks the kernel to stop; it answers at its next block.
    pub fn interrupt(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Units of work done, and in all (0 while unknown).
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Adds to the work that is to be done.
    pub(crate) fn expect(&self, units: usize) {
        self.total.fetch_add(units as u64, Ordering::Relaxed);
    }

    /// Whether somebody has; for the inside of long blocks, whose results then do not matter.
    pub(crate) fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Called inside long blocks: fails when the task was interrupted.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn check(&self) -> Result<()> {
        if self.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Called between blocks: counts the units done and fails when the task was interrupted.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn advance(&self, units: usize) -> Result<()> {
        self.done.fetch_add(units as u64, Ordering::Relaxed);
        self.check()
    }
}

/// Looks at a task every so many steps of a long pass.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    task: &'a Task,
    left: usize,
}

impl<'a> Watch<'a> {
    /// Steps from one look to the next: far below a millisecond, unless each is the first to write to a page.
    pub(crate) const STEPS: usize = 1 << 14;

    /// Of a pass that begins.
    pub(crate) fn new(task: &'a Task) -> Self {
        Self { task, left: Self::STEPS }
    }

    /// Called after so many more steps.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    #[inline(always)]
    pub(crate) fn took(&mut self, steps: usize) -> Result<()> {
        if steps < self.left {
            self.left -= steps;
            return Ok(());
        }
        self.left = Self::STEPS;
        self.task.check()
    }
}

/// An empty vector with room for `len` elements.
///
/// # Errors
/// [`Error::OutOfMemory`], which names `what`, instead of an abort.
pub(crate) fn reserve<T>(len: usize, what: &'static str) -> Result<Vec<T>> {
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { what, bytes: len as u128 * size_of::<T>() as u128 })?;
    Ok(out)
}

/// Asks for large pages behind the room of an empty vector, before it is filled: reads at random from many small pages cost
/// a look-up in the page table each.
pub(crate) fn advise_large_pages<T>(vector: &mut Vec<T>) {
    advise(vector.spare_capacity_mut());
}

/// Asks for large pages. A hint, of use from a few MiB on; only Linux knows it.
#[allow(unsafe_code, unused_variables)]
fn advise<T>(room: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 1 << 16; // a multiple of every page size in use
        let skipped = room.as_ptr().cast::<u8>().align_offset(PAGE);
        let bytes = size_of_val(room).saturating_sub(skipped) / PAGE * PAGE;
        if bytes > 0 {
            let start = room.as_mut_ptr().cast::<u8>().wrapping_add(skipped);
            // SAFETY: whole pages of memory that is ours; the advice changes neither what they hold nor where they are.
            unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
    }
}

/// A vector of `len` zeros, which the system supplies page by page when they are first written to: by the threads that
/// fill it, and not by one beforehand. Large pages where there is much, or supplying them costs as much as the work.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn zeros<T: Clone + Default>(len: usize, what: &'static str) -> Result<Vec<T>> {
    drop(reserve::<T>(len, what)?); // `vec!` would abort where this fails
    let mut out = vec![T::default(); len];
    advise_if_large(&mut out);
    Ok(out)
}

/// Tells the C library how much memory will be freed and asked for again with each call. It gives what is freed at the end
/// of its memory back to the system, to be had again page by page, unless that is less than twice the largest block
/// that it saw come and go; but no longer from 32 MiB on. So a block comes and goes, and nobody writes to it.
pub(crate) fn expect_again(bytes: usize) {
    // Below, nothing is given back; beyond, everything is.
    const MANY: std::ops::Range<usize> = 128 << 10..32 << 20;
    if MANY.contains(&bytes) {
        // What has not been looked at would not be asked for.
        drop(std::hint::black_box(reserve::<u8>(bytes, "nothing")));
    }
}

/// Room for numbers of which each is written before any is read: nobody writes zeros first.
#[derive(Debug)]
pub(crate) struct Unwritten<T> {
    room: Vec<T>,
    len: usize,
}

impl<T: Copy> Unwritten<T> {
    /// # Errors
    /// As [`reserve`].
    #[allow(unsafe_code)]
    pub(crate) fn new(len: usize, what: &'static str) -> Result<Self> {
        let mut room = reserve::<T>(len, what)?;
        advise_if_large(room.spare_capacity_mut());
        if cfg!(debug_assertions) {
            // SAFETY: there is room for so many. Of bytes that are all 255 a float is NaN: a place that was forgotten shows.
            unsafe { room.as_mut_ptr().write_bytes(0xFF, len) };
        }
        Ok(Self { room, len })
    }

    /// Where they are to be written.
    pub(crate) fn places(&mut self) -> &mut [MaybeUninit<T>] {
        &mut self.room.spare_capacity_mut()[..self.len]
    }

    /// The numbers.
    ///
    /// # Safety
    /// Each has been written.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn written(mut self) -> Vec<T> {
        // SAFETY: there is room for so many, and the caller's.
        unsafe { self.room.set_len(self.len) };
        self.room
    }
}

/// Asks for large pages where they are of use.
fn advise_if_large<T>(room: &mut [T]) {
    const MUCH: usize = 4 << 20; // bytes, as in NumPy
    if size_of_val(room) >= MUCH {
        advise(room);
    }
}

/// A vector of what `f` makes of the items of several slices, one after the other: filled in parallel, and nobody writes
/// zeros first.
///
/// # Errors
/// As [`reserve`].
#[allow(unsafe_code)]
pub(crate) fn gathered<S: Copy + Sync, T: Send>(
    parts: &[&[S]],
    f: impl Fn(S) -> T + Sync,
    what: &'static str,
) -> Result<Vec<T>> {
    let total = parts.iter().map(|part| part.len()).sum();
    let mut out = reserve(total, what)?;
    advise_if_large(&mut out.spare_capacity_mut()[..total]);
    let ends = parts.iter().scan(0, |end, part| {
        *end += part.len();
        Some(*end)
    });
    split_runs(&mut out.spare_capacity_mut()[..total], ends).into_par_iter().zip(parts).for_each(|(run, part)| {
        assert_eq!(run.len(), part.len());
        run.iter_mut().zip(*part).for_each(|(slot, &item)| {
            slot.write(f(item));
        });
    });
    // SAFETY: the runs are the first `total` slots, cut into one for each part and as long as it, and each slot of each
    // run was written to.
    unsafe { out.set_len(total) };
    Ok(out)
}

/// Makes room for `len` more elements in a vector that is used again and again.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn room<T>(vector: &mut Vec<T>, len: usize, what: &'static str) -> Result<()> {
    let bytes = len as u128 * size_of::<T>() as u128;
    vector.try_reserve(len).map_err(|_| Error::OutOfMemory { what, bytes })
}

/// Fails where so much memory is surely not there: a system may promise it, and end the process that writes to it.
///
/// # Errors
/// As [`reserve`].
fn afford<T>(len: usize, what: &'static str) -> Result<()> {
    const MUCH: u128 = 1 << 30; // less is not worth a look
    let bytes = len as u128 * size_of::<T>() as u128;
    if bytes >= MUCH && available().is_some_and(|available| bytes > available) {
        return Err(Error::OutOfMemory { what, bytes });
    }
    Ok(())
}

/// Bytes of memory that are free or can be made so, swap included; only Linux tells.
fn available() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |key: &str| -> Option<u128> {
        text.lines().find_map(|line| line.strip_prefix(key))?.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((kib("MemAvailable:")? + kib("SwapFree:")?) << 10)
}

/// Fails where there is no room for two arrays of `len` elements at once, because a system may promise each of two that it
/// cannot hold together.
///
/// # Errors
/// As [`reserve`]; also where the memory is not there.
pub(crate) fn both_fit<A, B>(len: u128, what: &'static str) -> Result<()> {
    let bytes = len.saturating_mul((size_of::<A>() + size_of::<B>()) as u128);
    let all = usize::try_from(bytes).map_err(|_| Error::OutOfMemory { what, bytes })?;
    afford::<u8>(all, what)?;
    reserve::<u8>(all, what).map(drop)
}

/// A vector of `len` copies of `value`.
///
/// # Errors
/// As [`reserve`]; also where the memory is not there.
pub(crate) fn filled<T: Clone>(len: usize, value: T, what: &'static str) -> Result<Vec<T>> {
    afford::<T>(len, what)?;
    let mut out = reserve(len, what)?;
    out.resize(len, value);
    Ok(out)
}

/// A vector of `len` values of `f`.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn filled_with<T>(len: usize, f: impl FnMut() -> T, what: &'static str) -> Result<Vec<T>> {
    let mut out = reserve(len, what)?;
    out.resize_with(len, f);
    Ok(out)
}

/// A vector of the items of an iterator.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn collected<T>(items: impl ExactSizeIterator<Item = T>, what: &'static str) -> Result<Vec<T>> {
    let mut out = reserve(items.len(), what)?;
    out.extend(items);
    Ok(out)
}

/// Cuts `0..offsets.len() - 1` (cells) into runs that hold about `target` items each, where cell c holds the items
/// `offsets[c]..offsets[c + 1]`. Depends on the data only, never on the number of threads.
pub(crate) fn runs_of_cells<O: Copy + Into<u64>>(offsets: &[O], target: usize) -> Vec<Range<usize>> {
    let cells = offsets.len() - 1;
    let mut runs = Vec::new();
    let mut first = 0;
    while first < cells {
        let limit = offsets[first].into() + target as u64;
        let after = first + 1 + offsets[first + 1..cells].partition_point(|&end| end.into() < limit);
        runs.push(first..after.min(cells));
        first = after.min(cells);
    }
    runs
}

/// Splits `items` into one mutable slice per run, given where each run ends.
pub(crate) fn split_runs<T>(mut items: &mut [T], ends: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    let mut slices = Vec::new();
    let mut start = 0;
    for end in ends {
        let (head, tail) = items.split_at_mut(end - start);
        slices.push(head);
        items = tail;
        start = end;
    }
    slices
}

/// Does pieces of work in parallel; a single one here, on any thread: it may belong to no pool, and must not wake another.
///
/// # Errors
/// Those of `work`.
pub(crate) fn each<U: Send>(mut pieces: Vec<U>, work: impl Fn(U) -> Result<()> + Send + Sync) -> Result<()> {
    match pieces.pop() {
        Some(piece) if pieces.is_empty() => work(piece),
        last => {
            pieces.extend(last);
            pieces.into_par_iter().try_for_each(work)
        }
    }
}

/// Does pieces of work, in order where `threads` is 1; else that many threads of the pool, or the crew of the task, take one
/// after the other. `make` gives each thread room of its own.
///
/// # Errors
/// Those of `make` and of `work`.
pub(crate) fn share<U: Send, S>(
    task: &Task,
    threads: usize,
    pieces: Vec<U>,
    make: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, U) -> Result<()> + Sync,
) -> Result<()> {
    let count = pieces.len();
    let queue = Mutex::new(pieces.into_iter());
    let run = || {
        let mut room = None;
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = next else { return Ok(()) };
            let room = match &mut room {
                Some(room) => room,
                none => none.insert(make()?),
            };
            work(room, piece)?;
        }
    };
    match (threads.min(count), &task.crew) {
        (0, _) => Ok(()),
        (1, _) => run(),
        (threads, Some(crew)) => {
            let first = Mutex::new(Ok(()));
            let keep = || {
                if let Err(error) = run() {
                    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                    if first.is_ok() {
                        *first = Err(error);
                    }
                }
            };
            crew.lead(threads - 1, keep, &keep);
            first.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
        (threads, None) => (0..threads).into_par_iter().try_for_each(|_| run()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a system would promise.
    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_not_there_is_not_written_to() {
        let Some(available) = available() else { return };
        let error = filled(available as usize + (2 << 30), 1u8, "a test").unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { what: "a test", .. }));
        assert_eq!(filled(3, 1u8, "a test").unwrap(), [1, 1, 1]);
    }
}
