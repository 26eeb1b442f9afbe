//! Few queries of many nodes: Wᵀ is made of the columns that they reach, and not in order.
//!
//! Rows come in bands ([`super::bands`]), the lightest (in M_yy) first: sharing little with a light row
//! scores more than sharing as little with a heavy one, so the k-th best score θ of a query is soon high.
//! From then on most rows in its lists need not be looked at. Let M(θ) be the least M_xy that scores θ with a
//! row of a band:
//!
//! - The longest lists of x are *closed* while w_x, summed over their columns and times the greatest entry of
//!   a row, is below M(θ): no row that is in those alone can count. They are not read. Marks of some bits a
//!   row tell who may be in them.
//! - A row that is met once in the lists that are read shares that column with x, and those closed ones where
//!   its mark is.
//!
//! What remains, or is met twice, is multiplied out. Where nothing is closed, a row that is met once has that
//! product alone.
//!
//! Where queries reach more than a few of the rows, most of those are met twice, and M by its own rows is
//! cheaper (`top_k`): it sums whole lists. So it is where the queries' rows are more than a share of all, and
//! where Wᵀ is small. Where there are many paths per node, tiles are cheapest.

use super::bands::{BANDS, Bands};
use super::half::{Half, Scratches, Value};
use super::lists::{Item, List, Lists, Marks};
use super::select::{Best, Match};
use crate::parallel::{Watch, room};
use crate::simd::cache::LINE;
use crate::simd::prefetch;
use crate::{Result, Task};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;

/// The queries' rows hold at most one in so many of all entries.
const SHARE: usize = 8;
/// Entries from which on this pays.
const LEAST: usize = 1 << 20;
/// Entries of a query's row, at most: each row that it meets twice is merged with it.
const HUB: usize = 1 << 12;
/// Products that are summed per query, at most: one for so many rows.
const SUMS: u64 = 64;
/// Rows that are looked at to estimate something.
const SAMPLE: usize = 1 << 10;
/// Entries of the longest row for which bounds hold in spite of rounding.
const LONGEST: usize = 1 << 20;
/// Queries that a thread takes at a time.
const SOME: usize = 1 << 6;
/// How many queries ahead rows, and lists, are asked for.
const ROW_AHEAD: usize = 6;
const LIST_AHEAD: usize = 2;
/// Bytes of a list that are asked for.
const FAR: usize = 256;
/// Places per row that is met, of those that tell whether it was met before, and how many there are at least.
const PLACES: usize = 32;
const FEWEST: usize = 1 << 13;
/// Rows that are met, after which those are seen to.
const MANY: usize = 1 << 15;
const WHAT: &str = "the search of few queries";

/// How many of the queries have an entry in each column, if they are few enough of enough.
pub(super) fn reached<V: Value>(half: &Half<'_, V>, queries: &[i64], task: &Task) -> Result<Option<Vec<u32>>> {
    let entries = half.n_entries();
    if !(LEAST..=u32::MAX as usize).contains(&entries) || queries.len() > half.len() / SHARE {
        return Ok(None);
    }
    if queries.iter().any(|&query| half.row(query as usize).0.len() > HUB) {
        return Ok(None);
    }
    let counts = half.counts_of(queries, WHAT, task)?;
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

/// Whether the rows of M have so few sums that it pays not to keep any.
pub(super) fn pays(n: usize, multiplications: u64, queries: usize) -> bool {
    multiplications <= queries as u64 * n as u64 / SUMS
}

/// Fills the answers to the queries, k numbers each; `counts` says how many of them have an entry in each
/// column.
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

/// Queries that are answered together.
///
/// Each step waits for memory, so it is taken for all of them before the next one, or asked for some queries
/// ahead.
#[derive(Debug)]
struct Together<V: Value> {
    /// Their entries, those of each with the longest list first, and where each ends.
    own: Vec<Own<V>>,
    own_ends: Vec<usize>,
    best: Vec<Best>,
    /// Rows of a band to be multiplied out, and where those of each query end.
    met: Vec<u32>,
    met_ends: Vec<usize>,
    /// Rows of a band that were met once, with their products, and where those of each query end.
    single: Vec<(u32, V::Sum)>,
    single_ends: Vec<usize>,
    moments: Moments,
}

/// When a row was last met, as far as places are enough to tell rows.
#[derive(Debug, Default)]
struct Moments {
    places: Vec<u8>,
    /// A visit of a query to a band is one moment, from 1 on.
    now: u8,
}

/// The rows that a query met in a band.
#[derive(Debug)]
struct Touched<'a> {
    places: &'a mut [u8],
    now: u8,
}

