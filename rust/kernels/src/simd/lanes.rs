//! Sixteen single-precision lanes, on every instruction set.

/// How many there are.
pub(crate) const LANES: usize = 16;

/// Sixteen f32 lanes of one instruction set. A value of the implementing type is the right to use it.
pub(crate) trait Lanes: Copy + Send + Sync {
    /// Sixteen numbers.
    type V: Copy;

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
}

/// Plain arrays.
#[derive(Clone, Copy)]
pub(crate) struct PortableLanes;

impl Lanes for PortableLanes {
    type V = [f32; 16];

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
}

#[cfg(target_arch = "x86_64")]
pub(crate) use wide::WideLanes;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// AVX2 and FMA. Made only inside functions compiled for them.
    #[derive(Clone, Copy)]
    pub(crate) struct WideLanes(());

    impl WideLanes {
        /// # Safety
        /// The processor must have AVX2 and FMA.
        #[inline(always)]
        pub(crate) unsafe fn new() -> Self {
            Self(())
        }
    }

    // SAFETY of every block below: a `WideLanes` exists only where the processor has AVX2 and FMA, and the
    // references to [f32; 16] cover the 64 bytes that are read or written.
    macro_rules! both {
        ($intrinsic:ident($($v:ident),+)) => {
            // SAFETY: see above.
            unsafe { ($intrinsic($($v.0),+), $intrinsic($($v.1),+)) }
        };
    }

    impl Lanes for WideLanes {
        type V = (__m256, __m256);

        #[inline(always)]
        fn splat(self, x: f32) -> Self::V {
            // SAFETY: see above.
            let v = unsafe { _mm256_set1_ps(x) };
            (v, v)
        }

        #[inline(always)]
        fn load(self, x: &[f32; 16]) -> Self::V {
            // SAFETY: see above.
            unsafe { (_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))) }
        }

        #[inline(always)]
        fn store(self, x: Self::V, to: &mut [f32; 16]) {
            // SAFETY: see above.
            unsafe {
                _mm256_storeu_ps(to.as_mut_ptr(), x.0);
                _mm256_storeu_ps(to.as_mut_ptr().add(8), x.1);
            }
        }

        #[inline(always)]
        fn add(self, a: Self::V, b: Self::V) -> Self::V {
            both!(_mm256_add_ps(a, b))
        }

        #[inline(always)]
        fn sub(self, a: Self::V, b: Self::V) -> Self::V {
            both!(_mm256_sub_ps(a, b))
        }

        #[inline(always)]
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            both!(_mm256_fmadd_ps(a, b, c))
        }

        #[inline(always)]
        fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            self.mul_add(a, b, c)
        }

        #[inline(always)]
        fn sum(self, a: Self::V) -> f32 {
            // SAFETY: see above.
            unsafe {
                let eight = _mm256_add_ps(a.0, a.1);
                let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            }
        }

        #[inline(always)]
        fn sum_six(self, a: [Self::V; 6]) -> [f32; 6] {
            // SAFETY: see above; a __m256 is eight f32.
            unsafe {
                // Each step adds the halves of two registers and packs the sums into one.
                let fours = |(a, b): (Self::V, Self::V)| {
                    let (a, b) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1));
                    let (low, high) = (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
                    _mm256_add_ps(low, high)
                };
                let twos = |a, b| _mm256_add_ps(_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b));
                let (ab, cd, ef) = (fours((a[0], a[1])), fours((a[2], a[3])), fours((a[4], a[5])));
                let (abcd, ef) = (twos(ab, cd), twos(ef, ef));
                let ones = _mm256_add_ps(_mm256_shuffle_ps::<0x88>(abcd, ef), _mm256_shuffle_ps::<0xDD>(abcd, ef));
                let [a, c, e, _, b, d, f, _] = std::mem::transmute::<__m256, [f32; 8]>(ones);
                [a, b, c, d, e, f]
            }
        }

        #[inline(always)]
        fn abs(self, a: Self::V) -> Self::V {
            let sign = self.splat(-0.0);
            both!(_mm256_andnot_ps(sign, a))
        }

        #[inline(always)]
        fn max(self, a: Self::V, b: Self::V) -> Self::V {
            both!(_mm256_max_ps(a, b))
        }

        #[inline(always)]
        fn le(self, a: Self::V, b: Self::V) -> u16 {
            // SAFETY: see above.
            let (low, high) = unsafe {
                (
                    _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(a.0, b.0)),
                    _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(a.1, b.1)),
                )
            };
            (low | high << 8) as u16
        }

        #[inline(always)]
        fn not_gt(self, a: Self::V, b: Self::V) -> u16 {
            // SAFETY: see above.
            let (low, high) = unsafe {
                (
                    _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(a.0, b.0)),
                    _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(a.1, b.1)),
                )
            };
            (low | high << 8) as u16
        }

        #[inline(always)]
        fn below(self, few: &[i32; 16], all: &[i32]) -> [u32; 16] {
            // SAFETY: see above; sixteen i32 are 64 bytes too. (As a plain loop this is taken for sixteen sums over
            // `all`, for which there are not enough registers.)
            unsafe {
                let at = |half: usize| _mm256_loadu_si256(few.as_ptr().add(8 * half).cast());
                let (low, high) = (at(0), at(1));
                let (mut below, mut beyond) = (_mm256_setzero_si256(), _mm256_setzero_si256());
                for &other in all {
                    let other = _mm256_set1_epi32(other);
                    below = _mm256_sub_epi32(below, _mm256_cmpgt_epi32(low, other));
                    beyond = _mm256_sub_epi32(beyond, _mm256_cmpgt_epi32(high, other));
                }
                std::mem::transmute::<(__m256i, __m256i), [u32; 16]>((below, beyond))
            }
        }
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
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return;
        }
        // SAFETY: both features were just detected. Doubling is exact, so fused or not makes no difference.
        let wide = exercise(unsafe { WideLanes::new() });
        assert_eq!(wide, exercise(PortableLanes));
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
