//! Disjoint sets that many threads may join at once.
//!
//! A root is hooked under the smaller of the two roots by compare-and-swap, paths are halved on the way up. Which
//! root wins where never depends on the schedule once all joins are done: it is the smallest member. O(α) amortised.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub(crate) struct UnionFind {
    parent: Vec<AtomicU32>,
}

impl UnionFind {
    /// `len` sets of one member.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn new(len: usize) -> crate::Result<Self> {
        let mut next = 0;
        let parent = crate::parallel::filled_with(
            len,
            || {
                next += 1;
                AtomicU32::new(next - 1)
            },
            "the table of components",
        )?;
        Ok(Self { parent })
    }

    /// Whether x hangs right under the root of its set, this one. The short cut for when most do.
    #[inline(always)]
    pub fn is_child(&self, x: u32, root: u32) -> bool {
        self.parent[x as usize].load(Relaxed) == root
    }

    /// The smallest member joined so far.
    #[inline]
    pub fn find(&self, mut x: u32) -> u32 {
        loop {
            let parent = self.parent[x as usize].load(Relaxed);
            if parent == x {
                return x;
            }
            let above = self.parent[parent as usize].load(Relaxed);
            if above != parent {
                // A failed swap means that somebody else has moved x further up.
                let _ = self.parent[x as usize].compare_exchange_weak(parent, above, Relaxed, Relaxed);
            }
            x = above;
        }
    }

    /// Joins the sets of two members.
    pub fn join(&self, a: u32, b: u32) {
        let (mut a, mut b) = (self.find(a), self.find(b));
        while a != b {
            if a < b {
                std::mem::swap(&mut a, &mut b);
            }
            match self.parent[a as usize].compare_exchange(a, b, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(_) => {
                    a = self.find(a);
                    b = self.find(b);
                }
            }
        }
    }
}
