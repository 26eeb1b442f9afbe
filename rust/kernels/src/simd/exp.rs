//! e^y for y <= 0, a register at a time, by a polynomial of our own: the same bits on every path.
//!
//! e^y = 2ⁿ · (1 + p) with n whole and p = e^r − 1, |r| <= ln 2 / 2.

use super::numbers::{Float, Numbers};

/// e^y for −`DEEPEST` <= y <= 0, as 2ⁿ and p, of several registers, step by step in turn: each step of one waits for the step
/// before, those of others do not.
#[inline(always)]
pub(crate) fn exp_parts<T: Float, L: Numbers<T>, const U: usize>(lanes: L, y: [L::V; U]) -> ([L::V; U], [L::V; U]) {
    let (mut power, mut r, mut series) = (y, y, [lanes.splat(T::INVERSE_FACTORIALS[0]); U]);
    for u in 0..U {
        let rounded = lanes.fused(y[u], lanes.splat(T::LOG2_E), lanes.splat(T::ROUNDER));
        let n = lanes.sub(rounded, lanes.splat(T::ROUNDER));
        power[u] = lanes.power(rounded);
        r[u] = lanes.fused(n, lanes.splat(T::MINUS_LN_2[0]), r[u]);
        r[u] = lanes.fused(n, lanes.splat(T::MINUS_LN_2[1]), r[u]);
    }
    for &coefficient in &T::INVERSE_FACTORIALS[1..] {
        for u in 0..U {
            series[u] = lanes.fused(series[u], r[u], lanes.splat(coefficient));
        }
    }
    for u in 0..U {
        r[u] = lanes.fused(lanes.mul(r[u], r[u]), series[u], r[u]);
    }
    (power, r)
}

/// e^y for y <= 0, or above by no more than a rounding; 0 where that would be no normal number. What is not a number stays so.
#[inline(always)]
pub(crate) fn exp<T: Float, L: Numbers<T>>(lanes: L, y: L::V) -> L::V {
    exps(lanes, [y])[0]
}

/// [`exp`] of several registers.
#[inline(always)]
pub(crate) fn exps<T: Float, L: Numbers<T>, const U: usize>(lanes: L, y: [L::V; U]) -> [L::V; U] {
    let (zero, one) = (lanes.splat(T::ZERO), lanes.splat(T::ONE));
    let lowest = lanes.sub(zero, lanes.splat(T::DEEPEST));
    let mut above = y;
    for u in 0..U {
        above[u] = lanes.max(lowest, y[u]);
    }
    let (power, p) = exp_parts(lanes, above);
    for u in 0..U {
        above[u] = lanes.if_less(y[u], lowest, zero, lanes.mul(power[u], lanes.add(one, p[u])));
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::over_paths;

    fn of<T: Float, L: Numbers<T>>(lanes: L, y: f64) -> f64 {
        let mut to = [T::ZERO; 16];
        lanes.store(exp(lanes, lanes.splat(T::nearest(y))), &mut to);
        to[0].into()
    }

    #[test]
    fn within_two_units_in_the_last_place() {
        over_paths!(|lanes| {
            for i in 0..20_000 {
                let y = f64::from((-f64::from(i) * 0.0043) as f32);
                let expected = y.exp();
                assert!((of::<f32, _>(lanes, y) / expected - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "{y}");
                let y = -f64::from(i) * 0.035;
                assert!((of::<f64, _>(lanes, y) / y.exp() - 1.0).abs() < 2.0 * f64::EPSILON, "{y}");
            }
        });
    }

    #[test]
    fn the_ends() {
        over_paths!(|lanes| {
            for y in [-87.4, -1e4, -1e30, f64::NEG_INFINITY] {
                assert_eq!(of::<f32, _>(lanes, y), 0.0);
            }
            for y in [-708.5, -1e300, f64::NEG_INFINITY] {
                assert_eq!(of::<f64, _>(lanes, y), 0.0);
            }
            assert_eq!((of::<f32, _>(lanes, 0.0), of::<f64, _>(lanes, -0.0)), (1.0, 1.0));
            assert!(of::<f32, _>(lanes, f64::NAN).is_nan() && of::<f64, _>(lanes, f64::NAN).is_nan());
        });
    }
}
