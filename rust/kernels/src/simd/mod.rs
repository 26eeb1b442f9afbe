//! Run-time choice of the instruction set.
//!
//! A vectorised kernel is written once, over the operations of [`Lanes`] or as plain loops of a fixed length, and compiled
//! for each path: for the baseline of the target, for AVX2 with fused multiply-add, and for AVX-512. [`path`] is asked once
//! per process. Results are the same bits on all of them.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
pub(crate) mod cache;
pub(crate) mod exp;
mod lanes;
pub(crate) mod memory;
pub(crate) mod numbers;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod numbers_x86;
pub(crate) mod product;
pub(crate) mod tile;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Lanes;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512Lanes;
pub(crate) use cache::prefetch;
pub(crate) use lanes::{LANES, Lanes, PortableLanes};
use std::sync::OnceLock;

/// The instruction sets a kernel is compiled for, from the least to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// What every machine of the target has.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, BW, DQ, VL) besides.
    Avx512,
}

impl Path {
    /// Its name, as `diptych doctor` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Path::Portable => "portable",
            Path::Avx2 => "avx2",
            Path::Avx512 => "avx512",
        }
    }
}

/// The path of this process: the widest the processor has, but no wider than `DIPTYCH_SIMD` names.
pub fn path() -> Path {
    static PATH: OnceLock<Path> = OnceLock::new();
    *PATH.get_or_init(|| {
        let named = std::env::var("DIPTYCH_SIMD").unwrap_or_default();
        let paths = [Path::Portable, Path::Avx2, Path::Avx512];
        let at_most = paths.into_iter().find(|path| path.name() == named).unwrap_or(Path::Avx512);
        detected().min(at_most)
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Path {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Path::Portable;
    }
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if avx512 { Path::Avx512 } else { Path::Avx2 }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Path {
    Path::Portable
}

/// `dispatched!(fn name[generics](args) -> R = inner)` defines `name`, which runs `inner` compiled for the path of this
/// process. `inner` takes the [`Lanes`] of the path before the arguments, and must be `#[inline(always)]`, so that its
/// loops are compiled inside the wide function.
macro_rules! dispatched {
    ($(#[$meta:meta])* $vis:vis fn $name:ident [$($gen:tt)*] ($($arg:ident : $ty:ty),* $(,)?) -> $ret:ty = $inner:path) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::too_many_arguments)]
        #[inline]
        $vis fn $name<$($gen)*>($($arg: $ty),*) -> $ret {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2<$($gen)*>($($arg: $ty),*) -> $ret {
                // SAFETY: this function is compiled for AVX2 and FMA, and entered only where they exist.
                $inner(unsafe { $crate::simd::Avx2Lanes::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx512<$($gen)*>($($arg: $ty),*) -> $ret {
                // SAFETY: this function is compiled for AVX-512, AVX2 and FMA, and entered only where they exist.
                $inner(unsafe { $crate::simd::Avx512Lanes::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            match $crate::simd::path() {
                // SAFETY: the path is this one only after its features were detected on this processor.
                $crate::simd::Path::Avx512 => return unsafe { avx512($($arg),*) },
                // SAFETY: the same.
                $crate::simd::Path::Avx2 => return unsafe { avx2($($arg),*) },
                $crate::simd::Path::Portable => {}
            }
            $inner($crate::simd::PortableLanes, $($arg),*)
        }
    };
}
pub(crate) use dispatched;

/// `over_paths!(|lanes| body)` runs the body with the lanes of every path this processor has.
#[cfg(test)]
macro_rules! over_paths {
    (|$lanes:ident| $body:expr) => {{
        {
            let $lanes = $crate::simd::PortableLanes;
            $body
        }
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: both features were just detected.
            let $lanes = unsafe { $crate::simd::Avx2Lanes::new() };
            $body
        }
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
        {
            // SAFETY: the features were just detected.
            let $lanes = unsafe { $crate::simd::Avx512Lanes::new() };
            $body
        }
    }};
}
#[cfg(test)]
pub(crate) use over_paths;
