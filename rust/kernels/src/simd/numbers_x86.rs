//! [`Numbers`] in the registers of x86-64.

use super::memory::Strips;
use super::numbers::{Float, Numbers};
use super::tile::{self, Sum};
use super::{Avx2Lanes, Avx512Lanes};
use std::arch::x86_64::*;

/// All bits of the first lanes.
#[inline(always)]
unsafe fn first_256(lanes: usize) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

/// All bits of the first lanes.
#[inline(always)]
unsafe fn first_256_double(lanes: usize) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(lanes as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
}

/// Four numbers each of the rows 0 and 4.
#[inline(always)]
unsafe fn fours_256(at: *const f32, width: usize) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(at)), _mm_loadu_ps(at.add(4 * width))) }
}

/// Four numbers each of the rows 0, 4, 8 and 12.
#[inline(always)]
unsafe fn fours_512(at: *const f32, width: usize) -> __m512 {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm512_castps128_ps512(_mm_loadu_ps(at));
        let x = _mm512_mask_broadcast_f32x4(x, 0x00F0, _mm_loadu_ps(at.add(4 * width)));
        let x = _mm512_mask_broadcast_f32x4(x, 0x0F00, _mm_loadu_ps(at.add(8 * width)));
        _mm512_mask_broadcast_f32x4(x, 0xF000, _mm_loadu_ps(at.add(12 * width)))
    }
}

/// Four numbers each of the rows 0 and 4.
#[inline(always)]
unsafe fn fours_512_double(at: *const f64, width: usize) -> __m512d {
    // SAFETY: the caller's.
    unsafe { _mm512_insertf64x4::<1>(_mm512_castpd256_pd512(_mm256_loadu_pd(at)), _mm256_loadu_pd(at.add(4 * width))) }
}

/// What lanes have besides where a tile of six rows does not fit in their registers.
macro_rules! in_halves {
    ($lanes:ty, $t:ty, $v:ty, $features:literal) => {
        const HIGH: usize = 6;

        #[inline(always)]
        fn halves<const M: usize>(self, rows: [&[$t]; M], panel: &[$t], sums: &mut [[$v; 4]; M], ahead: &[$t]) {
            #[target_feature(enable = $features)]
            #[inline(never)]
            fn compiled<const M: usize>(
                lanes: $lanes,
                rows: [&[$t]; M],
                panel: &[$t],
                sums: &mut [[$v; 4]; M],
                ahead: &[$t],
            ) {
                tile::halves(lanes, rows, panel, sums, ahead);
            }
            // SAFETY: a value of the lanes' type exists only where the processor has the instructions.
            unsafe { compiled(self, rows, panel, sums, ahead) }
        }

        #[inline(always)]
        fn add_halves_transposed<S: Sum<$t>, const M: usize>(
            self,
            left: Strips<'_, $t>,
            panel: &[$t],
            sums: &mut [S],
            columns: usize,
            first: usize,
        ) {
            #[target_feature(enable = $features)]
            #[inline(never)]
            fn compiled<S: Sum<$t>, const M: usize>(
                lanes: $lanes,
                left: Strips<'_, $t>,
                panel: &[$t],
                sums: &mut [S],
                columns: usize,
                first: usize,
            ) {
                tile::add_halves_transposed::<$t, S, $lanes, M>(lanes, left, panel, sums, columns, first);
            }
            // SAFETY: the same.
            unsafe { compiled::<S, M>(self, left, panel, sums, columns, first) }
        }
    };
}

