//! e^y for y <= 0, a register at a time, by a polynomial of our own: the same bits on every path.
//!
//! e^y = 2ⁿ · (1 + p) with n whole and p = e^r − 1, |r| <= ln 2 / 2.

use super::numbers::{Float, Numbers};

/// e^y for −`DEEPEST` <= y <= 0, as 2ⁿ and p.
#[inline(always)]
pub(crate) fn exp_parts<T: Float, L: Numbers<T>>(lanes: L, y: L::V) -> (L::V, L::V) {
    let rounded = lanes.fused(y, lanes.splat(T::LOG2_E), lanes.splat(T::ROUNDER));
    let n = lanes.sub(rounded, lanes.splat(T::ROUNDER));
    let r = lanes.fused(n, lanes.splat(T::MINUS_LN_2[0]), y);
    let r = lanes.fused(n, lanes.splat(T::MINUS_LN_2[1]), r);
    let mut series = lanes.splat(T::INVERSE_FACTORIALS[0]);
    for &coefficient in &T::INVERSE_FACTORIALS[1..] {
        series = lanes.fused(series, r, lanes.splat(coefficient));
    }
    (lanes.power(rounded), lanes.fused(lanes.mul(r, r), series, r))
}

/// e^y for y <= 0, or above by no more than a rounding; 0 where that would be no normal number. What is not a number stays so.
#[inline(always)]
pub(crate) fn exp<T: Float, L: Numbers<T>>(lanes: L, y: L::V) -> L::V {
    let (zero, one) = (lanes.splat(T::ZERO), lanes.splat(T::ONE));
    let lowest = lanes.sub(zero, lanes.splat(T::DEEPEST));
    let (power, p) = exp_parts(lanes, lanes.max(lowest, y));
    lanes.if_less(y, lowest, zero, lanes.mul(power, lanes.add(one, p)))
}
