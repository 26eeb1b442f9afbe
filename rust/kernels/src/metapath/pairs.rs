//! The pairs of rows and queries that share a middle node, for many rows at a time.
//!
//! Who is in a list, what its sign is and whether that passes comes late from memory each, and cannot be predicted. A step is
//! therefore taken for all rows of a batch before the next one, and writes down what it finds without asking whether it stays.

use super::half::{Half, Value};
use super::lists::{AFTER, Lists, Signs};
use super::stream::{Held, Scratch, WHAT};
use crate::Result;
use crate::parallel::zeros;
use crate::simd::prefetch;

/// Pairs that are looked at together; the list with which they are as many comes whole.
const TOGETHER: usize = 1 << 12;

/// Entries up to which a row is gone through for each entry of a query, which is sooner than it is spread out by number.
const SHORT: usize = 6;

/// What the pairs of a batch are written into.
#[derive(Debug)]
pub(super) struct Met<V: Value> {
    /// Query, and row of the batch.
    pairs: Vec<(u32, u32)>,
    n_pairs: usize,
    /// The signs of each row of the batch, and whether they are of use.
    signs: Vec<(Signs, bool)>,
    /// Of each query: the last row that met it, from 1 on.
    last: Vec<u32>,
    /// The entries of a row by number.
    row: Vec<V>,
}

impl<V: Value> Met<V> {
    pub fn new(n_queries: usize, n_numbers: usize) -> Result<Self> {
        let (last, row) = (zeros(n_queries, WHAT)?, zeros(n_numbers, WHAT)?);
        Ok(Self { pairs: Vec::new(), n_pairs: 0, signs: Vec::new(), last, row })
    }

    /// Writes down the queries of a list.
    #[inline(always)]
    fn add(&mut self, list: &[(u32, V)], (from, to): (u32, u32), row: u32) {
        let (from, to) = (from as usize, to as usize);
        let (n, next) = (self.n_pairs, self.n_pairs + to - from);
        if self.pairs.len() < next + AFTER {
            self.pairs.resize(2 * (next + AFTER), (0, 0));
        }
        // Most lists are short, and how short is not known: the first few are written in any case.
        for (pair, item) in self.pairs[n..n + AFTER].iter_mut().zip(&list[from..from + AFTER]) {
            *pair = (item.0, row);
        }
        if to - from > AFTER {
            for (pair, item) in self.pairs[n..next].iter_mut().zip(&list[from..to]).skip(AFTER) {
                *pair = (item.0, row);
            }
        }
        self.n_pairs = next;
    }
}

impl<V: Value> Lists<V> {
    /// Multiplies the rows of a batch with the queries that they meet, and keeps what may be among the best.
    pub(super) fn meet(&self, half: &Half<'_, V>, batch: &[Held], include_self: bool, scratch: &mut Scratch<V>) {
        scratch.met.signs.clear();
        for (row, held) in (0..).zip(batch) {
            let hits = &scratch.hits[held.hits.clone()];
            let of = Signs::of(hits.iter().map(|hit| hit.0));
            scratch.met.signs.push((of, !held.heavy));
            let last = self.last(hits);
            for at in held.hits.clone() {
                let part = self.part(scratch.hits[at].0, held.heavy, at == held.hits.start + last);
                scratch.met.add(&self.list, part, row);
                if scratch.met.n_pairs >= TOGETHER {
                    self.multiply(half, batch, include_self, scratch);
                }
            }
        }
        self.multiply(half, batch, include_self, scratch);
    }

    /// Multiplies out the pairs that were written down and may count.
    fn multiply(&self, half: &Half<'_, V>, batch: &[Held], include_self: bool, scratch: &mut Scratch<V>) {
        let Scratch { least, known, hits, pairs: found, met, .. } = scratch;
        let Met { pairs, n_pairs, signs, last, row } = met;
        let mut n = 0;
        for at in 0..std::mem::take(n_pairs) {
            let pair = pairs[at];
            let (own, of_use) = &signs[pair.1 as usize];
            pairs[n] = pair;
            n += usize::from(!of_use | self.signs[pair.0 as usize].first_may_count(own));
        }
        let mut m = 0;
        for at in 0..n {
            let (slot, held) = pairs[at];
            let (own, of_use) = &signs[held as usize];
            let mark = batch[held as usize].y + 1;
            let new = std::mem::replace(&mut last[slot as usize], mark) != mark;
            pairs[m] = (slot, held);
            m += usize::from(new & (!of_use | self.signs[slot as usize].second_may_count(own)));
            prefetch(&self.entries, self.starts[slot as usize] as usize);
        }
        for same in pairs[..m].chunk_by(|a, b| a.1 == b.1) {
            let held = &batch[same[0].1 as usize];
            let (yy, hits) = (half.norms[held.y as usize], &hits[held.hits.clone()]);
            let by_number = hits.len() > SHORT;
            if by_number {
                hits.iter().for_each(|&(number, value)| row[number as usize] = value);
            }
            for &(slot, _) in same {
                let x = slot as usize;
                let mut sum = V::Sum::default();
                // What the row does not have adds 0, which changes no sum.
                for &(number, entry) in &self.entries[self.starts[x] as usize..self.starts[x + 1] as usize] {
                    let mut value = V::default();
                    if by_number {
                        value = row[number as usize];
                    } else {
                        hits.iter().for_each(|hit| value = if hit.0 == number { hit.1 } else { value });
                    }
                    sum = entry.add_product(value, sum);
                }
                if sum >= least[x] {
                    found.extend(self.candidate(slot, sum, (held.y, yy), known[x], include_self));
                }
            }
            if by_number {
                hits.iter().for_each(|&(number, _)| row[number as usize] = V::default());
            }
        }
    }
}
