//! The queries by their middle nodes, in the order in which [`super::stream`] reads them.

use super::half::{Half, Value};
use crate::Result;
use crate::parallel::{filled, reserve, split_runs};
use crate::simd::prefetch;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Entries of the longest row for which bounds hold in spite of rounding.
const LONGEST: usize = 1 << 20;
/// Queries, or lists, that a thread takes at a time.
const SOME: usize = 1 << 9;
/// Elements after the last list, so that this many may be read from anywhere in one.
pub(super) const AFTER: usize = 4;
const WHAT: &str = "the lists of the queries";

/// The queries by their middle nodes. Only middle nodes that a query reaches are numbered; in order are they by the lengths of
/// their lists, then by number.
#[derive(Debug)]
pub(super) struct Lists<V: Value> {
    /// Which columns are numbered, and how many are before each word.
    bits: Vec<u64>,
    before: Vec<u32>,
    /// Of each number: where its list starts and where its three parts end. Queries whose single entry may count come
    /// first, then those whose column is not closed, then the others.
    pub ends: Vec<[u32; 4]>,
    pub list: Vec<(u32, V)>,
    /// What the lists hold, with its places among the entries of the queries: queries ascend.
    whole: Vec<(u32, u32)>,
    /// Where rows of the queries start: (number, entry), and their places, the longest list first.
    pub starts: Vec<u32>,
    pub entries: Vec<(u32, V)>,
    ranked: Vec<u32>,
    /// M_xx and node of each query.
    pub queries: Vec<(V::Sum, u32)>,
    /// Signs of the queries, see [`Signs`].
    pub signs: Vec<Signs>,
    longest: usize,
}

impl<V: Value> Lists<V> {
    /// Of the rows of the queries.
    pub fn new(half: &Half<'_, V>, queries: &[i64]) -> Result<Self> {
        let mut starts = reserve(queries.len() + 1, WHAT)?;
        let (mut total, mut longest) = (0, 0);
        starts.push(0);
        for (columns, _) in half.rows(queries) {
            total += columns.len();
            longest = longest.max(columns.len());
            starts.push(total as u32);
        }
        let mut lists = Self {
            bits: filled(half.n_columns().div_ceil(64), 0, WHAT)?,
            before: Vec::new(),
            ends: Vec::new(),
            list: filled(total + AFTER, (0, V::default()), WHAT)?,
            whole: filled(total, (0, 0), WHAT)?,
            starts,
            entries: filled(total, (0, V::default()), WHAT)?,
            ranked: filled(total, 0, WHAT)?,
            queries: reserve(queries.len(), WHAT)?,
            signs: filled(queries.len(), Signs::default(), WHAT)?,
            longest,
        };
        lists.queries.extend(queries.iter().map(|&x| (half.norms[x as usize], x as u32)));
        let runs = split_runs(&mut lists.entries, stops(&lists.starts));
        runs.into_par_iter().zip(queries.par_chunks(SOME)).for_each(|(run, queries)| {
            let entries = half.rows(queries).flat_map(|(columns, values)| columns.iter().zip(values));
            run.iter_mut().zip(entries).for_each(|(slot, (&column, &value))| *slot = (column as u32, V::of(value)));
        });
        for &(column, _) in &lists.entries {
            lists.bits[column as usize / 64] |= 1 << (column % 64);
        }
        lists.number()?;
        lists.rank();
        Ok(lists)
    }

    /// Numbers the columns that queries reach, and lists whom they are reached by.
    fn number(&mut self) -> Result<()> {
        self.before = reserve(self.bits.len(), WHAT)?;
        let mut n_numbers = 0;
        for word in &self.bits {
            self.before.push(n_numbers);
            n_numbers += u64::count_ones(*word);
        }
        self.ends = filled(n_numbers as usize, [0; 4], WHAT)?;
        for at in 0..self.entries.len() {
            let number = self.place(self.entries[at].0 as i32);
            self.entries[at].0 = number as u32;
            self.ends[number][3] += 1;
        }
        let mut sum = 0;
        for ends in &mut self.ends {
            let length = ends[3];
            *ends = [sum; 4];
            sum += length;
        }
        for (x, pair) in (0..).zip(self.starts.windows(2)) {
            for at in pair[0]..pair[1] {
                let end = &mut self.ends[self.entries[at as usize].0 as usize][3];
                self.whole[*end as usize] = (x, at);
                *end += 1;
            }
        }
        Ok(())
    }

