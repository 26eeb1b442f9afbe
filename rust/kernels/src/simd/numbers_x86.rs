//! [`Numbers`] in the registers of x86-64.

use super::numbers::{Float, MOST, Numbers};
use super::{Avx2Lanes, Avx512Lanes};
use std::arch::x86_64::*;

// SAFETY of every block below: a value of the lanes' type exists only where the processor has the instructions, and the
// slices are cut to the numbers that are read or written.
macro_rules! numbers {
    (
        $lanes:ty, $t:ty, $v:ty, $n:expr, $rows:expr,
        $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $fused:ident $max:ident,
        $and:ident $andnot:ident $or:ident,
        |$a:ident, $b:ident, $then:ident, $otherwise:ident| $if_less:expr,
        |$whole:ident, $one:ident| $power:expr,
        |$early:ident, $late:ident, $step:ident| $exchange:expr $(,)?
    ) => {
        impl Numbers<$t> for $lanes {
            type V = $v;
            const N: usize = $n;
            const ROWS: usize = $rows;

            #[inline(always)]
            fn splat(self, x: $t) -> $v {
                // SAFETY: see above.
                unsafe { $splat(x) }
            }

            #[inline(always)]
            fn load(self, x: &[$t]) -> $v {
                let x = &x[..$n];
                // SAFETY: see above.
                unsafe { $load(x.as_ptr()) }
            }

            #[inline(always)]
            fn load_rows(self, rows: &[$t], width: usize, ahead: usize) -> [$v; MOST] {
                let room = rows.len().saturating_sub($n);
                assert!($n <= rows.len() && width <= room / ($n - 1));
                let mut x = [<Self as Numbers<$t>>::splat(self, 0.0); MOST];
                let mut row = rows.as_ptr();
                for i in 0..$n {
                    // SAFETY: see above; after the start of the last row there are N numbers, and a prefetch reads none.
                    x[i] = unsafe {
                        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(ahead).cast());
                        $load(row)
                    };
                    row = row.wrapping_add(width);
                }
                x
            }

            #[inline(always)]
            fn store(self, x: $v, to: &mut [$t]) {
                let to = &mut to[..$n];
                // SAFETY: see above.
                unsafe { $store(to.as_mut_ptr(), x) }
            }

            #[inline(always)]
            fn add(self, a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $add(a, b) }
            }

            #[inline(always)]
            fn sub(self, a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $sub(a, b) }
            }

            #[inline(always)]
            fn mul(self, a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $mul(a, b) }
            }

            #[inline(always)]
            fn div(self, a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $div(a, b) }
            }

            #[inline(always)]
            fn fused(self, a: $v, b: $v, c: $v) -> $v {
                // SAFETY: see above.
                unsafe { $fused(a, b, c) }
            }

            #[inline(always)]
            fn abs(self, a: $v) -> $v {
                // SAFETY: see above.
                unsafe { $andnot($splat(-0.0), a) }
            }

            #[inline(always)]
            fn with_sign(self, a: $v, sign: $v) -> $v {
                // SAFETY: see above.
                unsafe {
                    let mask = $splat(-0.0);
                    $or($andnot(mask, a), $and(mask, sign))
                }
            }

            #[inline(always)]
            fn max(self, a: $v, b: $v) -> $v {
                // SAFETY: see above.
                unsafe { $max(a, b) }
            }

            #[inline(always)]
            fn if_less(self, $a: $v, $b: $v, $then: $v, $otherwise: $v) -> $v {
                // SAFETY: see above.
                unsafe { $if_less }
            }

            #[inline(always)]
            fn power(self, $whole: $v) -> $v {
                // SAFETY: see above.
                unsafe {
                    let $one = $splat(<$t>::ONE);
                    $power
                }
            }

            #[inline(always)]
            fn exchange<const S: usize>(self, $early: $v, $late: $v) -> ($v, $v) {
                let $step = S;
                // SAFETY: see above.
                unsafe { $exchange }
            }
        }
    };
}

numbers!(
    Avx2Lanes, f32, __m256, 8, 2,
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps
    _mm256_fmadd_ps _mm256_max_ps,
    _mm256_and_ps _mm256_andnot_ps _mm256_or_ps,
    |a, b, then, otherwise| _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)),
    |whole, one| _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_slli_epi32::<23>(_mm256_castps_si256(whole)),
        _mm256_castps_si256(one)
    )),
    |a, b, step| match step {
        1 => (
            _mm256_permute_ps::<0xD8>(_mm256_shuffle_ps::<0x88>(a, b)),
            _mm256_permute_ps::<0xD8>(_mm256_shuffle_ps::<0xDD>(a, b)),
        ),
        2 => (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b)),
        _ => (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)),
    },
);

numbers!(
    Avx2Lanes, f64, __m256d, 4, 2,
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd
    _mm256_fmadd_pd _mm256_max_pd,
    _mm256_and_pd _mm256_andnot_pd _mm256_or_pd,
    |a, b, then, otherwise| _mm256_blendv_pd(otherwise, then, _mm256_cmp_pd::<_CMP_LT_OQ>(a, b)),
    |whole, one| _mm256_castsi256_pd(_mm256_add_epi64(
        _mm256_slli_epi64::<52>(_mm256_castpd_si256(whole)),
        _mm256_castpd_si256(one)
    )),
    |a, b, step| match step {
        1 => (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)),
        _ => (_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b)),
    },
);

numbers!(
    Avx512Lanes, f32, __m512, 16, 6,
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
    _mm512_fmadd_ps _mm512_max_ps,
    _mm512_and_ps _mm512_andnot_ps _mm512_or_ps,
    |a, b, then, otherwise| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), otherwise, then),
    |whole, one| _mm512_castsi512_ps(_mm512_add_epi32(
        _mm512_slli_epi32::<23>(_mm512_castps_si512(whole)),
        _mm512_castps_si512(one)
    )),
    |a, b, step| match step {
        1 => (_mm512_mask_moveldup_ps(a, 0xAAAA, b), _mm512_mask_movehdup_ps(b, 0x5555, a)),
        2 => {
            let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
            (_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)))
        }
        4 => (
            _mm512_mask_shuffle_f32x4::<0b10_10_00_00>(a, 0xF0F0, b, b),
            _mm512_mask_shuffle_f32x4::<0b11_11_01_01>(b, 0x0F0F, a, a),
        ),
        _ => (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b)),
    },
);

numbers!(
    Avx512Lanes, f64, __m512d, 8, 6,
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
    _mm512_fmadd_pd _mm512_max_pd,
    _mm512_and_pd _mm512_andnot_pd _mm512_or_pd,
    |a, b, then, otherwise| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b), otherwise, then),
    |whole, one| _mm512_castsi512_pd(_mm512_add_epi64(
        _mm512_slli_epi64::<52>(_mm512_castpd_si512(whole)),
        _mm512_castpd_si512(one)
    )),
    |a, b, step| match step {
        1 => (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)),
        2 => (
            _mm512_mask_shuffle_f64x2::<0b10_10_00_00>(a, 0xCC, b, b),
            _mm512_mask_shuffle_f64x2::<0b11_11_01_01>(b, 0x33, a, a),
        ),
        _ => (_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0xEE>(a, b)),
    },
);
