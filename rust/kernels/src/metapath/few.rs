//! Few queries of many nodes: Wᵀ is made of the columns that they reach, and not in order.
//!
//! Rows come in bands ([`super::bands`]), the lightest (in M_yy) first: sharing little with a light row scores more than sharing as little
//! with a heavy one, so the k-th best score θ of a query is soon high. From then on most rows in its lists need not be
//! looked at. Let M(θ) be the least M_xy that scores θ with a row of a band:
//!
//! - The longest lists of x are *closed* while w_x, summed over their columns and times the greatest entry of a row, is below M(θ):
//!   no row that is in those alone can count. They are not read. Marks of some bits a row tell who may be in them.
//! - A row that is met once in the lists that are read shares that column with x, and those closed ones where its mark is.
//!
//! What remains, or is met twice, is multiplied out. Where nothing is closed, a row that is met once has that product alone.
//!
//! Where the queries' rows are more than a share of all, Wᵀ is as soon made of all columns and in order (`top_k`), and sums of whole lists are
//! no more to read; so it is where Wᵀ is small. Where there are many paths per node, tiles are cheapest.

use super::bands::{BANDS, Bands};
use super::half::{Half, Scratches, Value};
use super::lists::{Item, List, Lists, Marks};
use super::select::{Best, Match};
use crate::parallel::room;
use crate::simd::prefetch;
use crate::{Result, Task};
use rayon::prelude::*;

/// The queries' rows hold at most one in so many of all entries.
const SHARE: usize = 8;
/// Entries from which on this pays.
const LEAST: usize = 1 << 20;
/// Rows that are looked at to estimate something.
const SAMPLE: usize = 1 << 10;
/// Entries of the longest row for which bounds hold in spite of rounding.
const LONGEST: usize = 1 << 20;
/// Queries that a thread takes at a time.
const SOME: usize = 1 << 6;
/// How many queries ahead rows, and lists, are asked for.
const ROW_AHEAD: usize = 4;
const LIST_AHEAD: usize = 2;
/// Bytes of a list that are asked for.
const FAR: usize = 512;
const LINE: usize = 64;
/// Bits per row that is met, of those that tell whether it was met before, and how many there are at least.
const BITS: usize = 64;
const FEWEST: usize = 1 << 10;
const WHAT: &str = "the search of few queries";

/// How many of the queries have an entry in each column, if they are few enough of enough.
pub(super) fn reached<V: Value>(half: &Half<'_, V>, queries: &[i64]) -> Result<Option<Vec<u32>>> {
    let entries = half.n_entries();
    if !(LEAST..=u32::MAX as usize).contains(&entries) || queries.len() > half.len() / SHARE {
        return Ok(None);
    }
    let counts = half.counts_of(queries, WHAT)?;
    let own: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    Ok((own <= (entries / SHARE) as u64).then_some(counts))
}

/// About how many products of entries the queries' rows of M sum, by a sample of the rows.
pub(super) fn multiplications<V: Value>(half: &Half<'_, V>, counts: &[u32]) -> u64 {
    let step = half.len().div_ceil(SAMPLE).max(1);
    let rows = (0..half.len()).step_by(step).map(|y| half.row(y).0);
    let products = |row: &[i32]| row.iter().map(|&column| u64::from(counts[column as usize])).sum::<u64>();
    rows.map(products).sum::<u64>() * step as u64
}

/// Fills the answers to the queries, k numbers each; `counts` says how many of them have an entry in each column.
pub(super) fn top_k<V: Value>(
    half: &Half<'_, V>,
    counts: &[u32],
    k: usize,
    queries: &[i64],
    include_self: bool,
    out: (&mut [i64], &mut [f64]),
    task: &Task,
) -> Result<()> {
    let bands = Bands::new(half)?;
    if V::WHOLE && bands.cut == V::ONE {
        let lists = Lists::<V, u32>::new(half, counts, &bands, task)?;
        return Few { half, bands, lists, k, include_self }.top_k(queries, out, task);
    }
    let lists = Lists::<V, (u32, V)>::new(half, counts, &bands, task)?;
    Few { half, bands, lists, k, include_self }.top_k(queries, out, task)
}

/// What is searched, and for how many.
#[derive(Debug)]
struct Few<'a, V: Value, I> {
    half: &'a Half<'a, V>,
    bands: Bands<V>,
    lists: Lists<V, I>,
    k: usize,
    include_self: bool,
}

/// An entry of a query, with the list of its column.
#[derive(Clone, Copy, Debug)]
struct Own<V> {
    number: u32,
    value: V,
    list: List,
}

/// A query: its node, M_xx and row.
#[derive(Debug)]
struct Query<'a, V: Value> {
    x: usize,
    xx: V::Sum,
    row: (&'a [i32], Option<&'a [V::Given]>),
    own: &'a [Own<V>],
}

/// What one thread writes into.
#[derive(Debug)]
struct Scratch<V: Value> {
    /// The entries of some queries, and where each ends.
    own: Vec<Own<V>>,
    ends: Vec<usize>,
    /// The entries of a query, the longest list first.
    order: Vec<u32>,
    visit: Visit<V>,
    /// Rows to be multiplied out, on their way from the memory.
    pending: Vec<u32>,
    best: Best,
}

