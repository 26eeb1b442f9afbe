//! The logistic function and its logarithm, for sixteen numbers at once, by polynomials of our own: the same bits on
//! every machine and every SIMD path.

use crate::simd::LANES;

/// σ(x) = 1 / (1 + e^−x), and −ln σ(−x) = ln(1 + e^x), for all finite x and beyond; relative error below 3 · 10⁻⁷.
///
/// With e = e^−|x|: σ(|x|) = 1 / (1 + e), σ(−|x|) = e / (1 + e), and ln(1 + e) = 2 artanh(e / (2 + e)).
#[inline(always)]
pub(super) fn logistic(x: &[f32; LANES]) -> ([f32; LANES], [f32; LANES]) {
    let (mut sigma, mut softplus) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        let e = exp_of_negative(x[i].abs());
        sigma[i] = if x[i] < 0.0 { e } else { 1.0 } / (1.0 + e);
        let z = e / (2.0 + e);
        let square = z * z;
        // artanh(z) / z for z <= 1/3.
        let mut series = 1.0 / 13.0;
        for coefficient in [1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0] {
            series = f32::mul_add(series, square, coefficient);
        }
        softplus[i] = f32::mul_add(2.0 * z, series, if x[i] > 0.0 { x[i] } else { 0.0 });
        // A comparison loses what is not a number; it has to come out again, so that divergence is seen.
        softplus[i] = if x[i].is_nan() { x[i] } else { softplus[i] };
    }
    (sigma, softplus)
}

/// e^−a for a >= 0: 2ⁿ · e^r with n whole and |r| <= ln 2 / 2; e⁻⁸⁷ beyond 87.
#[inline(always)]
fn exp_of_negative(a: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// ln 2 in two parts; products of the first with a small whole number are exact.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = if a < 87.0 { -a } else { -87.0 };
    let rounded = f32::mul_add(x, std::f32::consts::LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = f32::mul_add(n, -LN_2.1, f32::mul_add(n, -LN_2.0, x));
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0, 1.0] {
        series = f32::mul_add(series, r, coefficient);
    }
    // Times 2ⁿ: n is added to the exponent. It is at least −126, so the result is a normal number.
    f32::from_bits(series.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_double_precision() {
        let mut worst: (f64, f64) = (0.0, 0.0);
        for i in -3200..=3200 {
            let x = i as f32 / 37.0;
            let (sigma, softplus) = logistic(&[x; LANES]);
            let wide = f64::from(x);
            let (a, b) = (1.0 / (1.0 + (-wide).exp()), wide.max(0.0) + (-wide.abs()).exp().ln_1p());
            worst.0 = worst.0.max((f64::from(sigma[3]) - a).abs() / a);
            worst.1 = worst.1.max((f64::from(softplus[3]) - b).abs() / b);
        }
        assert!(worst.0 < 3e-7 && worst.1 < 3e-7, "{worst:?}");
    }

    #[test]
    fn nothing_is_infinite_but_infinity() {
        for x in [0.0, 100.0, -100.0, 3e38, -3e38] {
            let (sigma, softplus) = logistic(&[x; LANES]);
            assert!((0.0..=1.0).contains(&sigma[0]) && softplus[0].is_finite(), "{x}");
        }
        assert!(logistic(&[f32::NAN; LANES]).1[0].is_nan());
        assert_eq!(logistic(&[0.0; LANES]).0[0], 0.5);
    }
}
