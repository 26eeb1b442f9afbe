//! The one product: a few rows times a packed panel, in registers.
//!
//! A panel is four registers wide and lies in the order in which it is read: [K][4][N]. A tile holds M rows of U panels; its
//! accumulators start from what the caller has and take one fused multiply-add per term, in the order of the terms. So an
//! output is one chain, whatever tile it falls in, and a caller may stop and go on with the next panel.
//!
//! Where a high tile does not fit in the registers it is made in two halves, two registers wide: a panel is then read twice for
//! six rows, half of it each time, and not three times for two rows each.

use super::cache::{LINE, prefetch, prefetch_far};
use super::memory::Strips;
use super::numbers::{Float, Numbers};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Registers across a panel.
pub(crate) const ACROSS: usize = 4;

/// Registers across half a panel.
const HALF: usize = ACROSS / 2;

/// Terms between two looks at whether there are more: a loop so short that the processor foresees its end.
const STEP: usize = 8;

/// The accumulators of a row of a panel.
pub(crate) type Four<V> = [V; ACROSS];

/// Adds to the accumulators what rows of `terms` numbers give with panels.
#[inline(always)]
pub(crate) fn accumulate<'a, T: Float, L: Numbers<T>, const M: usize, const U: usize>(
    lanes: L,
    rows: [&'a [T]; M],
    panels: [&'a [T]; U],
    terms: usize,
    sums: &mut [[Four<L::V>; M]; U],
) {
    accumulate_ahead(lanes, rows, panels, terms, sums, &[]);
}

/// As [`accumulate`]. With each term, if there is more than one row, a line of `ahead` is asked for: what is needed next
/// comes from far away while there is much to do.
#[inline(always)]
pub(crate) fn accumulate_ahead<'a, T: Float, L: Numbers<T>, const M: usize, const U: usize>(
    lanes: L,
    rows: [&'a [T]; M],
    panels: [&'a [T]; U],
    terms: usize,
    sums: &mut [[Four<L::V>; M]; U],
    ahead: &[T],
) {
    if M <= L::ROWS {
        *sums = add_terms::<T, L, M, U, ACROSS, 0>(lanes, rows, panels, terms, *sums, ahead);
        return;
    }
    let mut x: [&[T]; M] = [&[]; M];
    for m in 0..M {
        x[m] = &rows[m][..terms];
    }
    for u in 0..U {
        lanes.halves(x, panels[u], &mut sums[u], ahead);
    }
}

/// Adds to a tile what rows give with a panel, one half after the other.
#[inline(always)]
pub(super) fn halves<T: Float, L: Numbers<T>, const M: usize>(
    lanes: L,
    rows: [&[T]; M],
    panel: &[T],
    sums: &mut [Four<L::V>; M],
    ahead: &[T],
) {
    let terms = rows[0].len();
    let half = [half_of::<T, L, M, 0>(lanes, sums)];
    let [half] = add_terms::<T, L, M, 1, HALF, 0>(lanes, rows, [panel], terms, half, ahead);
    put_half::<_, M, 0>(&half, sums);
    let half = [half_of::<T, L, M, HALF>(lanes, sums)];
    let [half] = add_terms::<T, L, M, 1, HALF, HALF>(lanes, rows, [panel], terms, half, &[]);
    put_half::<_, M, HALF>(&half, sums);
}

/// The half of a tile that begins with register F.
#[inline(always)]
fn half_of<T: Float, L: Numbers<T>, const M: usize, const F: usize>(
    lanes: L,
    sums: &[Four<L::V>; M],
) -> [[L::V; HALF]; M] {
    let mut half = [[lanes.splat(T::ZERO); HALF]; M];
    for m in 0..M {
        for v in 0..HALF {
            half[m][v] = sums[m][F + v];
        }
    }
    half
}

#[inline(always)]
fn put_half<V: Copy, const M: usize, const F: usize>(half: &[[V; HALF]; M], sums: &mut [Four<V>; M]) {
    for m in 0..M {
        for v in 0..HALF {
            sums[m][F + v] = half[m][v];
        }
    }
}

/// As [`accumulate_ahead`], for A registers across, from register F on.
#[inline(always)]
fn add_terms<'a, T: Float, L: Numbers<T>, const M: usize, const U: usize, const A: usize, const F: usize>(
    lanes: L,
    rows: [&'a [T]; M],
    panels: [&'a [T]; U],
    terms: usize,
    mut sums: [[[L::V; A]; M]; U],
    ahead: &[T],
) -> [[[L::V; A]; M]; U] {
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
        if !ahead.is_empty() {
            for i in 0..STEP {
                prefetch_far(ahead, (k + i) * (LINE / size_of::<T>()));
            }
        }
        for i in 0..STEP {
            for u in 0..U {
                let panel = &now[u][i * wide..(i + 1) * wide];
                add_term::<T, L, M, A, F>(lanes, few, i, panel, &mut sums[u]);
            }
        }
        k += STEP;
    }
    while k < terms {
        for u in 0..U {
            let (now, rest) = w[u].split_at(wide);
            w[u] = rest;
            add_term::<T, L, M, A, F>(lanes, x, k, now, &mut sums[u]);
        }
        k += 1;
    }
    sums
}

/// Adds one term to the sums of M rows.
#[inline(always)]
fn add_term<T: Float, L: Numbers<T>, const M: usize, const A: usize, const F: usize>(
    lanes: L,
    x: [&[T]; M],
    k: usize,
    panel: &[T],
    sums: &mut [[L::V; A]; M],
) {
    let mut w = [lanes.splat(T::ZERO); A];
    for v in 0..A {
        w[v] = lanes.load(&panel[(F + v) * L::N..]);
    }
    for m in 0..M {
        let x = lanes.splat(x[m][k]);
        for v in 0..A {
            sums[m][v] = lanes.fused(x, w[v], sums[m][v]);
        }
    }
}

/// What takes up products.
pub trait Sum<T: Float>: Sized {
    /// Whether it is read before it is written.
    const BEGUN: bool;
    /// Takes up what a register holds, as far as there is room.
    fn take<L: Numbers<T>>(lanes: L, more: L::V, to: &mut [Self]);
}

/// A sum that was begun is added to.
impl<T: Float> Sum<T> for T {
    const BEGUN: bool = true;

    #[inline(always)]
    fn take<L: Numbers<T>>(lanes: L, more: L::V, to: &mut [T]) {
        lanes.store_part(lanes.add(lanes.load_part(to), more), to);
    }
}

/// What comes first is the sum: nobody has written zeros.
impl<T: Float> Sum<T> for MaybeUninit<T> {
    const BEGUN: bool = false;

    #[inline(always)]
    fn take<L: Numbers<T>>(lanes: L, more: L::V, to: &mut [MaybeUninit<T>]) {
        lanes.store_new(more, to);
    }
}

/// Adds to M rows of `columns` numbers, from `first` on, what the transpose of the left side gives with a panel: a strip holds a
/// term of all rows.
#[inline(always)]
pub(crate) fn add_transposed<T: Float, S: Sum<T>, L: Numbers<T>, const M: usize>(
    lanes: L,
    left: Strips<'_, T>,
    panel: &[T],
    sums: &mut [S],
    columns: usize,
    first: usize,
) {
    if M <= L::ROWS {
        add_transposed_part::<T, S, L, M, ACROSS, 0>(lanes, left, panel, sums, columns, first);
    } else {
        lanes.add_halves_transposed::<S, M>(left, panel, sums, columns, first);
    }
}

/// [`add_transposed`], one half after the other.
#[inline(always)]
pub(super) fn add_halves_transposed<T: Float, S: Sum<T>, L: Numbers<T>, const M: usize>(
    lanes: L,
    left: Strips<'_, T>,
    panel: &[T],
    sums: &mut [S],
    columns: usize,
    first: usize,
) {
    add_transposed_part::<T, S, L, M, HALF, 0>(lanes, left, panel, sums, columns, first);
    add_transposed_part::<T, S, L, M, HALF, HALF>(lanes, left, panel, sums, columns, first);
}

/// As [`add_transposed`], for A registers across, from register F on.
#[inline(always)]
fn add_transposed_part<T: Float, S: Sum<T>, L: Numbers<T>, const M: usize, const A: usize, const F: usize>(
    lanes: L,
    left: Strips<'_, T>,
    panel: &[T],
    sums: &mut [S],
    columns: usize,
    first: usize,
) {
    let first = first + F * L::N;
    if first >= columns {
        return;
    }
    // While the products are made, what they are added to comes here.
    if S::BEGUN {
        for m in 0..M {
            for v in 0..A {
                prefetch(sums, m * columns + first + v * L::N);
            }
        }
    }
    let acc = transposed_terms::<T, L, M, A, F>(lanes, left, panel);
    for m in 0..M {
        let sums = &mut sums[m * columns..][..columns];
        for v in 0..A {
            if first + v * L::N < columns {
                S::take(lanes, acc[m][v], &mut sums[first + v * L::N..]);
            }
        }
    }
}

/// The sums over all terms, in registers.
#[inline(always)]
fn transposed_terms<T: Float, L: Numbers<T>, const M: usize, const A: usize, const F: usize>(
    lanes: L,
    mut left: Strips<'_, T>,
    panel: &[T],
) -> [[L::V; A]; M] {
    let mut sums = [[lanes.splat(T::ZERO); A]; M];
    let mut panel = Strips::new(panel, ACROSS * L::N, F * L::N, A * L::N);
    while let (Some(x), Some(now)) = (left.next(), panel.next()) {
        let x = &x[..M];
        let mut few = [lanes.splat(T::ZERO); A];
        for v in 0..A {
            few[v] = lanes.load(&now[v * L::N..]);
        }
        for m in 0..M {
            let x = lanes.splat(x[m]);
            for v in 0..A {
                sums[m][v] = lanes.fused(x, few[v], sums[m][v]);
            }
        }
    }
    sums
}

/// Some terms of the rows of a tile, of a matrix whose rows begin so far `apart`.
#[inline(always)]
pub(crate) fn rows_at<T, const M: usize>(matrix: &[T], apart: usize, first: usize, terms: Range<usize>) -> [&[T]; M] {
    let mut rows: [&[T]; M] = [&[]; M];
    for m in 0..M {
        rows[m] = &matrix[(first + m) * apart..][terms.clone()];
    }
    rows
}

/// Runs `$body` with a constant `$M` for tiles of `$rows` rows, `$most` at a time; `$first` is the first row of a tile. The
/// tiles are about equally high, because one low tile at the end would wait for its own sums.
macro_rules! tiles {
    ($most:expr, $rows:expr, |$first:ident, $M:ident| $body:expr) => {{
        let (most, rows) = ($most, $rows);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::over_paths;

    /// Numbers whose sums round.
    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 1009.0 - 0.4).collect()
    }

    fn every_output_is_one_chain<T: Float, L: Numbers<T>>(lanes: L, from: fn(f64) -> T, fused: fn(T, T, T) -> T) {
        let wide = ACROSS * L::N;
        for rows in 1..=13 {
            for terms in [0, 1, STEP - 1, STEP, STEP + 1, 40] {
                let left: Vec<T> = numbers(rows * terms, 1).into_iter().map(from).collect();
                let panel: Vec<T> = numbers(terms * wide, 2).into_iter().map(from).collect();
                let start: Vec<T> = numbers(wide, 3).into_iter().map(from).collect();
                let mut transposed = vec![T::ZERO; rows * terms];
                for row in 0..rows {
                    for k in 0..terms {
                        transposed[k * rows + row] = left[row * terms + k];
                    }
                }
                let chain = |start: T, row: usize, column: usize| {
                    (0..terms).fold(start, |sum, k| fused(left[row * terms + k], panel[k * wide + column], sum))
                };
                // One column, a register and one, a panel but for one, and more; those of the panel begin after `skipped`.
                for (columns, skipped) in [(1, 0), (L::N + 1, 0), (wide - 1, 0), (wide + 3, wide)] {
                    let before: Vec<T> = numbers(rows * columns, 4).into_iter().map(from).collect();
                    let mut sums = before.clone();
                    let mut new: Vec<_> = before.iter().copied().map(MaybeUninit::new).collect();
                    tiles!(L::HIGH, rows, |first, M| {
                        let strips = Strips::new(&transposed, rows, first, M);
                        let to = first * columns..;
                        add_transposed::<T, _, L, M>(lanes, strips, &panel, &mut sums[to.clone()], columns, skipped);
                        add_transposed::<T, _, L, M>(lanes, strips, &panel, &mut new[to], columns, skipped);
                    });
                    for row in 0..rows {
                        for column in 0..columns {
                            let at = row * columns + column;
                            let more = column.checked_sub(skipped).map(|column| chain(T::ZERO, row, column));
                            let expected = more.map_or(before[at], |more| before[at] + more);
                            // SAFETY: they were all written when they were made.
                            #[allow(unsafe_code)]
                            let new = unsafe { new[at].assume_init() };
                            let what = format!("{rows} rows, {terms} terms, ({row}, {column} of {columns})");
                            assert!(sums[at] == expected && new == more.unwrap_or(before[at]), "{what}");
                        }
                    }
                }
                tiles!(L::HIGH, rows, |first, M| {
                    let mut four = [lanes.splat(T::ZERO); ACROSS];
                    for v in 0..ACROSS {
                        four[v] = lanes.load(&start[v * L::N..]);
                    }
                    let mut acc = [[four; M]];
                    let x = rows_at::<T, M>(&left, terms, first, 0..terms);
                    accumulate_ahead(lanes, x, [&panel], terms, &mut acc, &panel);
                    for m in 0..M {
                        let mut found = vec![T::ZERO; wide];
                        for v in 0..ACROSS {
                            lanes.store(acc[0][m][v], &mut found[v * L::N..]);
                        }
                        for column in 0..wide {
                            let what = format!("{rows} rows, {terms} terms, row {first} + {m}, column {column}");
                            assert!(found[column] == chain(start[column], first + m, column), "{what}");
                        }
                    }
                });
            }
        }
    }

    #[test]
    fn tiles_of_any_height_hold_chains() {
        over_paths!(|lanes| {
            every_output_is_one_chain::<f32, _>(lanes, |x| x as f32, f32::mul_add);
            every_output_is_one_chain::<f64, _>(lanes, |x| x, f64::mul_add);
        });
    }
}