// SAFETY of every block below: a value of the lanes' type exists only where the processor has the instructions, and the
// slices are cut to the numbers that are read or written.
macro_rules! numbers {
    (
        $lanes:ty, $t:ty, $v:ty, $n:expr, $rows:expr,
        $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $fused:ident $max:ident,
        $and:ident $andnot:ident $or:ident,
        |$a:ident, $b:ident, $then:ident, $otherwise:ident| $if_less:expr,
        |$whole:ident, $one:ident| $power:expr,
        |$early:ident, $late:ident, $step:ident| $exchange:expr,
        |$at:ident, $width:ident| $columns:expr,
        |$from:ident, $to:ident, $all:ident, $len:ident| $load_first:expr, $store_first:expr $(,)?
        $(; $($besides:tt)*)?
    ) => {
        impl Numbers<$t> for $lanes {
            type V = $v;
            const N: usize = $n;
            const ROWS: usize = $rows;
            $($($besides)*)?

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
            fn four_columns(self, rows: &[$t], width: usize, column: usize) -> [$v; 4] {
                assert!(width < 1 << 24 && column + 4 <= width && $n * width <= rows.len());
                // SAFETY: see above; the assertion covers what is read, and no product is beyond the range.
                unsafe {
                    let ($at, $width) = (rows.as_ptr().add(column), width);
                    $columns
                }
            }

            #[inline(always)]
            fn store(self, x: $v, to: &mut [$t]) {
                let to = &mut to[..$n];
                // SAFETY: see above.
                unsafe { $store(to.as_mut_ptr(), x) }
            }

            #[inline(always)]
            fn load_part(self, x: &[$t]) -> $v {
                if x.len() >= $n {
                    return self.load(x);
                }
                let ($from, $len) = (x.as_ptr(), x.len());
                // SAFETY: see above; nothing is read beyond the slice.
                unsafe { $load_first }
            }

            #[inline(always)]
            fn store_part(self, $all: $v, to: &mut [$t]) {
                if to.len() >= $n {
                    return self.store($all, to);
                }
                let ($to, $len) = (to.as_mut_ptr(), to.len());
                // SAFETY: see above; nothing is written beyond the slice.
                unsafe { $store_first }
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
    |at, width| {
        let (a, b) = (fours_256(at, width), fours_256(at.add(width), width));
        let (c, d) = (fours_256(at.add(2 * width), width), fours_256(at.add(3 * width), width));
        let (e, f) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (g, h) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0x44>(e, g),
            _mm256_shuffle_ps::<0xEE>(e, g),
            _mm256_shuffle_ps::<0x44>(f, h),
            _mm256_shuffle_ps::<0xEE>(f, h),
        ]
    },
    |from, to, all, len| _mm256_maskload_ps(from, first_256(len)),
    _mm256_maskstore_ps(to, first_256(len), all);
    in_halves!(Avx2Lanes, f32, __m256, "avx2,fma");
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
    |at, width| {
        let (a, b) = (_mm256_loadu_pd(at), _mm256_loadu_pd(at.add(width)));
        let (c, d) = (_mm256_loadu_pd(at.add(2 * width)), _mm256_loadu_pd(at.add(3 * width)));
        let (e, f) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        let (g, h) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
        [
            _mm256_permute2f128_pd::<0x20>(e, g),
            _mm256_permute2f128_pd::<0x20>(f, h),
            _mm256_permute2f128_pd::<0x31>(e, g),
            _mm256_permute2f128_pd::<0x31>(f, h),
        ]
    },
    |from, to, all, len| _mm256_maskload_pd(from, first_256_double(len)),
    _mm256_maskstore_pd(to, first_256_double(len), all);
    in_halves!(Avx2Lanes, f64, __m256d, "avx2,fma");
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
    |at, width| {
        let (a, b) = (fours_512(at, width), fours_512(at.add(width), width));
        let (c, d) = (fours_512(at.add(2 * width), width), fours_512(at.add(3 * width), width));
        let (e, f) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (g, h) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        [
            _mm512_shuffle_ps::<0x44>(e, g),
            _mm512_shuffle_ps::<0xEE>(e, g),
            _mm512_shuffle_ps::<0x44>(f, h),
            _mm512_shuffle_ps::<0xEE>(f, h),
        ]
    },
    |from, to, all, len| _mm512_maskz_loadu_ps((1u16 << len) - 1, from),
    _mm512_mask_storeu_ps(to, (1u16 << len) - 1, all),
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
    |at, width| {
        let (a, b) = (fours_512_double(at, width), fours_512_double(at.add(width), width));
        let (c, d) = (fours_512_double(at.add(2 * width), width), fours_512_double(at.add(3 * width), width));
        let (e, f) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        let (g, h) = (_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
        [
            _mm512_mask_shuffle_f64x2::<0b10_10_00_00>(e, 0xCC, g, g),
            _mm512_mask_shuffle_f64x2::<0b10_10_00_00>(f, 0xCC, h, h),
            _mm512_mask_shuffle_f64x2::<0b11_11_01_01>(g, 0x33, e, e),
            _mm512_mask_shuffle_f64x2::<0b11_11_01_01>(h, 0x33, f, f),
        ]
    },
    |from, to, all, len| _mm512_maskz_loadu_pd((1u8 << len) - 1, from),
    _mm512_mask_storeu_pd(to, (1u8 << len) - 1, all),
);
