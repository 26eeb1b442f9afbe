//! Products of blocks, added to what the blocks before gave.

use crate::simd::numbers::{Float, Numbers};
use crate::simd::tile::{ACROSS, accumulate, tiles};

/// to ← factor · to + rows · panels, for `n_rows` rows of `terms` numbers, `apart` from each other, and panels with room for
/// `most` terms. The rows of `to` are `to_apart` from each other and have `columns` numbers; without factors it is
/// written anew.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn blend<T: Float, L: Numbers<T>>(
    lanes: L,
    rows: &[T],
    apart: usize,
    n_rows: usize,
    terms: usize,
    packed: &[T],
    most: usize,
    factors: Option<&[T]>,
    to: &mut [T],
    to_apart: usize,
    columns: usize,
) {
    let wide = ACROSS * L::N;
    for panel in 0..columns.div_ceil(wide) {
        let w = &packed[panel * most * wide..][..terms * wide];
        tiles!(T, L, n_rows, |first, M| {
            let mut x: [&[T]; M] = [&[]; M];
            for m in 0..M {
                x[m] = &rows[(first + m) * apart..][..terms];
            }
            let mut acc = [[[lanes.splat(T::ZERO); ACROSS]; M]];
            accumulate(lanes, x, [w], terms, &mut acc);
            for m in 0..M {
                let to = &mut to[(first + m) * to_apart..][..columns];
                for v in 0..ACROSS {
                    let column = panel * wide + v * L::N;
                    if column < columns {
                        let to = &mut to[column..];
                        let sum = match factors {
                            Some(factors) => {
                                lanes.fused(lanes.splat(factors[first + m]), lanes.load_part(to), acc[0][m][v])
                            }
                            None => acc[0][m][v],
                        };
                        lanes.store_part(sum, to);
                    }
                }
            }
        });
    }
}

/// Which entry of a matrix a term of a row is.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub row: usize,
    pub term: usize,
}

/// The same for rows of `x` that are not packed, `columns` numbers wide; terms that are not seen are left out, so that what
/// they hold does not matter. In the same order, and so to the same bits where all is finite.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn blend_seen<T: Float, L: Numbers<T>>(
    lanes: L,
    a: &[T],
    seen: &[bool],
    at: Strides,
    n_rows: usize,
    terms: usize,
    x: &[T],
    factors: Option<&[T]>,
    to: &mut [T],
    to_apart: usize,
    columns: usize,
) {
    for row in 0..n_rows {
        let to = &mut to[row * to_apart..][..columns];
        let mut column = 0;
        while column < columns {
            let end = columns.min(column + L::N);
            let mut sum = lanes.splat(T::ZERO);
            for term in 0..terms {
                let place = row * at.row + term * at.term;
                if seen[place] {
                    let x = lanes.load_part(&x[term * columns + column..term * columns + end]);
                    sum = lanes.fused(lanes.splat(a[place]), x, sum);
                }
            }
            if let Some(factors) = factors {
                sum = lanes.fused(lanes.splat(factors[row]), lanes.load_part(&to[column..end]), sum);
            }
            lanes.store_part(sum, &mut to[column..end]);
            column = end;
        }
    }
}
