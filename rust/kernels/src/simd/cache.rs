//! What is known of the caches, and how to ask for lines before they are needed: hints, on which no result depends.

use std::sync::OnceLock;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Bytes of the second cache where the processor does not tell.
const USUAL: usize = 1 << 20;

/// Bytes of the second cache of a core.
pub(crate) fn second() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| told().unwrap_or(USUAL))
}

/// What the processor says of its second cache: Intel's in one place, AMD's in another, in the same words.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, unused_unsafe)] // the calls are safe from a version on that is later than the oldest we build with
fn told() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    [0x4, 0x8000_001D].into_iter().find_map(|leaf: u32| {
        // SAFETY: every x86-64 processor has the instruction.
        let last = unsafe { __cpuid(leaf & 0x8000_0000) }.eax;
        let of = |cache| {
            // SAFETY: the same.
            let said = unsafe { __cpuid_count(leaf, cache) };
            let (kind, level) = (said.eax & 0x1F, said.eax >> 5 & 0x7);
            let [line, partitions, ways] = [said.ebx & 0xFFF, said.ebx >> 12 & 0x3FF, said.ebx >> 22];
            let factors = [line, partitions, ways, said.ecx].map(|less_one| less_one as usize + 1);
            (kind, level, factors.into_iter().try_fold(1usize, usize::checked_mul))
        };
        // Of kind 0 is what comes after the last one, of kind 2 a cache of instructions.
        let caches = (0..8).map(of).take_while(|&(kind, ..)| last >= leaf && kind != 0);
        caches.into_iter().find(|&(kind, level, _)| kind != 2 && level == 2).and_then(|(.., bytes)| bytes)
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn told() -> Option<usize> {
    None
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

/// As [`prefetch`], for the second cache: the first has no room for what is not needed yet.
#[allow(unsafe_code, unused_variables)]
#[inline(always)]
pub(crate) fn prefetch_far<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as there.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(items.as_ptr().wrapping_add(at).cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A processor has cores of more than one kind, or a system that shows no caches, at times.
    #[test]
    fn the_second_cache_is_one_that_the_system_knows() {
        let sizes: Vec<usize> = (0..1024)
            .map_while(|core| {
                std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{core}/cache/index2/size")).ok()
            })
            .filter_map(|size| Some(size.trim().strip_suffix('K')?.parse::<usize>().ok()? << 10))
            .collect();
        match told() {
            Some(bytes) => assert!(sizes.is_empty() || sizes.contains(&bytes), "{bytes}, {sizes:?}"),
            None => assert_eq!(second(), USUAL),
        }
    }
}