/// The part of a query, where it is known where each ends.
fn part(ends: &[usize], at: usize) -> Range<usize> {
    (if at == 0 { 0 } else { ends[at - 1] })..ends[at]
}

impl<V: Value, I: Item<V>> Few<'_, V, I> {
    fn top_k(&self, queries: &[i64], (nodes, scores): (&mut [i64], &mut [f64]), task: &Task) -> Result<()> {
        task.expect(queries.len());
        let scratches = Scratches::new();
        let size = SOME.saturating_mul(self.k);
        let slots = nodes.par_chunks_mut(size).zip(scores.par_chunks_mut(size));
        queries.par_chunks(SOME).zip(slots).with_max_len(1).try_for_each(|(queries, (nodes, scores))| {
            scratches.with(
                || Ok(Together::new()),
                |together| {
                    self.gather(queries, together)?;
                    for band in 0..BANDS {
                        self.read(queries, band, together, task)?;
                    }
                    let slots = nodes.chunks_exact_mut(self.k).zip(scores.chunks_exact_mut(self.k));
                    for (best, (nodes, scores)) in together.best.iter_mut().zip(slots) {
                        for (found, (node, score)) in best.finish().iter().zip(nodes.iter_mut().zip(scores)) {
                            (*node, *score) = (found.node.into(), found.score);
                        }
                    }
                    task.advance(queries.len())
                },
            )
        })
    }

    /// Gathers the entries of some queries.
    fn gather(&self, queries: &[i64], together: &mut Together<V>) -> Result<()> {
        together.clear(); // the last queries may have been given up halfway
        let Together { own, own_ends, best, .. } = together;
        for (at, &x) in queries.iter().enumerate() {
            if let Some(&far) = queries.get(at + 2 * ROW_AHEAD) {
                self.half.prefetch_start(far as usize);
                self.half.prefetch_row(queries[at + ROW_AHEAD] as usize);
            }
            let (columns, values) = self.half.ones_or_row(x as usize);
            room(own, columns.len(), WHAT)?;
            own.extend(columns.iter().enumerate().map(|(at, &column)| Own {
                number: self.lists.number(column as u32),
                value: values.map_or(V::ONE, |values| V::of(values[at])),
                list: List::default(),
            }));
            own_ends.push(own.len());
        }
        own.iter_mut().for_each(|own| own.list = self.lists.list(own.number));
        best.resize_with(queries.len(), Best::default);
        for (at, best) in best.iter_mut().enumerate() {
            own[part(own_ends, at)].sort_unstable_by_key(|own| Reverse(own.list.len()));
            best.start(self.k);
        }
        Ok(())
    }

    /// Finds what may be among the best in a band.
    fn read(&self, queries: &[i64], band: usize, together: &mut Together<V>, task: &Task) -> Result<()> {
        let mut first = 0;
        for (at, &x) in queries.iter().enumerate() {
            if at + LIST_AHEAD < queries.len() {
                let ahead = &together.own[part(&together.own_ends, at + LIST_AHEAD)];
                ahead.iter().for_each(|own| self.prefetch(own.list.part(band)));
            }
            self.visit(at, self.half.norms[x as usize], band, together, task)?;
            together.met_ends.push(together.met.len());
            together.single_ends.push(together.single.len());
            if together.met.len() + together.single.len() >= MANY || at + 1 == queries.len() {
                self.settle(&queries[first..=at], first, together, task)?;
                first = at + 1;
            }
        }
        Ok(())
    }

    /// Offers what some queries, of which `first` is the first, met in a band.
    fn settle(&self, queries: &[i64], first: usize, together: &mut Together<V>, task: &Task) -> Result<()> {
        let mut watch = Watch::new(task);
        let Together { best, met, met_ends, single, single_ends, .. } = together;
        let best = &mut best[first..];
        met.iter().for_each(|&y| self.half.prefetch_row(y as usize));
        for (at, (&x, best)) in queries.iter().zip(best.iter_mut()).enumerate() {
            let met = &mut met[part(met_ends, at)];
            met.sort_unstable();
            let query = (x as usize, self.half.norms[x as usize]);
            for &(y, product) in &single[part(single_ends, at)] {
                if met.is_empty() || met.binary_search(&y).is_err() {
                    self.offer(query, y, product, best);
                }
            }
            task.check()?;
        }
        for (at, (&x, best)) in queries.iter().zip(best).enumerate() {
            let (query, row) = ((x as usize, self.half.norms[x as usize]), self.half.ones_or_row(x as usize));
            let mut last = None;
            for &y in &met[part(met_ends, at)] {
                if last.replace(y) != Some(y) {
                    self.offer(query, y, self.half.product(row, y as usize), best);
                    watch.took(row.0.len() + self.half.span(y as usize..y as usize + 1).len())?;
                }
            }
        }
        met.clear();
        met_ends.clear();
        single.clear();
        single_ends.clear();
        Ok(())
    }

    /// Asks the memory for the start of a part of a list.
    #[inline(always)]
    fn prefetch(&self, part: Range<usize>) {
        let end = part.end.min(part.start + FAR / size_of::<I>());
        (part.start..end).step_by(LINE / size_of::<I>()).for_each(|at| prefetch(&self.lists.items, at));
    }

    /// Goes through the lists of a query, and writes down what may count.
    #[inline(always)]
    fn visit(&self, at: usize, xx: V::Sum, band: usize, together: &mut Together<V>, task: &Task) -> Result<()> {
        let Together { own, own_ends, best, met, single, moments, .. } = together;
        let own = &own[part(own_ends, at)];
        let least = V::least(best[at].threshold(), xx, self.bands.from(band));
        let greatest = if band == BANDS - 1 { self.lists.greatest } else { self.bands.cut };
        let (closed, open) = own.split_at(n_closed(own, greatest, least));
        let total: usize = open.iter().map(|own| own.list.part(band).len()).sum();
        if total == 0 {
            return Ok(());
        }
        let (first_met, first_single) = (met.len(), single.len());
        extend(met, first_met + total)?;
        extend(single, first_single + total)?;
        let mut touched = moments.next(total, self.half.len())?;
        let (mut n_met, mut n_single) = (first_met, first_single);
        for own in open {
            task.check()?;
            let list = &self.lists.items[own.list.part(band)];
            let room = (&mut met[n_met..], &mut single[n_single..]);
            let (more_met, more_single) =
                self.go_through(list, own.value, closed, (greatest, least), &mut touched, room);
            (n_met, n_single) = (n_met + more_met, n_single + more_single);
        }
        met.truncate(n_met);
        single.truncate(n_single);
        met[first_met..].iter().for_each(|&y| self.half.prefetch_start(y as usize));
        single[first_single..].iter().for_each(|&(y, _)| prefetch(&self.half.norms, y as usize));
        Ok(())
    }

    /// Goes through a list, with the query's entry in its column. How many rows it wrote down to be multiplied out, and how
    /// many with their product.
    #[inline(always)]
    fn go_through(
        &self,
        list: &[I],
        entry: V,
        closed: &[Own<V>],
        (greatest, least): (V, V::Sum),
        touched: &mut Touched<'_>,
        (met, single): (&mut [u32], &mut [(u32, V::Sum)]),
    ) -> (usize, usize) {
        let (exact, one, mut n_single) = (I::VALUED || greatest == V::ONE, entry.real(), 0);
        let n_met = match closed {
            [] if exact => meet(list, touched, met, |item, before| {
                let product = entry.add_product(item.value(greatest), V::Sum::default());
                single[n_single] = (item.row(), product);
                n_single += usize::from(!before & (product >= least));
                before
            }),
            [last] => {
                let (marks, more) = self.marks(last, greatest);
                meet(list, touched, met, |item, before| {
                    let bound = one * item.value(greatest).real() + more[marks.get(item.row())];
                    before | !V::surely_below(bound, least)
                })
            }
            _ => meet(list, touched, met, |item, before| {
                let mut bound = one * item.value(greatest).real();
                for own in closed {
                    let (marks, more) = self.marks(own, greatest);
                    bound += more[marks.get(item.row())];
                }
                before | !V::surely_below(bound, least)
            }),
        };
        (n_met, n_single)
    }

    /// The marks of a closed list, and what it may add by them.
    #[inline(always)]
    fn marks(&self, own: &Own<V>, greatest: V) -> (Marks<'_>, [f64; 2]) {
        (self.lists.marks(own.number, &own.list), [0.0, own.value.real() * greatest.real()])
    }

    /// Offers a row to a query, which is its node and M_xx.
    #[inline(always)]
    fn offer(&self, (x, xx): (usize, V::Sum), y: u32, product: V::Sum, best: &mut Best) {
        let score = V::score(product, xx, self.half.norms[y as usize]);
        if score > 0.0 && score >= best.threshold() && (self.include_self || y as usize != x) {
            best.offer(Match { score, node: y });
        }
    }
}

