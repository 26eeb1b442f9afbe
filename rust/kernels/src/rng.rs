//! Counter-based SplitMix64: random words keyed by (seed, stream, index), so that a draw never depends on who draws
//! before it, and the two panels draw the same.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014); the constants and
//! test vectors are those of Vigna's splitmix64.c. O(1) per word, no state. Not for cryptography.

use crate::Result;
use crate::parallel::reserve;

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One stream of random words.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    base: u64,
}

impl Stream {
    /// Stream 0 of a seed is the published SplitMix64 sequence of that seed.
    pub const fn new(seed: u64, stream: u64) -> Self {
        let base = if stream == 0 { seed } else { mix(seed ^ mix(stream.wrapping_mul(GAMMA))) };
        Self { base }
    }

    /// The words at `start..start + count`.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn words(self, start: u64, count: usize) -> Result<Vec<u64>> {
        let mut words = reserve(count, "random words")?;
        words.extend((0..count as u64).map(|i| self.word(start.wrapping_add(i))));
        Ok(words)
    }

    /// The word at `index`.
    pub const fn word(self, index: u64) -> u64 {
        mix(self.base.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA)))
    }
}

/// A number in [0, 1) made of a word: a multiple of 2⁻⁵³.
pub const fn uniform(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// One of `n` slots, and the place within the slot as a fraction of 2⁶⁴: the two halves of the product of word and n.
pub const fn pick(word: u64, n: u32) -> (u32, u64) {
    let product = word as u128 * n as u128;
    ((product >> 64) as u32, product as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_fractions() {
        assert_eq!(pick(0, 3), (0, 0));
        assert_eq!(pick(1 << 63, 3), (1, 1 << 63));
        assert_eq!(pick(u64::MAX, 3), (2, u64::MAX - 2));
        assert_eq!(pick(u64::MAX, u32::MAX).0, u32::MAX - 1);
    }

    #[test]
    fn uniform_numbers_stay_below_one() {
        assert_eq!(uniform(0), 0.0);
        assert_eq!(uniform(1 << 63), 0.5);
        assert_eq!(uniform(u64::MAX), 1.0 - f64::EPSILON / 2.0);
    }

    #[test]
    fn stream_zero_is_the_published_sequence() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let stream = Stream::new(1_234_567, 0);
        assert_eq!(std::array::from_fn(|i| stream.word(i as u64)), published);
    }

    #[test]
    fn streams_differ() {
        assert_ne!(Stream::new(7, 0).word(0), Stream::new(7, 1).word(0));
        assert_ne!(Stream::new(7, 1).word(0), Stream::new(8, 1).word(0));
    }
}
