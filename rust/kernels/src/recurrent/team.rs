//! Threads that share the units of the same rows, and exchange h after each step.
//!
//! A step of a few microseconds cannot be handed to a pool, and of large weights a thread should read the same share in every
//! step. The threads of a team stay together for the whole sequence and
//! wait for each other in a loop. Nobody waits for a thread that may never come: whoever has not joined when the door closes
//! stays outside, and the work is cut for those who are in. A thread that leaves early lets the others go.

use super::forward::Part;
use super::pack::Aligned;
use super::phases::SPINS;
use crate::crew::{Line, wait};
use crate::parallel::{filled_with, reserve};
use crate::simd::numbers::Float;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Nanoseconds that the door of short work stays open, at most: a thread that sleeps takes less to wake.
const PATIENCE: u64 = 200_000;

/// Set in the number of those who joined.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Those who work together.
pub(super) struct Team<'a, T: Float> {
    most: usize,
    patience: Duration,
    joined: AtomicUsize,
    /// Members, once the parts are dealt.
    playing: AtomicUsize,
    parts: Vec<Mutex<Option<Part<'a, T>>>>,
    table: Table<T>,
}

/// Where members meet.
struct Table<T: Float> {
    quit: AtomicBool,
    /// Why somebody left who is not the first, if that is known.
    why: Mutex<Option<Error>>,
    /// One for each member, once the parts are dealt.
    desks: OnceLock<Vec<Desk<T>>>,
}

/// What a member leaves for the others. Nobody else writes here: a line that two threads write to goes to and fro between
/// their caches.
struct Desk<T: Float> {
    /// Steps that the member has finished.
    finished: Line<AtomicUsize>,
    /// Its units, padded.
    units: usize,
    /// Rows of their h after a step, of even and of odd steps.
    h: [Vec<T::Place>; 2],
}

/// A place in a team.
pub(super) struct Seat<'t, T: Float> {
    table: &'t Table<T>,
    at: usize,
}

/// Lets the others go when its owner leaves before the end.
struct Leaving<'t>(&'t AtomicBool, bool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.store(true, Ordering::Release);
        }
    }
}

impl<'a, T: Float> Team<'a, T> {
    /// A team of one, with room for so many. The work takes one alone so many nanoseconds; the door stays open for a small
    /// part of them.
    pub(super) fn new(most: usize, nanoseconds: u64) -> Self {
        Self {
            most,
            patience: Duration::from_nanos((nanoseconds / 8).min(PATIENCE.max(nanoseconds / 64))),
            joined: AtomicUsize::new(0),
            playing: AtomicUsize::new(0),
            parts: (0..most).map(|_| Mutex::new(None)).collect(),
            table: Table { quit: AtomicBool::new(false), why: Mutex::default(), desks: OnceLock::new() },
        }
    }

