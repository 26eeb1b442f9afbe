//! The one product: a few rows times a packed panel, in registers.
//!
//! A panel is four registers wide and lies in the order in which it is read: [K][4][N]. A tile holds M rows of U panels; its
//! accumulators start from what the caller has and take one fused multiply-add per term, in the order of the terms. So an
//! output is one chain, whatever tile it falls in, and a caller may stop and go on with the next panel.

use super::numbers::{Float, Numbers};

/// Registers across a panel.
pub(crate) const ACROSS: usize = 4;

/// Terms between two looks at whether there are more: a loop so short that the processor foresees its end.
const STEP: usize = 8;

/// The accumulators of a row of a panel.
pub(crate) type Four<V> = [V; ACROSS];

/// The accumulators, and what rows of `terms` numbers give with panels besides; `row(m)` is the m-th.
#[inline(always)]
pub(crate) fn accumulate<'a, T: Float, L: Numbers<T>, const M: usize, const U: usize>(
    lanes: L,
    rows: [&'a [T]; M],
    panels: [&'a [T]; U],
    terms: usize,
    mut sums: [[Four<L::V>; M]; U],
) -> [[Four<L::V>; M]; U] {
    let wide = ACROSS * L::N;
    let mut x: [&[T]; M] = [&[]; M];
    for m in 0..M {
        x[m] = &rows[m][..terms];
    }
    // Loops and not iterators' methods, which would be compiled apart and keep the sums out of the registers.
    let mut w = panels;
    for u in 0..U {
        w[u] = &panels[u][..terms * wide];
    }
    let mut k = 0;
    // A row alone has too little to do for a longer loop to be worth its code.
    while M > 1 && k + STEP <= terms {
        let mut few: [&[T]; M] = [&[]; M];
        for m in 0..M {
            few[m] = &x[m][k..k + STEP];
        }
        let mut now: [&[T]; U] = [&[]; U];
        for u in 0..U {
            (now[u], w[u]) = w[u].split_at(STEP * wide);
        }
        for i in 0..STEP {
            for u in 0..U {
                add_term(lanes, few, i, &now[u][i * wide..(i + 1) * wide], &mut sums[u]);
            }
        }
        k += STEP;
    }
    while k < terms {
        for u in 0..U {
            let (now, rest) = w[u].split_at(wide);
            w[u] = rest;
            add_term(lanes, x, k, now, &mut sums[u]);
        }
        k += 1;
    }
    sums
}

/// Adds one term to the sums of M rows.
#[inline(always)]
fn add_term<T: Float, L: Numbers<T>, const M: usize>(
    lanes: L,
    x: [&[T]; M],
    k: usize,
    panel: &[T],
    sums: &mut [Four<L::V>; M],
) {
    let mut four = [lanes.splat(T::ZERO); ACROSS];
    for v in 0..ACROSS {
        four[v] = lanes.load(&panel[v * L::N..]);
    }
    for m in 0..M {
        let x = lanes.splat(x[m][k]);
        for v in 0..ACROSS {
            sums[m][v] = lanes.fused(x, four[v], sums[m][v]);
        }
    }
}

/// The same for the transpose of the left side, and one panel: term k of row m is `left[k][first + m]`.
#[inline(always)]
pub(crate) fn accumulate_transposed<T: Float, L: Numbers<T>, const M: usize>(
    lanes: L,
    left: &[&[T]],
    first: usize,
    panel: &[T],
    acc: &mut [Four<L::V>; M],
) {
    let wide = ACROSS * L::N;
    let mut w = &panel[..left.len() * wide];
    let mut sums = *acc;
    for k in 0..left.len() {
        let (now, rest) = w.split_at(wide);
        w = rest;
        let x = &left[k][first..first + M];
        let mut four = [lanes.splat(T::ZERO); ACROSS];
        for v in 0..ACROSS {
            four[v] = lanes.load(&now[v * L::N..]);
        }
        for m in 0..M {
            let x = lanes.splat(x[m]);
            for v in 0..ACROSS {
                sums[m][v] = lanes.fused(x, four[v], sums[m][v]);
            }
        }
    }
    *acc = sums;
}

/// Runs `$body` with a constant `$M` for tiles of `$rows` rows; `$first` is the first row of a tile. The tiles are about
/// equally high, because one low tile at the end would wait for its own sums.
macro_rules! tiles {
    ($t:ty, $lanes:ty, $rows:expr, |$first:ident, $M:ident| $body:expr) => {{
        let rows = $rows;
        let most = <$lanes as $crate::simd::numbers::Numbers<$t>>::ROWS;
        let mut $first = 0;
        while $first < rows {
            let left = rows - $first;
            let height = left.div_ceil(left.div_ceil(most));
            match height {
                1 => {
                    const $M: usize = 1;
                    $body
                }
                2 => {
                    const $M: usize = 2;
                    $body
                }
                3 if most >= 3 => {
                    const $M: usize = 3;
                    $body
                }
                4 if most >= 4 => {
                    const $M: usize = 4;
                    $body
                }
                5 if most >= 5 => {
                    const $M: usize = 5;
                    $body
                }
                6 if most >= 6 => {
                    const $M: usize = 6;
                    $body
                }
                _ => unreachable!("tiles have at most six rows"),
            }
            $first += height;
        }
    }};
}
pub(crate) use tiles;
