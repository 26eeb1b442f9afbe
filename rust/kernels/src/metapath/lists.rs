//! The rows by the columns that queries reach, in bands.
//!
//! Rows are read once, one after the other. What a column holds would go to as many places as there are
//! columns, so it is first put by *shelves* of columns, of which a block of rows fills each a little, and
//! then from each shelf into its lists: both stay in the cache.

use super::bands::{BANDS, Bands, NONE};
use super::half::{Half, Scratches, Value};
use crate::parallel::{filled, reserve, room, split_runs, zeros};
use crate::simd::prefetch;
use crate::{Result, Task};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are read together, at most, and about how many entries.
const ROWS: u32 = 14;
const ENTRIES: usize = 1 << 17;
/// Columns of a shelf, at least and at most, and how many shelves there are if that holds.
const COLUMNS: Range<u32> = 10..15;
const SHELVES: u32 = 10;
/// Bits for the band of a row.
const BITS: u32 = 3;
/// Entries of a list from which on marks tell who may be in it, and bits per entry.
const LONG: usize = 1 << 8;
const MARKS: usize = 16;
/// What lies on a shelf tells its column, band and row, in the block, by 32 bits.
const _: () = assert!(COLUMNS.end + BITS + ROWS <= u32::BITS && BANDS < 1 << BITS);
/// No marks.
const SHORT: u32 = u32::MAX;
pub(super) const WHAT: &str = "the lists of the columns that are reached";

/// An element of a list: a row and, unless it is known, its entry.
pub(super) trait Item<V>: Copy + Default + Send + Sync {
    /// Whether it knows its entry.
    const VALUED: bool;
    /// Of a row, or what stands for it.
    fn new(row: u32, value: V) -> Self;
    /// What stands for the row.
    fn row(self) -> u32;
    /// As it is, but for what stands for the row.
    fn at(self, row: u32) -> Self;
    /// The entry, where it is not known this one.
    fn value(self, known: V) -> V;
}

impl<V> Item<V> for u32 {
    const VALUED: bool = false;

    #[inline(always)]
    fn new(row: u32, _: V) -> Self {
        row
    }

    #[inline(always)]
    fn row(self) -> u32 {
        self
    }

    #[inline(always)]
    fn at(self, row: u32) -> Self {
        row
    }

    #[inline(always)]
    fn value(self, known: V) -> V {
        known
    }
}

impl<V: Value> Item<V> for (u32, V) {
    const VALUED: bool = true;

    #[inline(always)]
    fn new(row: u32, value: V) -> Self {
        (row, value)
    }

    #[inline(always)]
    fn row(self) -> u32 {
        self.0
    }

    #[inline(always)]
    fn at(self, row: u32) -> Self {
        (row, self.1)
    }

    #[inline(always)]
    fn value(self, _: V) -> V {
        self.1
    }
}

/// The columns that queries reach, numbered in their order.
#[derive(Debug)]
struct Reached {
    /// Which columns they are, and how many are before each word.
    bits: Vec<u64>,
    before: Vec<u32>,
    len: usize,
}

impl Reached {
    /// Those with a count.
    fn new(counts: &[u32]) -> Result<Self> {
        let (mut bits, mut before) =
            (reserve(counts.len().div_ceil(64), WHAT)?, reserve(counts.len().div_ceil(64), WHAT)?);
        let mut len = 0;
        for counts in counts.chunks(64) {
            let word = counts.iter().rev().fold(0u64, |word, &count| word << 1 | u64::from(count > 0));
            bits.push(word);
            before.push(len as u32);
            len += word.count_ones() as usize;
        }
        Ok(Self { bits, before, len })
    }

    /// Whether a column is one of them.
    #[inline(always)]
    fn has(&self, column: u32) -> bool {
        self.bits[column as usize / 64] >> (column % 64) & 1 != 0
    }

    /// The number of one that is.
    #[inline(always)]
    fn number(&self, column: u32) -> u32 {
        let (word, bit) = (column as usize / 64, column % 64);
        self.before[word] + (self.bits[word] & ((1 << bit) - 1)).count_ones()
    }
}

/// Where the parts of a list are.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(super) struct List {
    /// Where that of each band starts, and where the last ends.
    starts: [u32; BANDS + 1],
    /// Where its marks start on the shelf.
    marks: u32,
}

impl List {
    /// Where a band is.
    #[inline(always)]
    pub fn part(&self, band: usize) -> Range<usize> {
        self.starts[band] as usize..self.starts[band + 1] as usize
    }

    /// How long it is.
    #[inline(always)]
    pub fn len(&self) -> usize {
        (self.starts[BANDS] - self.starts[0]) as usize
    }

    /// Whether it has marks.
    #[inline(always)]
    pub fn is_marked(&self) -> bool {
        self.marks != SHORT
    }
}

/// Whether a row may be in a list: if both of its bits are set in its word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks<'a> {
    words: &'a [u64],
}

