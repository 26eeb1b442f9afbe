//! Rows times packed columns, for whole matrices.

use super::numbers::{Float, Numbers};
use super::tile::{ACROSS, accumulate, accumulate_transposed, tiles};
use std::mem::MaybeUninit;

/// Where a product goes.
pub(crate) enum To<'a, 'b, T> {
    /// Rows with room for whole panels, so far from each other.
    Padded(&'a mut [T], usize),
    /// Rows of their own that nobody wrote to before, from a column on.
    Slots(&'a mut [&'b mut [MaybeUninit<T>]], usize),
}

/// Rows of `terms` numbers, `apart` from each other, times panels.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn multiply<T: Float, L: Numbers<T>>(
    lanes: L,
    rows: &[T],
    apart: usize,
    n_rows: usize,
    terms: usize,
    packed: &[T],
    panels: usize,
    mut to: To<'_, '_, T>,
) {
    let wide = ACROSS * L::N;
    for panel in 0..panels {
        let w = &packed[panel * terms * wide..(panel + 1) * terms * wide];
        tiles!(L::HIGH, n_rows, |first, M| {
            let mut x: [&[T]; M] = [&[]; M];
            for m in 0..M {
                x[m] = &rows[(first + m) * apart..][..terms];
            }
            let acc = accumulate(lanes, x, [w], terms, [[[lanes.splat(T::ZERO); ACROSS]; M]]);
            match &mut to {
                To::Padded(to, apart) => {
                    for m in 0..M {
                        let to = &mut to[(first + m) * *apart + panel * wide..][..wide];
                        for v in 0..ACROSS {
                            lanes.store(acc[0][m][v], &mut to[v * L::N..]);
                        }
                    }
                }
                To::Slots(to, first_column) => {
                    for m in 0..M {
                        for v in 0..ACROSS {
                            let (row, column) = (first + m, *first_column + panel * wide + v * L::N);
                            if column < to[row].len() {
                                lanes.store_new(acc[0][m][v], &mut to[row][column..]);
                            }
                        }
                    }
                }
            }
        });
    }
}

/// Adds to rows of `columns` numbers the products of columns of `left`, from `first` on, with the columns of a panel; both
/// have a term in each row.
#[inline(always)]
pub(crate) fn add_transposed<T: Float, L: Numbers<T>>(
    lanes: L,
    left: &[&[T]],
    first: usize,
    panel: &[T],
    sums: &mut [T],
    columns: usize,
    first_column: usize,
) {
    tiles!(L::HIGH, sums.len() / columns, |row, M| {
        let mut acc = [[lanes.splat(T::ZERO); ACROSS]; M];
        accumulate_transposed(lanes, left, first + row, panel, &mut acc);
        for m in 0..M {
            let sums = &mut sums[(row + m) * columns..][..columns];
            for v in 0..ACROSS {
                if first_column + v * L::N < columns {
                    let to = &mut sums[first_column + v * L::N..];
                    lanes.store_part(lanes.add(lanes.load_part(to), acc[m][v]), to);
                }
            }
        }
    });
}
