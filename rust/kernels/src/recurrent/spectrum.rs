//! The largest singular value of a matrix, in double precision.
//!
//! The square root of the largest eigenvalue of S = JᵀJ, J scaled by its largest entry so that nothing overflows: the largest
//! one loses no digits by the squaring. Householder reflections make S tridiagonal, bisection by the counts of Sturm finds
//! the eigenvalue. O(n³) time. Sums are taken row by row, so the bits are the same on every path.

use super::pack::pack_columns;
use super::product::{Columns, add_transposed};
use crate::parallel::zeros;
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Result, Task};

/// ‖J‖₂ of n rows of n numbers, `apart` from each other; not a number where one is not, infinite where one is.
///
/// # Errors
/// [`Error::OutOfMemory`](crate::Error), [`Error::Interrupted`](crate::Error).
pub(super) fn norm(j: &[f64], n: usize, apart: usize, wide: usize, task: &Task) -> Result<f64> {
    let mut largest = 0.0f64;
    for row in 0..n {
        for &x in &j[row * apart..][..n] {
            if x.is_nan() {
                return Ok(f64::NAN);
            }
            largest = largest.max(x.abs());
        }
    }
    if largest == 0.0 || largest.is_infinite() {
        return Ok(largest);
    }
    let mut scaled: Vec<f64> = zeros(n * n, "a Jacobian")?;
    for (to, row) in scaled.chunks_exact_mut(n).zip(j.chunks(apart)) {
        for (to, x) in to.iter_mut().zip(row) {
            // A quotient, because the inverse of a tiny number may overflow.
            *to = x / largest;
        }
    }
    let rows: Vec<&[f64]> = scaled.chunks_exact(n).collect();
    let panels = pack_columns(&rows, n, wide)?;
    let mut s: Vec<f64> = zeros(n * n, "a Jacobian")?;
    square_of(&scaled, &panels, &mut s, n, task);
    let mut scratch: Vec<f64> = zeros(2 * n, "a Jacobian")?;
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (zeros(n, "a Jacobian")?, zeros(n, "a Jacobian")?);
    tridiagonal_of(&mut s, n, &mut scratch, &mut diagonal, &mut beside, task);
    task.check()?;
    Ok(largest * largest_eigenvalue(&diagonal, &beside).max(0.0).sqrt())
}

dispatched!(fn square_of[](rows: &[f64], panels: &[f64], s: &mut [f64], n: usize, task: &Task) -> () = square_run);
dispatched!(fn tridiagonal_of[](s: &mut [f64], n: usize, scratch: &mut [f64], diagonal: &mut [f64], beside: &mut [f64], task: &Task) -> () = tridiagonal_run);

/// S = JᵀJ
#[inline(always)]
fn square_run<L: Both>(lanes: L, rows: &[f64], panels: &[f64], s: &mut [f64], n: usize, task: &Task) {
    let lanes = <f64 as Float>::lanes(lanes);
    let wide = super::tile::ACROSS * Numbers::<f64>::n(lanes);
    for panel in 0..n.div_ceil(wide) {
        if task.interrupted() {
            return;
        }
        add_transposed(lanes, Columns::Of(rows, n), &panels[panel * n * wide..][..n * wide], s, n, panel * wide);
    }
}

/// Reflects a symmetric matrix to a tridiagonal one: the diagonal, and what is beside it, from its second number on.
#[inline(always)]
fn tridiagonal_run<L: Both>(
    _: L,
    s: &mut [f64],
    n: usize,
    scratch: &mut [f64],
    diagonal: &mut [f64],
    beside: &mut [f64],
    task: &Task,
) {
    let (v, p) = scratch.split_at_mut(n);
    for column in 0..n {
        if task.interrupted() {
            return;
        }
        diagonal[column] = s[column * n + column];
        if column + 1 == n {
            break;
        }
        let rest = column + 1..n;
        let mut square = 0.0;
        for i in rest.clone() {
            v[i] = s[column * n + i];
            square = f64::mul_add(v[i], v[i], square);
        }
        let length = square.sqrt();
        let first = v[column + 1];
        // H x = −sign(x₀) ‖x‖ e₀ with v = x + sign(x₀) ‖x‖ e₀, H = 1 − 2 v vᵀ / vᵀv, vᵀv = 2 ‖x‖ (‖x‖ + |x₀|).
        beside[column + 1] = if first > 0.0 { -length } else { length };
        let half = length * (length + first.abs());
        if half == 0.0 {
            continue;
        }
        v[column + 1] = first - beside[column + 1];
        // p = S v / half; q = p − (vᵀp / 2 half) v; S ← S − v qᵀ − q vᵀ
        let p = &mut p[..n];
        p.fill(0.0);
        for i in rest.clone() {
            let (factor, row) = (v[i], &s[i * n..][..n]);
            for k in rest.clone() {
                p[k] = f64::mul_add(factor, row[k], p[k]);
            }
        }
        let mut product = 0.0;
        for i in rest.clone() {
            p[i] /= half;
            product = f64::mul_add(v[i], p[i], product);
        }
        let share = product / (2.0 * half);
        for i in rest.clone() {
            p[i] = f64::mul_add(-share, v[i], p[i]);
        }
        for i in rest.clone() {
            let (mine, other, row) = (-v[i], -p[i], &mut s[i * n..][..n]);
            for k in rest.clone() {
                row[k] = f64::mul_add(mine, p[k], f64::mul_add(other, v[k], row[k]));
            }
        }
    }
}

