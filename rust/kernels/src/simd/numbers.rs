//! As many numbers as a register of the path holds, in single or double precision.
//!
//! For work that never crosses lanes: each lane computes what one number alone would, rounded alike on every path, so
//! that a result does not depend on how many lanes there are.

use super::PortableLanes;
use super::memory::Strips;
use super::tile::Sum;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Numbers in a register, at most.
pub(crate) const MOST: usize = 16;

/// Registers of one instruction set, of one precision. A value of the implementing type is the right to use it.
pub trait Numbers<T: Float>: Copy + Send + Sync {
    /// A register.
    type V: Copy;
    /// Numbers in a register.
    const N: usize;
    /// Rows of a tile with four registers a row, at most, so that a tile stays in registers.
    const ROWS: usize;
    /// Rows of a tile that may be made in two halves, at most.
    const HIGH: usize = Self::ROWS;

    /// [`Numbers::N`]
    #[inline(always)]
    fn n(self) -> usize {
        Self::N
    }
    /// The same number in every lane.
    fn splat(self, x: T) -> Self::V;
    /// The first [`Numbers::N`] numbers of a slice.
    fn load(self, x: &[T]) -> Self::V;
    /// Four columns, from `column` on, of as many rows of `width` numbers as a register has lanes.
    #[inline(always)]
    fn four_columns(self, rows: &[T], width: usize, column: usize) -> [Self::V; 4] {
        let mut x = [[T::ZERO; MOST]; 4];
        for row in 0..Self::N {
            let from = &rows[row * width + column..][..4];
            for i in 0..4 {
                x[i][row] = from[i];
            }
        }
        [self.load(&x[0]), self.load(&x[1]), self.load(&x[2]), self.load(&x[3])]
    }
    /// [`super::tile::halves`] as a function of its own, where tiles have more than [`Numbers::ROWS`] rows: once, and not
    /// in the middle of everything that makes tiles.
    fn halves<const M: usize>(self, _rows: [&[T]; M], _panel: &[T], _sums: &mut [[Self::V; 4]; M], _ahead: &[T]) {
        unreachable!("no tile is higher than its registers")
    }
    /// And [`super::tile::add_halves_transposed`].
    fn add_halves_transposed<S: Sum<T>, const M: usize>(
        self,
        _left: Strips<'_, T>,
        _panel: &[T],
        _sums: &mut [S],
        _columns: usize,
        _first: usize,
    ) {
        unreachable!("no tile is higher than its registers")
    }
    /// Writes them to the front of a slice.
    fn store(self, x: Self::V, to: &mut [T]);
    /// Loads what a slice has, at most [`Numbers::N`] numbers, and zeros.
    #[inline(always)]
    fn load_part(self, x: &[T]) -> Self::V {
        if x.len() >= Self::N {
            return self.load(x);
        }
        let mut all = [T::ZERO; MOST];
        all[..x.len()].copy_from_slice(x);
        self.load(&all)
    }
    /// Writes as many as a slice has room for.
    #[inline(always)]
    fn store_part(self, x: Self::V, to: &mut [T]) {
        if to.len() >= Self::N {
            return self.store(x, to);
        }
        let mut all = [T::ZERO; MOST];
        self.store(x, &mut all);
        to.copy_from_slice(&all[..to.len()]);
    }
    /// The same, where nothing was written before.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn store_new(self, x: Self::V, to: &mut [MaybeUninit<T>]) {
        // SAFETY: of the same layout, and what is stored to is not read.
        self.store_part(x, unsafe { &mut *(std::ptr::from_mut(to) as *mut [T]) });
    }
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once.
    fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// |a|
    fn abs(self, a: Self::V) -> Self::V;
    /// |a| with the sign of `sign`.
    fn with_sign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// The larger; b where either is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `then` where a < b, else `otherwise`; the latter where either is not a number.
    fn if_less(self, a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// 2ⁿ, where a is [`Float::ROUNDER`] + n and n whole, in the range of exponents.
    fn power(self, a: Self::V) -> Self::V;
    /// One step of a transposition, S a power of two below N: of every 2 S lanes the later S of a and the earlier S of b change
    /// places.
    fn exchange<const S: usize>(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);
}

/// Transposes the first N registers.
#[inline(always)]
pub(crate) fn transpose<T: Float, L: Numbers<T>>(lanes: L, x: &mut [L::V; MOST]) {
    #[inline(always)]
    fn step<T: Float, L: Numbers<T>, const S: usize>(lanes: L, x: &mut [L::V; MOST]) {
        if S < L::N {
            for i in 0..L::N {
                if i & S == 0 {
                    (x[i], x[i + S]) = lanes.exchange::<S>(x[i], x[i + S]);
                }
            }
        }
    }
    step::<T, L, 1>(lanes, x);
    step::<T, L, 2>(lanes, x);
    step::<T, L, 4>(lanes, x);
    step::<T, L, 8>(lanes, x);
}

/// The right to use an instruction set in both precisions.
pub trait Both: Numbers<f32> + Numbers<f64> {}

