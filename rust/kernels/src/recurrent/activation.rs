//! The logistic function and tanh, a register at a time, by polynomials of our own: the same bits on every path.
//!
//! Both stand on e^−a = 2ⁿ · (1 + p), see [`crate::simd::exp`]. The logistic function takes the
//! symmetric form, so that small results keep their relative accuracy: σ(|x|) = 1 / (1 + e), σ(−|x|) = e / (1 + e) with
//! e = e^−|x|; where that would be no normal number, it is 0. And tanh|x| = −t / (2 + t) with t = e^−2|x| − 1 = 2ⁿ · p +
//! (2ⁿ − 1), which is accurate at 0 and never beyond 1. What is not a number stays so.

use super::tile::{ACROSS, Four};
use crate::Result;
use crate::parallel::zeros;
use crate::simd::dispatched;
use crate::simd::exp::{exp, exp_parts};
use crate::simd::numbers::{Both, Float, Numbers};

/// σ(x) = 1 / (1 + e^−x)
#[inline(always)]
fn sigmoid<T: Float, L: Numbers<T>>(lanes: L, x: L::V) -> L::V {
    let e = exp(lanes, lanes.sub(lanes.splat(T::ZERO), lanes.abs(x)));
    sigmoid_by(lanes, x, e)
}

/// σ(x), given e^−|x|.
#[inline(always)]
fn sigmoid_by<T: Float, L: Numbers<T>>(lanes: L, x: L::V, e: L::V) -> L::V {
    let (zero, one) = (lanes.splat(T::ZERO), lanes.splat(T::ONE));
    lanes.div(lanes.if_less(x, zero, e, one), lanes.add(one, e))
}

/// tanh(x)
#[inline(always)]
pub(super) fn tanh<T: Float, L: Numbers<T>, const U: usize>(lanes: L, x: [L::V; U]) -> [L::V; U] {
    let lowest = lanes.sub(lanes.splat(T::ZERO), lanes.splat(T::DEEPEST));
    let mut y = x;
    for u in 0..U {
        y[u] = lanes.max(lowest, lanes.mul(lanes.abs(x[u]), lanes.splat(T::MINUS_TWO)));
    }
    let (power, p) = exp_parts(lanes, y);
    for u in 0..U {
        y[u] = tanh_by(lanes, x[u], power[u], p[u]);
    }
    y
}

/// tanh(x), given e^−2|x| as 2ⁿ and p.
#[inline(always)]
fn tanh_by<T: Float, L: Numbers<T>>(lanes: L, x: L::V, power: L::V, p: L::V) -> L::V {
    let t = lanes.fused(power, p, lanes.sub(power, lanes.splat(T::ONE)));
    // 2 + t > 0; the sign of t is that of x in the end.
    lanes.with_sign(lanes.div(t, lanes.sub(t, lanes.splat(T::MINUS_TWO))), x)
}

/// σ(i), σ(f), tanh(g), σ(o), whose steps are taken in turn.
#[inline(always)]
pub(super) fn gates<T: Float, L: Numbers<T>>(lanes: L, x: Four<L::V>) -> Four<L::V> {
    let (zero, one) = (lanes.splat(T::ZERO), lanes.splat(T::ONE));
    let lowest = lanes.sub(zero, lanes.splat(T::DEEPEST));
    let (mut y, mut above) = (x, x);
    for v in 0..ACROSS {
        y[v] = if v == 2 {
            lanes.mul(lanes.abs(x[v]), lanes.splat(T::MINUS_TWO))
        } else {
            lanes.sub(zero, lanes.abs(x[v]))
        };
        above[v] = lanes.max(lowest, y[v]);
    }
    let (power, p) = exp_parts(lanes, above);
    for v in 0..ACROSS {
        y[v] = if v == 2 {
            tanh_by(lanes, x[v], power[v], p[v])
        } else {
            let e = lanes.if_less(y[v], lowest, zero, lanes.mul(power[v], lanes.add(one, p[v])));
            sigmoid_by(lanes, x[v], e)
        };
    }
    y
}

dispatched!(fn sigmoid_of[T: Float](x: &[T], to: &mut [T]) -> () = sigmoid_run);
dispatched!(pub(super) fn tanh_of[T: Float](x: &[T], to: &mut [T]) -> () = tanh_run);

#[inline(always)]
fn sigmoid_run<L: Both, T: Float>(lanes: L, x: &[T], to: &mut [T]) {
    let lanes = T::lanes(lanes);
    let n = lanes.n();
    for (x, to) in x.chunks(n).zip(to.chunks_mut(n)) {
        lanes.store_part(sigmoid(lanes, lanes.load_part(x)), to);
    }
}

#[inline(always)]
fn tanh_run<L: Both, T: Float>(lanes: L, x: &[T], to: &mut [T]) {
    let lanes = T::lanes(lanes);
    let n = lanes.n();
    for (x, to) in x.chunks(n).zip(to.chunks_mut(n)) {
        lanes.store_part(tanh(lanes, [lanes.load_part(x)])[0], to);
    }
}

/// σ of each number.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub fn sigmoids<T: Float>(x: &[T]) -> Result<Vec<T>> {
    let mut out = zeros(x.len(), "the results")?;
    sigmoid_of(x, &mut out);
    Ok(out)
}

