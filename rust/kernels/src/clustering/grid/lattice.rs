//! From rows to sorted points and cells.

use super::super::metric::{Real, Rows};
use super::Grid;
use super::sort::RadixSort;
use super::space::{AT_ONCE, Points};
use super::sweep::{AHEAD, Cells, Reach, place};
use crate::parallel::{filled, split_runs};
use crate::{Result, Task};
use rayon::prelude::*;

/// Cells along one coordinate: the rounding of a cell's number stays far below [`SLACK`].
const MOST_CELLS: f64 = (1u64 << 29) as f64;
/// How much smaller than in theory a cell is, relatively: rounding cannot break "one cell, neighbours".
const SLACK: f64 = 1.0 / (1u64 << 18) as f64;
/// Points handled between two looks at the task.
const RUN: usize = 1 << 14;
/// Rows read ahead of their use.
const FAR: usize = 64;

/// Where the cells are.
///
/// A row of cells is [`BLOCK`] cells wide along each coordinate but x: a cell then has 3 near rows in the plane and 9 in
/// space instead of 5 and 25, for somewhat more pairs to test.
pub(super) struct Lattice<const D: usize> {
    low: [f64; D],
    per_cell: f64,
    /// How many values each of the [`steps`](Self::steps) takes.
    counts: [u64; D],
    /// Distance between the keys of rows that differ by one in z; leaves room so that y never wraps into z.
    stride: u64,
    /// The rows that may hold neighbours, nearest first; the first is the row itself.
    pub reach: Vec<Reach>,
    /// Those of them that are not after it.
    pub reach_back: Vec<Reach>,
}

impl<const D: usize> Lattice<D> {
    /// Where the cell of a point is: how far along its row, counting the cells side by side in one column of the row as
    /// consecutive steps; then y and z of the row.
    #[inline(always)]
    fn steps(&self, point: [f64; D]) -> [u32; D] {
        let mut steps: [u32; D] = std::array::from_fn(|k| ((point[k] - self.low[k]) * self.per_cell) as u32);
        for k in 1..D {
            steps[0] = steps[0] * BLOCK + steps[k] % BLOCK;
            steps[k] /= BLOCK;
        }
        steps
    }

    #[inline(always)]
    fn row_and_step(&self, point: [f64; D]) -> (u64, u32) {
        let steps = self.steps(point);
        let y = if D > 1 { u64::from(steps[1 % D]) } else { 0 };
        let z = if D > 2 { u64::from(steps[2 % D]) } else { 0 };
        // Offset by one z so that no key of a near row falls below 0.
        ((z + MARGIN) * self.stride + y + MARGIN, steps[0])
    }
}

/// Cells side by side in a row.
const BLOCK: u32 = 2;

/// More than any reach of rows.
const MARGIN: u64 = 8;

