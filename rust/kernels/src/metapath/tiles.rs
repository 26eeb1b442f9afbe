//! Many paths per node: M in tiles, of which all but the best is forgotten.
//!
//! - Equal rows are searched for once, see [`Twins`].
//! - Classes are in the order of M_xx. By Cauchy and Schwarz s(x, y) <= 2 √(M_xx M_yy) / (M_xx + M_yy), so the search goes
//!   outwards from x, tile by tile, and ends on either side where this falls below the k-th best score so far.
//! - A few columns of W hold most of the work. They are stored in full, a byte per class, and 16 classes are summed at
//!   a time; the others are lists of classes.
//! - Sums are 16 bits wide, since M_xy <= √(M_xx M_yy) < 2¹⁶. Before a score is divided out, the greatest sum of 64 classes is
//!   held against the least that could be among the best.
//!
//! Not for hubs with 256 paths or more over one middle node ([`Tiles::fit`] says no), nor for queries with little work each,
//! which the preparation, or the sweep over all classes, would outweigh.

use super::half::{Half, MARGIN, Scratches, Value};
use super::select::{Best, Match};
use super::twins::{NONE, Twins};
use crate::parallel::{Watch, each, filled, reserve, zeros};
use crate::simd::dispatched;
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::Range;

/// Classes in a tile: its sums stay in the first-level cache.
const TILE: usize = 2048;
/// Classes whose greatest sum is looked at.
const GROUP: usize = 64;
/// A column with one entry in so many classes, or more, is stored in full: then adding 16 bytes at a time costs less
/// than adding entry by entry.
const DENSE: usize = 48;
/// Bytes of the columns stored in full, at most.
const DENSE_BYTES: usize = 32 << 20;
/// Multiplications per stored entry from which the preparation pays.
const WORTH: u64 = 64;
/// Classes that are swept in the time of one multiplication outside tiles, about.
const SWEPT: u64 = 16;

/// The half matrix with its classes, its full columns and its lists.
#[derive(Debug)]
pub(super) struct Tiles {
    twins: Twins,
    /// M_xx of each class, ascending.
    norms: Vec<u32>,
    /// `width` bytes of each full column.
    full: Vec<u8>,
    width: usize,
    n_full: usize,
    /// Where the classes of the other columns start.
    list_starts: Vec<usize>,
    list: Vec<(u32, u8)>,
    /// Where rows start: (column, value), full columns first, numbered from 0; then the others, numbered from `n_full`.
    row_starts: Vec<usize>,
    row: Vec<(u32, u8)>,
}

/// What one thread writes into.
#[derive(Debug)]
struct Scratch {
    sums: Vec<u16>,
    peaks: Vec<u16>,
    cursors: Vec<Cursor>,
    best: Best,
}

/// How far a list was read to either side.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    weight: u16,
    start: usize,
    left: usize,
    right: usize,
    end: usize,
}

/// What is searched for: a class, and where its row splits into full columns and lists.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    norm: u32,
    full: &'a [(u32, u8)],
}

/// On which side of x a tile lies; its own counts as one on the right.
#[derive(Clone, Copy, Debug)]
enum Side {
    Left,
    Right,
}

/// Where the answer to a query goes.
type Slot<'a> = (u32, &'a mut [i64], &'a mut [f64]);

impl Tiles {
    /// Whether sums fit, and so many multiplications for so many queries are worth the preparation and the sweep over all
    /// classes that each query may come to.
    pub fn fit(half: &Half<'_, u16>, multiplications: u64, queries: usize) -> bool {
        let swept = queries as u64 * half.len() as u64;
        multiplications >= WORTH * half.n_entries() as u64
            && multiplications >= swept / SWEPT
            && half.norms.iter().all(|&norm| norm <= u16::MAX.into())
    }