/// tanh of each number.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub fn tanhs<T: Float>(x: &[T]) -> Result<Vec<T>> {
    let mut out = zeros(x.len(), "the results")?;
    tanh_of(x, &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::over_paths;
    use rayon::prelude::*;

    /// How many steps of the grid of f32 around the true value the result is away; only where that is a normal number.
    fn ulps(found: f32, expected: f64) -> f64 {
        if expected.abs() < f64::from(f32::MIN_POSITIVE) {
            return 0.0;
        }
        let exponent = (expected.abs().to_bits() >> 52) as i32 - 1023;
        (f64::from(found) - expected).abs() / 2f64.powi(exponent - 23)
    }

    fn true_sigmoid(x: f64) -> f64 {
        let e = (-x.abs()).exp();
        if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
    }

    /// Looks at every `stride`-th pattern of a range; returns the worst of σ and of tanh.
    fn worst(patterns: std::ops::Range<u64>, stride: u64) -> (f64, f64) {
        let mut worst = (0.0f64, 0.0f64);
        let mut x = Vec::with_capacity(1 << 16);
        let mut at = patterns.start;
        while at < patterns.end {
            x.clear();
            while at < patterns.end && x.len() < 1 << 16 {
                x.push(f32::from_bits(at as u32));
                at += stride;
            }
            let (sigma, tanh) = (sigmoids(&x).unwrap(), tanhs(&x).unwrap());
            for ((&x, &sigma), &tanh) in x.iter().zip(&sigma).zip(&tanh) {
                if x.is_nan() {
                    assert!(sigma.is_nan() && tanh.is_nan());
                    continue;
                }
                assert!((0.0..=1.0).contains(&sigma) && (-1.0..=1.0).contains(&tanh), "{x:e}: {sigma:e} {tanh:e}");
                assert_eq!(tanh.is_sign_negative(), x.is_sign_negative());
                let wide = f64::from(x);
                worst.0 = worst.0.max(ulps(sigma, true_sigmoid(wide)));
                worst.1 = worst.1.max(ulps(tanh, wide.tanh()));
            }
        }
        worst
    }

    #[test]
    fn within_six_ulps_of_single_precision() {
        let worst = worst(7..1 << 32, 4099);
        assert!(worst.0 <= 6.0 && worst.1 <= 6.0, "{worst:?}");
    }

    #[test]
    #[ignore = "all 2**32 numbers take minutes; run it by hand after a change of the polynomials"]
    fn within_six_ulps_on_the_whole_line() {
        let pieces = (0..1u64 << 8).into_par_iter().map(|piece| worst(piece << 24..(piece + 1) << 24, 1));
        let worst = pieces.reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        println!("worst of sigmoid and tanh in ulps: {worst:?}");
        assert!(worst.0 <= 6.0 && worst.1 <= 6.0, "{worst:?}");
    }

    #[test]
    fn within_four_ulps_of_double_precision() {
        // What is compared with is itself rounded: the exponential and tanh of the system, about one ulp each.
        let x: Vec<f64> = (0..2_000_001)
            .map(|i| f64::from(i - 1_000_000) * 7.1e-4)
            .chain((0..40_000).map(|i| (f64::from(i) * 0.001 - 30.0).exp()))
            .chain((0..40_000).map(|i| -(f64::from(i) * 0.001 - 30.0).exp()))
            .filter(|x| x.abs() < 708.0)
            .collect();
        let away = |found: f64, expected: f64| (found.to_bits() as i64 - expected.to_bits() as i64).unsigned_abs();
        let mut worst = (0, 0);
        for ((&x, sigma), tanh) in x.iter().zip(sigmoids(&x).unwrap()).zip(tanhs(&x).unwrap()) {
            assert!((0.0..=1.0).contains(&sigma) && (-1.0..=1.0).contains(&tanh));
            worst = (worst.0.max(away(sigma, true_sigmoid(x))), worst.1.max(away(tanh, x.tanh())));
        }
        println!("worst of sigmoid and tanh in ulps of the system's: {worst:?}");
        assert!(worst.0 <= 3 && worst.1 <= 3, "{worst:?}");
    }

    #[test]
    fn exact_at_the_ends() {
        fn ends<T: Float>(of: fn(f64) -> T) {
            let x = [f64::NEG_INFINITY, -1e30, -0.0, 0.0, 1e30, f64::INFINITY].map(of);
            assert_eq!(sigmoids(&x).unwrap(), [0.0, 0.0, 0.5, 0.5, 1.0, 1.0].map(of));
            assert_eq!(tanhs(&x).unwrap(), [-1.0, -1.0, 0.0, 0.0, 1.0, 1.0].map(of));
        }
        ends(|x| x as f32);
        ends(|x| x);
    }

    #[test]
    fn the_same_bits_on_every_path() {
        fn bits<T: Float + Into<f64>>(lanes: impl Both, x: &[T]) -> Vec<u64> {
            let mut to = vec![T::ZERO; x.len()];
            sigmoid_run(lanes, x, &mut to);
            let mut out: Vec<u64> = to.iter().map(|&y| y.into().to_bits()).collect();
            tanh_run(lanes, x, &mut to);
            out.extend(to.iter().map(|&y| y.into().to_bits()));
            out
        }
        let single: Vec<f32> = (0..4001).map(|i| (i - 2000) as f32 * 0.0517).collect();
        let double: Vec<f64> = (0..4001).map(|i| f64::from(i - 2000) * 0.417).collect();
        let (one, two) = (bits(crate::simd::PortableLanes, &single), bits(crate::simd::PortableLanes, &double));
        over_paths!(|lanes| assert!(bits(lanes, &single) == one && bits(lanes, &double) == two));
    }
}
