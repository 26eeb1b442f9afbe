//! Lanes in one AVX-512 register.

use super::avx2::{sum_of_eight, sums_of_eight};
use super::lanes::Lanes;
use std::arch::x86_64::*;

/// AVX-512 F, BW, DQ and VL. Made only inside functions compiled for them.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Lanes(());

impl Avx512Lanes {
    /// # Safety
    /// The processor must have AVX-512 F, BW, DQ and VL, AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY of every block below: an `Avx512Lanes` exists only where the processor has what `new` asks for, and the
// references to [f32; 16] cover the 64 bytes that are read or written.

impl Lanes for Avx512Lanes {
    type V = __m512;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: Self::V, to: &mut [f32; 16]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.mul_add(a, b, c)
    }

    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        // SAFETY: see above.
        unsafe { sum_of_eight(halves_added(a)) }
    }

    #[inline(always)]
    fn sum_six(self, a: [Self::V; 6]) -> [f32; 6] {
        // SAFETY: see above. Without `map`, which would be compiled apart, without wide instructions.
        unsafe {
            let [a, b, c, d, e, f] = a;
            let (a, b, c) = (halves_added(a), halves_added(b), halves_added(c));
            sums_of_eight([a, b, c, halves_added(d), halves_added(e), halves_added(f)])
        }
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_abs_ps(a) }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: see above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn le(self, a: Self::V, b: Self::V) -> u16 {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b) }
    }

    #[inline(always)]
    fn not_gt(self, a: Self::V, b: Self::V) -> u16 {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(a, b) }
    }

    #[inline(always)]
    fn below(self, few: &[i32; 16], all: &[i32]) -> [u32; 16] {
        // SAFETY: see above; sixteen i32 are 64 bytes too.
        unsafe {
            let few = _mm512_loadu_si512(few.as_ptr().cast());
            let (mut below, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
            for &other in all {
                let more = _mm512_cmpgt_epi32_mask(few, _mm512_set1_epi32(other));
                below = _mm512_mask_add_epi32(below, more, below, one);
            }
            std::mem::transmute::<__m512i, [u32; 16]>(below)
        }
    }

    #[inline(always)]
    fn not_above(self, all: &[u32; 16], x: u32) -> u16 {
        // SAFETY: see above; sixteen u32 are 64 bytes too.
        unsafe { _mm512_cmple_epu32_mask(_mm512_loadu_si512(all.as_ptr().cast()), _mm512_set1_epi32(x as i32)) }
    }
}

/// # Safety
/// The processor must have AVX-512 F.
#[inline(always)]
unsafe fn halves_added(a: __m512) -> __m256 {
    // SAFETY: the caller's.
    unsafe {
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a)));
        _mm256_add_ps(_mm512_castps512_ps256(a), high)
    }
}