impl<L: Numbers<f32> + Numbers<f64>> Both for L {}

/// f32 or f64: what vectorised kernels are generic over.
pub trait Float:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Into<f64>
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
    + 'static
{
    /// The registers of an instruction set.
    type Lanes<L: Both>: Numbers<Self>;
    /// Those of `lanes`.
    fn lanes<L: Both>(lanes: L) -> Self::Lanes<L>;
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// −2
    const MINUS_TWO: Self;
    /// −∞
    const MINUS_INFINITY: Self;
    /// The least number that is finite.
    const LOWEST: Self;
    /// The nearest number.
    fn nearest(x: f64) -> Self;
    /// Adding it rounds a small number to a whole one, which then stands in the low bits.
    const ROUNDER: Self;
    /// 1 / ln 2
    const LOG2_E: Self;
    /// −ln 2 in two parts; products of the first with a small whole number are exact.
    const MINUS_LN_2: [Self; 2];
    /// The largest a for which e⁻ᵃ is a normal number.
    const DEEPEST: Self;
    /// 1/n!, from the last that matters for |r| <= ln 2 / 2 down to 1/2!.
    const INVERSE_FACTORIALS: &'static [Self];
    /// A place where one thread leaves a number for others.
    type Place: Default + Send + Sync;
    /// Leaves it there; who is to read it is told by other means.
    fn leave(self, place: &Self::Place);
    /// What was left there.
    fn left(place: &Self::Place) -> Self;
}

impl Float for f32 {
    type Lanes<L: Both> = L;

    #[inline(always)]
    fn lanes<L: Both>(lanes: L) -> L {
        lanes
    }

    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const MINUS_TWO: f32 = -2.0;
    const MINUS_INFINITY: f32 = f32::NEG_INFINITY;
    const LOWEST: f32 = f32::MIN;

    fn nearest(x: f64) -> f32 {
        x as f32
    }

    const ROUNDER: f32 = 12_582_912.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const MINUS_LN_2: [f32; 2] = [-0.693_359_4, 2.121_944_4e-4];
    const DEEPEST: f32 = 87.336_54;
    const INVERSE_FACTORIALS: &'static [f32] =
        &[1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];

    type Place = AtomicU32;

    #[inline(always)]
    fn leave(self, place: &AtomicU32) {
        place.store(self.to_bits(), Ordering::Relaxed);
    }

    #[inline(always)]
    fn left(place: &AtomicU32) -> f32 {
        f32::from_bits(place.load(Ordering::Relaxed))
    }
}

impl Float for f64 {
    type Lanes<L: Both> = L;

    #[inline(always)]
    fn lanes<L: Both>(lanes: L) -> L {
        lanes
    }

    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const MINUS_TWO: f64 = -2.0;
    const MINUS_INFINITY: f64 = f64::NEG_INFINITY;
    const LOWEST: f64 = f64::MIN;

    fn nearest(x: f64) -> f64 {
        x
    }

    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const MINUS_LN_2: [f64; 2] = [-6.931_471_803_691_238e-1, -1.908_214_929_270_587_7e-10];
    const DEEPEST: f64 = 708.396_418_532_264_1;
    const INVERSE_FACTORIALS: &'static [f64] = &[
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
    ];

    type Place = AtomicU64;

    #[inline(always)]
    fn leave(self, place: &AtomicU64) {
        place.store(self.to_bits(), Ordering::Relaxed);
    }

    #[inline(always)]
    fn left(place: &AtomicU64) -> f64 {
        f64::from_bits(place.load(Ordering::Relaxed))
    }
}

macro_rules! portable {
    ($t:ty, $n:expr, $fraction:expr) => {
        impl Numbers<$t> for PortableLanes {
            type V = [$t; $n];
            const N: usize = $n;
            const ROWS: usize = 2;

            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                [x; $n]
            }

            #[inline(always)]
            fn load(self, x: &[$t]) -> Self::V {
                let mut to = [0.0; $n];
                to.copy_from_slice(&x[..$n]);
                to
            }

            #[inline(always)]
            fn store(self, x: Self::V, to: &mut [$t]) {
                to[..$n].copy_from_slice(&x);
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
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i])
            }

            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] / b[i])
            }

            #[inline(always)]
            fn fused(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| <$t>::mul_add(a[i], b[i], c[i]))
            }

            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                a.map(<$t>::abs)
            }

            #[inline(always)]
            fn with_sign(self, a: Self::V, sign: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i].copysign(sign[i]))
            }

            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }

            #[inline(always)]
            fn if_less(self, a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] < b[i] { then[i] } else { otherwise[i] })
            }

            #[inline(always)]
            fn power(self, a: Self::V) -> Self::V {
                let one = <$t>::ONE.to_bits();
                a.map(|a| <$t>::from_bits((a.to_bits() << $fraction).wrapping_add(one)))
            }

            #[inline(always)]
            fn exchange<const S: usize>(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
                let early = std::array::from_fn(|i| if i & S == 0 { a[i] } else { b[i - S] });
                (early, std::array::from_fn(|i| if i & S == 0 { a[i + S] } else { b[i] }))
            }
        }
    };
}