    /// Called by the threads that would take part, and answered when the work is done or the door is closed.
    pub(super) fn join(&self, run: impl Fn(&mut Part<'a, T>, &Seat<'_, T>) -> Result<()>) {
        let one_more = |joined| if joined & CLOSED == 0 && joined + 1 < self.most { Some(joined + 1) } else { None };
        let Ok(before) = self.joined.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) else { return };
        if self.table.wait(|| self.playing.load(Ordering::Acquire) > 0).is_err() {
            return;
        }
        let at = before + 1;
        let mut place = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = &mut *place {
            let mut leaving = Leaving(&self.table.quit, false);
            match run(part, &Seat { table: &self.table, at }) {
                Ok(()) => leaving.1 = true,
                Err(why) => _ = self.table.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why),
            }
        }
    }

    /// Waits for those who join, a little, and returns how many members there are.
    fn close_the_door(&self) -> usize {
        let opened = Instant::now();
        while self.joined.load(Ordering::Acquire) + 1 < self.most && opened.elapsed() < self.patience {
            std::hint::spin_loop();
        }
        self.joined.fetch_or(CLOSED, Ordering::AcqRel) + 1
    }

    /// Closes the door, deals a part to each member and runs the first; returns them all when the last has finished.
    pub(super) fn play(
        &self,
        deal: impl FnOnce(usize) -> Result<Vec<Part<'a, T>>>,
        run: impl Fn(&mut Part<'a, T>, &Seat<'_, T>) -> Result<()>,
    ) -> Result<Vec<Part<'a, T>>> {
        let mut leaving = Leaving(&self.table.quit, false);
        let parts = deal(self.close_the_door())?;
        let members = parts.len();
        let mut desks = reserve(members, "the desks")?;
        for part in &parts {
            desks.push(Desk::new(part)?);
        }
        let _ = self.table.desks.set(desks);
        let mut own = None;
        for (at, part) in parts.into_iter().enumerate().rev() {
            let mut place = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
            if at == 0 { own = Some(part) } else { *place = Some(part) }
        }
        self.playing.store(members, Ordering::Release);
        let Some(mut own) = own else { unreachable!("a team has a first member") };
        if let Err(found) = run(&mut own, &Seat { table: &self.table, at: 0 }) {
            let why = self.table.why.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(if matches!(found, Error::Interrupted) { why.unwrap_or(found) } else { found });
        }
        leaving.1 = true;
        let mut all = vec![own];
        for place in &self.parts[1..members] {
            // A member holds the lock of its part to the end.
            all.extend(place.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        if all.len() == members { Ok(all) } else { Err(Error::Interrupted) }
    }
}

impl<T: Float> Desk<T> {
    fn new(part: &Part<'_, T>) -> Result<Self> {
        // Room at the end, so that no line has numbers of two members.
        let room = part.next.len() + size_of::<Line<u8>>() / size_of::<T>();
        let h = || filled_with(room, T::Place::default, "the states that threads exchange");
        Ok(Self {
            finished: Line(AtomicUsize::new(0)),
            units: part.next.len() / part.order.rows.len(),
            h: [h()?, h()?],
        })
    }
}

impl<T: Float> Table<T> {
    /// Waits until something holds.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when a member has left.
    fn wait(&self, holds: impl Fn() -> bool) -> Result<()> {
        wait(SPINS, || holds() || self.quit.load(Ordering::Acquire));
        if holds() { Ok(()) } else { Err(Error::Interrupted) }
    }
}

impl<T: Float> Seat<'_, T> {
    /// Whether this is the member that the others work for.
    pub(super) fn is_first(&self) -> bool {
        self.at == 0
    }

    /// Gives the others what the units of this member have become, and takes all into h.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when a member has left.
    pub(super) fn exchange(&self, step: usize, running: usize, next: &Aligned<T>, h: &mut Aligned<T>) -> Result<()> {
        let Some(desks) = self.table.desks.get() else { unreachable!("members play when the parts are dealt") };
        let mine = &desks[self.at];
        let width = h.len() / (next.len() / mine.units);
        // Whoever finished the step before has taken what was left here two steps ago.
        for (&number, place) in next[..running * mine.units].iter().zip(&mine.h[step % 2]) {
            number.leave(place);
        }
        mine.finished.0.store(step + 1, Ordering::Release);
        let mut first = 0;
        for (at, theirs) in desks.iter().enumerate() {
            let units = theirs.units;
            if at == self.at {
                for (row, from) in next.chunks_exact(units).take(running).enumerate() {
                    h[row * width + first..][..units].copy_from_slice(from);
                }
            } else {
                self.table.wait(|| theirs.finished.0.load(Ordering::Acquire) > step)?;
                for (row, from) in theirs.h[step % 2].chunks_exact(units).take(running).enumerate() {
                    for (to, place) in h[row * width + first..][..units].iter_mut().zip(from) {
                        *to = T::left(place);
                    }
                }
            }
            first += units;
        }
        Ok(())
    }
}
