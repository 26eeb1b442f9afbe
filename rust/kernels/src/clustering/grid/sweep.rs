//! Which cells are near which: a sweep over the sorted cells that keeps one pair of pointers for each row of
//! neighbouring cells.
//!
//! Cells are sorted by row (every coordinate but x), then x, so the near cells of a cell in one row are one run of
//! cells, and so one run of points. As the sweep goes on, the runs only move forward: finding all of them costs
//! O(1) amortised per cell and row offset, without a hash table and without storing neighbours.

use std::ops::Range;

/// The non-empty cells, sorted by row and x.
pub(super) struct Cells {
    /// Points of cell c: `starts[c]..starts[c + 1]`.
    pub starts: Vec<u32>,
    /// The x coordinate of each cell.
    pub xs: Vec<u32>,
    /// The key of each non-empty row, ascending.
    pub rows: Vec<u64>,
    /// Cells of row r: `row_starts[r]..row_starts[r + 1]`.
    pub row_starts: Vec<u32>,
    /// The rows that may hold neighbours, nearest first; the first is the row itself.
    pub reach: Vec<Reach>,
}

/// A row offset, and how far along x neighbours may lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub row: i64,
    pub x: u32,
}

impl Cells {
    pub fn len(&self) -> usize {
        self.xs.len()
    }

    /// The points of a run of cells.
    #[inline]
    pub fn points(&self, cells: Range<u32>) -> Range<usize> {
        self.starts[cells.start as usize] as usize..self.starts[cells.end as usize] as usize
    }
}

/// The part of a near row that is within reach of the present cell.
struct Window {
    low: u32,
    high: u32,
    end: u32,
    reach: u32,
}

/// Walks over consecutive cells and yields the runs of cells near each.
pub(super) struct Sweep<'a> {
    cells: &'a Cells,
    row: usize,
    /// For each row offset, the first row that is not before it.
    targets: Vec<usize>,
    /// The near rows that exist.
    windows: Vec<Window>,
    near: Vec<Range<u32>>,
}

impl<'a> Sweep<'a> {
    /// A sweep that starts at `cell`.
    pub fn from(cells: &'a Cells, cell: usize) -> Self {
        let row = cells.row_starts.partition_point(|&start| start as usize <= cell) - 1;
        let key = |reach: &Reach| cells.rows[row].wrapping_add_signed(reach.row);
        let targets = cells.reach.iter().map(|reach| cells.rows.partition_point(|&k| k < key(reach))).collect();
        let mut sweep = Self { cells, row, targets, windows: Vec::new(), near: Vec::new() };
        sweep.enter();
        sweep
    }

    /// The runs of cells near `cell`, nearest row first (that of the cell itself). Cells must be asked for in rising
    /// order; those that nobody asks for cost nothing but the way past them.
    #[inline(always)]
    pub fn near(&mut self, cell: usize) -> &[Range<u32>] {
        let cells = self.cells;
        if cell >= cells.row_starts[self.row + 1] as usize {
            while cell >= cells.row_starts[self.row + 1] as usize {
                self.row += 1;
            }
            self.enter();
        }
        let x = cells.xs[cell];
        for (window, near) in self.windows.iter_mut().zip(&mut self.near) {
            while window.low < window.end && cells.xs[window.low as usize] + window.reach < x {
                window.low += 1;
            }
            window.high = window.high.max(window.low);
            while window.high < window.end && cells.xs[window.high as usize] <= x + window.reach {
                window.high += 1;
            }
            *near = window.low..window.high;
        }
        &self.near
    }

    /// Opens the windows of a new row.
    fn enter(&mut self) {
        let cells = self.cells;
        let key = cells.rows[self.row];
        self.windows.clear();
        for (target, reach) in self.targets.iter_mut().zip(&cells.reach) {
            let wanted = key.wrapping_add_signed(reach.row);
            while *target < cells.rows.len() && cells.rows[*target] < wanted {
                *target += 1;
            }
            if cells.rows.get(*target) == Some(&wanted) {
                let (low, end) = (cells.row_starts[*target], cells.row_starts[*target + 1]);
                self.windows.push(Window { low, high: low, end, reach: reach.x });
            }
        }
        self.near.clear();
        self.near.resize(self.windows.len(), 0..0);
    }
}
