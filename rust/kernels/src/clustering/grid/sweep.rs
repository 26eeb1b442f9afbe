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

struct Window {
    row: usize,
    low: u32,
    high: u32,
    end: u32,
}

/// Walks over consecutive cells and yields the runs of cells near each.
pub(super) struct Sweep<'a> {
    cells: &'a Cells,
    row: usize,
    windows: Vec<Window>,
    near: Vec<Range<u32>>,
}

impl<'a> Sweep<'a> {
    /// A sweep that starts at `cell`.
    pub fn from(cells: &'a Cells, cell: usize) -> Self {
        let row = cells.row_starts.partition_point(|&start| start as usize <= cell) - 1;
        let key = cells.rows[row];
        let windows = cells
            .reach
            .iter()
            .map(|reach| {
                let target = key.wrapping_add_signed(reach.row);
                let near = cells.rows.partition_point(|&k| k < target);
                let mut window = Window { row: near, low: 0, high: 0, end: 0 };
                window.enter(cells, target);
                window
            })
            .collect();
        Self { cells, row, windows, near: vec![0..0; cells.reach.len()] }
    }

    /// The runs of cells near `cell`, one per row offset (some empty), nearest row first. Cells must be asked for in
    /// rising order; those that nobody asks for cost nothing but the way past them.
    #[inline(always)]
    pub fn near(&mut self, cell: usize) -> &[Range<u32>] {
        let cells = self.cells;
        if cell >= cells.row_starts[self.row + 1] as usize {
            while cell >= cells.row_starts[self.row + 1] as usize {
                self.row += 1;
            }
            let key = cells.rows[self.row];
            for (window, reach) in self.windows.iter_mut().zip(&cells.reach) {
                let target = key.wrapping_add_signed(reach.row);
                while window.row < cells.rows.len() && cells.rows[window.row] < target {
                    window.row += 1;
                }
                window.enter(cells, target);
            }
        }
        let x = cells.xs[cell];
        for ((window, reach), near) in self.windows.iter_mut().zip(&cells.reach).zip(&mut self.near) {
            while window.low < window.end && cells.xs[window.low as usize] + reach.x < x {
                window.low += 1;
            }
            window.high = window.high.max(window.low);
            while window.high < window.end && cells.xs[window.high as usize] <= x + reach.x {
                window.high += 1;
            }
            *near = window.low..window.high;
        }
        &self.near
    }
}

impl Window {
    fn enter(&mut self, cells: &Cells, target: u64) {
        (self.low, self.end) = if cells.rows.get(self.row) == Some(&target) {
            (cells.row_starts[self.row], cells.row_starts[self.row + 1])
        } else {
            (0, 0)
        };
        self.high = self.low;
    }
}
