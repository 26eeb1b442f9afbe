//! One gradient step for a group of inputs that share their target and its negatives: three small matrix products on
//! rows that lie in the cache.
//!
//! Six rows of the contexts are held side by side, sixteen or thirty-two numbers of each in turn, so that one load of an
//! input serves six products and the sums stay in registers. All gradients are taken before anything moves: from the
//! contexts themselves, which move last, and from the inputs as they were kept.

use super::math::logistic;
use crate::simd::{LANES, Lanes, dispatched};

/// Rows of the contexts side by side.
const ABREAST: usize = 6;

/// Inputs of a group, at most.
pub(super) const MOST_INPUTS: usize = 32;

/// What six rows gain, of up to twice sixteen numbers.
type Gains = [[[f32; LANES]; 2]; ABREAST];

/// A group by its slots.
pub(super) struct Group<'g> {
    pub inputs: &'g [u32],
    /// The target, then the negatives. One that is the target itself moves nothing.
    pub targets: &'g [u32],
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    /// The inputs as they were, one after the other.
    kept: Vec<[f32; LANES]>,
    /// What some numbers of each row of the contexts gain, by six rows.
    gains: Vec<Gains>,
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
    let Scratch { kept, gains, pulls, signs } = scratch;
    let (blocks, per_block) = (targets.len().div_ceil(ABREAST), inputs.len() * ABREAST);
    let chunks = (blocks * per_block).div_ceil(LANES);
    if gains.len() < blocks {
        gains.resize(blocks, [[[0.0; LANES]; 2]; ABREAST]);
    }
    if kept.len() < inputs.len() * width {
        kept.resize(inputs.len() * width, [0.0; LANES]);
    }
    if pulls.len() < chunks {
        pulls.resize(chunks, [0.0; LANES]);
        signs.resize(chunks, [0.0; LANES]);
    }
    let (gains, pulls, signs) = (&mut gains[..blocks], &mut pulls[..chunks], &mut signs[..chunks]);
    if chunks > 0 {
        (pulls[chunks - 1], signs[chunks - 1]) = ([0.0; LANES], [0.0; LANES]);
    }
    for place in 0..inputs.len() {
        kept[place * width..][..width].copy_from_slice(&vectors[inputs[place] as usize * width..][..width]);
    }
    let kept = &kept[..inputs.len() * width];

    // Scores; the target's with the other sign, so that every loss is ln(1 + e^score).
    for block in 0..blocks {
        let at = rows_of(targets, block, width);
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
        let mut place = 0;
        if L::MANY_REGISTERS {
            while place + 2 <= inputs.len() {
                let of_two = products::<L, 2>(lanes, &kept[place * width..][..2 * width], y, width);
                (scores[place], scores[place + 1]) = (of_two[0], of_two[1]);
                place += 2;
            }
        }
        while place < inputs.len() {
            scores[place] = products::<L, 1>(lanes, &kept[place * width..][..width], y, width)[0];
            place += 1;
        }
        for place in 0..inputs.len() {
            if block == 0 {
                scores[place][0] = -scores[place][0];
            }
            signs[place] = sign;
        }
    }

    // Losses, and how strongly each pair pulls or pushes.
    let mut loss = [0.0f32; LANES];
    for chunk in 0..chunks {
        // Arrays of its own, and all bits or none instead of a selection: else the compiler goes lane by lane.
        let (sign, mut pull) = (signs[chunk], [0.0f32; LANES]);
        let (sigma, softplus) = logistic(&pulls[chunk]);
        for lane in 0..LANES {
            pull[lane] = sign[lane] * sigma[lane];
            let counts = u32::from(sign[lane] != 0.0).wrapping_neg();
            loss[lane] += f32::from_bits(softplus[lane].to_bits() & counts);
        }
        pulls[chunk] = pull;
    }
    let pulls = pulls.as_flattened().as_chunks::<ABREAST>().0;

    let mut axis = 0;
    if L::MANY_REGISTERS {
        while axis + 2 <= width {
            step_axes::<L, 2>(lanes, group, axis, width, pulls, kept, vectors, contexts, gains);
            axis += 2;
        }
    }
    while axis < width {
        step_axes::<L, 1>(lanes, group, axis, width, pulls, kept, vectors, contexts, gains);
        axis += 1;
    }
    lanes.sum(lanes.load(&loss))
}

