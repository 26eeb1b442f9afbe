//! The rows of a table that one walk trains on: copies of its own, found by a small hash table.

use super::batch::MOST_WALKS;
use crate::Result;
use crate::parallel::room;
use crate::simd::{LANES, Lanes, dispatched, prefetch};
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Nothing is stored there.
const EMPTY: u64 = u64::MAX;
/// Rows asked for ahead of their use.
const AHEAD: usize = 12;

#[derive(Default)]
pub(super) struct Copies {
    /// Row of the table at each slot.
    pub rows: Vec<u32>,
    /// The copies, slot by slot.
    pub data: Vec<[f32; LANES]>,
    /// Rows that other walks of the batch use too, and none before this one.
    pub shared: Vec<u32>,
    /// How many rows are copied.
    filled: usize,
    /// Open addressing: a row in the upper half of a word, its slot in the lower.
    places: Vec<u64>,
}

impl Copies {
    /// Forgets all rows; there will be at most `most`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn clear(&mut self, most: usize) -> Result<()> {
        self.rows.clear();
        let size = (2 * most).next_power_of_two().max(16);
        self.places.clear();
        room(&mut self.places, size, "the rows of a walk")?;
        self.places.resize(size, EMPTY);
        Ok(())
    }

    /// The slot of a row, a new one if need be.
    #[inline]
    pub fn slot(&mut self, row: u32) -> u32 {
        let place = self.place(row);
        if self.places[place] == EMPTY {
            self.places[place] = u64::from(row) << 32 | self.rows.len() as u64;
            self.rows.push(row);
        }
        self.places[place] as u32
    }

    /// The copy of a row that has a slot.
    pub fn of(&self, row: u32, width: usize) -> &[[f32; LANES]] {
        let slot = self.places[self.place(row)] as u32 as usize;
        &self.data[slot * width..(slot + 1) * width]
    }

    #[inline]
    fn place(&self, row: u32) -> usize {
        let mask = self.places.len() - 1;
        let mut place = home(row) & mask;
        while self.places[place] != EMPTY && (self.places[place] >> 32) as u32 != row {
            place = (place + 1) & mask;
        }
        place
    }

    /// Takes the memory of copies that nobody needs any more.
    pub fn succeed(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.data, &mut other.data);
    }

    /// Begins to copy rows that have so many times sixteen numbers.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn start(&mut self, width: usize) -> Result<()> {
        self.filled = 0;
        let size = self.rows.len() * width;
        if self.data.len() < size {
            let more = size - self.data.len();
            room(&mut self.data, more, "the rows of a walk")?;
            self.data.resize(size, [0.0; LANES]);
        }
        Ok(())
    }

    /// Copies rows from the table for the walk of this number, until so many are there.
    pub fn fill(&mut self, table: &Rows<'_>, walk: usize, until: usize) {
        let until = until.min(self.rows.len());
        if self.filled < until {
            read(table, walk, &self.rows, self.filled..until, &mut self.data);
            self.filled = until;
        }
    }

    /// Puts the rows that no other walk uses into the table, and clears their marks.
    pub fn put_back(&mut self, table: &Rows<'_>, walk: usize) {
        self.shared.clear();
        write(table, walk, &self.rows, &self.data, &mut self.shared);
    }
}

