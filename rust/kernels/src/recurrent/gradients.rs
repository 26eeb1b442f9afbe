//! The derivatives by the weights: the sum over rows of dG ⊗ [x, h, 1].
//!
//! The rows of x and of h become panels, in which a term is a row; the threads share the outputs. A sum is taken over blocks
//! of rows, each from zero, and the blocks are added in order, and then the sums of the halves of a batch: fewer roundings
//! follow each other than in one chain, and a block of some outputs stays in the first cache while the panels pass by.

use super::pack::size;
use super::product::{Columns, add_transposed, pack_tiles};
use super::tile::{ACROSS, Sum};
use crate::parallel::{Unwritten, share};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Result, Task};
use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

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
    pub w_ih: Vec<T>,
    pub w_hh: Vec<T>,
    pub b: Vec<T>,
}

impl<T: Float> Sums<T> {
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
}

/// Room for sums, to which nobody writes zeros first: the first rows write what they give.
pub(super) struct Room<T> {
    inputs: usize,
    hidden: usize,
    w_ih: Unwritten<T>,
    w_hh: Unwritten<T>,
    b: Unwritten<T>,
}

/// Pieces of work of which each may be taken up by any thread.
pub(super) type Pieces<'a, T> = Vec<Mutex<Piece<'a, T>>>;

impl<T: Float> Room<T> {
    pub(super) fn new(outputs: usize, inputs: usize, hidden: usize) -> Result<Self> {
        let what = "the derivatives by the weights";
        let room = |width| Unwritten::new(size(&[outputs, width], what, size_of::<T>())?, what);
        Ok(Self { inputs, hidden, w_ih: room(inputs)?, w_hh: room(hidden)?, b: room(1)? })
    }

    /// What `work` sums, which is given the outputs of each room in pieces of work for so many threads.
    pub(super) fn filled(
        mut rooms: Vec<Self>,
        threads: usize,
        work: impl FnOnce(&[Pieces<'_, T>]) -> Result<()>,
    ) -> Result<Vec<Sums<T>>> {
        let pieces: Vec<Pieces<'_, T>> = rooms.iter_mut().map(|room| room.pieces(threads)).collect();
        work(&pieces)?;
        for piece in pieces.into_iter().flatten() {
            piece.into_inner().unwrap_or_else(PoisonError::into_inner).end();
        }
        // SAFETY: the pieces of a room are all its outputs, and what no block had given to was written by `end`.
        #[allow(unsafe_code)]
        let written =
            |room: Self| unsafe { Sums { w_ih: room.w_ih.written(), w_hh: room.w_hh.written(), b: room.b.written() } };
        Ok(rooms.into_iter().map(written).collect())
    }

    fn pieces(&mut self, threads: usize) -> Pieces<'_, T> {
        let Self { inputs, hidden, w_ih, w_hh, b } = self;
        let (mut w_ih, mut w_hh, mut b, mut first) = (w_ih.places(), w_hh.places(), b.places(), 0);
        let most = if threads == 1 { b.len() } else { b.len().div_ceil(PIECES * threads).next_multiple_of(TILE) };
        let mut pieces = Vec::new();
        while !b.is_empty() {
            let n = most.min(b.len());
            let (ih, hh, bias);
            (ih, w_ih) = w_ih.split_at_mut(n * *inputs);
            (hh, w_hh) = w_hh.split_at_mut(n * *hidden);
            (bias, b) = b.split_at_mut(n);
            pieces.push(Mutex::new(Piece { first, sums: Three { w_ih: ih, w_hh: hh, b: bias }, begun: false }));
            first += n;
        }
        pieces
    }
}

/// Some outputs, from `first` on, and their sums.
pub(super) struct Piece<'a, T> {
    first: usize,
    sums: Three<'a, MaybeUninit<T>>,
    /// Whether all sums have been written.
    begun: bool,
}

/// The sums of some outputs.
struct Three<'a, S> {
    w_ih: &'a mut [S],
    w_hh: &'a mut [S],
    b: &'a mut [S],
}

impl<T: Float> Piece<'_, T> {
    /// The sums, once they have been begun.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn so_far(&mut self) -> Three<'_, T> {
        assert!(self.begun);
        let Three { w_ih, w_hh, b } = &mut self.sums;
        // SAFETY: of the same layout, and all of them have been written: `piece_run` asserts that a block gives to each.
        let [w_ih, w_hh, b] = [w_ih, w_hh, b].map(|sums| unsafe { &mut *(std::ptr::from_mut(*sums) as *mut [T]) });
        Three { w_ih, w_hh, b }
    }

    /// Leaves zeros where there was no row.
    fn end(self) {
        if !self.begun {
            let Three { w_ih, w_hh, b } = self.sums;
            [w_ih, w_hh, b].into_iter().for_each(|sums| sums.fill(MaybeUninit::new(T::ZERO)));
        }
    }
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
    let columns = [inputs, hidden];
    // A block gives to every sum: so says `begun`.
    let (wide, outputs, sums) = (ACROSS * lanes.n(), piece.sums.b.len(), &piece.sums);
    assert_eq!(panels.len(), inputs.div_ceil(wide) + hidden.div_ceil(wide));
    assert_eq!([sums.w_ih.len(), sums.w_hh.len()], columns.map(|columns| outputs * columns));
    // About equally many, which is what they are where a stretch is no whole number of blocks.
    let rows = d.len().div_ceil(d.len().div_ceil(BLOCK).max(1)).max(1);
    for (at, d) in d.chunks(rows).enumerate() {
        let block = Block { d, panels, from: at * rows, first: piece.first };
        if piece.begun {
            block_of(lanes, block, &mut piece.so_far(), columns);
        } else {
            block_of(lanes, block, &mut piece.sums, columns);
            piece.begun = true;
        }
    }
}

/// Some rows of a stretch, `from` one on, and the output with which a piece begins.
#[derive(Clone, Copy)]
struct Block<'a, T> {
    d: &'a [&'a [T]],
    panels: &'a [&'a [T]],
    from: usize,
    first: usize,
}

/// What a block gives to each sum.
#[inline(always)]
fn block_of<T: Float, S: Sum<T>, L: Numbers<T>>(
    lanes: L,
    block: Block<'_, T>,
    sums: &mut Three<'_, S>,
    [inputs, hidden]: [usize; 2],
) {
    let Block { d, panels, from, first } = block;
    let wide = ACROSS * L::N;
    let x_panels = inputs.div_ceil(wide);
    let mut room = [T::ZERO; OUTPUTS * BLOCK];
    for output in (0..sums.b.len()).step_by(OUTPUTS) {
        let end = sums.b.len().min(output + OUTPUTS);
        let tiles = &mut room[..(end - output) * d.len()];
        pack_tiles(lanes, d, first + output, tiles);
        for panel in 0..panels.len() {
            let (to, columns, first_column) = if panel < x_panels {
                (&mut sums.w_ih[output * inputs..end * inputs], inputs, panel * wide)
            } else {
                (&mut sums.w_hh[output * hidden..end * hidden], hidden, (panel - x_panels) * wide)
            };
            let w = &panels[panel][from * wide..][..d.len() * wide];
            add_transposed(lanes, Columns::Packed(tiles), w, to, columns, first_column);
        }
    }
    add_rows(lanes, d, first, sums.b);
}

/// Adds what rows are from `first` on.
#[inline(always)]
fn add_rows<T: Float, S: Sum<T>, L: Numbers<T>>(lanes: L, rows: &[&[T]], first: usize, sums: &mut [S]) {
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
                S::take(lanes, four[v], &mut to[v * L::N..]);
            }
        }
    }
}
