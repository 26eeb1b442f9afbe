//! What is drawn at random in training; word for word as in `diptych.reference.skipgram`.

use crate::parallel::collected;
use crate::rng::{Stream, pick, uniform};
use crate::walks::alias_table;
use crate::{Error, Result, Task};
use std::ops::Range;

/// The key of all draws of training, apart from those of the walks that may have the same seed.
pub(super) fn training_key(key: u64) -> u64 {
    Stream::new(key, 1 << 63).word(0)
}

/// A number of a starting vector.
pub(super) fn initial(key: u64, dimensions: usize, node: usize, axis: usize) -> f32 {
    let word = Stream::new(key, 0).word((node * dimensions + axis) as u64);
    ((2.0 * uniform(word) - 1.0) / dimensions as f64) as f32
}

/// The order of the walks of an epoch: equal steps around the circle of all walks.
#[derive(Clone, Copy)]
pub(super) struct Order {
    offset: u64,
    stride: u64,
    n: u64,
}

impl Order {
    pub fn new(key: u64, epoch: u64, n: u32) -> Self {
        let word = |index: u64| pick(Stream::new(key, 1).word(index), n).0;
        let n = u64::from(n);
        let stride = (1 + u64::from(word(2 * epoch + 1))..).find(|&stride| gcd(stride, n) == 1).unwrap_or(1);
        Self { offset: word(2 * epoch).into(), stride, n }
    }

    pub fn row(self, i: u64) -> u64 {
        // Below 2⁶⁴: stride is at most twice n (there is a prime between), and n below 2³².
        (self.offset + i % self.n * (self.stride % self.n)) % self.n
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The words of one walk in one epoch.
pub(super) fn stream(key: u64, epoch: u64, n_walks: u64, row: u64) -> Stream {
    Stream::new(key, epoch.wrapping_mul(n_walks).wrapping_add(row).wrapping_add(2))
}

/// How far the window at a position reaches.
#[inline]
pub(super) fn radius(stream: Stream, position: usize, window: u32, shrink: bool) -> usize {
    let word = || stream.word((position as u64) << 32);
    1 + if shrink { pick(word(), window).0 } else { window - 1 } as usize
}

/// The positions of a window, the one in the middle among them.
pub(super) fn around(i: usize, radius: usize, length: usize) -> Range<usize> {
    i.saturating_sub(radius)..length.min(i.saturating_add(radius).saturating_add(1))
}

/// The distribution of the negatives, as an alias table.
pub(super) struct Noise {
    /// By slot: the least place in it, of 2⁵³, that stands for the other node; that node.
    slots: Vec<(u64, u32)>,
}

impl Noise {
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(counts: &[f64], exponent: f64, task: &Task) -> Result<Self> {
        let (threshold, alias) = alias_table(&distribution(counts, exponent)?, task)?;
        // uniform(place) < threshold, in whole numbers: a product with a power of 2 is exact.
        let least = |threshold: f64| (threshold * (1_u64 << 53) as f64).ceil() as u64;
        let slots = threshold.into_iter().zip(alias).map(|(threshold, alias)| (least(threshold), alias as u32));
        Ok(Self { slots: collected(slots, "the noise distribution")? })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub fn draw(&self, word: u64) -> u32 {
        let (slot, fraction) = pick(word, self.slots.len() as u32);
        let (least, alias) = self.slots[slot as usize];
        // Which of the two cannot be foreseen: no branch, but the sign of a difference.
        let own = ((fraction >> 11).wrapping_sub(least) as i64 >> 63) as u32;
        alias ^ (slot ^ alias) & own
    }
}

/// counts^exponent over their sum; nothing for nodes that were not seen.
///
/// # Errors
/// [`Error::Invalid`] for counts that make no distribution; [`Error::OutOfMemory`].
pub fn distribution(counts: &[f64], exponent: f64) -> Result<Vec<f64>> {
    if let Some(at) = counts.iter().position(|count| !(*count >= 0.0 && *count < f64::INFINITY)) {
        return Err(Error::Invalid(format!("counts[{at}]={}: must be finite and not negative.", counts[at])));
    }
    let seen = || counts.iter().copied().filter(|&count| count > 0.0);
    // So that no power is greater than 1.
    let unit = if exponent > 0.0 { seen().fold(0.0, f64::max) } else { seen().fold(f64::INFINITY, f64::min) };
    let power = |&count: &f64| if count > 0.0 { (count / unit).powf(exponent) } else { 0.0 };
    let mut noise = collected(counts.iter().map(power), "the noise distribution")?;
    let total = noise.iter().fold(0.0, |sum, x| sum + x);
    if !(total > 0.0 && total.is_finite()) {
        return Err(Error::Invalid("counts are 0 everywhere: at least one node must have been seen.".into()));
    }
    noise.iter_mut().for_each(|x| *x /= total);
    Ok(noise)
}

/// Calls `pair(centre, context)` for the positions of each pair of a walk, by position, then offset.
pub(super) fn pairs(walk: &[i32], stream: Stream, window: u32, shrink: bool, mut pair: impl FnMut(usize, usize)) {
    for i in 0..walk.len() {
        around(i, radius(stream, i, window, shrink), walk.len()).filter(|&j| j != i).for_each(|j| pair(i, j));
    }
}
