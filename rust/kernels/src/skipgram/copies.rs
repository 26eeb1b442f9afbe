//! The rows of a table that one walk trains on: copies of its own, found by a small hash table.

use crate::Result;
use crate::parallel::room;
use crate::simd::{LANES, prefetch};

/// Nothing is stored there.
const EMPTY: u64 = u64::MAX;
/// Rows asked for ahead of their use.
const AHEAD: usize = 4;

#[derive(Default)]
pub(super) struct Copies {
    /// Row of the table at each slot.
    pub rows: Vec<u32>,
    /// The copies, slot by slot.
    pub data: Vec<[f32; LANES]>,
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

    /// Copies the rows from the table.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn fill(&mut self, table: &[[f32; LANES]], width: usize) -> Result<()> {
        self.data.clear();
        room(&mut self.data, self.rows.len() * width, "the rows of a walk")?;
        for (slot, &row) in self.rows.iter().enumerate() {
            if let Some(&next) = self.rows.get(slot + AHEAD) {
                (0..width).for_each(|axis| prefetch(table, next as usize * width + axis));
            }
            self.data.extend_from_slice(&table[row as usize * width..(row as usize + 1) * width]);
        }
        Ok(())
    }
}
