//! The score of a pair, rounded once.

/// numerator / denominator, correctly rounded, where 0 < numerator and both are below 2⁶³.
pub(super) fn quotient(numerator: u64, denominator: u64) -> f64 {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    if numerator < EXACT && denominator < EXACT {
        return numerator as f64 / denominator as f64;
    }
    // 55 or 56 bits of the quotient, the last of which also says whether anything is left: enough for the conversion to
    // round as if it saw all of them.
    let shift = u64::BITS - denominator.leading_zeros() + 55 - (u64::BITS - numerator.leading_zeros());
    let (scaled, denominator) = (u128::from(numerator) << shift, u128::from(denominator));
    let bits = (scaled / denominator) as u64 | u64::from(scaled % denominator != 0);
    bits as f64 * f64::from_bits(u64::from(1023 - shift) << 52)
}

#[cfg(test)]
mod tests {
    use super::quotient;

    #[test]
    fn large_quotients_are_rounded_once() {
        // CPython's int / int, which is correctly rounded.
        assert_eq!(quotient(4611686018427387903, 9223372036854775807), 0.5);
        assert_eq!(quotient(9007199254740993, 9007199254740995), 0.9999999999999998); // 1 if rounded thrice
        assert_eq!(quotient(582057716445789124, 6402900570728149493), 0.09090531861555934);
        assert_eq!(quotient(1, 9223372036854775807), 1.0842021724855044e-19);
        assert_eq!(quotient(1234567890123456789, 9223372036854775807), 0.13385211885526974);
        assert_eq!(quotient(9223372036854775807, 9223372036854775807), 1.0);
    }
}