    /// Prepares them in O(entries).
    pub fn new(half: &Half<'_, u16>, task: &Task) -> Result<Self> {
        const WHAT: &str = "the tiles of the half matrix";
        let (twins, mut watch) = (Twins::new(half, task)?, Watch::new(task));
        let n = twins.len();
        let first = |class: usize| twins.members(class)[0] as usize;
        let mut norms = reserve(n, WHAT)?;
        norms.extend((0..n).map(|class| half.norms[first(class)]));

        let mut counts = filled(half.n_columns(), 0usize, WHAT)?;
        let mut n_entries = 0;
        for class in 0..n {
            let columns = half.row(first(class)).0;
            n_entries += columns.len();
            columns.iter().for_each(|&column| counts[column as usize] += 1);
            watch.took(1 + columns.len())?;
        }
        let width = n.next_multiple_of(GROUP);
        let mut dense: Vec<u32> = reserve(counts.len(), WHAT)?;
        dense.extend((0..counts.len() as u32).filter(|&column| counts[column as usize] * DENSE >= width.max(1)));
        dense.sort_by_key(|&column| std::cmp::Reverse(counts[column as usize]));
        dense.truncate(DENSE_BYTES / width.max(1));
        let n_full = dense.len();
        let mut number = filled(counts.len(), NONE, WHAT)?;
        dense.iter().enumerate().for_each(|(at, &column)| number[column as usize] = at as u32);
        let mut list_starts = reserve(counts.len() + 2, WHAT)?;
        list_starts.extend([0, 0]);
        let mut listed = 0;
        for (number, &count) in number.iter_mut().zip(&counts).filter(|(number, _)| **number == NONE) {
            *number = (n_full + list_starts.len() - 2) as u32;
            listed += count;
            list_starts.push(listed);
        }

        let mut full = zeros(n_full * width, WHAT)?;
        let mut list = filled(listed, (0, 0), WHAT)?;
        let mut row_starts = reserve(n + 1, WHAT)?;
        row_starts.push(0);
        let mut row: Vec<(u32, u8)> = reserve(n_entries, WHAT)?;
        for class in 0..n {
            let (columns, values) = half.row(first(class));
            let start = row.len();
            row.extend(columns.iter().zip(values).map(|(&column, &value)| (number[column as usize], value as u8)));
            row[start..].sort_unstable_by_key(|&(column, _)| column);
            for &(column, value) in &row[start..] {
                if (column as usize) < n_full {
                    full[column as usize * width + class] = value;
                } else {
                    let at = &mut list_starts[column as usize - n_full + 1];
                    list[*at] = (class as u32, value);
                    *at += 1;
                }
            }
            row_starts.push(row.len());
            watch.took(1 + columns.len())?;
        }
        list_starts.pop();
        Ok(Self { twins, norms, full, width, n_full, list_starts, list, row_starts, row })
    }

