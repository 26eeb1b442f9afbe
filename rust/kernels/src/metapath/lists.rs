//! The queries by their middle nodes, in the order in which [`super::stream`] reads them.

use super::half::{Half, Value};
use crate::Result;
use crate::parallel::{filled, reserve, zeros};
use crate::simd::prefetch;
use rayon::prelude::*;

/// Entries of the longest row for which bounds hold in spite of rounding.
const LONGEST: usize = 1 << 20;
const WHAT: &str = "the lists of the queries";

/// The queries by their middle nodes. Only middle nodes that a query reaches are numbered.
#[derive(Debug)]
pub(super) struct Lists<V: Value> {
    /// Which columns are numbered, how many are before each word, and how: in the order of the lengths of their lists.
    bits: Vec<u64>,
    before: Vec<u32>,
    pub numbers: Vec<u32>,
    /// Of each number: where its list starts and where its three parts end. Queries whose single entry may count come
    /// first, then those whose column is not closed, then the others.
    pub ends: Vec<[u32; 4]>,
    pub list: Vec<(u32, V)>,
    /// Where rows of the queries start: (number, entry), and their places in falling order of numbers.
    pub starts: Vec<u32>,
    pub entries: Vec<(u32, V)>,
    ranked: Vec<u32>,
    /// M_xx and node of each query.
    pub queries: Vec<(V::Sum, u32)>,
    /// Signs of the queries, see [`Sign`].
    pub signs: Vec<u64>,
    longest: usize,
}

impl<V: Value> Lists<V> {
    /// Of the rows of the queries.
    pub fn new(half: &Half<'_, V>, queries: &[i64]) -> Result<Self> {
        let mut bits: Vec<u64> = zeros(half.n_columns().div_ceil(64), WHAT)?;
        let column = |&column: &i32| column as usize;
        for (columns, _) in half.rows(queries) {
            columns.iter().map(column).for_each(|column| bits[column / 64] |= 1 << (column % 64));
        }
        let mut before = reserve(bits.len(), WHAT)?;
        let mut n_numbers = 0;
        for word in &bits {
            before.push(n_numbers);
            n_numbers += u64::count_ones(*word);
        }
        let total: usize = half.rows(queries).map(|(columns, _)| columns.len()).sum();
        let (mut starts, mut entries) = (reserve(queries.len() + 1, WHAT)?, reserve(total, WHAT)?);
        let mut lists = Self {
            bits,
            before,
            numbers: filled(n_numbers as usize, 0, WHAT)?,
            ends: filled(n_numbers as usize, [0; 4], WHAT)?,
            list: filled(total, (0, V::default()), WHAT)?,
            starts: Vec::new(),
            entries: Vec::new(),
            ranked: reserve(total, WHAT)?,
            queries: reserve(queries.len(), WHAT)?,
            signs: filled(queries.len(), 0, WHAT)?,
            longest: 0,
        };
        let mut lengths = filled(n_numbers as usize, (0u32, 0u32), WHAT)?;
        (0..).zip(&mut lengths).for_each(|(place, length)| length.1 = place);
        for (columns, _) in half.rows(queries) {
            columns.iter().for_each(|&column| lengths[lists.place(column)].0 += 1);
        }
        lengths.par_sort_unstable();
        let mut sum = 0;
        for (number, &(length, place)) in (0..).zip(&lengths) {
            lists.numbers[place as usize] = number;
            lists.ends[number as usize] = [sum, sum, sum, sum + length];
            sum += length;
        }
        starts.push(0);
        for (&x, (columns, values)) in queries.iter().zip(half.rows(queries)) {
            let number = |column| lists.numbers[lists.place(column)];
            entries.extend(columns.iter().zip(values).map(|(&column, &value)| (number(column), V::of(value))));
            let start = lists.ranked.len();
            lists.ranked.extend(start as u32..entries.len() as u32);
            lists.ranked[start..].sort_unstable_by_key(|&at| std::cmp::Reverse(entries[at as usize].0));
            lists.longest = lists.longest.max(columns.len());
            lists.queries.push((half.norms[x as usize], x as u32));
            starts.push(entries.len() as u32);
        }
        (lists.starts, lists.entries) = (starts, entries);
        Ok(lists)
    }

    /// Which of the numbered columns a column is.
    #[inline(always)]
    fn place(&self, column: i32) -> usize {
        let (word, bit) = (column as usize / 64, column as u32 % 64);
        (self.before[word] + (self.bits[word] & ((1 << bit) - 1)).count_ones()) as usize
    }

