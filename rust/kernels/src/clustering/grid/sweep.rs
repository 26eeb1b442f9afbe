//! Which cells are near which: a sweep over the sorted cells that keeps one pair of pointers for each row of
//! neighbouring cells.
//!
//! Cells are sorted by row (every coordinate but x), then by the step along it (x first), so the near cells of a cell in
//! one row are one run of cells, and so one run of points. As the sweep goes on, the runs only move forward: finding all of them costs
//! O(1) amortised per cell and row offset, without a hash table and without storing neighbours.

use std::ops::Range;

/// The non-empty cells, sorted by row and step.
pub(super) struct Cells {
    /// Points of cell c: `starts[c]..starts[c + 1]`.
    pub starts: Vec<u32>,
    /// The place of each cell, see [`place`]; then [`AHEAD`] places beyond all cells.
    pub places: Vec<i64>,
    /// The key of each non-empty row, ascending.
    pub rows: Vec<u64>,
    /// Cells of row r: `row_starts[r]..row_starts[r + 1]`.
    pub row_starts: Vec<u32>,
    /// Steps in one column of a row, that is cells of one x; a power of two.
    pub column: u32,
}

/// Places looked at together.
pub(super) const AHEAD: usize = 4;

/// Number of the non-empty row, then the step along it: never falls from cell to cell. (Signed, because vector
/// instructions compare signed numbers.)
pub(super) fn place(row: usize, step: u32) -> i64 {
    (row as i64) << 32 | i64::from(step)
}

/// A row offset, and how many steps before and after its own column the neighbours of a cell may lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub row: i64,
    pub steps: u32,
}

impl Cells {
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The points of a run of cells.
    #[inline]
    pub fn points(&self, cells: Range<u32>) -> Range<usize> {
        self.starts[cells.start as usize] as usize..self.starts[cells.end as usize] as usize
    }
}

/// Where the sweep stands in a near row.
struct Window {
    row: usize,
    low: usize,
    high: usize,
    reach: u32,
}

/// Walks over consecutive cells and yields the runs of cells near each, one per near row, in the same table or in
/// another one of the same lattice.
pub(super) struct Sweep<'a> {
    of: &'a Cells,
    near: &'a Cells,
    reach: &'a [Reach],
    row: usize,
    /// The first step of the column of the cell.
    column: u32,
    /// For each row offset, the first row that is not before it.
    targets: Vec<usize>,
    /// The near rows that exist.
    windows: Vec<Window>,
}

impl<'a> Sweep<'a> {
    /// A sweep over the cells of `of` from `cell` on, to cells of `near` in the rows that `reach` tells.
    pub fn new(of: &'a Cells, near: &'a Cells, reach: &'a [Reach], cell: usize) -> Self {
        let row = of.row_starts.partition_point(|&start| start as usize <= cell) - 1;
        let key = |reach: &Reach| of.rows[row].wrapping_add_signed(reach.row);
        let targets = reach.iter().map(|reach| near.rows.partition_point(|&k| k < key(reach))).collect();
        let mut sweep = Self { of, near, reach, row, column: 0, targets, windows: Vec::new() };
        sweep.enter();
        // A run may start far along its row.
        let column = sweep.column_of(cell);
        for window in &mut sweep.windows {
            let end = near.row_starts[window.row + 1] as usize;
            let before = place(window.row, column.saturating_sub(window.reach));
            window.low += near.places[window.low..end].partition_point(|&here| here < before);
        }
        sweep
    }

    /// Goes to a cell, and tells how many near rows there are. Cells must be asked for in rising order; those that
    /// nobody asks for cost nothing but the way past them.
    #[inline(always)]
    pub fn seek(&mut self, cell: usize) -> usize {
        if cell >= self.of.row_starts[self.row + 1] as usize {
            while cell >= self.of.row_starts[self.row + 1] as usize {
                self.row += 1;
            }
            self.enter();
        }
        self.column = self.column_of(cell);
        self.windows.len()
    }

    /// The near cells in one of the near rows; nearer rows come earlier.
    #[inline(always)]
    pub fn near(&mut self, row: usize) -> Range<u32> {
        let (window, places) = (&mut self.windows[row], &self.near.places);
        window.low = first_from(places, window.low, place(window.row, self.column.saturating_sub(window.reach)));
        let after = place(window.row, self.column + window.reach + self.near.column);
        window.high = first_from(places, window.high.max(window.low), after);
        window.low as u32..window.high as u32
    }

    #[inline(always)]
    fn column_of(&self, cell: usize) -> u32 {
        let step = self.of.places[cell] as u32;
        step & !(self.of.column - 1)
    }

    /// Opens the windows of a new row.
    fn enter(&mut self) {
        let cells = self.near;
        let key = self.of.rows[self.row];
        self.windows.clear();
        for (target, reach) in self.targets.iter_mut().zip(self.reach) {
            let wanted = key.wrapping_add_signed(reach.row);
            while *target < cells.rows.len() && cells.rows[*target] < wanted {
                *target += 1;
            }
            if cells.rows.get(*target) == Some(&wanted) {
                let low = cells.row_starts[*target] as usize;
                self.windows.push(Window { row: *target, low, high: low, reach: reach.steps });
            }
        }
    }
}

/// The first cell from `at` on whose place is not below `place`. Counting several places at once spares a branch that
/// no processor can foresee.
#[inline(always)]
fn first_from(places: &[i64], mut at: usize, place: i64) -> usize {
    loop {
        let passed = places[at..at + AHEAD].iter().filter(|&&here| here < place).count();
        at += passed;
        if passed < AHEAD {
            return at;
        }
    }
}