    /// Puts the places of each query's entries in order.
    fn rank(&mut self) {
        let (entries, ends) = (&self.entries, &self.ends);
        let rank = |&at: &u32| {
            let number = entries[at as usize].0;
            let ends = &ends[number as usize];
            Reverse((ends[3] - ends[0], number))
        };
        let runs = split_runs(&mut self.ranked, stops(&self.starts));
        runs.into_par_iter().zip(self.starts.par_chunks(SOME)).enumerate().for_each(|(chunk, (mut run, starts))| {
            for x in chunk * SOME..(chunk * SOME + starts.len()).min(self.starts.len() - 1) {
                let (start, end) = (self.starts[x], self.starts[x + 1]);
                let (own, rest) = run.split_at_mut((end - start) as usize);
                own.iter_mut().zip(start..end).for_each(|(slot, at)| *slot = at);
                own.sort_unstable_by_key(rank);
                run = rest;
            }
        });
    }

    /// The number of a column that has one.
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
        (heavy, n)
    }

    /// Numbers what [`Lists::hits`] found, and asks the memory for where the lists are.
    #[inline(always)]
    pub fn find(&self, hits: &mut [(u32, V)]) {
        for hit in hits {
            hit.0 = self.place(hit.0 as i32) as u32;
            prefetch(&self.ends, hit.0 as usize);
        }
    }

    /// Puts each list in its three parts.
    pub fn arrange(&mut self, least: &[V::Sum], cut: V) -> Result<()> {
        let mut parts = filled(self.entries.len(), 0u8, WHAT)?;
        let runs = split_runs(&mut parts, stops(&self.starts));
        let (starts, entries, ranked, longest) = (&self.starts, &self.entries, &self.ranked, self.longest);
        let queries = self.signs.par_chunks_mut(SOME).zip(least.par_chunks(SOME)).zip(runs).enumerate();
        queries.for_each(|(chunk, ((signs, least), parts))| {
            let first = starts[chunk * SOME] as usize;
            for ((x, sign), &least) in (chunk * SOME..).zip(signs).zip(least) {
                let own = starts[x] as usize..starts[x + 1] as usize;
                let (ranked, own) = (&ranked[own.clone()], &entries[own]);
                let shared = |n: f64| {
                    let greatest = own.iter().map(|entry| entry.1.real()).fold(0.0, f64::max);
                    longest > LONGEST || !V::surely_below(n * greatest * cut.real(), least)
                };
                let enough = if shared(1.0) { 1 } else { 2 + u32::from(!shared(2.0)) };
                *sign = Signs::of_query(own.iter().map(|entry| entry.0), enough);
                let (mut closed, mut sum) = (longest <= LONGEST, 0.0);
                for &at in ranked {
                    let most = entries[at as usize].1.real() * cut.real();
                    sum += most;
                    closed = closed && V::surely_below(sum, least);
                    parts[at as usize - first] = if closed { 2 } else { u8::from(V::surely_below(most, least)) };
                }
            }
        });
        let stops = self.ends.chunks(SOME).map(|chunk| chunk[chunk.len() - 1][3] as usize);
        let runs = split_runs(&mut self.list, stops);
        self.ends.par_chunks_mut(SOME).zip(runs).for_each(|(ends, list)| {
            let first = ends[0][0];
            for ends in ends {
                let whole = &self.whole[ends[0] as usize..ends[3] as usize];
                let mut next = ends[0];
                for part in 0..3u8 {
                    for &(slot, at) in whole {
                        if parts[at as usize] == part {
                            list[(next - first) as usize] = (slot, entries[at as usize].1);
                            next += 1;
                        }
                    }
                    ends[1 + usize::from(part)] = next;
                }
            }
        });
        Ok(())
    }

    /// Which of the hits is the last in order. Numbers ascend.
    #[inline(always)]
    pub fn last(&self, hits: &[(u32, V)]) -> usize {
        let (mut last, mut most) = (0, 0);
        for (at, &(number, _)) in hits.iter().enumerate() {
            let ends = &self.ends[number as usize];
            let length = ends[3] - ends[0];
            last = if length >= most { at } else { last };
            most = most.max(length);
        }
        last
    }

    /// Where the part of a list is that a row reads.
    #[inline(always)]
    pub fn part(&self, number: u32, heavy: bool, last: bool) -> (u32, u32) {
        let ends = &self.ends[number as usize];
        (ends[0], if heavy { ends[3] } else { ends[2 - usize::from(last)] })
    }

    /// A whole list.
    #[inline(always)]
    pub fn all(&self, number: u32) -> &[(u32, V)] {
        let ends = &self.ends[number as usize];
        &self.list[ends[0] as usize..ends[3] as usize]
    }
}

