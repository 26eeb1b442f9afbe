//! One gradient step for a group of pairs that share their negatives: small matrix products on rows that lie in the cache,
//! and a product of two rows for each pair, its input and its target.
//!
//! Six rows of the contexts are held side by side, sixteen or thirty-two numbers of each in turn, so that one load of an
//! input serves six products and the sums stay in registers. All gradients are taken before anything moves: from the
//! negatives themselves, which move last, and from inputs and targets as they were.

use super::math::logistic;
use crate::simd::{LANES, Lanes, dispatched};

/// Rows of the contexts side by side.
const ABREAST: usize = 6;

/// Pairs of a group, at most.
pub(super) const MOST_PAIRS: usize = 32;

/// What six rows gain, of up to twice sixteen numbers.
type Gains = [[[f32; LANES]; 2]; ABREAST];

/// Up to twice sixteen numbers of an input and of a target.
type Pair = [[[f32; LANES]; 2]; 2];

/// A group by its slots.
pub(super) struct Group<'g> {
    /// Of each pair, the node around.
    pub inputs: &'g [u32],
    /// Of each pair, the node in the middle.
    pub targets: &'g [u32],
    /// Of all pairs. One that is the target of a pair moves nothing there.
    pub negatives: &'g [u32],
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    /// Of each pair, some numbers of the input and of the target, as they were.
    kept: Vec<Pair>,
    /// What some numbers of each row of the contexts gain, by six rows.
    gains: Vec<Gains>,
    /// By six rows, pair and row: the score; then the rate times the derivative of its loss.
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
    let Group { inputs, targets, negatives } = *group;
    let Scratch { kept, gains, pulls, signs } = scratch;
    let (blocks, per_block) = ((1 + negatives.len()).div_ceil(ABREAST), inputs.len() * ABREAST);
    let chunks = (blocks * per_block).div_ceil(LANES);
    if gains.len() < blocks {
        gains.resize(blocks, [[[0.0; LANES]; 2]; ABREAST]);
    }
    if kept.len() < inputs.len() {
        kept.resize(inputs.len(), [[[0.0; LANES]; 2]; 2]);
    }
    if pulls.len() < chunks {
        pulls.resize(chunks, [0.0; LANES]);
        signs.resize(chunks, [0.0; LANES]);
    }
    let (gains, pulls, signs) = (&mut gains[..blocks], &mut pulls[..chunks], &mut signs[..chunks]);
    if chunks > 0 {
        (pulls[chunks - 1], signs[chunks - 1]) = ([0.0; LANES], [0.0; LANES]);
    }
    // Scores; the targets' with the other sign, so that every loss is ln(1 + e^score).
    for block in 0..blocks {
        let at = rows_of(group, block, width);
        let (mut y, mut pushes): ([&[[f32; LANES]]; ABREAST], _) = ([&[]; ABREAST], [0.0; ABREAST]);
        for abreast in 0..ABREAST {
            y[abreast] = &contexts[at[abreast]..][..width];
            pushes[abreast] = if block * ABREAST + abreast <= negatives.len() { -rate } else { 0.0 };
        }
        let first = block * per_block;
        let scores = pulls.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        let signs = signs.as_flattened_mut()[first..first + per_block].as_chunks_mut::<ABREAST>().0;
        if block == 0 {
            scores_of::<L, true>(lanes, group, vectors, contexts, y, width, scores);
        } else {
            scores_of::<L, false>(lanes, group, vectors, contexts, y, width, scores);
        }
        for place in 0..inputs.len() {
            let (own, mut sign) = (targets[place] as usize * width, [0.0; ABREAST]);
            for abreast in 0..ABREAST {
                let counts = u32::from(at[abreast] != own).wrapping_neg(); // all bits or none: no branch
                sign[abreast] = f32::from_bits(pushes[abreast].to_bits() & counts);
            }
            if block == 0 {
                scores[place][0] = -scores[place][0];
                sign[0] = rate;
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

    if blocks == 1 && distinct(inputs) && distinct(targets) {
        step_all::<L, false>(lanes, group, width, pulls, kept, vectors, contexts, gains);
    } else {
        step_all::<L, true>(lanes, group, width, pulls, kept, vectors, contexts, gains);
    }
    lanes.sum(lanes.load(&loss))
}

/// Where six rows begin: of the first block, the second to the sixth are negatives, and the first is another for each pair.
/// What is no negative stands for the target of the first pair, and its sign is 0.
#[inline(always)]
fn rows_of(group: &Group<'_>, block: usize, width: usize) -> [usize; ABREAST] {
    let mut at = [group.targets[0] as usize * width; ABREAST];
    for abreast in 0..ABREAST {
        let place = block * ABREAST + abreast;
        if place > 0 && place <= group.negatives.len() {
            at[abreast] = group.negatives[place - 1] as usize * width;
        }
    }
    at
}

/// Whether no slot is there twice.
#[inline(always)]
fn distinct(slots: &[u32]) -> bool {
    let mut found = true;
    for (place, slot) in slots.iter().enumerate() {
        for before in &slots[..place] {
            found &= before != slot;
        }
    }
    found
}

/// The scalar products of the inputs of all pairs with six rows, the first of which is their target, where `OWN`.
#[inline(always)]
fn scores_of<L: Lanes, const OWN: bool>(
    lanes: L,
    group: &Group<'_>,
    vectors: &[[f32; LANES]],
    contexts: &[[f32; LANES]],
    y: [&[[f32; LANES]]; ABREAST],
    width: usize,
    scores: &mut [[f32; ABREAST]],
) {
    let mut place = 0;
    if L::MANY_REGISTERS {
        while place + 2 <= scores.len() {
            let of_two = products::<L, 2, OWN>(lanes, group, place, vectors, contexts, y, width);
            (scores[place], scores[place + 1]) = (of_two[0], of_two[1]);
            place += 2;
        }
    }
    while place < scores.len() {
        scores[place] = products::<L, 1, OWN>(lanes, group, place, vectors, contexts, y, width)[0];
        place += 1;
    }
}

/// The same for `N` pairs.
#[inline(always)]
fn products<L: Lanes, const N: usize, const OWN: bool>(
    lanes: L,
    group: &Group<'_>,
    place: usize,
    vectors: &[[f32; LANES]],
    contexts: &[[f32; LANES]],
    y: [&[[f32; LANES]]; ABREAST],
    width: usize,
) -> [[f32; ABREAST]; N] {
    let mut sums = [[lanes.splat(0.0); ABREAST]; N];
    let (mut x, mut first): ([&[[f32; LANES]]; N], _) = ([&[]; N], [y[0]; N]);
    for n in 0..N {
        x[n] = &vectors[group.inputs[place + n] as usize * width..][..width];
        if OWN {
            first[n] = &contexts[group.targets[place + n] as usize * width..][..width];
        }
    }
    for axis in 0..width {
        for n in 0..N {
            sums[n][0] = lanes.fused(lanes.load(&x[n][axis]), lanes.load(&first[n][axis]), sums[n][0]);
        }
        for abreast in 1..ABREAST {
            let y = lanes.load(&y[abreast][axis]);
            for n in 0..N {
                sums[n][abreast] = lanes.fused(lanes.load(&x[n][axis]), y, sums[n][abreast]);
            }
        }
    }
    let mut out = [[0.0; ABREAST]; N];
    for n in 0..N {
        out[n] = lanes.sum_six(sums[n]);
    }
    out
}

/// Moves all rows of a group; inputs and targets as they were are kept, where one may have moved before it is read again.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_all<L: Lanes, const KEPT: bool>(
    lanes: L,
    group: &Group<'_>,
    width: usize,
    pulls: &[[f32; ABREAST]],
    kept: &mut [Pair],
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    gains: &mut [Gains],
) {
    let mut axis = 0;
    if L::MANY_REGISTERS {
        while axis + 2 <= width {
            step_axes::<L, 2, KEPT>(lanes, group, axis, width, pulls, kept, vectors, contexts, gains);
            axis += 2;
        }
    }
    while axis < width {
        step_axes::<L, 1, KEPT>(lanes, group, axis, width, pulls, kept, vectors, contexts, gains);
        axis += 1;
    }
}

/// Moves `A` times sixteen numbers of all rows of a group. They depend on no others, once the pulls are known.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_axes<L: Lanes, const A: usize, const KEPT: bool>(
    lanes: L,
    group: &Group<'_>,
    axis: usize,
    width: usize,
    pulls: &[[f32; ABREAST]],
    kept: &mut [Pair],
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    gains: &mut [Gains],
) {
    let per_block = group.inputs.len();
    if KEPT {
        for place in 0..per_block {
            let (x, y) = (group.inputs[place] as usize * width, group.targets[place] as usize * width);
            for a in 0..A {
                lanes.store(lanes.load(&vectors[x + axis + a]), &mut kept[place][0][a]);
                lanes.store(lanes.load(&contexts[y + axis + a]), &mut kept[place][1][a]);
            }
        }
    }
    for block in (1..gains.len()).rev() {
        let (pulls, gains) = (&pulls[block * per_block..][..per_block], &mut gains[block]);
        step_block::<L, A, false, KEPT>(lanes, group, block, axis, width, pulls, kept, vectors, contexts, gains);
    }
    // The last, since it moves targets, which the others may read as negatives.
    let (pulls, of_first) = (&pulls[..per_block], &mut gains[0]);
    step_block::<L, A, true, KEPT>(lanes, group, 0, axis, width, pulls, kept, vectors, contexts, of_first);
    for block in 0..gains.len() {
        let at = rows_of(group, block, width);
        for abreast in 0..ABREAST {
            for a in 0..A {
                let y = &mut contexts[at[abreast] + axis + a];
                lanes.store(lanes.add(lanes.load(y), lanes.load(&gains[block][abreast][a])), y);
            }
        }
    }
}

