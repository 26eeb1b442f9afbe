//! Scaled dot-product attention and its way back, block by block.
//!
//! Keys and values are packed in blocks of [`KEYS`] positions, as panels of four registers: keys transposed, so that a tile of
//! scores is queries times registers of keys, and values as they are, so that a tile of outputs is queries times registers
//! of their width; values as wide as a panel are one where they lie. A block of [`QUERIES`] queries passes by all keys:
//! scores, the running maximum, exponentials, and the sum of weighted values, of which only the last stays. O(L · S · (d + v))
//! time; memory beside the result: the packed keys and values.
//!
//! Every score is one chain of fused multiply-adds; sums over keys are taken from zero for each block, and blocks in order.
//! Blocks begin at multiples of [`KEYS`], and every [`SPAN`] keys the running softmax begins anew and is merged
//! into what was before. So the output of a query depends on nothing but that query: neither on which others stand beside
//! it, nor on threads, nor on the instruction set. Few queries of many keys split the spans over the threads, and pack
//! nothing: keys are transposed in registers.
//!
//! Not best: heads narrower than four registers compute on zeros; a machine without fused multiply-add calls a function
//! for each.

mod backward;
mod block;
mod few;
mod forward;
mod mask;
mod rows;
mod softmax;
mod span;

#[cfg(test)]
mod tests;

pub use backward::{Gradients, Tape, backward};
pub use forward::{Found, forward};
pub use mask::Mask;

use crate::simd::memory::size;
use crate::simd::numbers::Float;
use crate::{Error, Result};

/// Positions of a block of keys: a multiple of every panel's width.
pub(crate) const KEYS: usize = 128;

/// Queries of a block.
pub(crate) const QUERIES: usize = 64;

/// Keys of which one running softmax is taken: a multiple of [`KEYS`].
pub(crate) const SPAN: usize = 1024;

/// Partial sums of the weights of a query: key j adds to number j modulo this, on every path.
pub(crate) const SUMS: usize = 16;

/// What is attended to, by whom. All leading axes are one, of heads.
#[derive(Debug)]
pub struct Attention<'a, T> {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of queries that one head of keys serves.
    pub group: usize,
    /// L
    pub queries: usize,
    /// S
    pub keys: usize,
    /// d
    pub features: usize,
    /// v
    pub width: usize,
    /// (heads, L, d)
    pub query: &'a [T],
    /// (heads / group, S, d)
    pub key: &'a [T],
    /// (heads / group, S, v)
    pub value: &'a [T],
    /// (…, L, S), the leading axes those that make up the heads.
    pub mask: Option<Mask<'a, T>>,
    /// Whether query i sees the keys j <= i only.
    pub is_causal: bool,
    /// What products of query and key are multiplied by.
    pub scale: T,
}

impl<T: Float> Attention<'_, T> {
    /// Fails where arrays have not the numbers that the sizes take, or a size is 0.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { heads, group, queries, keys, features, width, .. } = *self;
        if [heads, group, queries, keys, features, width].contains(&0) || !heads.is_multiple_of(group) {
            return Err(Error::Invalid(
                "attention has no empty axis, and each head of keys serves equally many heads of queries.".to_owned(),
            ));
        }
        expect("query", self.query, &[heads, queries, features])?;
        expect("key", self.key, &[heads / group, keys, features])?;
        expect("value", self.value, &[heads / group, keys, width])?;
        self.mask.as_ref().map_or(Ok(()), |mask| mask.check(heads, queries, keys))
    }

    /// Heads of keys.
    pub(crate) fn key_heads(&self) -> usize {
        self.heads / self.group
    }

    /// Keys that are seen by at least one of the queries up to `last`, at most.
    pub(crate) fn reach(&self, last: usize) -> usize {
        if self.is_causal { self.keys.min(last + 1) } else { self.keys }
    }

    /// Multiply-adds of the forward pass.
    pub(crate) fn work(&self) -> usize {
        [self.heads, self.queries, self.keys].iter().fold(self.features + self.width, |a, &b| a.saturating_mul(b))
    }

    /// Whether this is so little work, some ten microseconds, that it should run where it stands.
    pub fn is_small(&self) -> bool {
        self.work().saturating_add((self.key_heads() * self.keys.max(KEYS)).saturating_mul(self.features)) <= 1 << 18
    }

    /// Whether this is some milliseconds of work at most.
    pub fn is_short(&self) -> bool {
        self.work() <= 1 << 28
    }

    /// Bytes of the packed keys and values of a head, for panels of so many numbers.
    pub(crate) fn bytes_of_head(&self, wide: usize) -> usize {
        let widths = self.features.saturating_add(self.width.saturating_add(wide));
        self.keys.next_multiple_of(KEYS).saturating_mul(widths).saturating_mul(size_of::<T>())
    }

    /// The keys of a head.
    pub(crate) fn keys_of(&self, head: usize) -> &[T] {
        &self.key[head * self.keys * self.features..][..self.keys * self.features]
    }

    /// The values of a head.
    pub(crate) fn values_of(&self, head: usize) -> &[T] {
        &self.value[head * self.keys * self.width..][..self.keys * self.width]
    }
}

/// Fails where an array has not the numbers that its shape takes.
pub(crate) fn expect<T>(name: &str, numbers: &[T], shape: &[usize]) -> Result<()> {
    if numbers.len() == size(shape, "an array", size_of::<T>())? {
        return Ok(());
    }
    Err(Error::Invalid(format!("{name} holds {} numbers, not those of shape {shape:?}.", numbers.len())))
}
