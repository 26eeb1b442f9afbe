//! Which row takes which step when.
//!
//! Rows are taken in descending order of their lengths, so that the rows that still run are always the first ones. Step s of
//! a row is its time s, or, in reverse, its time length − 1 − s.

use crate::parallel::{filled, filled_with, reserve};
use crate::{Error, Result};
use std::ops::Range;

/// A row: its place in the batch, and its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub at: usize,
    pub length: usize,
}

/// Rows in descending order of lengths.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub rows: Vec<Row>,
    reverse: bool,
}

impl Order {
    pub(super) fn new(times: usize, batch: usize, lengths: Option<&[i64]>, reverse: bool) -> Result<Self> {
        if let Some(lengths) = lengths {
            if lengths.len() != batch {
                return Err(Error::Invalid(format!("lengths has {} numbers for {batch} rows.", lengths.len())));
            }
            if let Some(at) = lengths.iter().position(|&length| length < 0 || length as u64 > times as u64) {
                return Err(Error::Invalid(format!("lengths[{at}]={}: x has {times} steps.", lengths[at])));
            }
        }
        let mut rows = reserve(batch, "the order of the rows")?;
        rows.extend((0..batch).map(|at| Row { at, length: lengths.map_or(times, |lengths| lengths[at] as usize) }));
        rows.sort_by_key(|row| std::cmp::Reverse(row.length));
        Ok(Self { rows, reverse })
    }

    /// Some of the rows, every `n`-th from `first` on: every part has rows of all lengths.
    pub(super) fn part(&self, first: usize, n: usize) -> Result<Self> {
        let mut rows = reserve(self.rows.len() / n + 1, "the order of the rows")?;
        rows.extend(self.rows.iter().skip(first).step_by(n).copied());
        Ok(Self { rows, reverse: self.reverse })
    }

    /// Steps of the longest row.
    pub(super) fn steps(&self) -> usize {
        self.rows.first().map_or(0, |row| row.length)
    }

    /// How many rows have a step s.
    pub(super) fn running(&self, step: usize) -> usize {
        self.rows.partition_point(|row| row.length > step)
    }

    /// The time of a row's step.
    #[inline(always)]
    pub(super) fn time(&self, row: usize, step: usize) -> usize {
        if self.reverse { self.rows[row].length - 1 - step } else { step }
    }

    /// The step of a row at a time before its end.
    #[inline(always)]
    fn step(&self, row: usize, time: usize) -> usize {
        if self.reverse { self.rows[row].length - 1 - time } else { time }
    }

    /// Where x and y have a row's step, counted in rows of a (T, B, …) array.
    #[inline(always)]
    pub(super) fn place(&self, row: usize, step: usize, batch: usize) -> usize {
        self.time(row, step) * batch + self.rows[row].at
    }

    /// The steps after `first` that hold about `room` rows together, at least one step, and how many rows they hold.
    pub(super) fn stretch(&self, first: usize, room: usize) -> (Range<usize>, usize) {
        let (mut end, mut held) = (first, 0);
        while end < self.steps() && (end == first || held + self.running(end) <= room) {
            held += self.running(end);
            end += 1;
        }
        (first..end, held)
    }

    /// Where the rows of each step begin, when the steps are laid one after the other; the last number is how many there are.
    pub(super) fn offsets(&self) -> Result<Vec<usize>> {
        let mut offsets = reserve(self.steps() + 1, "the offsets of the steps")?;
        let mut held = 0;
        offsets.push(held);
        for step in 0..self.steps() {
            held += self.running(step);
            offsets.push(held);
        }
        Ok(offsets)
    }
}

/// The rows of an array (T, B, pieces, width) for each part of its rows: those of step 0, then those of step 1, and so on,
/// piece by piece.
pub(super) fn slots<'a, T>(
    parts: &[&Order],
    array: &'a mut [T],
    width: usize,
    pieces: usize,
    batch: usize,
) -> Result<Vec<Vec<&'a mut [T]>>> {
    let what = "the places of the rows";
    let (mut slots, mut offsets) = (Vec::new(), Vec::new());
    let mut owner = filled(batch, (0, 0), what)?;
    for (part, order) in parts.iter().enumerate() {
        let starts = order.offsets()?;
        let room = if array.is_empty() && width > 0 { 0 } else { starts[order.steps()] * pieces };
        slots.push(filled_with(room, Default::default, what)?);
        offsets.push(starts);
        order.rows.iter().enumerate().for_each(|(row, of)| owner[of.at] = (part, row));
    }
    if width == 0 || batch == 0 {
        return Ok(slots);
    }
    for (time, rows) in array.chunks_exact_mut(batch * pieces * width).enumerate() {
        for (row, &(part, at)) in rows.chunks_exact_mut(pieces * width).zip(&owner) {
            let order = parts[part];
            if time < order.rows[at].length {
                let first = (offsets[part][order.step(at, time)] + at) * pieces;
                for (piece, place) in row.chunks_exact_mut(width).enumerate() {
                    slots[part][first + piece] = place;
                }
            }
        }
    }
    Ok(slots)
}

/// The same for parts that have all rows, and some of the width each.
pub(super) fn unit_slots<'a, T>(
    order: &Order,
    parts: &[Range<usize>],
    array: &'a mut [T],
    width: usize,
    pieces: usize,
    batch: usize,
) -> Result<Vec<Vec<&'a mut [T]>>> {
    let [whole] = <[_; 1]>::try_from(slots(&[order], array, width, pieces, batch)?)
        .unwrap_or_else(|_| unreachable!("one order, one part"));
    let mut of_parts = Vec::new();
    for _ in parts {
        of_parts.push(reserve(whole.len(), "the places of the rows")?);
    }
    for mut row in whole {
        for (part, units) in parts.iter().enumerate() {
            let (place, n) = (std::mem::take(&mut row), units.len());
            let (place, rest) = place.split_at_mut(n);
            row = rest;
            of_parts[part].push(place);
        }
    }
    Ok(of_parts)
}
