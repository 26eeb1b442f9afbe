//! Memory for registers: it begins with a cache line, and its size is checked before it is asked for.

use super::cache::LINE;
use super::dispatched;
use super::numbers::{Both, Float, Numbers};
use crate::parallel::{reserve, zeros};
use crate::{Error, Result};
use std::marker::PhantomData;

/// Zeros that begin with a cache line: a register that straddles two costs two loads.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Float> Aligned<T> {
    pub(crate) fn zeros(len: usize, what: &'static str) -> Result<Self> {
        let room = len.checked_add(LINE / size_of::<T>());
        let room = room.ok_or(Error::OutOfMemory { what, bytes: len as u128 * size_of::<T>() as u128 })?;
        let data: Vec<T> = zeros(room, what)?;
        let start = data.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Ok(Self { data, start, len })
    }

    /// None yet, and room for so many: nobody writes zeros first.
    pub(crate) fn with_room(len: usize, what: &'static str) -> Result<Self> {
        let room = len.checked_add(LINE / size_of::<T>());
        let room = room.ok_or(Error::OutOfMemory { what, bytes: len as u128 * size_of::<T>() as u128 })?;
        let mut data: Vec<T> = reserve(room, what)?;
        let start = data.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        data.resize(start, T::ZERO);
        Ok(Self { data, start, len: 0 })
    }

    /// Appends numbers.
    ///
    /// # Panics
    /// Where there is no room for them: they would have to move, to where no cache line begins.
    pub(crate) fn extend(&mut self, numbers: &[T]) {
        assert!(numbers.len() <= self.data.capacity() - self.data.len());
        self.data.extend_from_slice(numbers);
        self.len += numbers.len();
    }

    /// Forgets the numbers and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.data.truncate(self.start);
        self.len = 0;
    }
}

impl<T> std::ops::Deref for Aligned<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> std::ops::DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// The product of sizes.
pub(crate) fn size(factors: &[usize], what: &'static str, of: usize) -> Result<usize> {
    let wide = factors.iter().fold(1u128, |product, &factor| product.saturating_mul(factor as u128));
    match usize::try_from(wide) {
        Ok(size) if size <= isize::MAX as usize / of => Ok(size),
        _ => Err(Error::OutOfMemory { what, bytes: wide.saturating_mul(of as u128) }),
    }
}

dispatched!(
    /// Numbers in a register of the path of this process.
    pub(crate) fn lanes_of[T: Float](of: PhantomData<T>) -> usize = lanes_run
);

#[inline(always)]
fn lanes_run<L: Both, T: Float>(lanes: L, _: PhantomData<T>) -> usize {
    T::lanes(lanes).n()
}

/// The same columns of one row after the other.
#[derive(Clone, Copy, Debug)]
pub struct Strips<'a, T> {
    at: *const T,
    left: usize,
    apart: usize,
    wide: usize,
    of: PhantomData<&'a [T]>,
}

impl<'a, T> Strips<'a, T> {
    /// Of rows of `width` numbers, `wide` from `column` on.
    #[inline(always)]
    pub(crate) fn new(rows: &'a [T], width: usize, column: usize, wide: usize) -> Self {
        assert!(column <= width && wide <= width - column);
        let left = rows.len() / width;
        Self { at: rows.as_ptr().wrapping_add(column), left, apart: width, wide, of: PhantomData }
    }

    /// The next one.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn next(&mut self) -> Option<&'a [T]> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: a row begins `column` numbers before, and `wide` numbers from here on are of it, by the assertion above.
        let strip = unsafe { std::slice::from_raw_parts(self.at, self.wide) };
        self.at = self.at.wrapping_add(self.apart);
        Some(strip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_appended_from_the_beginning_of_a_line() {
        let mut numbers = Aligned::<f32>::with_room(40, "numbers").unwrap();
        for round in 0..3 {
            numbers.clear();
            numbers.extend(&[round as f32; 33]);
            numbers.extend(&[9.0; 7]);
            assert_eq!((numbers.as_ptr() as usize % LINE, numbers.len()), (0, 40));
            assert_eq!((numbers[0], numbers[32], numbers[33]), (round as f32, round as f32, 9.0));
        }
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn numbers_that_do_not_fit_are_refused() {
        let mut numbers = Aligned::<f64>::with_room(3, "numbers").unwrap();
        numbers.extend(&[0.0; 64]);
    }

    #[test]
    fn strips_are_columns_of_whole_rows() {
        let rows: Vec<usize> = (0..17).collect(); // three rows, and a rest that is none
        let mut strips = Strips::new(&rows, 5, 2, 3);
        assert_eq!(strips.next(), Some(&[2, 3, 4][..]));
        assert_eq!(strips.next(), Some(&[7, 8, 9][..]));
        assert_eq!(strips.next(), Some(&[12, 13, 14][..]));
        assert_eq!(strips.next(), None);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn strips_stay_inside_the_row() {
        Strips::new(&[0; 10], 5, 3, 3);
    }
}
