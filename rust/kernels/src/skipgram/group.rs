//! One gradient step for a group of inputs that share their target and its negatives: three small matrix products on
//! rows that lie in the cache.
//!
//! Six rows of the contexts are held side by side, sixteen numbers of each in turn, so that one load of an input serves
//! six products and the sums stay in registers. All gradients are taken before anything moves.

use super::math::logistic;
use crate::simd::{LANES, Lanes, dispatched};

/// Rows of the contexts side by side.
const ABREAST: usize = 6;

/// Inputs of a group, at most.
pub(super) const MOST_INPUTS: usize = 32;

/// Stands for a negative that is the target itself.
pub(super) const DROPPED: u32 = u32::MAX;

/// A group by its slots.
pub(super) struct Group<'g> {
    pub inputs: &'g [u32],
    /// The target, then the negatives.
    pub targets: &'g [u32],
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    /// The rows of the contexts before the step, and what they gain: by six rows, then sixteen numbers.
    old: Vec<[[f32; LANES]; ABREAST]>,
    gain: Vec<[[f32; LANES]; ABREAST]>,
    /// By six rows, input and row: the score; then the rate times the derivative of its loss.
    pulls: Vec<[f32; LANES]>,
    /// The same: the rate, its negative, or 0.
    signs: Vec<[f32; LANES]>,
}

/// How many times sixteen numbers a row has, where that is known to the compiler, else 0.
#[derive(Clone, Copy)]
struct Width<const W: usize>;

/// Moves the rows of a group downhill; returns the sum of its losses. A row has `width` times sixteen numbers.
pub(super) fn step(
    group: &Group<'_>,
    rate: f32,
    width: usize,
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    scratch: &mut Scratch,
) -> f32 {
    match width {
        4 => step_of(Width::<4>, group, rate, width, vectors, contexts, scratch),
        8 => step_of(Width::<8>, group, rate, width, vectors, contexts, scratch),
        16 => step_of(Width::<16>, group, rate, width, vectors, contexts, scratch),
        _ => step_of(Width::<0>, group, rate, width, vectors, contexts, scratch),
    }
}