/// What is met in a band.
#[derive(Debug)]
struct Visit<V: Value> {
    /// Bits of rows that were met.
    touched: Vec<u64>,
    /// Rows to be multiplied out.
    met: Vec<u32>,
    /// Rows that were met once, with their products.
    single: Vec<(u32, V::Sum)>,
}

impl<V: Value, I: Item<V>> Few<'_, V, I> {
    fn top_k(&self, queries: &[i64], (nodes, scores): (&mut [i64], &mut [f64]), task: &Task) -> Result<()> {
        task.expect(queries.len());
        let scratches = Scratches::new();
        let size = SOME.saturating_mul(self.k);
        let slots = nodes.par_chunks_mut(size).zip(scores.par_chunks_mut(size));
        queries.par_chunks(SOME).zip(slots).with_max_len(1).try_for_each(|(queries, (nodes, scores))| {
            scratches.with(
                || Ok(Scratch::new()),
                |scratch| {
                    let slots = nodes.chunks_exact_mut(self.k).zip(scores.chunks_exact_mut(self.k));
                    self.some(queries, slots, scratch, task)?;
                    task.advance(queries.len())
                },
            )
        })
    }

    /// Answers some queries. Each step waits for memory, so it is taken, or asked for, some queries ahead.
    fn some<'s>(
        &self,
        queries: &[i64],
        slots: impl Iterator<Item = (&'s mut [i64], &'s mut [f64])>,
        scratch: &mut Scratch<V>,
        task: &Task,
    ) -> Result<()> {
        let Scratch { own, ends, order, visit, pending, best } = scratch;
        own.clear();
        ends.clear();
        for (at, &x) in queries.iter().enumerate() {
            if let Some(&far) = queries.get(at + 2 * ROW_AHEAD) {
                self.half.prefetch_start(far as usize);
                self.half.prefetch_row(queries[at + ROW_AHEAD] as usize);
            }
            let (columns, values) = self.half.row(x as usize);
            room(own, columns.len(), WHAT)?;
            own.extend(columns.iter().zip(values).map(|(&column, &value)| Own {
                number: self.lists.number(column as u32),
                value: V::of(value),
                list: List::default(),
            }));
            ends.push(own.len());
        }
        own.iter_mut().for_each(|own| own.list = self.lists.list(own.number));
        let part = |at: usize| (if at == 0 { 0 } else { ends[at - 1] })..ends[at];
        for ((at, &x), (nodes, scores)) in queries.iter().enumerate().zip(slots) {
            task.check()?;
            if at + LIST_AHEAD < queries.len() {
                own[part(at + LIST_AHEAD)].iter().for_each(|own| self.prefetch(&own.list));
            }
            let (own, x) = (&own[part(at)], x as usize);
            order.clear();
            order.extend(0..own.len() as u32);
            order.sort_unstable_by_key(|&at| std::cmp::Reverse(own[at as usize].list.len()));
            best.start(self.k);
            pending.clear();
            let query = Query { x, xx: self.half.norms[x], row: self.half.ones_or_row(x), own };
            for band in 0..BANDS {
                self.visit(&query, order, band, visit, pending, best)?;
            }
            pending.iter().for_each(|&y| self.half.prefetch_row(y as usize));
            self.multiply(&query, pending, best);
            for (at, found) in best.finish().iter().enumerate() {
                (nodes[at], scores[at]) = (found.node.into(), found.score);
            }
        }
        Ok(())
    }

    /// Asks the memory for the start of a list.
    #[inline(always)]
    fn prefetch(&self, list: &List) {
        let start = list.part(0).start;
        let far = list.len().min(FAR / size_of::<I>());
        (0..far).step_by(LINE / size_of::<I>()).for_each(|at| prefetch(&self.lists.items, start + at));
    }

    /// Finds what may be among the best in a band.
    #[inline(always)]
    fn visit(
        &self,
        query: &Query<'_, V>,
        order: &[u32],
        band: usize,
        visit: &mut Visit<V>,
        pending: &mut Vec<u32>,
        best: &mut Best,
    ) -> Result<()> {
        let least = V::least(best.threshold(), query.xx, self.bands.from(band));
        let greatest = if band == BANDS - 1 { self.lists.greatest } else { self.bands.cut };
        let exact = I::VALUED || greatest == V::ONE;
        // Bounds of the longest lists, while they may be closed.
        let (mut n_closed, mut bound) = (0, 0.0);
        if order.len() <= LONGEST {
            for &at in order {
                let own = &query.own[at as usize];
                bound += own.value.real() * greatest.real();
                if !own.list.is_marked() || !V::surely_below(bound, least) {
                    break;
                }
                n_closed += 1;
            }
        }
        let (closed, open) = order.split_at(n_closed);
        let total: usize = open.iter().map(|&at| query.own[at as usize].list.part(band).len()).sum();
        if total == 0 {
            return Ok(());
        }
        let bits = (total * BITS).next_power_of_two().clamp(FEWEST, FEWEST.max(self.half.len().next_power_of_two()));
        visit.make_room(total, bits)?;
        pending.iter().for_each(|&y| self.half.prefetch_row(y as usize));
        let Visit { touched, met, single } = visit;
        let (mut n_met, mut n_single) = (0, 0);
        let touched = &mut touched[..bits / 64];
        for &at in open {
            let own = &query.own[at as usize];
            let list = &self.lists.items[own.list.part(band)];
            let one = own.value.real();
            match closed {
                [] if exact => {
                    let single = &mut single[n_single..];
                    let mut n = 0;
                    n_met += meet(list, touched, &mut met[n_met..], |item, before| {
                        let product = own.value.add_product(item.value(greatest), V::Sum::default());
                        single[n] = (item.row(), product);
                        n += usize::from(!before & (product >= least));
                        before
                    });
                    n_single += n;
                }
                &[last] => {
                    let (marks, value) = self.marks(query, last, greatest);
                    let more = [0.0, value];
                    n_met += meet(list, touched, &mut met[n_met..], |item, before| {
                        let bound = one * item.value(greatest).real() + more[marks.get(item.row())];
                        before | !V::surely_below(bound, least)
                    });
                }
                _ => {
                    n_met += meet(list, touched, &mut met[n_met..], |item, before| {
                        let mut bound = one * item.value(greatest).real();
                        for &at in closed {
                            let (marks, value) = self.marks(query, at, greatest);
                            bound += [0.0, value][marks.get(item.row())];
                        }
                        before | !V::surely_below(bound, least)
                    });
                }
            }
        }
        touched.fill(0);
        let met = &mut met[..n_met];
        for &y in met.iter() {
            self.half.prefetch_start(y as usize);
        }
        let single = &single[..n_single];
        single.iter().for_each(|&(y, _)| prefetch(&self.half.norms, y as usize));
        met.sort_unstable();
        for &(y, product) in single {
            if met.is_empty() || met.binary_search(&y).is_err() {
                self.offer(query, y, product, best);
            }
        }
        self.multiply(query, pending, best);
        pending.clear();
        room(pending, n_met, WHAT)?;
        pending.extend_from_slice(met);
        pending.dedup();
        Ok(())
    }

    /// The marks of a closed list, and what it may add.
    #[inline(always)]
    fn marks(&self, query: &Query<'_, V>, at: u32, greatest: V) -> (Marks<'_>, f64) {
        let own = &query.own[at as usize];
        (self.lists.marks(own.number, &own.list), own.value.real() * greatest.real())
    }

    /// Multiplies rows with a query.
    #[inline(always)]
    fn multiply(&self, query: &Query<'_, V>, rows: &[u32], best: &mut Best) {
        for &y in rows {
            self.offer(query, y, self.half.product(query.row, y as usize), best);
        }
    }

    /// Offers a row.
    #[inline(always)]
    fn offer(&self, query: &Query<'_, V>, y: u32, product: V::Sum, best: &mut Best) {
        let score = V::score(product, query.xx, self.half.norms[y as usize]);
        if score > 0.0 && score >= best.threshold() && (self.include_self || y as usize != query.x) {
            best.offer(Match { score, node: y });
        }
    }
}

