//! One row of M = W Wᵀ, a stretch of columns at a time.

use super::columns::Columns;
use super::half::Value;
use crate::Result;
use crate::parallel::zeros;

/// Columns in a stretch: their sums stay in the second-level cache.
pub(super) const STRETCH: usize = 1 << 16;
/// With an update per so many columns, or more, sums are cleared all at once.
const FULL: usize = 16;

/// The sums of one stretch, and how far the columns of W were read.
#[derive(Debug)]
pub(super) struct Row<V: Value> {
    sums: Vec<V::Sum>,
    /// Of each entry of the row: its value, and the range of its column that is not read yet.
    cursors: Vec<(V, usize, usize)>,
    reached: Vec<u32>,
}

impl<V: Value> Row<V> {
    /// Room for the sums of a matrix with n rows.
    pub fn new(n: usize) -> Result<Self> {
        Ok(Self { sums: zeros(n.min(STRETCH), "a row of sums")?, cursors: Vec::new(), reached: Vec::new() })
    }

    /// Sums a row, and calls `found(y, M_xy)` for the sums that may count: `least` is asked for each stretch, with the least
    /// M_yy there, how great they must be (above 0).
    pub fn sum<S>(
        &mut self,
        (x_columns, x_values): (&[u32], &[V]),
        Columns { lists, order, lightest }: &Columns<V>,
        state: &mut S,
        least: impl Fn(&S, V::Sum) -> V::Sum,
        mut found: impl FnMut(&mut S, u32, V::Sum),
    ) {
        let Self { sums, cursors, reached } = self;
        cursors.clear();
        cursors.extend(x_columns.iter().zip(x_values).map(|(&t, &w)| {
            let range = lists.range(t as usize);
            (w, range.start, range.end)
        }));
        for (start, &lightest) in (0..).step_by(STRETCH).zip(lightest) {
            let end = (start + STRETCH).min(order.len());
            let least = least(state, lightest);
            let mut updates = 0;
            for (w, next, last) in cursors.iter_mut() {
                let (ys, values) = lists.slices(*next..*last);
                let mut read = 0;
                for (&y, &v) in ys.iter().zip(values) {
                    if y as usize >= end {
                        break;
                    }
                    let sum = &mut sums[y as usize - start];
                    let new = w.add_product(v, *sum);
                    if new >= least && *sum < least {
                        reached.push(y);
                    }
                    *sum = new;
                    read += 1;
                }
                *next += read;
                updates += read;
            }
            for y in reached.drain(..) {
                found(state, order[y as usize], sums[y as usize - start]);
            }
            if updates * FULL >= end - start {
                sums.fill(V::Sum::default());
            } else {
                for (&t, &(_, next, _)) in x_columns.iter().zip(cursors.iter()) {
                    let read = &lists.row(t as usize).0[..next - lists.range(t as usize).start];
                    for &y in read.iter().rev().take_while(|&&y| y as usize >= start) {
                        sums[y as usize - start] = V::Sum::default();
                    }
                }
            }
        }
    }
}