/// The word of a row among so many, a power of 2, and its bits.
#[inline(always)]
fn bits_of(row: u32, n_words: usize) -> (usize, u64) {
    let hash = row.wrapping_mul(0x9E37_79B1);
    ((hash >> 12) as usize & (n_words - 1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
}

impl Marks<'_> {
    /// 1 if it may be, else 0.
    #[inline(always)]
    pub fn get(&self, row: u32) -> usize {
        let (word, bits) = bits_of(row, self.words.len());
        usize::from(self.words[word] & bits == bits)
    }
}

/// The lists of all columns that are reached.
#[derive(Debug)]
pub(super) struct Lists<V: Value, I> {
    reached: Reached,
    lists: Vec<List>,
    pub items: Vec<I>,
    /// Of each shelf.
    marks: Vec<Vec<u64>>,
    /// Columns of a shelf, as a power of 2.
    shelf: u32,
    /// The greatest of all entries above the cut.
    pub greatest: V,
}

/// What a thread writes into while it reads rows.
#[derive(Debug)]
struct Room<V> {
    /// How many rows start at an entry.
    begun: Vec<u16>,
    bands: Vec<u8>,
    hits: Vec<(u32, u32)>,
    values: Vec<V>,
}

/// How rows are cut into blocks, and columns into shelves.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rows of a block, and columns of a shelf, as powers of 2.
    rows: u32,
    columns: u32,
    shelves: usize,
}

impl<V: Value, I: Item<V>> Lists<V, I> {
    /// Of the columns with a count.
    pub fn new(half: &Half<'_, V>, counts: &[u32], bands: &Bands<V>, task: &Task) -> Result<Self> {
        let reached = Reached::new(counts)?;
        debug_assert!(reached.len <= 1 << (u32::BITS - BITS), "`few::reached` takes no more: with a band, 32 bits");
        let rows = (half.len() * ENTRIES / half.n_entries().max(1)).max(1).ilog2().min(ROWS);
        let columns = (reached.len.max(1).ilog2() + 1).saturating_sub(SHELVES).clamp(COLUMNS.start, COLUMNS.end);
        let plan = Plan { rows, columns, shelves: reached.len.div_ceil(1 << columns) };
        let blocks = |block: usize| block << rows..((block + 1) << rows).min(half.len());
        let n_blocks = half.len().div_ceil(1 << rows);
        let mut shelved = zeros::<I>(half.n_entries(), WHAT)?;
        let ends = (0..n_blocks).map(|block| half.span(blocks(block)).end);
        let runs = split_runs(&mut shelved, ends);
        let rooms = Scratches::new();
        let make = || Ok(Room { begun: Vec::new(), bands: Vec::new(), hits: Vec::new(), values: Vec::new() });
        let seen: Vec<(Vec<u32>, V)> = runs
            .into_par_iter()
            .enumerate()
            .with_max_len(1)
            .map(|(block, run)| {
                task.check()?;
                rooms.with(make, |room| shelve(half, blocks(block), &reached, bands, plan, room, run))
            })
            .collect::<Result<_>>()?;
        let greatest = seen.iter().map(|seen| seen.1).fold(bands.cut, |a, b| if b > a { b } else { a });

        // What each block put on a shelf.
        let pieces = |shelf: usize| {
            let (shelved, seen) = (&shelved, &seen);
            (0..n_blocks).map(move |block| {
                let ends = &seen[block].0;
                let (start, end) = (if shelf == 0 { 0 } else { ends[shelf - 1] }, ends[shelf]);
                let first = half.span(blocks(block)).start;
                ((block << rows) as u32, &shelved[first + start as usize..first + end as usize])
            })
        };
        let mut total = 0;
        let mut ends = reserve(plan.shelves, WHAT)?;
        for shelf in 0..plan.shelves {
            total += pieces(shelf).map(|(_, piece)| piece.len()).sum::<usize>();
            ends.push(total);
        }
        let mut lists = filled(reached.len, List::default(), WHAT)?;
        let mut items = zeros::<I>(total, WHAT)?;
        let runs = split_runs(&mut items, ends.iter().copied());
        let marks = lists
            .par_chunks_mut(1 << columns)
            .zip(runs)
            .enumerate()
            .with_max_len(1)
            .map(|(shelf, (lists, run))| {
                task.check()?;
                let first = ends[shelf] - run.len();
                distribute(pieces(shelf), plan, first, lists, run);
                mark(first, lists, run)
            })
            .collect::<Result<_>>()?;
        Ok(Self { reached, lists, items, marks, shelf: columns, greatest })
    }

    /// The number of a column that is reached; asks the memory for where its list is.
    #[inline(always)]
    pub fn number(&self, column: u32) -> u32 {
        let number = self.reached.number(column);
        prefetch(&self.lists, number as usize);
        number
    }

    /// Where the list of a number is.
    #[inline(always)]
    pub fn list(&self, number: u32) -> List {
        self.lists[number as usize]
    }

    /// The marks of a list that has some.
    #[inline(always)]
    pub fn marks(&self, number: u32, list: &List) -> Marks<'_> {
        let words = &self.marks[(number >> self.shelf) as usize][list.marks as usize..];
        Marks { words: &words[..words_of(list.len())] }
    }
}

/// Words for the marks of a list.
#[inline(always)]
fn words_of(len: usize) -> usize {
    (len * MARKS / 64).next_power_of_two()
}

