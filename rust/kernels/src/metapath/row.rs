//! One row of M = W Wᵀ, a stretch of columns at a time.

use super::columns::Columns;
use super::half::Value;
use crate::Result;
use crate::parallel::zeros;
use crate::simd::prefetch;

/// Columns in a stretch: their sums stay in the second-level cache.
pub(super) const STRETCH: usize = 1 << 15;
/// With an update per so many columns, or more, sums are cleared all at once.
const FULL: usize = 16;

/// The sums of one stretch, and how far the columns of W were read.
#[derive(Debug)]
pub(super) struct Row<V: Value> {
    sums: Vec<V::Sum>,
    /// Of each entry of the row: how much of its column was read.
    read: Vec<usize>,
    reached: Vec<u32>,
}

impl<V: Value> Row<V> {
    /// Room for the sums of a matrix with n rows.
    pub fn new(n: usize) -> Result<Self> {
        Ok(Self { sums: zeros(n.min(STRETCH), "a row of sums")?, read: Vec::new(), reached: Vec::new() })
    }

    /// Sums a row, and calls `found(y, M_yy, M_xy)` for the sums that may count: `least` is asked for each stretch, with the least
    /// M_yy there, how great they must be (above 0).
    pub fn sum<S>(
        &mut self,
        (x_columns, x_values): (&[i32], &[V::Given]),
        columns: &Columns<V>,
        state: &mut S,
        least: impl Fn(&S, V::Sum) -> V::Sum,
        mut found: impl FnMut(&mut S, u32, V::Sum, V::Sum),
    ) {
        let Self { sums, read, reached } = self;
        let (order, zero) = (&columns.order, V::Sum::default());
        read.clear();
        read.resize(x_columns.len(), 0);
        for (start, &lightest) in (0..).step_by(STRETCH).zip(&columns.lightest) {
            let end = (start + STRETCH).min(order.len());
            let least = least(state, lightest);
            let mut updates = 0;
            for ((&t, &w), read) in x_columns.iter().zip(x_values).zip(read.iter_mut()) {
                let w = V::of(w);
                let rest = &columns.list(t as usize)[*read..];
                let before = *read;
                for &(y, v) in rest.iter().take_while(|&&(y, _)| (y as usize) < end) {
                    let sum = &mut sums[y as usize - start];
                    let new = w.add_product(v, *sum);
                    if new >= least && *sum < least {
                        reached.push(y);
                        prefetch(order, y as usize);
                    }
                    *sum = new;
                    *read += 1;
                }
                updates += *read - before;
            }
            for y in reached.drain(..) {
                let (node, norm) = order[y as usize];
                found(state, node, norm, sums[y as usize - start]);
            }
            if updates * FULL >= end - start {
                sums.fill(zero);
                continue;
            }
            for (&t, &read) in x_columns.iter().zip(read.iter()) {
                let done = columns.list(t as usize)[..read].iter().rev();
                for &(y, _) in done.take_while(|&&(y, _)| y as usize >= start) {
                    sums[y as usize - start] = zero;
                }
            }
        }
    }
}
