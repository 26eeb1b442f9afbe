//! The rows of a table that one walk trains on: copies of its own, found by a small hash table.

use crate::Result;
use crate::parallel::room;
use crate::simd::{LANES, prefetch};
use std::cell::Cell;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Nothing is stored there.
const EMPTY: u64 = u64::MAX;
/// Rows asked for ahead of their use.
const AHEAD: usize = 8;

#[derive(Default)]
pub(super) struct Copies {
    /// Row of the table at each slot.
    pub rows: Vec<u32>,
    /// The copies, slot by slot.
    pub data: Vec<[f32; LANES]>,
    /// Rows that other walks of the batch use too, and none before this one.
    pub shared: Vec<u32>,
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
        let mut place = (u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize & mask;
        while self.places[place] != EMPTY && (self.places[place] >> 32) as u32 != row {
            place = (place + 1) & mask;
        }
        place
    }

    /// Copies the rows from the table, for the walk of this number.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn fill(&mut self, table: &Rows<'_>, walk: usize) -> Result<()> {
        self.data.clear();
        room(&mut self.data, self.rows.len() * table.width, "the rows of a walk")?;
        for (slot, &row) in self.rows.iter().enumerate() {
            if let Some(&next) = self.rows.get(slot + AHEAD) {
                table.prefetch(next);
            }
            table.read(row, walk, &mut self.data);
        }
        Ok(())
    }

    /// Puts the rows that no other walk uses into the table, and clears their marks.
    pub fn put_back(&mut self, table: &Rows<'_>, walk: usize) {
        self.shared.clear();
        for (&row, copy) in self.rows.iter().zip(self.data.chunks_exact(table.width)) {
            let users = table.users(row);
            if users == 1 << walk {
                table.write(row, walk, copy);
            } else if users.trailing_zeros() as usize == walk {
                self.shared.push(row);
            }
        }
    }
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
// SAFETY: the cells are touched in `read` and `write` only, which check the marks. A walk's number is known to the one
// thread that trains it, and while there are `Rows` no mark is set and none cleared but by its only user, who has no
// business with the row afterwards. So a row that one thread writes is neither read nor written by another.
unsafe impl Sync for Rows<'_> {}

impl<'t> Rows<'t> {
    pub fn new(table: &'t mut [[f32; LANES]], marks: &'t [AtomicU16], width: usize) -> Self {
        Self { numbers: Cell::from_mut(table).as_slice_of_cells(), marks, width }
    }

    /// The walks that use a row, a bit each.
    fn users(&self, row: u32) -> u16 {
        self.marks[row as usize].load(Relaxed)
    }

    fn of(&self, row: u32) -> &[Cell<[f32; LANES]>] {
        &self.numbers[row as usize * self.width..(row as usize + 1) * self.width]
    }

    fn prefetch(&self, row: u32) {
        (0..self.width).for_each(|axis| prefetch(self.numbers, row as usize * self.width + axis));
    }

    fn read(&self, row: u32, walk: usize, out: &mut Vec<[f32; LANES]>) {
        assert!(self.users(row) >> walk & 1 != 0, "a row that the walk has not marked");
        out.extend(self.of(row).iter().map(Cell::get));
    }

    fn write(&self, row: u32, walk: usize, copy: &[[f32; LANES]]) {
        assert!(self.users(row) == 1 << walk, "a row that another walk uses");
        self.of(row).iter().zip(copy).for_each(|(to, from)| to.set(*from));
        self.marks[row as usize].store(0, Relaxed);
    }
}