/// Of a symmetric tridiagonal matrix.
fn largest_eigenvalue(diagonal: &[f64], beside: &[f64]) -> f64 {
    let n = diagonal.len();
    // Gershgorin: an eigenvalue is no further from a diagonal entry than what is beside it. The largest is at least the
    // largest of these.
    let off = |i: usize| if (1..n).contains(&i) { beside[i].abs() } else { 0.0 };
    let mut low = diagonal.iter().fold(f64::NEG_INFINITY, |low, &d| low.max(d));
    let mut high = (0..n).fold(low, |high, i| high.max(diagonal[i] + off(i) + off(i + 1)));
    high += high.abs() * 4.0 * f64::EPSILON;
    // All pivots of S − x are negative where x is above every eigenvalue.
    let above = |x: f64| {
        let mut pivot = 1.0;
        for i in 0..n {
            pivot = diagonal[i] - x - if i > 0 { beside[i] * beside[i] / pivot } else { 0.0 };
            if pivot >= 0.0 || pivot.is_nan() {
                return false;
            }
        }
        true
    };
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if above(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, uniform};

    fn of(j: &[f64], n: usize) -> f64 {
        let wide = super::super::tile::ACROSS * crate::recurrent::pack::lanes_of::<f64>(std::marker::PhantomData);
        norm(j, n, n, wide, &Task::new()).unwrap()
    }

    #[test]
    fn norms_that_are_known() {
        assert_eq!(of(&[-3.0], 1), 3.0);
        assert_eq!(of(&[0.0; 4], 2), 0.0);
        assert!((of(&[3.0, 0.0, 0.0, 4.0], 2) - 4.0).abs() < 1e-14);
        // The golden ratio.
        assert!((of(&[1.0, 1.0, 0.0, 1.0], 2) - (1.0 + 5f64.sqrt()) / 2.0).abs() < 1e-14);
        // Rank one: |u| |v|.
        let (u, v) = ([1.0, -2.0, 3.0, 0.5], [0.25, 4.0, -1.0, 2.0]);
        let j: Vec<f64> = u.iter().flat_map(|u| v.map(|v| u * v)).collect();
        let lengths = [u, v].map(|x| x.iter().map(|x| x * x).sum::<f64>().sqrt());
        assert!((of(&j, 4) / (lengths[0] * lengths[1]) - 1.0).abs() < 1e-14);
        for scale in [1e-300, 1e300] {
            let scaled: Vec<f64> = j.iter().map(|x| x * scale).collect();
            assert!((of(&scaled, 4) / scale / (lengths[0] * lengths[1]) - 1.0).abs() < 1e-14);
        }
        assert!(of(&[1.0, f64::NAN, 2.0, f64::INFINITY], 2).is_nan());
        assert_eq!(of(&[1.0, 2.0, f64::NEG_INFINITY, 0.0], 2), f64::INFINITY);
    }

    #[test]
    fn it_can_be_interrupted() {
        let stopped = Task::new();
        stopped.interrupt();
        let wide = super::super::tile::ACROSS * crate::recurrent::pack::lanes_of::<f64>(std::marker::PhantomData);
        assert!(matches!(norm(&[3.0, 0.0, 0.0, 4.0], 2, 2, wide, &stopped), Err(crate::Error::Interrupted)));
    }

    #[test]
    fn no_vector_grows_more_and_one_grows_as_much() {
        for n in [2, 3, 17, 40] {
            let j: Vec<f64> = (0..n * n).map(|i| uniform(Stream::new(3, n as u64).word(i as u64)) - 0.5).collect();
            let found = of(&j, n);
            // Power iteration on JᵀJ.
            let mut x = vec![1.0; n];
            let mut reached = 0.0;
            for _ in 0..20_000 {
                let y: Vec<f64> = j.chunks(n).map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum()).collect();
                let mut back = vec![0.0; n];
                for (row, y) in j.chunks(n).zip(&y) {
                    back.iter_mut().zip(row).for_each(|(to, a)| *to += a * y);
                }
                let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
                reached = length(&y) / length(&x);
                let size = length(&back);
                x = back.into_iter().map(|x| x / size).collect();
            }
            assert!((found / reached - 1.0).abs() < 1e-12, "{n}: {found} {reached}");
        }
    }
}
