//! Rows times packed columns, for whole matrices.

use super::memory::Strips;
use super::numbers::{Float, Numbers};
use super::tile::{self, ACROSS, Four, accumulate, tiles};
use std::mem::MaybeUninit;

/// Where a product goes.
pub(crate) enum To<'a, 'b, T> {
    /// Rows with room for whole panels, so far from each other.
    Padded(&'a mut [T], usize),
    /// Rows of their own that nobody wrote to before, from a column on.
    Slots(&'a mut [&'b mut [MaybeUninit<T>]], usize),
}

/// Terms at a time: so much of a panel stays in the first cache while a few tiles pass by.
const TERMS: usize = 128;

/// Rows of these tiles, together.
const ROWS: usize = 24;

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
    let zero = [lanes.splat(T::ZERO); ACROSS];
    for panel in 0..panels {
        let w = &packed[panel * terms * wide..(panel + 1) * terms * wide];
        if terms <= TERMS {
            tiles!(L::HIGH, n_rows, |first, M| {
                let mut acc = [[zero; M]];
                accumulate(lanes, rows_of::<T, M>(rows, apart, first, 0, terms), [w], terms, &mut acc);
                for m in 0..M {
                    to.put(lanes, acc[0][m], first + m, panel * wide);
                }
            });
            continue;
        }
        let mut done = 0;
        while done < n_rows {
            let n = ROWS.min(n_rows - done);
            let mut sums = [zero; ROWS];
            let mut term = 0;
            while term < terms {
                let few = TERMS.min(terms - term);
                let w = &w[term * wide..(term + few) * wide];
                tiles!(L::HIGH, n, |first, M| {
                    let (acc, _) = sums[first..first + M].as_chunks_mut::<M>();
                    let (acc, _) = acc.as_chunks_mut::<1>();
                    accumulate(lanes, rows_of::<T, M>(rows, apart, done + first, term, few), [w], few, &mut acc[0]);
                });
                term += few;
            }
            for row in 0..n {
                to.put(lanes, sums[row], done + row, panel * wide);
            }
            done += n;
        }
    }
}

/// A few terms of the rows of a tile.
#[inline(always)]
fn rows_of<T, const M: usize>(rows: &[T], apart: usize, first: usize, term: usize, terms: usize) -> [&[T]; M] {
    let mut x: [&[T]; M] = [&[]; M];
    for m in 0..M {
        x[m] = &rows[(first + m) * apart + term..][..terms];
    }
    x
}

impl<T: Float> To<'_, '_, T> {
    #[inline(always)]
    fn put<L: Numbers<T>>(&mut self, lanes: L, four: Four<L::V>, row: usize, column: usize) {
        match self {
            To::Padded(to, apart) => {
                let to = &mut to[row * *apart + column..][..ACROSS * L::N];
                for v in 0..ACROSS {
                    lanes.store(four[v], &mut to[v * L::N..]);
                }
            }
            To::Slots(to, first_column) => {
                for v in 0..ACROSS {
                    let column = *first_column + column + v * L::N;
                    if column < to[row].len() {
                        lanes.store_new(four[v], &mut to[row][column..]);
                    }
                }
            }
        }
    }
}

/// Columns whose products are wanted. A row has a term of each.
#[derive(Clone, Copy)]
pub(crate) enum Columns<'a, T> {
    /// Of rows so far from each other, from the first column on.
    Of(&'a [T], usize),
    /// As [`pack_tiles`] lays them.
    Packed(&'a [T]),
}

impl<'a, T: Float> Columns<'a, T> {
    #[inline(always)]
    fn strips<const M: usize>(self, first: usize, terms: usize) -> Strips<'a, T> {
        match self {
            Self::Of(rows, apart) => Strips::new(rows, apart, first, M),
            Self::Packed(tiles) => Strips::new(&tiles[first * terms..][..M * terms], M, 0, M),
        }
    }
}

/// Adds to rows of `columns` numbers, from `first_column` on, the products of columns with those of a panel.
#[inline(always)]
pub(crate) fn add_transposed<T: Float, L: Numbers<T>>(
    lanes: L,
    left: Columns<'_, T>,
    panel: &[T],
    sums: &mut [T],
    columns: usize,
    first_column: usize,
) {
    let terms = panel.len() / (ACROSS * L::N);
    tiles!(L::HIGH, sums.len() / columns, |row, M| {
        let sums = &mut sums[row * columns..];
        tile::add_transposed::<T, L, M>(lanes, left.strips::<M>(row, terms), panel, sums, columns, first_column);
    });
}

/// Lays columns of some rows, from `first` on, in the order in which tiles read them: tile by tile, term by term.
#[inline(always)]
pub(crate) fn pack_tiles<T: Float, L: Numbers<T>>(_: L, rows: &[&[T]], first: usize, to: &mut [T]) {
    let terms = rows.len();
    tiles!(L::HIGH, to.len() / terms, |column, M| {
        for (row, to) in rows.iter().zip(to[column * terms..].chunks_exact_mut(M)) {
            to.copy_from_slice(&row[first + column..][..M]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::over_paths;

    /// Numbers whose sums round.
    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i * 7919 % 1009) as f64 / 1009.0 - 0.4).collect()
    }

    fn every_output_is_one_chain<L: Numbers<f64>>(lanes: L) {
        let wide = ACROSS * L::N;
        for (n_rows, terms) in [(0, 9), (1, 0), (1, TERMS + 1), (5, TERMS), (ROWS, 2 * TERMS), (2 * ROWS + 7, 300)] {
            let (apart, panels) = (terms + 3, 2);
            let (rows, packed) = (numbers(n_rows * apart), numbers(panels * terms * wide));
            let mut found = vec![0.0; n_rows * panels * wide];
            let to = To::Padded(&mut found, panels * wide);
            multiply(lanes, &rows, apart, n_rows, terms, &packed, panels, to);
            for row in 0..n_rows {
                for column in 0..panels * wide {
                    let panel = &packed[column / wide * terms * wide..];
                    let chain = (0..terms)
                        .fold(0.0, |sum, k| f64::mul_add(rows[row * apart + k], panel[k * wide + column % wide], sum));
                    assert_eq!(found[row * panels * wide + column], chain, "{terms} terms, ({row}, {column})");
                }
            }
        }
    }

    #[test]
    fn a_product_in_pieces_is_one_chain_for_each_output() {
        over_paths!(|lanes| every_output_is_one_chain(<f64 as Float>::lanes(lanes)));
    }
}