/// Where the entries of each few queries end.
fn stops(starts: &[u32]) -> impl Iterator<Item = usize> {
    (SOME..).step_by(SOME).take(starts.len().div_ceil(SOME)).map(|x| starts[x.min(starts.len() - 1)] as usize)
}

/// A row in 128 bits: one for each of its columns, and two with which rows that need less in common are even with others. Rows
/// that may count have three bits in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sign([u64; 2]);

impl Sign {
    const COLUMNS: u32 = 126;
    /// The two bits, in the second word.
    const GIVEN: u32 = 62;

    /// Adds a column by 16 bits of its hash; whether its bit was there.
    #[inline(always)]
    fn add(&mut self, hash: u32) -> bool {
        let bit = (hash * Self::COLUMNS) >> 16;
        let word = &mut self.0[bit as usize / 64];
        let before = *word;
        *word |= 1 << (bit % 64);
        before == *word
    }

    /// Whether there are three bits in common.
    #[inline(always)]
    fn may_count(self, other: Self) -> bool {
        let common = u128::from(self.0[0] & other.0[0]) | u128::from(self.0[1] & other.0[1]) << 64;
        let less = common & common.wrapping_sub(1);
        less & less.wrapping_sub(1) != 0
    }
}

/// Two signs of a row, where columns that fall on one bit in one are hardly ever on one in the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs([Sign; 2]);

impl Signs {
    /// Adds a column; whether its bits were there.
    #[inline(always)]
    fn add(&mut self, number: u32) -> [bool; 2] {
        let hash = number.wrapping_mul(0x9E37_79B1);
        [self.0[0].add(hash >> 16), self.0[1].add(hash & 0xFFFF)]
    }

    /// Of a row of the half matrix.
    #[inline(always)]
    pub fn of(numbers: impl Iterator<Item = u32>) -> Self {
        let mut signs = Self([Sign([0, 0b11 << Sign::GIVEN]); 2]);
        for number in numbers {
            signs.add(number);
        }
        signs
    }

    /// Of a query that has so many columns in common, or more, with what counts: 1, 2 or 3. Columns that fall on one bit count once.
    fn of_query(numbers: impl Iterator<Item = u32>, enough: u32) -> Self {
        let (mut signs, mut again) = (Self::default(), [0; 2]);
        for number in numbers {
            for (again, there) in again.iter_mut().zip(signs.add(number)) {
                *again += u32::from(there);
            }
        }
        for (sign, again) in signs.0.iter_mut().zip(again) {
            // What may be missing is given: with both bits, one column is enough.
            let given = (3 - enough + again).min(2);
            sign.0[1] |= ((1 << given) - 1) << Sign::GIVEN;
        }
        signs
    }

    /// Whether the first signs have three bits in common.
    #[inline(always)]
    pub fn first_may_count(&self, other: &Self) -> bool {
        self.0[0].may_count(other.0[0])
    }

    /// Whether the second ones have.
    #[inline(always)]
    pub fn second_may_count(&self, other: &Self) -> bool {
        self.0[1].may_count(other.0[1])
    }
}