/// Goes through a list, and writes down those of which `counts` says so, by whether they were met before. How many that are.
///
/// Whether one counts cannot be predicted: all are written down, and what does not count is written over.
#[inline(always)]
fn meet<V, I: Item<V>>(
    list: &[I],
    touched: &mut [u64],
    met: &mut [u32],
    mut counts: impl FnMut(I, bool) -> bool,
) -> usize {
    let (mask, mut n) = (touched.len() as u32 * 64 - 1, 0);
    for &item in list {
        let bit = item.row() & mask;
        let word = &mut touched[bit as usize / 64];
        let before = *word >> (bit % 64) & 1 != 0;
        *word |= 1 << (bit % 64);
        met[n] = item.row();
        n += usize::from(counts(item, before));
    }
    n
}

impl<V: Value> Scratch<V> {
    fn new() -> Self {
        Self {
            own: Vec::new(),
            ends: Vec::new(),
            order: Vec::new(),
            visit: Visit { touched: Vec::new(), met: Vec::new(), single: Vec::new() },
            pending: Vec::new(),
            best: Best::default(),
        }
    }
}

impl<V: Value> Visit<V> {
    /// For so many rows, and bits of them.
    fn make_room(&mut self, total: usize, bits: usize) -> Result<()> {
        grow(&mut self.met, total)?;
        grow(&mut self.single, total)?;
        grow(&mut self.touched, bits / 64)?;
        Ok(())
    }
}

/// Makes a vector at least as long as this.
fn grow<T: Clone + Default>(vector: &mut Vec<T>, len: usize) -> Result<()> {
    if vector.len() < len {
        let more = len - vector.len();
        room(vector, more, WHAT)?;
        vector.resize(len, T::default());
    }
    Ok(())
}