/// Puts what rows have in columns that are reached by shelves, each element with its column on the shelf, the
/// band and the place of its row in the block. Where shelves end, and the greatest entry above the cut.
///
/// Whether a column is reached and where a row ends cannot be predicted: all is written down, and what is not
/// wanted is written over.
fn shelve<V: Value, I: Item<V>>(
    half: &Half<'_, V>,
    rows: Range<usize>,
    reached: &Reached,
    bands: &Bands<V>,
    plan: Plan,
    scratch: &mut Room<V>,
    run: &mut [I],
) -> Result<(Vec<u32>, V)> {
    let (block, columns, values) = half.block(rows.clone());
    let Room { begun, bands: band_of, hits, values: kept } = scratch;
    begun.clear();
    room(begun, columns.len() + 1, WHAT)?;
    begun.resize(columns.len() + 1, 0);
    band_of.clear();
    let mut greatest = bands.cut;
    for (norm, row) in half.norms[rows].iter().zip(block) {
        begun[row.start] += 1;
        let band = bands.of(*norm, &values[row.clone()]);
        if usize::from(band) == BANDS - 1 {
            greatest = values[row].iter().map(|&value| V::of(value)).fold(greatest, |a, b| if b > a { b } else { a });
        }
        band_of.push(band);
    }
    if hits.len() < columns.len() {
        room(hits, columns.len() - hits.len(), WHAT)?;
        hits.resize(columns.len(), (0, 0));
    }
    if I::VALUED && kept.len() < columns.len() {
        room(kept, columns.len() - kept.len(), WHAT)?;
        kept.resize(columns.len(), V::default());
    }
    let (mut n, mut row) = (0, u32::MAX);
    for (at, (&column, &begun)) in columns.iter().zip(begun.iter()).enumerate() {
        row = row.wrapping_add(begun.into());
        hits[n] = (column as u32, row);
        if I::VALUED {
            kept[n] = V::of(values[at]);
        }
        n += usize::from(reached.has(column as u32));
    }
    let hits = &mut hits[..n];
    let mut ends = filled(plan.shelves + 1, 0u32, WHAT)?;
    for hit in hits.iter_mut() {
        let number = reached.number(hit.0);
        ends[(number >> plan.columns) as usize + 1] += 1;
        hit.0 = number << BITS | u32::from(band_of[hit.1 as usize]);
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    let on_shelf = (1 << (plan.columns + BITS)) - 1;
    for (at, &(place, row)) in hits.iter().enumerate() {
        let end = &mut ends[(place >> (plan.columns + BITS)) as usize];
        let value = if I::VALUED { kept[at] } else { V::default() };
        run[*end as usize] = I::new((place & on_shelf) << plan.rows | row, value);
        *end += 1;
    }
    ends.pop();
    Ok((ends, greatest))
}

/// Puts what lies on a shelf, whose items start at `first`, into its lists.
fn distribute<'a, V: Value, I: Item<V> + 'a>(
    pieces: impl Iterator<Item = (u32, &'a [I])> + Clone,
    plan: Plan,
    first: usize,
    lists: &mut [List],
    run: &mut [I],
) {
    const LAST: usize = NONE as usize;
    let part = |item: I| {
        let place = item.row() >> plan.rows;
        ((place >> BITS) as usize, (place & ((1 << BITS) - 1)) as usize)
    };
    for (_, piece) in pieces.clone() {
        for &item in piece {
            let (list, band) = part(item);
            lists[list].starts[band] += 1;
        }
    }
    let mut sum = 0;
    for list in lists.iter_mut() {
        list.starts.iter_mut().for_each(|start| sum += std::mem::replace(start, sum));
    }
    for (row, piece) in pieces {
        for &item in piece {
            let (list, band) = part(item);
            let next = &mut lists[list].starts[band];
            run[*next as usize] = item.at(row | item.row() & ((1 << plan.rows) - 1));
            *next += 1;
        }
    }
    // Each start is where the next one was. Rows without paths come last, and are no part.
    let mut start = 0;
    for list in lists {
        let end = list.starts[LAST];
        list.starts.copy_within(..LAST, 1);
        list.starts[0] = start;
        list.starts.iter_mut().for_each(|start| *start += first as u32);
        start = end;
    }
}

/// Marks the rows of the long lists.
fn mark<V: Value, I: Item<V>>(first: usize, lists: &mut [List], run: &[I]) -> Result<Vec<u64>> {
    let mut total = 0;
    for list in lists.iter_mut() {
        list.marks = SHORT;
        if list.len() >= LONG {
            list.marks = total as u32;
            total += words_of(list.len());
        }
    }
    let mut marks = filled(total, 0u64, WHAT)?;
    for list in lists.iter().filter(|list| list.is_marked()) {
        let words = &mut marks[list.marks as usize..][..words_of(list.len())];
        for item in &run[list.starts[0] as usize - first..list.starts[BANDS] as usize - first] {
            let (word, bits) = bits_of(item.row(), words.len());
            words[word] |= bits;
        }
    }
    Ok(marks)
}
