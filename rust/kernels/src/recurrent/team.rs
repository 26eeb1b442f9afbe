//! Threads that share the units of the same rows, and exchange h after each step.
//!
//! A step of a few microseconds cannot be handed to a pool. The threads of a team stay together for the whole sequence and
//! wait for each other in a loop. Nobody waits for a thread that may never come: whoever has not joined when the door closes
//! stays outside, and the work is cut for those who are in. A thread that leaves early lets the others go.

use super::forward::Part;
use super::pack::Aligned;
use super::phases::SPINS;
use crate::crew::{Line, wait};
use crate::simd::numbers::Float;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the door stays open at most: a thread that sleeps takes less to wake.
const PATIENCE: Duration = Duration::from_micros(200);

/// Set in the number of those who joined.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Those who work together.
pub(super) struct Team<'a, T> {
    most: usize,
    patience: Duration,
    joined: AtomicUsize,
    /// Members, once the parts are dealt.
    playing: AtomicUsize,
    parts: Vec<Mutex<Option<Part<'a, T>>>>,
    table: Table<T>,
}

/// Where members meet.
struct Table<T> {
    quit: AtomicBool,
    /// How many times a member has finished a step.
    arrived: Line<AtomicUsize>,
    /// h of each member's units after a step, of even and of odd steps.
    blocks: Vec<[Line<Mutex<Vec<T>>>; 2]>,
}

/// A place in a team.
pub(super) struct Seat<'t, T> {
    table: &'t Table<T>,
    at: usize,
    members: usize,
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
    /// A team of one, with room for so many, whose door stays open for so many nanoseconds: a small part of what the work
    /// takes one alone.
    pub(super) fn new(most: usize, nanoseconds: u64) -> Self {
        Self {
            most,
            patience: PATIENCE.min(Duration::from_nanos(nanoseconds)),
            joined: AtomicUsize::new(0),
            playing: AtomicUsize::new(0),
            parts: (0..most).map(|_| Mutex::new(None)).collect(),
            table: Table {
                quit: AtomicBool::new(false),
                arrived: Line(AtomicUsize::new(0)),
                blocks: (0..most).map(|_| [Line(Mutex::default()), Line(Mutex::default())]).collect(),
            },
        }
    }

    /// Called by the threads that would take part, and answered when the work is done or the door is closed.
    pub(super) fn join(&self, run: impl Fn(&mut Part<'a, T>, &Seat<'_, T>) -> Result<()>) {
        let one_more = |joined| if joined & CLOSED == 0 && joined + 1 < self.most { Some(joined + 1) } else { None };
        let Ok(before) = self.joined.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) else { return };
        if self.table.wait(|| self.playing.load(Ordering::Acquire) > 0).is_err() {
            return;
        }
        let (at, members) = (before + 1, self.playing.load(Ordering::Acquire));
        let mut place = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = &mut *place {
            // An error here is that of the task, which the first member meets too.
            let _ = self.run(part, Seat { table: &self.table, at, members }, run);
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
        let mut own = None;
        for (at, part) in parts.into_iter().enumerate().rev() {
            let mut place = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
            if at == 0 { own = Some(part) } else { *place = Some(part) }
        }
        self.playing.store(members, Ordering::Release);
        let Some(mut own) = own else { unreachable!("a team has a first member") };
        self.run(&mut own, Seat { table: &self.table, at: 0, members }, run)?;
        leaving.1 = true;
        let mut all = vec![own];
        for place in &self.parts[1..members] {
            // A member holds the lock of its part to the end.
            all.extend(place.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        if all.len() == members { Ok(all) } else { Err(Error::Interrupted) }
    }

    fn run(
        &self,
        part: &mut Part<'a, T>,
        seat: Seat<'_, T>,
        run: impl Fn(&mut Part<'a, T>, &Seat<'_, T>) -> Result<()>,
    ) -> Result<()> {
        let mut leaving = Leaving(&self.table.quit, false);
        let done = run(part, &seat);
        leaving.1 = done.is_ok();
        done
    }
}

impl<T> Table<T> {
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

    /// Gives the others what the units of this member have become, rows of `own` numbers, and takes theirs into h.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when a member has left.
    pub(super) fn exchange(
        &self,
        step: usize,
        running: usize,
        next: &Aligned<T>,
        own: usize,
        h: &mut Aligned<T>,
    ) -> Result<()> {
        let width = h.len() / (next.len() / own);
        let block = |seat: usize| self.table.blocks[seat][step % 2].0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut mine = block(self.at);
            mine.clear();
            mine.extend_from_slice(&next[..running * own]);
        }
        self.table.arrived.0.fetch_add(1, Ordering::AcqRel);
        self.table.wait(|| self.table.arrived.0.load(Ordering::Acquire) >= (step + 1) * self.members)?;
        let mut first = 0;
        for seat in 0..self.members {
            // Nobody writes here before all have come to the next step.
            let theirs = block(seat);
            let units = theirs.len() / running;
            for (row, theirs) in theirs.chunks_exact(units).enumerate() {
                h[row * width + first..][..units].copy_from_slice(theirs);
            }
            first += units;
        }
        Ok(())
    }
}