portable!(f32, 8, 23);
portable!(f64, 4, 52);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::over_paths;

    /// Every operation on numbers of every kind, by name, so that a failure tells which differs.
    fn exercise<T: Float + Into<f64>, L: Numbers<T>>(lanes: L, of: fn(f64) -> T) -> Vec<(&'static str, u64)> {
        let special = [0.0, -0.0, 1.0, -2.5, 1e-30, -1e30, f64::INFINITY, f64::NAN, 0.3, -87.0, 3.7, -0.1];
        let mut out = Vec::new();
        for (i, &a) in special.iter().enumerate() {
            for &b in &special {
                let c = special[(i * 5 + 3) % special.len()];
                let [x, y, z] = [a, b, c].map(|x| lanes.splat(of(x)));
                let whole = lanes.splat(of(i as f64 * 3.0 - 20.0) + T::ROUNDER);
                for (name, v) in [
                    ("add", lanes.add(x, y)),
                    ("sub", lanes.sub(x, y)),
                    ("mul", lanes.mul(x, y)),
                    ("div", lanes.div(x, y)),
                    ("fused", lanes.fused(x, y, z)),
                    ("abs", lanes.abs(x)),
                    ("with_sign", lanes.with_sign(x, y)),
                    ("max", lanes.max(x, y)),
                    ("if_less", lanes.if_less(x, y, z, x)),
                    ("power", lanes.power(whole)),
                ] {
                    let mut to = [T::ZERO; MOST];
                    lanes.store(v, &mut to);
                    let first: f64 = to[0].into();
                    assert!(to[..L::N].iter().all(|&t| t == to[0] || first.is_nan()), "{name}: lanes differ");
                    out.push((name, if first.is_nan() { 0 } else { first.to_bits() }));
                }
            }
        }
        out
    }

    #[test]
    fn every_path_agrees_with_plain_arrays() {
        let single = exercise::<f32, _>(PortableLanes, |x| x as f32);
        let double = exercise::<f64, _>(PortableLanes, |x| x);
        over_paths!(|lanes| {
            assert_eq!(exercise::<f32, _>(lanes, |x| x as f32), single);
            assert_eq!(exercise::<f64, _>(lanes, |x| x), double);
        });
    }

    #[test]
    fn registers_are_transposed() {
        fn transposes<T: Float + Into<f64>>(lanes: impl Numbers<T>) {
            let n = lanes.n();
            let mut x = [lanes.splat(T::ZERO); MOST];
            for (i, x) in x.iter_mut().enumerate() {
                let row: [T; MOST] = std::array::from_fn(|j| T::nearest((100 * i + j) as f64));
                *x = lanes.load(&row);
            }
            transpose(lanes, &mut x);
            for i in 0..n {
                let mut row = [T::ZERO; MOST];
                lanes.store(x[i], &mut row);
                for j in 0..n {
                    assert_eq!(row[j].into(), (100 * j + i) as f64, "{i} {j}");
                }
            }
        }
        over_paths!(|lanes| {
            transposes::<f32>(lanes);
            transposes::<f64>(lanes);
        });
    }

    #[test]
    fn four_columns_are_those_of_the_rows() {
        fn columns<T: Float + Into<f64>>(lanes: impl Numbers<T>) {
            for width in [4, 7, 64] {
                let rows: Vec<T> = (0..lanes.n() * width).map(|i| T::nearest(i as f64)).collect();
                for column in 0..=width - 4 {
                    for (i, x) in lanes.four_columns(&rows, width, column).into_iter().enumerate() {
                        let mut lane = [T::ZERO; MOST];
                        lanes.store(x, &mut lane);
                        for row in 0..lanes.n() {
                            assert_eq!(lane[row].into(), (row * width + column + i) as f64);
                        }
                    }
                }
            }
        }
        over_paths!(|lanes| {
            columns::<f32>(lanes);
            columns::<f64>(lanes);
        });
    }

    #[test]
    fn parts_end_where_the_slice_ends() {
        fn parts<T: Float>(lanes: impl Numbers<T>, numbers: &[T; MOST]) {
            for len in 0..MOST {
                let mut to = [T::MINUS_TWO; MOST];
                let read = lanes.load_part(&numbers[..len]);
                lanes.store_part(read, &mut to[..len + 1]);
                for lane in 0..MOST {
                    let n = lanes.n();
                    let written = lane < n && lane <= len;
                    let expected = if !written {
                        T::MINUS_TWO
                    } else if lane < len {
                        numbers[lane]
                    } else {
                        T::ZERO
                    };
                    assert!(to[lane] == expected, "{len} {lane}");
                }
            }
        }
        over_paths!(|lanes| {
            parts::<f32>(lanes, &std::array::from_fn(|i| i as f32 + 1.0));
            parts::<f64>(lanes, &std::array::from_fn(|i| i as f64 + 1.0));
        });
    }
}