    /// Fills the answers to the queries, k numbers each.
    pub fn top_k(
        &self,
        k: usize,
        queries: Option<&[i64]>,
        include_self: bool,
        (nodes, scores): (&mut [i64], &mut [f64]),
        task: &Task,
    ) -> Result<()> {
        const WHAT: &str = "the order of queries";
        let mut slots = reserve(nodes.len() / k, WHAT)?;
        for (at, (nodes, scores)) in nodes.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k)).enumerate() {
            let query = queries.map_or(at, |queries| queries[at] as usize);
            if self.twins.class_of[query] != NONE {
                slots.push((query as u32, nodes, scores));
            }
        }
        let class_of = |slot: &Slot<'_>| self.twins.class_of[slot.0 as usize];
        if slots.len() > 1 {
            slots.par_sort_by_key(class_of);
        }
        let scratches = Scratches::new();
        let mut groups: Vec<&mut [Slot<'_>]> = reserve(slots.len().min(self.twins.len()), WHAT)?;
        groups.extend(slots.chunk_by_mut(|a, b| class_of(a) == class_of(b)));
        each(groups, |slots| {
            let make = || {
                let (sums, peaks) = (zeros(TILE, "the sums of a tile")?, zeros(TILE / GROUP, "the sums of a tile")?);
                Ok(Scratch { sums, peaks, cursors: Vec::new(), best: Best::default() })
            };
            scratches.with(make, |scratch| {
                let class = class_of(&slots[0]) as usize;
                // Another one, because a query is not its own answer.
                let best = self.search(class, k.saturating_add(usize::from(!include_self)), scratch);
                for (query, nodes, scores) in slots.iter_mut() {
                    let found = best.iter().filter(|found| include_self || found.node != *query);
                    for ((found, node), score) in found.zip(nodes.iter_mut()).zip(scores.iter_mut()) {
                        (*node, *score) = (found.node.into(), found.score);
                    }
                }
                task.advance(slots.len())
            })
        })
    }

    /// The nodes most similar to those of class x, these included.
    fn search<'s>(&self, x: usize, wanted: usize, scratch: &'s mut Scratch) -> &'s [Match] {
        let Scratch { sums, peaks, cursors, best } = scratch;
        best.start(wanted);
        if self.twins.members(x).len() >= wanted {
            // Others score less than 1: with M_xx < 2¹⁶ no quotient comes near enough to be rounded up to it.
            self.offer(x, 1.0, best);
            return best.finish();
        }
        let entries = &self.row[self.row_starts[x]..self.row_starts[x + 1]];
        let (full, lists) = entries.split_at(entries.partition_point(|&(column, _)| (column as usize) < self.n_full));
        let query = Query { norm: self.norms[x], full };
        let own = x / TILE;
        cursors.clear();
        cursors.extend(lists.iter().map(|&(column, weight)| {
            let column = column as usize - self.n_full;
            let (start, end) = (self.list_starts[column], self.list_starts[column + 1]);
            let at = start + self.list[start..end].partition_point(|&(class, _)| (class as usize) < own * TILE);
            Cursor { weight: weight.into(), start, left: at, right: at, end }
        }));
        let n = self.norms.len();
        let tile = |tile: usize| tile * TILE..n.min((tile + 1) * TILE);
        self.tile(query, tile(own), Side::Right, x - own * TILE, (sums, peaks, cursors, best));
        let (mut left, mut right) = (own, own + 1);
        let (mut go_left, mut go_right) = (true, true);
        loop {
            go_right = go_right && right * TILE < n && query.reaches(self.norms[right * TILE], best);
            if go_right {
                self.tile(query, tile(right), Side::Right, 0, (sums, peaks, cursors, best));
                right += 1;
            }
            go_left = go_left && left > 0 && query.reaches(self.norms[left * TILE - 1], best);
            if go_left {
                left -= 1;
                self.tile(query, tile(left), Side::Left, TILE - 1, (sums, peaks, cursors, best));
            }
            if !go_left && !go_right {
                return best.finish();
            }
        }
    }

    /// Sums one tile of a row of M, and offers what may be among the best, from the place `from` outwards.
    fn tile(
        &self,
        query: Query<'_>,
        tile: Range<usize>,
        side: Side,
        from: usize,
        (sums, peaks, cursors, best): (&mut [u16], &mut [u16], &mut [Cursor], &mut Best),
    ) {
        let start = tile.start;
        let width = tile.len().next_multiple_of(GROUP);
        let (sums, peaks) = (&mut sums[..width], &mut peaks[..width / GROUP]);
        sum_full(sums, &self.full, self.width, start, query.full);
        for cursor in cursors {
            let weight = cursor.weight;
            let mut add = |class: u32, value: u8| {
                let sum = &mut sums[class as usize - start];
                *sum = sum.wrapping_add(weight.wrapping_mul(value.into()));
            };
            match side {
                Side::Right => {
                    let rest = &self.list[cursor.right..cursor.end];
                    let here = rest.iter().take_while(|&&(class, _)| (class as usize) < tile.end);
                    cursor.right += here.map(|&(class, value)| add(class, value)).count();
                }
                Side::Left => {
                    let rest = &self.list[cursor.start..cursor.left];
                    let here = rest.iter().rev().take_while(|&&(class, _)| class as usize >= start);
                    cursor.left -= here.map(|&(class, value)| add(class, value)).count();
                }
            }
        }
        find_peaks(sums, peaks);
        let own = from.min(width - 1) / GROUP;
        for group in (own..peaks.len()).chain((0..own).rev()) {
            let first = start + group * GROUP;
            let mut least = query.least(self.norms[first], best);
            if u32::from(peaks[group]) < least {
                continue;
            }
            for (class, &sum) in (first..).zip(&sums[group * GROUP..][..GROUP]) {
                if u32::from(sum) < least {
                    continue;
                }
                let score = u16::score(sum.into(), query.norm, self.norms[class]);
                if score >= best.threshold() {
                    self.offer(class, score, best);
                    least = query.least(self.norms[first], best);
                }
            }
        }
    }

    /// Offers the members of a class. They ascend and score alike, so none is taken after one that is not.
    fn offer(&self, class: usize, score: f64, best: &mut Best) {
        for &node in self.twins.members(class) {
            if !best.offer(Match { score, node }) {
                break;
            }
        }
    }
}

