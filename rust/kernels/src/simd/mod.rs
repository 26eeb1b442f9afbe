//! Run-time choice of the instruction set.
//!
//! A vectorised kernel is written once, over the operations of [`Lanes`] or as plain loops of a fixed length, and compiled
//! twice: for the baseline of the target and for AVX2 with fused multiply-add. [`path`] is asked once per process.

mod lanes;

#[cfg(target_arch = "x86_64")]
pub(crate) use lanes::WideLanes;
pub(crate) use lanes::{LANES, Lanes, PortableLanes};
use std::sync::OnceLock;

/// The instruction sets a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// What every machine of the target has.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
}

impl Path {
    /// Its name, as `diptych doctor` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Path::Portable => "portable",
            Path::Avx2 => "avx2",
        }
    }
}

/// The path of this process: the widest the processor has, or portable where `DIPTYCH_SIMD=portable`.
pub fn path() -> Path {
    static PATH: OnceLock<Path> = OnceLock::new();
    *PATH.get_or_init(|| {
        if std::env::var_os("DIPTYCH_SIMD").is_some_and(|value| value == "portable") {
            Path::Portable
        } else {
            detected()
        }
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Path {
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") { Path::Avx2 } else { Path::Portable }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Path {
    Path::Portable
}

/// Asks for the cache line that holds `items[at]`, to read it soon; beyond the end it asks for nothing useful.
#[allow(unsafe_code, unused_variables)]
#[inline(always)]
pub(crate) fn prefetch<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint: it reads nothing, faults on no address, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(items.as_ptr().wrapping_add(at).cast()) };
    }
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
            fn wide<$($gen)*>($($arg: $ty),*) -> $ret {
                // SAFETY: this function is compiled for AVX2 and FMA, and entered only where they exist.
                $inner(unsafe { $crate::simd::WideLanes::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            if $crate::simd::path() == $crate::simd::Path::Avx2 {
                // SAFETY: the path is Avx2 only after both features were detected on this processor.
                return unsafe { wide($($arg),*) };
            }
            $inner($crate::simd::PortableLanes, $($arg),*)
        }
    };
}
pub(crate) use dispatched;