/// Where six rows begin. What is no negative stands for the target, and its sign is 0.
#[inline(always)]
fn rows_of(targets: &[u32], block: usize, width: usize) -> [usize; ABREAST] {
    let mut at = [0; ABREAST];
    for abreast in 0..ABREAST {
        let place = block * ABREAST + abreast;
        at[abreast] = targets[if place < targets.len() { place } else { 0 }] as usize * width;
    }
    at
}

/// The scalar products of `N` rows, one after the other, with six.
#[inline(always)]
fn products<L: Lanes, const N: usize>(
    lanes: L,
    x: &[[f32; LANES]],
    y: [&[[f32; LANES]]; ABREAST],
    width: usize,
) -> [[f32; ABREAST]; N] {
    let mut sums = [[lanes.splat(0.0); ABREAST]; N];
    for axis in 0..width {
        for abreast in 0..ABREAST {
            let y = lanes.load(&y[abreast][axis]);
            for n in 0..N {
                sums[n][abreast] = lanes.fused(lanes.load(&x[n * width + axis]), y, sums[n][abreast]);
            }
        }
    }
    let mut out = [[0.0; ABREAST]; N];
    for n in 0..N {
        out[n] = lanes.sum_six(sums[n]);
    }
    out
}

/// Moves `A` times sixteen numbers of all rows of a group. They depend on no others, once the pulls are known.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_axes<L: Lanes, const A: usize>(
    lanes: L,
    group: &Group<'_>,
    axis: usize,
    width: usize,
    pulls: &[[f32; ABREAST]],
    kept: &[[f32; LANES]],
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    gains: &mut [Gains],
) {
    let Group { inputs, targets } = *group;
    let zero = lanes.splat(0.0);
    for block in 0..gains.len() {
        let pulls = &pulls[block * inputs.len()..][..inputs.len()];
        let (at, mut y, mut sums) = (rows_of(targets, block, width), [[zero; A]; ABREAST], [[zero; A]; ABREAST]);
        for abreast in 0..ABREAST {
            for a in 0..A {
                y[abreast][a] = lanes.load(&contexts[at[abreast] + axis + a]);
            }
        }
        for place in 0..inputs.len() {
            let before = &kept[place * width + axis..][..A];
            // An input that is there twice gains twice.
            let x = &mut vectors[inputs[place] as usize * width + axis..][..A];
            let (mut old, mut new) = ([zero; A], [zero; A]);
            for a in 0..A {
                (old[a], new[a]) = (lanes.load(&before[a]), lanes.load(&x[a]));
            }
            for abreast in 0..ABREAST {
                let pull = lanes.splat(pulls[place][abreast]);
                for a in 0..A {
                    sums[abreast][a] = lanes.fused(pull, old[a], sums[abreast][a]);
                    new[a] = lanes.fused(pull, y[abreast][a], new[a]);
                }
            }
            for a in 0..A {
                lanes.store(new[a], &mut x[a]);
            }
        }
        for abreast in 0..ABREAST {
            for a in 0..A {
                lanes.store(sums[abreast][a], &mut gains[block][abreast][a]);
            }
        }
    }
    for block in 0..gains.len() {
        let at = rows_of(targets, block, width);
        for abreast in 0..ABREAST {
            for a in 0..A {
                let y = &mut contexts[at[abreast] + axis + a];
                lanes.store(lanes.add(lanes.load(y), lanes.load(&gains[block][abreast][a])), y);
            }
        }
    }
}
