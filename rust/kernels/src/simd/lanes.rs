//! Sixteen single-precision lanes, on every instruction set: the operations, and plain arrays. Wide registers have files of
//! their own.

/// How many there are.
pub(crate) const LANES: usize = 16;

/// Sixteen f32 lanes of one instruction set. A value of the implementing type is the right to use it.
pub(crate) trait Lanes: Copy + Send + Sync {
    /// Sixteen numbers.
    type V: Copy;
    /// Whether about thirty of them stay in registers at once, and not seven.
    const MANY_REGISTERS: bool;

    /// The same number in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// Sixteen numbers in a row.
    fn load(self, x: &[f32; 16]) -> Self::V;
    /// Writes them down.
    fn store(self, x: Self::V, to: &mut [f32; 16]);
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c; whether rounded once or twice depends on the instruction set.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a · b + c, rounded once.
    fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The sum of all lanes: halves are added until one is left.
    fn sum(self, a: Self::V) -> f32;
    /// The [`Lanes::sum`] of each of six.
    fn sum_six(self, a: [Self::V; 6]) -> [f32; 6];
    /// |a|
    fn abs(self, a: Self::V) -> Self::V;
    /// The larger; b where either is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// One bit per lane: a <= b.
    fn le(self, a: Self::V, b: Self::V) -> u16;
    /// One bit per lane: not a > b, so that what is not a number counts.
    fn not_gt(self, a: Self::V, b: Self::V) -> u16;
    /// For each of sixteen integers, how many of `all` are below it.
    fn below(self, few: &[i32; 16], all: &[i32]) -> [u32; 16];
    /// One bit for each of sixteen integers: it is not above x.
    fn not_above(self, all: &[u32; 16], x: u32) -> u16;
}

/// Plain arrays.
#[derive(Clone, Copy)]
pub(crate) struct PortableLanes;

impl Lanes for PortableLanes {
    type V = [f32; 16];
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 16]
    }

    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::V {
        *x
    }

    #[inline(always)]
    fn store(self, x: Self::V, to: &mut [f32; 16]) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| f32::mul_add(a[i], b[i], c[i]))
    }

    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|i| a[i] + a[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    fn sum_six(self, a: [Self::V; 6]) -> [f32; 6] {
        a.map(|a| self.sum(a))
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn le(self, a: Self::V, b: Self::V) -> u16 {
        (0..16).fold(0, |mask, i| mask | u16::from(a[i] <= b[i]) << i)
    }

    #[inline(always)]
    #[allow(clippy::neg_cmp_op_on_partial_ord)]
    fn not_gt(self, a: Self::V, b: Self::V) -> u16 {
        (0..16).fold(0, |mask, i| mask | u16::from(!(a[i] > b[i])) << i)
    }

    #[inline(always)]
    fn below(self, few: &[i32; 16], all: &[i32]) -> [u32; 16] {
        few.map(|x| all.iter().fold(0u32, |below, &other| below.wrapping_add(u32::from(other < x))))
    }

    #[inline(always)]
    fn not_above(self, all: &[u32; 16], x: u32) -> u16 {
        (0..16).fold(0, |mask, i| mask | u16::from(all[i] <= x) << i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise<L: Lanes>(lanes: L) -> Vec<u32> {
        let a: [f32; 16] = std::array::from_fn(|i| i as f32 * 0.37 - 2.0);
        let mut b: [f32; 16] = std::array::from_fn(|i| 3.0 - i as f32 * 0.41);
        b[7] = f32::NAN;
        let (x, y) = (lanes.load(&a), lanes.load(&b));
        let third = lanes.splat(1.0 / 3.0);
        let sum = lanes.sum(lanes.fused(x, third, lanes.fused(third, third, x)));
        let mut out = vec![u32::from(lanes.le(x, y)), u32::from(lanes.not_gt(x, y)), sum.to_bits()];
        let six = [x, lanes.fused(x, x, x), lanes.add(x, third), third, lanes.sub(x, third), lanes.splat(1.0)];
        assert_eq!(lanes.sum_six(six), six.map(|v| lanes.sum(v)));
        let all: Vec<i32> = (0..37).map(|i| (i * 23 % 37 - 18) * 1000).chain([i32::MIN, i32::MAX, 0]).collect();
        let few: [i32; 16] = std::array::from_fn(|i| all[i + 22]);
        out.extend(lanes.below(&few, &all));
        let all = std::array::from_fn(|i| [7, 1 << 31, u32::MAX, 0, 8][i % 5]);
        out.extend([0, 7, 8, 1 << 31, u32::MAX].map(|x| u32::from(lanes.not_above(&all, x))));
        for v in
            [lanes.add(x, y), lanes.sub(x, y), lanes.abs(x), lanes.max(x, y), lanes.mul_add(x, lanes.splat(2.0), y)]
        {
            let mut to = [0.0; 16];
            lanes.store(v, &mut to);
            out.extend(to.map(|z| if z.is_nan() { 0 } else { z.to_bits() }));
        }
        out
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    fn wide_lanes_agree_with_plain_ones() {
        // Doubling is exact, so fused or not makes no difference.
        let plain = exercise(PortableLanes);
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: both features were just detected.
            assert_eq!(plain, exercise(unsafe { crate::simd::Avx2Lanes::new() }));
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: and this one.
                assert_eq!(plain, exercise(unsafe { crate::simd::Avx512Lanes::new() }));
            }
        }
    }

    #[test]
    fn those_below_are_counted() {
        let few = std::array::from_fn(|i| [5, -1, i32::MIN, i32::MAX][i % 4]);
        let counts = PortableLanes.below(&few, &[0, 5, 7, -1, i32::MIN, 5]);
        assert_eq!(counts, std::array::from_fn(|i| [3, 1, 0, 6][i % 4]));
    }

    #[test]
    fn not_a_number_is_never_le_and_never_gt() {
        let lanes = PortableLanes;
        let nan = lanes.splat(f32::NAN);
        assert_eq!((lanes.le(nan, nan), lanes.not_gt(nan, nan)), (0, 0xffff));
    }
}