/// Where the search for a row begins, in any table of up to 2³² places.
#[inline]
fn home(row: u32) -> usize {
    (u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// A table that the walks of a batch copy rows from and put rows into at once. A bit of the marks of a row gives the walk
/// of that number the right to read it; the only bit gives the right to write it.
pub(super) struct Rows<'t> {
    numbers: &'t [Cell<[f32; LANES]>],
    marks: &'t [AtomicU16],
    /// A row has so many times sixteen numbers.
    width: usize,
}

// Without it one thread after the other would write rows long gone from its cache: a seventh of the time.
#[allow(unsafe_code)]
// SAFETY: the cells are touched in `read` and `write`, which check the marks, and in `Claims`. A walk's number is known to
// the one thread that trains it, and while there are `Rows` no mark is set and none cleared but by its only user, who has
// no business with the row afterwards. So a row that one thread writes is neither read nor written by another. `Claims`
// have `Rows` of their own, which nobody reads or writes otherwise: there a row is touched by the one that has found its
// marks set and cleared them at once.
unsafe impl Sync for Rows<'_> {}

impl<'t> Rows<'t> {
    pub fn new(table: &'t mut [[f32; LANES]], marks: &'t [AtomicU16], width: usize) -> Self {
        Self { numbers: Cell::from_mut(table).as_slice_of_cells(), marks, width }
    }

    /// How many times sixteen numbers a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The walks that use a row, a bit each.
    fn users(&self, row: u32) -> u16 {
        self.marks[row as usize].load(Relaxed)
    }

    #[inline(always)]
    fn of(&self, row: u32) -> &[Cell<[f32; LANES]>] {
        &self.numbers[row as usize * self.width..(row as usize + 1) * self.width]
    }
}

dispatched!(
/// Copies some rows, one after the other.
fn read[](table: &Rows<'_>, walk: usize, rows: &[u32], slots: Range<usize>, out: &mut [[f32; LANES]]) -> () = read_run);

#[inline(always)]
fn read_run<L: Lanes>(
    lanes: L,
    table: &Rows<'_>,
    walk: usize,
    rows: &[u32],
    slots: Range<usize>,
    out: &mut [[f32; LANES]],
) {
    let width = table.width;
    let mut slot = slots.start;
    while slot < slots.end {
        if slot + AHEAD < rows.len() {
            for axis in 0..width {
                prefetch(table.numbers, rows[slot + AHEAD] as usize * width + axis);
            }
        }
        assert!(table.users(rows[slot]) >> walk & 1 != 0, "a row that the walk has not marked");
        let (from, to) = (table.of(rows[slot]), &mut out[slot * width..][..width]);
        for axis in 0..width {
            lanes.store(lanes.load(&from[axis].get()), &mut to[axis]);
        }
        slot += 1;
    }
}

dispatched!(
/// Puts back the copies of rows that no other walk uses, and clears their marks. Of the others, keeps those of which this
/// walk is the first user.
fn write[](table: &Rows<'_>, walk: usize, rows: &[u32], copies: &[[f32; LANES]], shared: &mut Vec<u32>) -> () = write_run);

#[inline(always)]
fn write_run<L: Lanes>(
    lanes: L,
    table: &Rows<'_>,
    walk: usize,
    rows: &[u32],
    copies: &[[f32; LANES]],
    shared: &mut Vec<u32>,
) {
    let width = table.width;
    for slot in 0..rows.len() {
        let (row, users) = (rows[slot], table.users(rows[slot]));
        if users == 1 << walk {
            let (from, to) = (&copies[slot * width..][..width], table.of(row));
            for axis in 0..width {
                let mut numbers = [0.0; LANES];
                lanes.store(lanes.load(&from[axis]), &mut numbers);
                to[axis].set(numbers);
            }
            table.marks[row as usize].store(0, Relaxed);
        } else if users.trailing_zeros() as usize == walk {
            shared.push(row);
        }
    }
}

/// A table that takes up what the copies of its rows have gained. Who takes the marks of a row has the right to it.
pub(super) struct Claims<'t>(Rows<'t>);

impl<'t> Claims<'t> {
    pub fn new(table: &'t mut [[f32; LANES]], marks: &'t [AtomicU16], width: usize) -> Self {
        Self(Rows::new(table, marks, width))
    }

    /// Adds to some rows what their copies have gained, in the order of the walks; clears their marks.
    pub fn take_up(&self, rows: &[u32], copies: &[&Copies]) {
        let Self(table) = self;
        for rows in rows.chunks(AHEAD) {
            // Finds all copies of a few rows and asks for them, before the first is read.
            let (mut found, mut ends) = ([const { &[] as &[[f32; LANES]] }; AHEAD * MOST_WALKS], [0; AHEAD]);
            let mut n = 0;
            for (row, end) in rows.iter().zip(&mut ends) {
                let mut users = table.marks[*row as usize].swap(0, Relaxed);
                assert!(users != 0, "a row that was taken up before");
                while users != 0 {
                    found[n] = copies[users.trailing_zeros() as usize].of(*row, table.width);
                    (0..table.width).for_each(|axis| prefetch(found[n], axis));
                    (n, users) = (n + 1, users & (users - 1));
                }
                (0..table.width).for_each(|axis| prefetch(table.of(*row), axis));
                *end = n;
            }
            let mut first = 0;
            for (row, end) in rows.iter().zip(ends) {
                add_gains(table.of(*row), &found[first..end]);
                first = end;
            }
        }
    }
}

dispatched!(
/// Adds to a row what some copies of it have gained, one after the other.
fn add_gains[](row: &[Cell<[f32; LANES]>], copies: &[&[[f32; LANES]]]) -> () = add_gains_run);

#[inline(always)]
fn add_gains_run<L: Lanes>(lanes: L, row: &[Cell<[f32; LANES]>], copies: &[&[[f32; LANES]]]) {
    for axis in 0..row.len() {
        let mut numbers = row[axis].get();
        let before = lanes.load(&numbers);
        let mut sum = before;
        for copy in copies {
            sum = lanes.add(sum, lanes.sub(lanes.load(&copy[axis]), before));
        }
        lanes.store(sum, &mut numbers);
        row[axis].set(numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies_of(rows: &[u32]) -> Copies {
        let mut copies = Copies::default();
        copies.clear(rows.len()).unwrap();
        rows.iter().for_each(|&row| assert!(copies.slot(row) < rows.len() as u32));
        copies.start(1).unwrap();
        copies
    }

    fn marks(users: &[u16]) -> Vec<AtomicU16> {
        users.iter().map(|&walks| AtomicU16::new(walks)).collect()
    }

    #[test]
    fn searches_begin_all_over_a_large_table() {
        let reached = |bit: u32| (0..1000).any(|row| home(row) >> bit & 1 != 0);
        assert!((0..32).all(reached));
    }

    #[test]
    fn own_rows_are_put_back_and_shared_ones_gain_in_order() {
        let mut table = [[1.0; LANES], [2.0; LANES], [3.0; LANES]];
        let marks = marks(&[1, 3, 2]); // the first row is the first walk's, the last the second's
        let mut walks = [copies_of(&[0, 1]), copies_of(&[1, 2])];
        let rows = Rows::new(&mut table, &marks, 1);
        for (walk, copies) in walks.iter_mut().enumerate() {
            copies.fill(&rows, walk, usize::MAX);
            copies.data[..2].as_flattened_mut().iter_mut().for_each(|x| *x += 10.0 * (walk + 1) as f32);
            copies.put_back(&rows, walk);
        }
        assert_eq!((&walks[0].shared[..], &walks[1].shared[..]), (&[1][..], &[][..]));
        Claims::new(&mut table, &marks, 1).take_up(&walks[0].shared, &[&walks[0], &walks[1]]);
        assert_eq!(table, [[11.0; LANES], [32.0; LANES], [23.0; LANES]]);
        assert!(marks.iter().all(|mark| mark.load(Relaxed) == 0));
    }

    #[test]
    #[should_panic(expected = "a row that the walk has not marked")]
    fn a_row_without_a_mark_is_not_read() {
        let (mut table, marks) = ([[0.0; LANES]], marks(&[2]));
        copies_of(&[0]).fill(&Rows::new(&mut table, &marks, 1), 0, usize::MAX);
    }

    #[test]
    #[should_panic(expected = "a row that was taken up before")]
    fn a_row_is_taken_up_once() {
        let (mut table, marks) = ([[0.0; LANES]], marks(&[1]));
        let copies = copies_of(&[0]);
        Claims::new(&mut table, &marks, 1).take_up(&[0, 0], &[&copies]);
    }
}
