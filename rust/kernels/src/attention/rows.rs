//! Products of blocks, added to what the blocks before gave.

use crate::simd::numbers::{Float, Numbers};
use crate::simd::tile::{ACROSS, accumulate, rows_at, tiles};

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
        tiles!(L::HIGH, n_rows, |first, M| {
            let mut acc = [[[lanes.splat(T::ZERO); ACROSS]; M]];
            accumulate(lanes, rows_at::<T, M>(rows, apart, first, 0..terms), [w], terms, &mut acc);
            let column = panel * wide;
            let to = &mut to[first * to_apart + column..];
            match factors {
                _ if column + wide > columns => {
                    for m in 0..M {
                        let to = &mut to[m * to_apart..][..columns - column];
                        let factor = factors.map(|factors| lanes.splat(factors[first + m]));
                        for v in 0..ACROSS {
                            if v * L::N < to.len() {
                                let to = &mut to[v * L::N..];
                                let sum = match factor {
                                    Some(factor) => lanes.fused(factor, lanes.load_part(to), acc[0][m][v]),
                                    None => acc[0][m][v],
                                };
                                lanes.store_part(sum, to);
                            }
                        }
                    }
                }
                Some(factors) => {
                    let factors = &factors[first..first + M];
                    for m in 0..M {
                        let (to, factor) = (&mut to[m * to_apart..][..wide], lanes.splat(factors[m]));
                        for v in 0..ACROSS {
                            let to = &mut to[v * L::N..];
                            lanes.store(lanes.fused(factor, lanes.load(to), acc[0][m][v]), to);
                        }
                    }
                }
                None => {
                    for m in 0..M {
                        let to = &mut to[m * to_apart..][..wide];
                        for v in 0..ACROSS {
                            lanes.store(acc[0][m][v], &mut to[v * L::N..]);
                        }
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
