//! The derivatives by the weights: the sum over rows of dG ⊗ [x, h, 1].
//!
//! The rows of x and of h become panels, in which a term is a row; the threads share the outputs. A sum is taken over blocks
//! of rows, each from zero, and the blocks are added in order: fewer roundings follow each other than in one chain, and
//! a block of a panel stays in the first cache while all outputs pass by.

use super::pack::{Aligned, pack_panel, size};
use super::product::add_transposed;
use super::tile::ACROSS;
use crate::Result;
use crate::parallel::{reserve, zeros};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use rayon::prelude::*;

/// Rows of a block.
const BLOCK: usize = 128;

/// Outputs of a piece of work: a multiple of what a tile is high.
const OUTPUTS: usize = 48;

/// What has been summed.
pub(super) struct Sums<T> {
    inputs: usize,
    hidden: usize,
    pub w_ih: Vec<T>,
    pub w_hh: Vec<T>,
    pub b: Vec<T>,
}

impl<T: Float> Sums<T> {
    pub(super) fn new(outputs: usize, inputs: usize, hidden: usize) -> Result<Self> {
        let what = "the derivatives by the weights";
        Ok(Self {
            inputs,
            hidden,
            w_ih: zeros(size(&[outputs, inputs], what, size_of::<T>())?, what)?,
            w_hh: zeros(size(&[outputs, hidden], what, size_of::<T>())?, what)?,
            b: zeros(outputs, what)?,
        })
    }
}

/// Adds what the rows of a stretch give: derivatives by pre-activations, x, and h before the step.
pub(super) fn add_stretch<T: Float>(
    sums: &mut Sums<T>,
    d: &[&[T]],
    x: &[&[T]],
    h: &[&[T]],
    wide: usize,
    alone: bool,
) -> Result<()> {
    if d.is_empty() {
        return Ok(());
    }
    let Sums { inputs, hidden, w_ih, w_hh, b } = sums;
    let (inputs, hidden) = (*inputs, *hidden);
    let what = "the packed rows";
    let of_panel = size(&[d.len(), wide], what, size_of::<T>())?;
    let (x_panels, h_panels) = (inputs.div_ceil(wide), hidden.div_ceil(wide));
    let mut packed = Aligned::zeros(size(&[x_panels + h_panels, of_panel], what, size_of::<T>())?, what)?;
    let pack = |(panel, to): (usize, &mut [T])| match panel.checked_sub(x_panels) {
        None => pack_panel(x, panel * wide, inputs, to, wide),
        Some(panel) => pack_panel(h, panel * wide, hidden, to, wide),
    };
    let mut pieces = reserve(b.len().div_ceil(OUTPUTS), what)?;
    let (mut w_ih, mut w_hh, mut b, mut first) = (&mut w_ih[..], &mut w_hh[..], &mut b[..], 0);
    while !b.is_empty() {
        let n = OUTPUTS.min(b.len());
        let (ih, hh, bias);
        (ih, w_ih) = w_ih.split_at_mut(n * inputs);
        (hh, w_hh) = w_hh.split_at_mut(n * hidden);
        (bias, b) = b.split_at_mut(n);
        pieces.push(Piece { first, w_ih: ih, w_hh: hh, b: bias });
        first += n;
    }
    if alone {
        packed.chunks_exact_mut(of_panel).enumerate().for_each(pack);
        pieces.into_iter().for_each(|piece| piece_of(d, &packed, piece, inputs, hidden));
    } else {
        packed.par_chunks_exact_mut(of_panel).enumerate().for_each(pack);
        pieces.into_par_iter().for_each(|piece| piece_of(d, &packed, piece, inputs, hidden));
    }
    Ok(())
}

/// Some outputs, from `first` on, and their sums.
struct Piece<'a, T> {
    first: usize,
    w_ih: &'a mut [T],
    w_hh: &'a mut [T],
    b: &'a mut [T],
}

dispatched!(fn piece_of[T: Float](d: &[&[T]], packed: &[T], piece: Piece<'_, T>, inputs: usize, hidden: usize) -> () = piece_run);

#[inline(always)]
fn piece_run<L: Both, T: Float>(lanes: L, d: &[&[T]], packed: &[T], piece: Piece<'_, T>, inputs: usize, hidden: usize) {
    let lanes = T::lanes(lanes);
    let n = lanes.n();
    let wide = ACROSS * n;
    let x_panels = inputs.div_ceil(wide);
    let of_panel = d.len() * wide;
    let outputs = piece.b.len();
    let mut from = 0;
    while from < d.len() {
        let block = &d[from..d.len().min(from + BLOCK)];
        for panel in 0..packed.len() / of_panel {
            let (sums, columns, first_column) = if panel < x_panels {
                (&mut *piece.w_ih, inputs, panel * wide)
            } else {
                (&mut *piece.w_hh, hidden, (panel - x_panels) * wide)
            };
            let w = &packed[panel * of_panel + from * wide..][..block.len() * wide];
            add_transposed(lanes, block, piece.first, w, sums, columns, first_column);
        }
        let mut output = 0;
        while output < outputs {
            let end = outputs.min(output + n);
            let mut sum = lanes.splat(T::ZERO);
            for row in block {
                sum = lanes.add(sum, lanes.load_part(&row[piece.first + output..piece.first + end]));
            }
            let to = &mut piece.b[output..end];
            lanes.store_part(lanes.add(lanes.load_part(to), sum), to);
            output = end;
        }
        from += BLOCK;
    }
}