dispatched!(fn step_of[const W: usize](known: Width<W>, group: &Group<'_>, rate: f32, width: usize, vectors: &mut [[f32; LANES]], contexts: &mut [[f32; LANES]], scratch: &mut Scratch) -> f32 = step_run);

// Loops and not iterators' methods, which would be compiled apart, without wide instructions.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_run<L: Lanes, const W: usize>(
    lanes: L,
    _: Width<W>,
    group: &Group<'_>,
    rate: f32,
    width: usize,
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    scratch: &mut Scratch,
) -> f32 {
    let width = if W > 0 { W } else { width };
    let Group { inputs, targets } = *group;
    let Scratch { old, gain, pulls, signs } = scratch;
    let (blocks, per_block) = (targets.len().div_ceil(ABREAST), inputs.len() * ABREAST);
    let chunks = (blocks * per_block).div_ceil(LANES);
    if old.len() < blocks * width {
        old.resize(blocks * width, [[0.0; LANES]; ABREAST]);
        gain.resize(blocks * width, [[0.0; LANES]; ABREAST]);
    }
    if pulls.len() < chunks {
        pulls.resize(chunks, [0.0; LANES]);
        signs.resize(chunks, [0.0; LANES]);
    }
    let (pulls, signs) = (&mut pulls[..chunks], &mut signs[..chunks]);
    if chunks > 0 {
        (pulls[chunks - 1], signs[chunks - 1]) = ([0.0; LANES], [0.0; LANES]);
    }
    let zero = lanes.splat(0.0);
    let mut rows: [&[[f32; LANES]]; MOST_INPUTS] = [&[]; MOST_INPUTS];
    for (row, &slot) in rows.iter_mut().zip(inputs) {
        *row = &vectors[slot as usize * width..(slot as usize + 1) * width];
    }

    // Scores; the target's with the other sign, so that every loss is ln(1 + e^score).
    for block in 0..blocks {
        let old = &mut old[block * width..(block + 1) * width];
        let mut sign = [-rate; ABREAST];
        for abreast in 0..ABREAST {
            let place = block * ABREAST + abreast;
            let slot = if place < targets.len() { targets[place] } else { DROPPED };
            if slot == DROPPED {
                sign[abreast] = 0.0;
                for axis in 0..width {
                    old[axis][abreast] = [0.0; LANES];
                }
            } else {
                let row = &contexts[slot as usize * width..(slot as usize + 1) * width];
                for axis in 0..width {
                    lanes.store(lanes.load(&row[axis]), &mut old[axis][abreast]);
                }
            }
        }
        if block == 0 {
            sign[0] = rate;
        }
        let first = block * per_block;
        let scores = pulls.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        let signs = signs.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        for place in 0..inputs.len() {
            let x = &rows[place][..width];
            let mut sums = [zero; ABREAST];
            for axis in 0..width {
                let (x, old) = (lanes.load(&x[axis]), &old[axis]);
                for abreast in 0..ABREAST {
                    sums[abreast] = lanes.fused(x, lanes.load(&old[abreast]), sums[abreast]);
                }
            }
            for abreast in 0..ABREAST {
                scores[place][abreast] = lanes.sum(sums[abreast]);
            }
            if block == 0 {
                scores[place][0] = -scores[place][0];
            }
            signs[place] = sign;
        }
    }

    // Losses, and how strongly each pair pulls or pushes.
    let mut loss = [0.0f32; LANES];
    for chunk in 0..chunks {
        let (pulls, signs) = (&mut pulls[chunk], &signs[chunk]);
        let (sigma, softplus) = logistic(pulls);
        for lane in 0..LANES {
            pulls[lane] = signs[lane] * sigma[lane];
            loss[lane] += if signs[lane] == 0.0 { 0.0 } else { softplus[lane] };
        }
    }
    let pulls = pulls.as_flattened().as_chunks::<ABREAST>().0;

    // What the contexts gain from the inputs.
    for block in 0..blocks {
        let pulls = &pulls[block * inputs.len()..(block + 1) * inputs.len()];
        let gain = &mut gain[block * width..(block + 1) * width];
        for axis in 0..width {
            let mut sums = [zero; ABREAST];
            for place in 0..inputs.len() {
                let (x, pulls) = (lanes.load(&rows[place][..width][axis]), &pulls[place]);
                for abreast in 0..ABREAST {
                    sums[abreast] = lanes.fused(lanes.splat(pulls[abreast]), x, sums[abreast]);
                }
            }
            for abreast in 0..ABREAST {
                lanes.store(sums[abreast], &mut gain[axis][abreast]);
            }
        }
    }

    // What the inputs gain from the contexts.
    for place in 0..inputs.len() {
        let slot = inputs[place] as usize;
        let x = &mut vectors[slot * width..(slot + 1) * width];
        for block in 0..blocks {
            let (pulls, old) = (&pulls[block * inputs.len() + place], &old[block * width..(block + 1) * width]);
            let mut strengths = [zero; ABREAST];
            for abreast in 0..ABREAST {
                strengths[abreast] = lanes.splat(pulls[abreast]);
            }
            for axis in 0..width {
                let mut sum = lanes.load(&x[axis]);
                for abreast in 0..ABREAST {
                    sum = lanes.fused(strengths[abreast], lanes.load(&old[axis][abreast]), sum);
                }
                lanes.store(sum, &mut x[axis]);
            }
        }
    }
    for place in 0..targets.len() {
        if targets[place] != DROPPED {
            let slot = targets[place] as usize;
            let row = &mut contexts[slot * width..(slot + 1) * width];
            let gain = &gain[place / ABREAST * width..(place / ABREAST + 1) * width];
            for axis in 0..width {
                let sum = lanes.add(lanes.load(&row[axis]), lanes.load(&gain[axis][place % ABREAST]));
                lanes.store(sum, &mut row[axis]);
            }
        }
    }
    lanes.sum(lanes.load(&loss))
}

dispatched!(
/// Adds to a row what some copies of it have gained, one after the other.
pub(super) fn add_gains[](row: &mut [[f32; LANES]], copies: &[&[[f32; LANES]]]) -> () = add_gains_run);

#[inline(always)]
fn add_gains_run<L: Lanes>(lanes: L, row: &mut [[f32; LANES]], copies: &[&[[f32; LANES]]]) {
    for axis in 0..row.len() {
        let before = lanes.load(&row[axis]);
        let mut sum = before;
        for copy in copies {
            sum = lanes.add(sum, lanes.sub(lanes.load(&copy[axis]), before));
        }
        lanes.store(sum, &mut row[axis]);
    }
}
