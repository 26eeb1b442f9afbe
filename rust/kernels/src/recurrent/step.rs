//! A single step, from and to rows without padding: both products and the cell in one tile.

use super::cell::{lstm, rnn};
use super::pack::Cell;
use super::recur::{load_four, part};
use super::tile::{ACROSS, accumulate, rows_at, tiles};
use super::{Kind, expect};
use crate::simd::dispatched;
use crate::simd::numbers::{Both, Float, Numbers};
use crate::{Result, Task};

/// A step for all rows: x (B, I), h (B, H) and, of an LSTM, c (B, H); writes h and c after it.
///
/// # Errors
/// [`Error::Invalid`] where lengths do not fit, [`Error::Interrupted`].
pub fn step<T: Float>(
    cell: &Cell<T>,
    x: &[T],
    h: &[T],
    c: &[T],
    to_h: &mut [T],
    to_c: &mut [T],
    task: &Task,
) -> Result<()> {
    let batch = h.len() / cell.hidden;
    let cells = if cell.kind == Kind::Lstm { batch } else { 0 };
    expect("x", x, &[batch, cell.inputs])?;
    for (name, numbers, rows) in [("h", h, batch), ("h", &*to_h, batch), ("c", c, cells), ("c", &*to_c, cells)] {
        expect(name, numbers, &[rows, cell.hidden])?;
    }
    step_of(cell, batch, x, h, c, to_h, to_c, task);
    task.check()
}

dispatched!(fn step_of[T: Float](cell: &Cell<T>, batch: usize, x: &[T], h: &[T], c: &[T], to_h: &mut [T], to_c: &mut [T], task: &Task) -> () = step_run);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_run<L: Both, T: Float>(
    lanes: L,
    cell: &Cell<T>,
    batch: usize,
    x: &[T],
    h: &[T],
    c: &[T],
    to_h: &mut [T],
    to_c: &mut [T],
    task: &Task,
) {
    let lanes = T::lanes(lanes);
    let (hidden, n) = (cell.hidden, lanes.n());
    for panel in 0..cell.panels {
        let (ih, hh, bias) = (part(&cell.ih, panel, cell), part(&cell.hh, panel, cell), part(&cell.bias, panel, cell));
        tiles!(<T::Lanes<L> as Numbers<T>>::HIGH, batch, |first, M| {
            if task.interrupted() {
                return;
            }
            let mut acc = [[load_four(lanes, bias); M]];
            accumulate(lanes, rows_at::<T, M>(x, cell.inputs, first, 0..cell.inputs), [ih], cell.inputs, &mut acc);
            accumulate(lanes, rows_at::<T, M>(h, hidden, first, 0..hidden), [hh], hidden, &mut acc);
            for m in 0..M {
                let row = (first + m) * hidden;
                let end = row + hidden;
                match cell.kind {
                    Kind::Lstm => {
                        let at = row + panel * n;
                        let to = at..end.min(at + n);
                        let mut memory = [lanes.load_part(&c[to.clone()])];
                        let [state] = lstm(lanes, &mut [acc[0][m]], &mut memory);
                        lanes.store_part(state, &mut to_h[to.clone()]);
                        lanes.store_part(memory[0], &mut to_c[to]);
                    }
                    Kind::Rnn(nonlinearity) => {
                        let new = rnn(lanes, nonlinearity, acc[0][m]);
                        for v in 0..ACROSS {
                            let at = row + (panel * ACROSS + v) * n;
                            if at < end {
                                lanes.store_part(new[v], &mut to_h[at..end.min(at + n)]);
                            }
                        }
                    }
                }
            }
        });
    }
}
