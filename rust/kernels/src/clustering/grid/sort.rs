//! Parallel least-significant-digit radix sort of (key, index) pairs packed into 64-bit words.
//!
//! Stable, O(passes · n), 16 B per element. Chunks depend on n only; each chunk counts its digits, the counts become
//! disjoint places, and the chunks move their words there through relaxed atomic stores (plain stores on every
//! machine, and no `unsafe`).

use crate::parallel::filled_with;
use crate::{Result, Task};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CHUNK: usize = 1 << 16;
const DIGIT: u32 = 10;

/// Sorts the indices `0..n` by one or more keys, the least significant key first. `key(i)` must fit in 32 bits and
/// use at most `bits` of them.
pub(super) struct RadixSort {
    words: Vec<AtomicU64>,
    spare: Vec<AtomicU64>,
}

impl RadixSort {
    /// The order 0, 1, …, n − 1.
    pub fn identity(n: usize) -> Result<Self> {
        let mut next = 0;
        let words = filled_with(
            n,
            || {
                next += 1;
                AtomicU64::new(next - 1)
            },
            "the sort of cells",
        )?;
        Ok(Self { words, spare: filled_with(n, AtomicU64::default, "the sort of cells")? })
    }

    /// Re-sorts the present order by a key, stably.
    pub fn by_key(&mut self, task: &Task, bits: u32, key: impl Fn(usize) -> u32 + Sync) -> Result<()> {
        if bits == 0 {
            return Ok(());
        }
        self.words.par_chunks(CHUNK).try_for_each(|chunk| {
            for word in chunk {
                let index = word.load(Relaxed) & 0xffff_ffff;
                word.store(u64::from(key(index as usize)) << 32 | index, Relaxed);
            }
            task.advance(0)
        })?;
        let passes = bits.div_ceil(DIGIT);
        let digit = bits.div_ceil(passes);
        for pass in 0..passes {
            self.pass(task, 32 + pass * digit, digit)?;
        }
        Ok(())
    }

    fn pass(&mut self, task: &Task, shift: u32, digit: u32) -> Result<()> {
        let buckets = 1usize << digit;
        let of = |word: &AtomicU64| (word.load(Relaxed) >> shift) as usize & (buckets - 1);
        let mut places: Vec<Vec<u32>> = self
            .words
            .par_chunks(CHUNK)
            .map(|chunk| {
                let mut counts = vec![0u32; buckets];
                chunk.iter().for_each(|word| counts[of(word)] += 1);
                counts
            })
            .collect();
        let mut next = 0;
        for bucket in 0..buckets {
            for chunk in &mut places {
                next += std::mem::replace(&mut chunk[bucket], next);
            }
        }
        let spare = &self.spare;
        self.words.par_chunks(CHUNK).zip(&mut places).try_for_each(|(chunk, places)| {
            for word in chunk {
                let place = &mut places[of(word)];
                spare[*place as usize].store(word.load(Relaxed), Relaxed);
                *place += 1;
            }
            task.advance(0)
        })?;
        std::mem::swap(&mut self.words, &mut self.spare);
        Ok(())
    }

    /// The sorted indices.
    pub fn into_order(self) -> Result<Vec<u32>> {
        drop(self.spare);
        let mut order = crate::parallel::filled(self.words.len(), 0u32, "the order of points")?;
        order.par_iter_mut().zip(&self.words).for_each(|(to, word)| *to = word.load(Relaxed) as u32);
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn sorts_stably_across_chunks() {
        for n in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 1] {
            let keys: Vec<u64> = (0..n).map(|i| Stream::new(5, 0).word(i as u64) % 5_000_000_000).collect();
            let mut sort = RadixSort::identity(n).unwrap();
            sort.by_key(&Task::new(), 32, |i| keys[i] as u32).unwrap();
            sort.by_key(&Task::new(), 2, |i| (keys[i] >> 32) as u32).unwrap();
            let mut expected: Vec<u32> = (0..n as u32).collect();
            expected.sort_by_key(|&i| keys[i as usize]);
            assert_eq!(sort.into_order().unwrap(), expected);
        }
    }
}
