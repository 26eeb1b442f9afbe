//! The best few of many.

use std::cmp::Ordering;

/// Whether to look at all nodes, for a test.
#[cfg(test)]
pub(super) static UNPRUNED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// A similar node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    pub score: f64,
    pub node: u32,
}

impl Match {
    /// The better one comes first: the higher score, then the lower node.
    pub fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.node.cmp(&other.node))
    }
}

/// The k best of what is offered. Holds up to 2 k, and drops the worse half when it is full: O(1) on average.
#[derive(Debug, Default)]
pub(super) struct Best {
    k: usize,
    kept: Vec<Match>,
    /// What is worse than this is not among the k best.
    floor: Option<Match>,
}

impl Best {
    /// Forgets everything; looks for the `k` best from now on.
    pub fn start(&mut self, k: usize) {
        self.k = k;
        self.kept.clear();
        self.floor = None;
    }

    /// Scores below this are of no use.
    pub fn threshold(&self) -> f64 {
        #[cfg(test)]
        if UNPRUNED.load(std::sync::atomic::Ordering::Relaxed) {
            return 0.0;
        }
        self.floor.map_or(0.0, |floor| floor.score)
    }

    /// Takes a node in, if it may be one of the best; whether it may.
    #[inline]
    pub fn offer(&mut self, new: Match) -> bool {
        if self.floor.is_some_and(|floor| floor.order(&new) == Ordering::Less) {
            return false;
        }
        self.kept.push(new);
        let first = self.floor.is_none() && self.kept.len() == self.k;
        if first || self.kept.len() >= self.k.saturating_mul(2) {
            self.cut();
        }
        true
    }

    fn cut(&mut self) {
        if self.kept.len() > self.k {
            self.kept.select_nth_unstable_by(self.k - 1, Match::order);
            self.kept.truncate(self.k);
        }
        if self.kept.len() == self.k {
            self.floor = self.kept.iter().copied().max_by(Match::order);
        }
    }

    /// The k best, best first.
    pub fn finish(&mut self) -> &[Match] {
        self.cut();
        self.kept.sort_unstable_by(Match::order);
        &self.kept
    }
}
