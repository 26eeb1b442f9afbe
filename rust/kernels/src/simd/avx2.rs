//! Lanes in pairs of AVX2 registers.

use super::lanes::Lanes;
use std::arch::x86_64::*;

/// AVX2 and FMA. Made only inside functions compiled for them.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Lanes(());

impl Avx2Lanes {
    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY of every block below: an `Avx2Lanes` exists only where the processor has AVX2 and FMA, and the
// references to [f32; 16] cover the 64 bytes that are read or written.
macro_rules! both {
    ($intrinsic:ident($($v:ident),+)) => {
        // SAFETY: see above.
        unsafe { ($intrinsic($($v.0),+), $intrinsic($($v.1),+)) }
    };
}

impl Lanes for Avx2Lanes {
    type V = (__m256, __m256);
    const MANY_REGISTERS: bool = false;

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
        unsafe { sum_of_eight(_mm256_add_ps(a.0, a.1)) }
    }

    #[inline(always)]
    fn sum_six(self, a: [Self::V; 6]) -> [f32; 6] {
        // SAFETY: see above. Without `map`, which would be compiled apart, without wide instructions.
        unsafe {
            let [a, b, c, d, e, f] = a;
            let (a, b, c) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1), _mm256_add_ps(c.0, c.1));
            let (d, e, f) = (_mm256_add_ps(d.0, d.1), _mm256_add_ps(e.0, e.1), _mm256_add_ps(f.0, f.1));
            sums_of_eight([a, b, c, d, e, f])
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

    #[inline(always)]
    fn not_above(self, all: &[u32; 16], x: u32) -> u16 {
        // SAFETY: see above; sixteen u32 are 64 bytes too.
        let (low, high) = unsafe {
            let x = _mm256_set1_epi32(x as i32);
            let half = |half: usize| {
                let a = _mm256_loadu_si256(all.as_ptr().add(8 * half).cast());
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a, x), x)))
            };
            (half(0), half(1))
        };
        (low | high << 8) as u16
    }
}

/// # Safety
/// The processor must have AVX2.
#[inline(always)]
pub(super) unsafe fn sum_of_eight(eight: __m256) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// The [`sum_of_eight`] of each of six.
///
/// # Safety
/// The processor must have AVX2.
#[inline(always)]
pub(super) unsafe fn sums_of_eight(eights: [__m256; 6]) -> [f32; 6] {
    // SAFETY: the caller's; a __m256 is eight f32.
    unsafe {
        // Each step adds the halves of two registers and packs the sums into one.
        let fours = |a, b| _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
        let twos = |a, b| _mm256_add_ps(_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b));
        let [a, b, c, d, e, f] = eights;
        let (ab, cd, ef) = (fours(a, b), fours(c, d), fours(e, f));
        let (abcd, ef) = (twos(ab, cd), twos(ef, ef));
        let ones = _mm256_add_ps(_mm256_shuffle_ps::<0x88>(abcd, ef), _mm256_shuffle_ps::<0xDD>(abcd, ef));
        let [a, c, e, _, b, d, f, _] = std::mem::transmute::<__m256, [f32; 8]>(ones);
        [a, b, c, d, e, f]
    }
}
