//! Skip-gram with negative sampling.
//!
//! Pairs from all over a stretch of a walk share their negatives, so that most of a step is small matrix products instead
//! of many vector products (as in HogBatch, Ji et al. 2016, where it is the pairs of a window). A few walks at a time train
//! beside each other, each on copies of the rows it uses, which are few because its groups take their negatives from a
//! small pool; then the tables take up what each copy has gained, in the order of the walks. That is the same for any
//! number of threads, and a row that many walks want costs no lock.
//!
//! O(pairs · negatives · dimensions) time. Memory: two tables, the copies of a batch, and what two batches draw.

mod batch;
mod copies;
mod corpus;
mod draws;
mod group;
mod math;
mod pairs;
mod train;

pub use corpus::{Corpus, Matrix};
pub use draws::distribution;
pub use pairs::{sgns_gradients, sgns_loss, window_pairs};
pub use train::{Trained, train};

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Numbers of a vector.
    pub dimensions: usize,
    /// Nodes on either side, at most.
    pub window: u32,
    /// Whether a window's reach is drawn from 1 to `window`.
    pub shrink: bool,
    /// Negatives of a group.
    pub negative: usize,
    /// Power of the counts that negatives are drawn by.
    pub exponent: f64,
    /// Times that all walks are trained on.
    pub epochs: u64,
    /// Rate of the first walk.
    pub learning_rate: f64,
    /// Rate that it falls to.
    pub min_learning_rate: f64,
    /// The seed.
    pub key: u64,
    /// Walks that train beside each other, at most [`batch::MOST_WALKS`].
    pub batch: usize,
    /// Of one node in the walks of a batch, about, at most: where it has more, fewer walks train together.
    pub visits: u64,
    /// Negatives that a stretch of a walk draws, at most; its groups take them in turn.
    pub pool: usize,
    /// Pairs that share negatives, at most: fewer where one node has more than one in eight times as many of all visits.
    pub share: usize,
}