impl Query<'_> {
    /// Whether classes with this M_yy, or one further from M_xx, may be among the best.
    fn reaches(self, norm: u32, best: &Best) -> bool {
        let (x, y) = (f64::from(self.norm), f64::from(norm));
        2.0 * (x * y).sqrt() >= best.threshold() * (x + y) * MARGIN
    }

    /// The least M_xy that may be among the best where M_yy is `norm` or more.
    fn least(self, norm: u32, best: &Best) -> u32 {
        u16::least(best.threshold(), self.norm, norm)
    }
}

dispatched! {
    /// sums = the full columns of a row, from class `start` on, times their weights.
    fn sum_full[](sums: &mut [u16], full: &[u8], width: usize, start: usize, terms: &[(u32, u8)]) -> () = sum_full_inner
}

#[inline(always)]
fn sum_full_inner<L>(_lanes: L, sums: &mut [u16], full: &[u8], width: usize, start: usize, terms: &[(u32, u8)]) {
    let len = sums.len();
    let column = |&(column, _): &(u32, u8)| &full[column as usize * width + start..][..len];
    sums.fill(0);
    let mut fours = terms.chunks_exact(4);
    for four in &mut fours {
        let [a, b, c, d] = [column(&four[0]), column(&four[1]), column(&four[2]), column(&four[3])];
        let [p, q, r, s] = [four[0].1, four[1].1, four[2].1, four[3].1].map(u16::from);
        for i in 0..len {
            let ab = p.wrapping_mul(a[i].into()).wrapping_add(q.wrapping_mul(b[i].into()));
            let cd = r.wrapping_mul(c[i].into()).wrapping_add(s.wrapping_mul(d[i].into()));
            sums[i] = sums[i].wrapping_add(ab.wrapping_add(cd));
        }
    }
    for term in fours.remainder() {
        let (a, p) = (column(term), u16::from(term.1));
        for i in 0..len {
            sums[i] = sums[i].wrapping_add(p.wrapping_mul(a[i].into()));
        }
    }
}

dispatched! {
    /// The greatest sum of each group.
    fn find_peaks[](sums: &[u16], peaks: &mut [u16]) -> () = find_peaks_inner
}

#[inline(always)]
fn find_peaks_inner<L>(_lanes: L, sums: &[u16], peaks: &mut [u16]) {
    for (group, peak) in sums.chunks_exact(GROUP).zip(peaks) {
        *peak = group.iter().fold(0, |peak, &sum| peak.max(sum));
    }
}