/// How many of the longest lists are closed: while a row that is in those alone cannot count.
#[inline(always)]
fn n_closed<V: Value>(own: &[Own<V>], greatest: V, least: V::Sum) -> usize {
    if own.len() > LONGEST {
        return 0;
    }
    let (mut n, mut bound) = (0, 0.0);
    for own in own {
        bound += own.value.real() * greatest.real();
        if !own.list.is_marked() || !V::surely_below(bound, least) {
            break;
        }
        n += 1;
    }
    n
}

/// Goes through a list, and writes down those of which `counts` says so, by whether they were met before. How
/// many that are.
///
/// Whether one counts cannot be predicted: all are written down, and what does not count is written over.
#[inline(always)]
fn meet<V, I: Item<V>>(
    list: &[I],
    touched: &mut Touched<'_>,
    met: &mut [u32],
    mut counts: impl FnMut(I, bool) -> bool,
) -> usize {
    let (mask, mut n) = (touched.places.len() - 1, 0);
    for &item in list {
        let before = std::mem::replace(&mut touched.places[item.row() as usize & mask], touched.now) == touched.now;
        met[n] = item.row();
        n += usize::from(counts(item, before));
    }
    n
}

impl Moments {
    /// The next moment, with places for so many rows that may be met, of `n` in all.
    #[inline(always)]
    fn next(&mut self, met: usize, n: usize) -> Result<Touched<'_>> {
        let len = (met * PLACES).next_power_of_two().clamp(FEWEST, FEWEST.max(n.next_power_of_two()));
        if self.places.len() < len {
            extend(&mut self.places, len)?;
        }
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.places.fill(0);
            self.now = 1;
        }
        Ok(Touched { places: &mut self.places[..len], now: self.now })
    }
}

impl<V: Value> Together<V> {
    fn new() -> Self {
        Self {
            own: Vec::new(),
            own_ends: Vec::new(),
            best: Vec::new(),
            met: Vec::new(),
            met_ends: Vec::new(),
            single: Vec::new(),
            single_ends: Vec::new(),
            moments: Moments::default(),
        }
    }

    /// Forgets all but the moments.
    fn clear(&mut self) {
        self.own.clear();
        self.own_ends.clear();
        self.met.clear();
        self.met_ends.clear();
        self.single.clear();
        self.single_ends.clear();
    }
}

/// Makes a vector this long.
fn extend<T: Clone + Default>(vector: &mut Vec<T>, len: usize) -> Result<()> {
    room(vector, len - vector.len(), WHAT)?;
    vector.resize(len, T::default());
    Ok(())
}
