//! One gradient step for a group of inputs that share their target and its negatives: three small matrix products on
//! rows that lie in the cache.
//!
//! Six rows of the contexts are held side by side, sixteen numbers of each in turn, so that one load of an input serves
//! six products and the sums stay in registers. All gradients are taken before anything moves; the sixteen numbers of an
//! axis depend on no other axis then, and move together.

use super::math::logistic;
use crate::simd::{LANES, Lanes, dispatched};

/// Rows of the contexts side by side.
const ABREAST: usize = 6;

/// Inputs of a group, at most.
pub(super) const MOST_INPUTS: usize = 32;

/// A group by its slots.
pub(super) struct Group<'g> {
    pub inputs: &'g [u32],
    /// The target, then the negatives. One that is the target itself moves nothing.
    pub targets: &'g [u32],
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    /// What sixteen numbers of each row of the contexts gain, by six rows.
    gains: Vec<[[f32; LANES]; ABREAST]>,
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
    let Scratch { gains, pulls, signs } = scratch;
    let (blocks, per_block) = (targets.len().div_ceil(ABREAST), inputs.len() * ABREAST);
    let chunks = (blocks * per_block).div_ceil(LANES);
    if gains.len() < blocks {
        gains.resize(blocks, [[0.0; LANES]; ABREAST]);
    }
    if pulls.len() < chunks {
        pulls.resize(chunks, [0.0; LANES]);
        signs.resize(chunks, [0.0; LANES]);
    }
    let (gains, pulls, signs) = (&mut gains[..blocks], &mut pulls[..chunks], &mut signs[..chunks]);
    if chunks > 0 {
        (pulls[chunks - 1], signs[chunks - 1]) = ([0.0; LANES], [0.0; LANES]);
    }
    let zero = lanes.splat(0.0);
    let mut x_at = [0; MOST_INPUTS];
    for place in 0..inputs.len() {
        x_at[place] = inputs[place] as usize * width;
    }
    let x_at = &x_at[..inputs.len()];
    // Where six rows begin. What is no negative stands for the target, and its sign is 0.
    let y_at = |block: usize| {
        let mut at = [0; ABREAST];
        for abreast in 0..ABREAST {
            let place = block * ABREAST + abreast;
            at[abreast] = targets[if place < targets.len() { place } else { 0 }] as usize * width;
        }
        at
    };

    // Scores; the target's with the other sign, so that every loss is ln(1 + e^score).
    for block in 0..blocks {
        let at = y_at(block);
        let (mut y, mut sign): ([&[[f32; LANES]]; ABREAST], _) = ([&[]; ABREAST], [0.0; ABREAST]);
        for abreast in 0..ABREAST {
            y[abreast] = &contexts[at[abreast]..][..width];
            sign[abreast] = if at[abreast] == targets[0] as usize * width { 0.0 } else { -rate };
        }
        if block == 0 {
            sign[0] = rate;
        }
        let first = block * per_block;
        let scores = pulls.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        let signs = signs.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        for place in 0..x_at.len() {
            let x = &vectors[x_at[place]..][..width];
            let mut sums = [zero; ABREAST];
            for axis in 0..width {
                let x = lanes.load(&x[axis]);
                for abreast in 0..ABREAST {
                    sums[abreast] = lanes.fused(x, lanes.load(&y[abreast][axis]), sums[abreast]);
                }
            }
            scores[place] = lanes.sum_six(sums);
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

    for axis in 0..width {
        // What the contexts gain from the inputs.
        for block in 0..blocks {
            let pulls = &pulls[block * x_at.len()..][..x_at.len()];
            let mut sums = [zero; ABREAST];
            for place in 0..x_at.len() {
                let x = lanes.load(&vectors[x_at[place] + axis]);
                for abreast in 0..ABREAST {
                    sums[abreast] = lanes.fused(lanes.splat(pulls[place][abreast]), x, sums[abreast]);
                }
            }
            for abreast in 0..ABREAST {
                lanes.store(sums[abreast], &mut gains[block][abreast]);
            }
        }
        // What the inputs gain from the contexts; one that is there twice gains twice.
        for block in 0..blocks {
            let pulls = &pulls[block * x_at.len()..][..x_at.len()];
            let (at, mut y) = (y_at(block), [zero; ABREAST]);
            for abreast in 0..ABREAST {
                y[abreast] = lanes.load(&contexts[at[abreast] + axis]);
            }
            for place in 0..x_at.len() {
                let x = &mut vectors[x_at[place] + axis];
                let mut sum = lanes.load(x);
                for abreast in 0..ABREAST {
                    sum = lanes.fused(lanes.splat(pulls[place][abreast]), y[abreast], sum);
                }
                lanes.store(sum, x);
            }
        }
        for block in 0..blocks {
            let at = y_at(block);
            for abreast in 0..ABREAST {
                let y = &mut contexts[at[abreast] + axis];
                lanes.store(lanes.add(lanes.load(y), lanes.load(&gains[block][abreast])), y);
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