/// The same for the inputs, as far as six rows pull and push them, and for their targets, where `OWN`; what the six gain
/// is kept for later.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_block<L: Lanes, const A: usize, const OWN: bool, const KEPT: bool>(
    lanes: L,
    group: &Group<'_>,
    block: usize,
    axis: usize,
    width: usize,
    pulls: &[[f32; ABREAST]],
    kept: &[Pair],
    vectors: &mut [[f32; LANES]],
    contexts: &mut [[f32; LANES]],
    gains: &mut Gains,
) {
    let Group { inputs, targets, .. } = *group;
    let (zero, first) = (lanes.splat(0.0), usize::from(OWN));
    let (at, mut y, mut sums) = (rows_of(group, block, width), [[zero; A]; ABREAST], [[zero; A]; ABREAST]);
    for abreast in first..ABREAST {
        for a in 0..A {
            y[abreast][a] = lanes.load(&contexts[at[abreast] + axis + a]);
        }
    }
    for place in 0..inputs.len() {
        // An input that is there twice gains twice, as does a target.
        let x = &mut vectors[inputs[place] as usize * width + axis..][..A];
        let (mut old, mut new) = ([zero; A], [zero; A]);
        for a in 0..A {
            new[a] = lanes.load(&x[a]);
            old[a] = if KEPT { lanes.load(&kept[place][0][a]) } else { new[a] };
        }
        if OWN {
            let target = &mut contexts[targets[place] as usize * width + axis..][..A];
            let pull = lanes.splat(pulls[place][0]);
            for a in 0..A {
                let now = lanes.load(&target[a]);
                new[a] = lanes.fused(pull, if KEPT { lanes.load(&kept[place][1][a]) } else { now }, new[a]);
                lanes.store(lanes.fused(pull, old[a], now), &mut target[a]);
            }
        }
        for abreast in first..ABREAST {
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
            lanes.store(sums[abreast][a], &mut gains[abreast][a]);
        }
    }
}
