//! The derivatives by the weights: the sum over rows of dG ⊗ [x, h, 1].
//!
//! The rows of x and of h become panels, in which a term is a row; the threads share the outputs. A sum is taken over blocks
//! of rows, each from zero, and the blocks are added in order, and then the sums of the halves of a batch: fewer roundings
//! follow each other than in one chain, and a block of some outputs stays in the first cache while the panels pass by.

use super::pack::size;
use super::product::{Columns, add_transposed, pack_tiles};
use super::tile::ACROSS;
use crate::parallel::{share, zeros};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Result, Task};

/// Rows of a block, at most.
const BLOCK: usize = 128;

/// Outputs at a time, whose derivatives of a block stay in the first cache: a multiple of what a tile is high.
const OUTPUTS: usize = 4 * TILE;

/// Rows of the highest tile of any path.
const TILE: usize = 6;

/// Pieces of work for a thread: so many that nobody waits long for the last one.
const PIECES: usize = 2;

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

    /// Adds other sums to these.
    pub(super) fn add(&mut self, other: &Self, threads: usize, task: &Task) -> Result<()> {
        let each = [(&mut self.w_ih, &other.w_ih), (&mut self.w_hh, &other.w_hh), (&mut self.b, &other.b)];
        let pieces = each.into_iter().flat_map(|(to, from)| {
            let n = to.len().div_ceil(threads).max(1);
            to.chunks_mut(n).zip(from.chunks(n))
        });
        share(
            task,
            threads,
            pieces.collect(),
            || Ok(()),
            |(), (to, from)| {
                to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
                Ok(())
            },
        )
    }

    /// The outputs in pieces of work for so many threads.
    pub(super) fn pieces(&mut self, threads: usize) -> Vec<Piece<'_, T>> {
        let Self { inputs, hidden, w_ih, w_hh, b } = self;
        let (mut w_ih, mut w_hh, mut b, mut first) = (&mut w_ih[..], &mut w_hh[..], &mut b[..], 0);
        let most = if threads == 1 { b.len() } else { b.len().div_ceil(PIECES * threads).next_multiple_of(TILE) };
        let mut pieces = Vec::new();
        while !b.is_empty() {
            let n = most.min(b.len());
            let (ih, hh, bias);
            (ih, w_ih) = w_ih.split_at_mut(n * *inputs);
            (hh, w_hh) = w_hh.split_at_mut(n * *hidden);
            (bias, b) = b.split_at_mut(n);
            pieces.push(Piece { first, w_ih: ih, w_hh: hh, b: bias });
            first += n;
        }
        pieces
    }
}

/// Some outputs, from `first` on, and their sums.
pub(super) struct Piece<'a, T> {
    first: usize,
    w_ih: &'a mut [T],
    w_hh: &'a mut [T],
    b: &'a mut [T],
}

dispatched!(
    /// Adds what the rows of a stretch give: derivatives by pre-activations, and the panels of x and of h before the step.
    pub(super) fn piece_of[T: Float](d: &[&[T]], panels: &[&[T]], piece: &mut Piece<'_, T>, inputs: usize, hidden: usize) -> () = piece_run
);

#[inline(always)]
fn piece_run<L: Both, T: Float>(
    lanes: L,
    d: &[&[T]],
    panels: &[&[T]],
    piece: &mut Piece<'_, T>,
    inputs: usize,
    hidden: usize,
) {
    let lanes = T::lanes(lanes);
    let n = lanes.n();
    let wide = ACROSS * n;
    let x_panels = inputs.div_ceil(wide);
    let outputs = piece.b.len();
    let mut room = [T::ZERO; OUTPUTS * BLOCK];
    // About equally many, which is what they are where a stretch is no whole number of blocks.
    let rows = d.len().div_ceil(d.len().div_ceil(BLOCK).max(1)).max(1);
    let mut from = 0;
    while from < d.len() {
        let block = &d[from..d.len().min(from + rows)];
        let mut output = 0;
        while output < outputs {
            let end = outputs.min(output + OUTPUTS);
            let tiles = &mut room[..(end - output) * block.len()];
            pack_tiles(lanes, block, piece.first + output, tiles);
            for panel in 0..panels.len() {
                let (sums, columns, first_column) = if panel < x_panels {
                    (&mut piece.w_ih[output * inputs..end * inputs], inputs, panel * wide)
                } else {
                    (&mut piece.w_hh[output * hidden..end * hidden], hidden, (panel - x_panels) * wide)
                };
                let w = &panels[panel][from * wide..][..block.len() * wide];
                add_transposed(lanes, Columns::Packed(tiles), w, sums, columns, first_column);
            }
            output = end;
        }
        add_rows(lanes, block, piece.first, piece.b);
        from += rows;
    }
}

/// Adds what rows are from `first` on.
#[inline(always)]
fn add_rows<T: Float, L: Numbers<T>>(lanes: L, rows: &[&[T]], first: usize, sums: &mut [T]) {
    let wide = ACROSS * L::N;
    for (at, to) in sums.chunks_mut(wide).enumerate() {
        let from = first + at * wide..first + at * wide + to.len();
        let mut four = [lanes.splat(T::ZERO); ACROSS];
        for row in rows {
            let row = &row[from.clone()];
            for v in 0..ACROSS {
                if v * L::N < row.len() {
                    four[v] = lanes.add(four[v], lanes.load_part(&row[v * L::N..]));
                }
            }
        }
        for v in 0..ACROSS {
            if v * L::N < to.len() {
                let to = &mut to[v * L::N..];
                lanes.store_part(lanes.add(lanes.load_part(to), four[v]), to);
            }
        }
    }
}