    /// Whether a row has an entry above the cut, and its numbers and entries, as many as are told.
    #[inline(always)]
    pub fn hits(
        &self,
        (columns, values): (&[i32], Option<&[V::Given]>),
        cut: V,
        first: usize,
        hits: &mut Vec<(u32, V)>,
    ) -> (bool, usize) {
        // All are written down, but only those that are numbered stay: which they are cannot be predicted.
        if hits.len() < first + columns.len() {
            hits.resize(2 * (first + columns.len()), (0, V::default()));
        }
        let (mut heavy, mut n) = (false, first);
        let mut hit = |column: i32, value: V| {
            heavy |= value > cut;
            hits[n] = (column as u32, value);
            n += (self.bits[column as usize / 64] >> (column % 64) & 1) as usize;
        };
        match values {
            Some(values) => columns.iter().zip(values).for_each(|(&column, &value)| hit(column, V::of(value))),
            None => columns.iter().for_each(|&column| hit(column, V::ONE)),
        }
        hits[first..n].iter_mut().for_each(|hit| hit.0 = self.place(hit.0 as i32) as u32);
        hits[first..n].iter().for_each(|hit| prefetch(&self.numbers, hit.0 as usize));
        (heavy, n)
    }

    /// Puts each list in its three parts.
    pub fn arrange(&mut self, least: &[V::Sum], cut: V) -> Result<()> {
        let mut parts = filled(self.entries.len(), 0u8, WHAT)?;
        for (x, &least) in least.iter().enumerate() {
            let (mut closed, mut sum) = (self.longest <= LONGEST, 0.0);
            let entries = self.starts[x] as usize..self.starts[x + 1] as usize;
            let shared = |n: f64| {
                let greatest = self.entries[entries.clone()].iter().map(|entry| entry.1.real()).fold(0.0, f64::max);
                self.longest > LONGEST || !V::surely_below(n * greatest * cut.real(), least)
            };
            let enough = if shared(1.0) { 1 } else { 2 + u32::from(!shared(2.0)) };
            self.signs[x] = Sign::of_query(self.entries[entries.clone()].iter().map(|entry| entry.0), enough);
            for &at in &self.ranked[entries] {
                let most = self.entries[at as usize].1.real() * cut.real();
                sum += most;
                closed = closed && V::surely_below(sum, least);
                parts[at as usize] = if closed { 2 } else { u8::from(V::surely_below(most, least)) };
            }
        }
        for ends in &mut self.ends {
            ends[1] = ends[0];
        }
        for part in 0..3u8 {
            let end = 1 + usize::from(part);
            if part > 0 && part < 3 {
                self.ends.iter_mut().for_each(|ends| ends[end] = ends[end - 1]);
            }
            for (x, pair) in self.starts.windows(2).enumerate() {
                for at in pair[0] as usize..pair[1] as usize {
                    if parts[at] == part {
                        let (number, entry) = self.entries[at];
                        let next = &mut self.ends[number as usize][end];
                        self.list[*next as usize] = (x as u32, entry);
                        *next += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Which of the hits is the one whose list is longest.
    #[inline(always)]
    pub fn last(&self, hits: &[(u32, V)]) -> usize {
        (0..hits.len()).max_by_key(|&at| hits[at].0).unwrap_or(0)
    }

    /// The part of a list that a row reads.
    #[inline(always)]
    pub fn part(&self, number: u32, heavy: bool, last: bool) -> &[(u32, V)] {
        let ends = &self.ends[number as usize];
        let end = if heavy { ends[3] } else { ends[2 - usize::from(last)] };
        &self.list[ends[0] as usize..end as usize]
    }
}

/// A row in 64 bits: one for each of its columns, and two with which rows that need less in common are even with others. Rows
/// that may count have three bits in common.
#[derive(Debug)]
pub(super) struct Sign;

impl Sign {
    const COLUMNS: u32 = 62;

    #[inline(always)]
    fn bit(number: u32) -> u64 {
        let hash = number.wrapping_mul(0x9E37_79B1) >> 16;
        1 << (hash * Self::COLUMNS >> 16)
    }

    /// Of a row of the half matrix.
    #[inline(always)]
    pub fn of(numbers: impl Iterator<Item = u32>) -> u64 {
        numbers.fold(0b11 << Self::COLUMNS, |sign, number| sign | Self::bit(number))
    }

    /// Of a query that has so many columns in common, or more, with what counts: 1, 2 or 3. Columns that fall on one bit count once.
    fn of_query(numbers: impl Iterator<Item = u32>, enough: u32) -> u64 {
        let (mut sign, mut again) = (0, 0);
        for number in numbers {
            let bit = Self::bit(number);
            again += u32::from(sign & bit != 0);
            sign |= bit;
        }
        // What may be missing is given: with both bits, one column is enough.
        let given = (3 - enough + again).min(2);
        sign | ((1 << given) - 1) << Self::COLUMNS
    }

    /// Whether there are three bits in common.
    #[inline(always)]
    pub fn may_count(query: u64, row: u64) -> bool {
        let common = query & row;
        let less = common & common.wrapping_sub(1);
        less & less.wrapping_sub(1) != 0
    }
}
