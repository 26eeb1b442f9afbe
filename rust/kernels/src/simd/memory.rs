//! Memory for registers: it begins with a cache line, and its size is checked before it is asked for.

use super::dispatched;
use super::numbers::{Both, Float, Numbers};
use crate::parallel::zeros;
use crate::{Error, Result};
use std::marker::PhantomData;

/// Bytes of a cache line.
const LINE: usize = 64;

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
