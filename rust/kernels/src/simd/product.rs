//! Rows times packed columns, for whole matrices.

use super::memory::Strips;
use super::numbers::{Float, Numbers};
use super::tile::{self, ACROSS, Four, Sum, accumulate, rows_at, tiles};
use std::mem::MaybeUninit;

/// Where a product goes.
pub(crate) enum To<'a, 'b, T> {
    /// Rows with room for whole panels, so far from each other.
    Padded(&'a mut [T], usize),
    /// Rows of their own that nobody wrote to before, from a column on.
    Slots(&'a mut [&'b mut [MaybeUninit<T>]], usize),
}

/// Terms at a time, where a panel has more: 16 or 32 KiB of it, which a few tiles find in the first cache.
const TERMS: usize = 128;

/// Rows of these few tiles, at most.
const FEW: usize = 24;

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
        // A tile alone reads a panel once.
        if terms <= TERMS || n_rows <= L::HIGH {
            tiles!(L::HIGH, n_rows, |first, M| {
                let mut acc = [[zero; M]];
                accumulate(lanes, rows_at::<T, M>(rows, apart, first, 0..terms), [w], terms, &mut acc);
                for m in 0..M {
                    to.put(lanes, acc[0][m], first + m, panel * wide);
                }
            });
            continue;
        }
        let mut done = 0;
        while done < n_rows {
            let left = n_rows - done;
            let n = left.div_ceil(left.div_ceil(FEW));
            let mut sums = [zero; FEW];
            for from in (0..terms).step_by(TERMS) {
                let now = from..terms.min(from + TERMS);
                let w = &w[now.start * wide..now.end * wide];
                tiles!(L::HIGH, n, |first, M| {
                    let (tile, _) = sums[first..].as_chunks_mut::<M>();
                    let (tile, _) = tile.as_chunks_mut::<1>();
                    let x = rows_at::<T, M>(rows, apart, done + first, now.clone());
                    accumulate(lanes, x, [w], now.len(), &mut tile[0]);
                });
            }
            for row in 0..n {
                to.put(lanes, sums[row], done + row, panel * wide);
            }
            done += n;
        }
    }
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
    /// Whether there are so many terms of so many columns.
    #[inline(always)]
    fn fits(self, terms: usize, n: usize) -> bool {
        match self {
            Self::Of(rows, apart) => rows.len() == terms * apart,
            Self::Packed(tiles) => tiles.len() == terms * n,
        }
    }

    #[inline(always)]
    fn strips<const M: usize>(self, first: usize, terms: usize) -> Strips<'a, T> {
        match self {
            Self::Of(rows, apart) => Strips::new(rows, apart, first, M),
            Self::Packed(tiles) => Strips::new(&tiles[first * terms..][..M * terms], M, 0, M),
        }
    }
}

/// Adds to rows of `columns` sums, from `first_column` on, the products of columns with those of a panel.
#[inline(always)]
pub(crate) fn add_transposed<T: Float, S: Sum<T>, L: Numbers<T>>(
    lanes: L,
    left: Columns<'_, T>,
    panel: &[T],
    sums: &mut [S],
    columns: usize,
    first_column: usize,
) {
    let (terms, n) = (panel.len() / (ACROSS * L::N), sums.len() / columns);
    assert!(left.fits(terms, n));
    tiles!(L::HIGH, n, |row, M| {
        let sums = &mut sums[row * columns..];
        tile::add_transposed::<T, S, L, M>(lanes, left.strips::<M>(row, terms), panel, sums, columns, first_column);
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
        for (n_rows, terms) in [(0, 9), (1, 0), (1, TERMS + 1), (5, TERMS), (FEW, 2 * TERMS), (2 * FEW + 7, 300)] {
            let (apart, panels) = (terms + 3, 2);
            let (rows, packed) = (numbers(n_rows * apart), numbers(panels * terms * wide));
            let mut found = vec![0.0; n_rows * panels * wide];
            let to = To::Padded(&mut found, panels * wide);
            multiply(lanes, &rows, apart, n_rows, terms, &packed, panels, to);
            let mut new = vec![MaybeUninit::new(-1.0); n_rows * (wide + 3)];
            let mut slots: Vec<_> = new.chunks_mut(wide + 3).collect();
            multiply(lanes, &rows, apart, n_rows, terms, &packed, panels, To::Slots(&mut slots, 1));
            for row in 0..n_rows {
                for column in 0..panels * wide {
                    let panel = &packed[column / wide * terms * wide..];
                    let chain = (0..terms)
                        .fold(0.0, |sum, k| f64::mul_add(rows[row * apart + k], panel[k * wide + column % wide], sum));
                    assert_eq!(found[row * panels * wide + column], chain, "{terms} terms, ({row}, {column})");
                    if column + 1 < wide + 3 {
                        // SAFETY: they were all written when they were made.
                        #[allow(unsafe_code)]
                        let new = unsafe { new[row * (wide + 3) + column + 1].assume_init() };
                        assert_eq!(new, chain, "{terms} terms, slot {row}, {column}");
                    }
                }
            }
        }
    }

    fn packed_columns_are_columns<L: Numbers<f64>>(lanes: L) {
        let (width, wide) = (40, ACROSS * L::N);
        for (terms, first, n) in [(0, 0, 3), (1, 39, 1), (9, 2, 13), (130, 5, 24)] {
            let (matrix, panel) = (numbers(terms * width), numbers(terms * wide));
            let rows: Vec<&[f64]> = matrix.chunks(width).collect();
            let mut tiles = vec![0.0; terms * n];
            if terms > 0 {
                pack_tiles(lanes, &rows, first, &mut tiles);
            }
            let (mut found, mut expected) = (vec![1.0; n * wide], vec![1.0; (first + n) * wide]);
            add_transposed(lanes, Columns::Packed(&tiles), &panel, &mut found, wide, 0);
            add_transposed(lanes, Columns::Of(&matrix, width), &panel, &mut expected, wide, 0);
            assert_eq!(found, expected[first * wide..], "{terms} terms of {n} columns");
        }
    }

    #[test]
    fn a_product_in_pieces_is_one_chain_for_each_output() {
        over_paths!(|lanes| every_output_is_one_chain(<f64 as Float>::lanes(lanes)));
    }

    #[test]
    fn columns_may_be_packed() {
        over_paths!(|lanes| packed_columns_are_columns(<f64 as Float>::lanes(lanes)));
    }
}