impl<const D: usize> Lattice<D> {
    /// A lattice over all rows of some tables, for neighbours within `eps` by the L`p` norm; `None` where they span too
    /// many cells.
    pub fn over<T: Real>(tables: &[Rows<'_, T>], eps: f64, p: f64) -> Option<Self> {
        let (low, high) = tables.iter().map(|&rows| bounds(rows)).reduce(join)?;
        let diameter = (D as f64).powf(1.0 / p);
        let side = eps / diameter * (1.0 - SLACK);
        let spans: [f64; D] = std::array::from_fn(|k| (high[k] - low[k]) / side);
        if !spans.iter().all(|&span| span < MOST_CELLS) {
            return None;
        }
        let across = |k: usize| spans[k] as u64 + 2;
        let counts: [u64; D] = std::array::from_fn(|k| match k {
            0 => across(0) * u64::from(column(D)),
            k => across(k).div_ceil(u64::from(BLOCK)),
        });
        let stride = counts[1 % D] + 2 * MARGIN;
        let reach = reach::<D>(p, stride as i64);
        let reach_back = reach.iter().copied().filter(|reach| reach.row <= 0).collect();
        Some(Self { low, per_cell: 1.0 / side, counts, stride, reach, reach_back })
    }

    /// Sorts the rows into cells. Points of one cell that have different tags get cells of their own, by rising tag;
    /// tags use at most `tag_bits` bits.
    pub fn grid<T: Real>(
        &self,
        rows: Rows<'_, T>,
        tag: impl Fn(usize) -> u32 + Sync,
        tag_bits: u32,
        task: &Task,
    ) -> Result<Grid<D>> {
        let order = self.sorted(rows, &tag, tag_bits, task)?;
        let columns = gathered(rows, &order, task)?;
        let points = Points { columns, order };
        let cells = self.cells(&points, tag, task)?;
        Ok(Grid { points, cells })
    }

    fn sorted<T: Real>(
        &self,
        rows: Rows<'_, T>,
        tag: &(impl Fn(usize) -> u32 + Sync),
        tag_bits: u32,
        task: &Task,
    ) -> Result<Vec<u32>> {
        let mut sort = RadixSort::identity(rows.len())?;
        sort.by_key(task, tag_bits, tag)?;
        let total = self.counts.iter().try_fold(1u64, |product, &count| product.checked_mul(count));
        if let Some(total) = total.filter(|&total| total <= 1 << 32) {
            let strides: [u64; D] = std::array::from_fn(|k| self.counts[..k].iter().product());
            let key = |i| {
                let steps = self.steps(point(rows, i));
                (0..D).map(|k| u64::from(steps[k]) * strides[k]).sum::<u64>() as u32
            };
            sort.by_key(task, bits(total), key)?;
        } else {
            for k in 0..D {
                sort.by_key(task, bits(self.counts[k]), |i| self.steps(point(rows, i))[k])?;
            }
        }
        sort.into_order()
    }

    /// Finds the cells of the sorted points: once to count them, once to write them down.
    pub fn cells(&self, points: &Points<D>, tag: impl Fn(usize) -> u32 + Sync, task: &Task) -> Result<Cells> {
        let n = points.order.len();
        let key = |i: usize| {
            let (row, step) = self.row_and_step(points.at(i));
            (row, step, tag(points.order[i] as usize))
        };
        let runs = n.div_ceil(RUN);
        // Calls found(position, row key, step along it, starts a row) for each cell that starts in a run.
        let scan = |run: usize, found: &mut dyn FnMut(usize, u64, u32, bool)| {
            let mut before = (run > 0).then(|| key(run * RUN - 1));
            for i in run * RUN..n.min((run + 1) * RUN) {
                let here = key(i);
                if before != Some(here) {
                    found(i, here.0, here.1, before.is_none_or(|before| before.0 != here.0));
                }
                before = Some(here);
            }
        };
        let counts: Vec<(usize, usize)> = (0..runs)
            .into_par_iter()
            .map(|run| {
                let mut count = (0, 0);
                scan(run, &mut |_, _, _, new_row| {
                    count.0 += 1;
                    count.1 += usize::from(new_row);
                });
                count
            })
            .collect();
        task.advance(0)?;
        let mut ends = Vec::with_capacity(runs);
        let mut end = (0, 0);
        for (cells, rows) in counts {
            end = (end.0 + cells, end.1 + rows);
            ends.push(end);
        }
        let mut starts = filled(end.0 + 1, n as u32, "the table of cells")?;
        let mut places = filled(end.0 + AHEAD, i64::MAX, "the table of cells")?;
        let mut rows = filled(end.1, 0u64, "the table of rows of cells")?;
        let mut row_starts = filled(end.1 + 1, end.0 as u32, "the table of rows of cells")?;
        let by_cell = || ends.iter().map(|end| end.0);
        let by_row = || ends.iter().map(|end| end.1);
        let pieces: Vec<_> = split_runs(&mut starts, by_cell())
            .into_iter()
            .zip(split_runs(&mut places, by_cell()))
            .zip(split_runs(&mut rows, by_row()))
            .zip(split_runs(&mut row_starts, by_row()))
            .collect();
        pieces.into_par_iter().enumerate().for_each(|(run, (((starts, places), rows), row_starts))| {
            let (first, first_row) = if run > 0 { ends[run - 1] } else { (0, 0) };
            let (mut cell, mut row) = (0, 0);
            scan(run, &mut |position, key, step, new_row| {
                starts[cell] = position as u32;
                if new_row {
                    rows[row] = key;
                    row_starts[row] = (first + cell) as u32;
                    row += 1;
                }
                places[cell] = place(first_row + row - 1, step);
                cell += 1;
            });
        });
        Ok(Cells { starts, places, rows, row_starts, column: column(D) })
    }
}

fn bits(values: u64) -> u32 {
    64 - (values - 1).leading_zeros()
}

#[inline(always)]
fn point<T: Real, const D: usize>(rows: Rows<'_, T>, i: usize) -> [f64; D] {
    let row = rows.row(i);
    std::array::from_fn(|k| row[k].widen())
}

type Bounds<const D: usize> = ([f64; D], [f64; D]);

fn join<const D: usize>(a: Bounds<D>, b: Bounds<D>) -> Bounds<D> {
    (std::array::from_fn(|k| a.0[k].min(b.0[k])), std::array::from_fn(|k| a.1[k].max(b.1[k])))
}

fn bounds<T: Real, const D: usize>(rows: Rows<'_, T>) -> Bounds<D> {
    let nowhere = ([f64::INFINITY; D], [f64::NEG_INFINITY; D]);
    let n = rows.len();
    (0..n.div_ceil(RUN))
        .into_par_iter()
        .map(|run| {
            (run * RUN..n.min((run + 1) * RUN)).fold(nowhere, |found, i| join(found, (point(rows, i), point(rows, i))))
        })
        .reduce(|| nowhere, join)
}

fn gathered<T: Real, const D: usize>(rows: Rows<'_, T>, order: &[u32], task: &Task) -> Result<[Vec<f64>; D]> {
    let n = order.len();
    let mut columns: [Vec<f64>; D] = std::array::from_fn(|_| Vec::new());
    for column in &mut columns {
        *column = filled(n + AT_ONCE, f64::NAN, "the columns of points")?;
    }
    let ends = || (1..=n.div_ceil(RUN)).map(|run| n.min(run * RUN));
    let mut slices: Vec<_> = columns.iter_mut().map(|column| split_runs(column, ends()).into_iter()).collect();
    let runs: Vec<Vec<&mut [f64]>> =
        (0..n.div_ceil(RUN)).map(|_| slices.iter_mut().filter_map(Iterator::next).collect()).collect();
    runs.into_par_iter().zip(order.par_chunks(RUN)).try_for_each(|(mut run, order)| {
        // In two steps, so that the reads of many far rows are under way at once.
        let mut far = [[0.0; D]; FAR];
        for (batch, order) in order.chunks(FAR).enumerate() {
            for (far, &row) in far.iter_mut().zip(order) {
                *far = point(rows, row as usize);
            }
            for (k, column) in run.iter_mut().enumerate() {
                let column = &mut column[batch * FAR..batch * FAR + order.len()];
                column.iter_mut().zip(&far).for_each(|(to, far)| *to = far[k]);
            }
        }
        task.advance(0)
    })?;
    Ok(columns)
}

/// Cells in one column of a row.
const fn column(d: usize) -> u32 {
    BLOCK.pow(d as u32 - 1)
}

/// The rows of cells that can hold neighbours: between cells that lie o apart along a coordinate, the gap is
/// max(|o| − 1, 0) sides, and the Lp norm of the gaps must not exceed eps, the diameter of a cell.
fn reach<const D: usize>(p: f64, stride: i64) -> Vec<Reach> {
    let gap = |o: i64, sides: u32| ((o.abs() - 1).max(0) * i64::from(sides)) as f64;
    let norm = |gaps: [f64; 3]| {
        if p == f64::INFINITY {
            gaps.into_iter().fold(0.0, f64::max)
        } else {
            gaps.into_iter().map(|g| g.powf(p)).sum::<f64>().powf(1.0 / p)
        }
    };
    // A cell is a little smaller than in theory, so a gap that just fits in theory fits; what would need more
    // cannot come within SLACK of it, because gaps are whole sides.
    let limit = (D as f64).powf(1.0 / p) * (1.0 + 8.0 * SLACK);
    let span = |axis: usize| if axis < D { limit as i64 + 1 } else { 0 };
    let mut reach = Vec::new();
    for z in -span(2)..=span(2) {
        for y in -span(1)..=span(1) {
            let fits = |&x: &i64| norm([gap(x, 1), gap(y, BLOCK), gap(z, BLOCK)]) <= limit;
            if let Some(x) = (0..=span(0)).rev().find(fits) {
                reach.push((y.abs() + z.abs(), Reach { row: z * stride + y, steps: x as u32 * column(D) }));
            }
        }
    }
    reach.sort_by_key(|&(distance, reach)| (distance, reach.row));
    reach.into_iter().map(|(_, reach)| reach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_keeps_the_corners() {
        let cells = |d: usize, reach: Vec<Reach>| reach.iter().map(|r| 2 * r.steps + column(d)).sum::<u32>();
        assert_eq!(cells(1, reach::<1>(2.0, 100)), 5);
        assert_eq!(cells(2, reach::<2>(2.0, 100)), 6 * 5);
        assert_eq!(cells(3, reach::<3>(2.0, 100)), 6 * 6 * 5);
        assert_eq!(cells(3, reach::<3>(f64::INFINITY, 100)), 6 * 6 * 5);
        assert_eq!(reach::<3>(2.0, 100)[0], Reach { row: 0, steps: 2 * 4 });
        assert_eq!(reach::<3>(1.0, 100)[0], Reach { row: 0, steps: 4 * 4 });
    }
}
