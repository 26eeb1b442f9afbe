//! Training: batches of walks on copies of their rows, and tables that take up the changes.

use super::Plan;
use super::copies::Copies;
use super::draws::{Noise, Order, initial, radius, stream, training_key};
use super::group::{Group, MOST_INPUTS, Scratch, add_gains, step};
use crate::parallel::{filled, filled_with, room};
use crate::rng::Stream;
use crate::simd::LANES;
use crate::walks::Walks;
use crate::{Error, Result, Task};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Walks of a batch, at most: a bit each.
pub const MOST_WALKS: usize = 16;
/// Nodes of the walks that are fetched from the corpus at a time, about.
const FETCH: usize = 1 << 15;
/// Windows of a walk that are trained on between two looks for an interrupt.
const POLL: usize = 1 << 10;
/// Pieces of a table that take up changes beside each other.
const PIECES: usize = 4;

/// Where walks come from. Each is `walk_length` nodes, −1 after its end.
pub trait Corpus: Sync {
    /// How many walks there are.
    fn n_walks(&self) -> u64;
    /// Nodes of a walk, at most.
    fn walk_length(&self) -> usize;
    /// Writes the walks with these numbers one after the other.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn fetch(&self, rows: &[u64], out: &mut [i32], task: &Task) -> Result<()>;
}

/// Walks in an array, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    walks: &'a [i32],
    len: usize,
    length: usize,
}

impl<'a> Matrix<'a> {
    /// Checks that every node is one of `n_nodes`, or −1 at the end of a row.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first that is not.
    pub fn new(walks: &'a [i32], len: usize, length: usize, n_nodes: usize) -> Result<Self> {
        if len.checked_mul(length) != Some(walks.len()) {
            return Err(Error::Invalid(format!("{} nodes do not make {len} walks of {length}.", walks.len())));
        }
        let wrong = |&(place, &node): &(usize, &i32)| {
            let after_the_end = place % length.max(1) > 0 && node != -1 && walks[place - 1] == -1;
            node < -1 || i64::from(node) >= n_nodes as i64 || after_the_end
        };
        if let Some((place, &node)) = walks.iter().enumerate().find(wrong) {
            let (row, column) = (place / length, place % length);
            let range = format!("must be a node from 0 to {}, or -1 at the end of a walk", n_nodes as i64 - 1);
            return Err(Error::Invalid(format!("walks[{row}, {column}]={node}: {range}.")));
        }
        Ok(Self { walks, len, length })
    }

    /// How many walks there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One walk.
    pub(super) fn row(&self, row: usize) -> &'a [i32] {
        &self.walks[row * self.length..(row + 1) * self.length]
    }
}

impl Corpus for Matrix<'_> {
    fn n_walks(&self) -> u64 {
        self.len as u64
    }

    fn walk_length(&self) -> usize {
        self.length
    }

    fn fetch(&self, rows: &[u64], out: &mut [i32], _: &Task) -> Result<()> {
        out.chunks_exact_mut(self.length).zip(rows).for_each(|(out, &row)| out.copy_from_slice(self.row(row as usize)));
        Ok(())
    }
}

/// Walks that are taken when they are wanted.
impl Corpus for Walks<'_> {
    fn n_walks(&self) -> u64 {
        self.n_walks()
    }

    fn walk_length(&self) -> usize {
        self.walk_length()
    }

    fn fetch(&self, rows: &[u64], out: &mut [i32], task: &Task) -> Result<()> {
        self.walk(rows.iter().copied(), out, task)
    }
}

/// The nodes of a walk before its end.
pub(super) fn seen(walk: &[i32]) -> &[i32] {
    let end = walk.iter().position(|&node| node < 0).unwrap_or(walk.len());
    &walk[..end]
}

/// What training gives: tables of `n_nodes` rows, and the mean loss of a pair by epoch.
#[derive(Debug)]
pub struct Trained {
    /// One row per node: the vectors.
    pub vectors: Vec<f32>,
    /// One row per node: what the vectors are to predict.
    pub contexts: Vec<f32>,
    /// By epoch.
    pub losses: Vec<f64>,
}

/// Trains on all walks of a corpus; see `diptych.kernels.skipgram.train`. `start` holds vectors and contexts.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Diverged`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn train(
    corpus: &impl Corpus,
    n_nodes: usize,
    plan: &Plan,
    start: Option<(&[f32], &[f32])>,
    task: &Task,
) -> Result<Trained> {
    check(corpus, n_nodes, plan)?;
    let (d, width) = (plan.dimensions, plan.dimensions.div_ceil(LANES));
    let key = training_key(plan.key);
    let size = n_nodes
        .checked_mul(width)
        .ok_or(Error::OutOfMemory { what: "the vectors", bytes: n_nodes as u128 * plan.dimensions as u128 * 4 })?;
    let mut vectors = filled(size, [0.0f32; LANES], "the vectors")?;
    let mut contexts = filled(size, [0.0f32; LANES], "the contexts")?;
    let rows = |table: &mut [[f32; LANES]], value: &(dyn Fn(usize, usize) -> f32 + Sync)| {
        table.par_chunks_mut(width).enumerate().for_each(|(node, row)| {
            let row = row.as_flattened_mut()[..d].iter_mut().enumerate();
            row.for_each(|(axis, x)| *x = value(node, axis));
        });
    };
    match start {
        None => rows(&mut vectors, &|node, axis| initial(key, d, node, axis)),
        Some((from_vectors, from_contexts)) => {
            for (name, from) in [("vectors", from_vectors), ("contexts", from_contexts)] {
                if Some(from.len()) != n_nodes.checked_mul(d) {
                    let n = from.len();
                    return Err(Error::Invalid(format!("initial {name} hold {n} numbers, not {n_nodes} times {d}.")));
                }
            }
            rows(&mut vectors, &|node, axis| from_vectors[node * d + axis]);
            rows(&mut contexts, &|node, axis| from_contexts[node * d + axis]);
        }
    }
    let mut losses = filled(usize::try_from(plan.epochs).unwrap_or(usize::MAX), 0.0, "the losses")?;
    let counts = counts(corpus, n_nodes, task)?;
    if counts.iter().any(|&count| count > 0.0) && plan.epochs > 0 {
        let noise = Noise::new(&counts, plan.exponent, task)?;
        let most = counts.iter().fold(0.0, |most: f64, &count| most.max(count)) as u64;
        let together = usize::try_from(plan.visits.saturating_mul(corpus.n_walks()) / most).unwrap_or(usize::MAX);
        let plan = &Plan { batch: together.clamp(1, plan.batch), ..*plan };
        drop(counts);
        let mut trainer = Trainer::new(plan, key, n_nodes, noise, Tables { vectors, contexts, width })?;
        let nodes = corpus.n_walks() as usize * corpus.walk_length();
        task.expect(nodes.saturating_mul(plan.epochs as usize));
        for (epoch, loss) in losses.iter_mut().enumerate() {
            *loss = trainer.epoch(corpus, epoch as u64, task)?;
        }
        (vectors, contexts) = (trainer.tables.vectors, trainer.tables.contexts);
    }
    Ok(Trained { vectors: packed(vectors, d), contexts: packed(contexts, d), losses })
}

fn check(corpus: &impl Corpus, n_nodes: usize, plan: &Plan) -> Result<()> {
    let at_least_one = [
        ("dimensions", plan.dimensions as u64),
        ("window", u64::from(plan.window)),
        ("batch", plan.batch as u64),
        ("share", plan.share as u64),
    ];
    if let Some((name, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
        return Err(Error::Invalid(format!("{name}=0: must be at least 1.")));
    }
    if plan.batch > MOST_WALKS {
        return Err(Error::Invalid(format!("batch={}: at most {MOST_WALKS} walks train together.", plan.batch)));
    }
    if plan.share > MOST_INPUTS {
        return Err(Error::Invalid(format!("share={}: at most {MOST_INPUTS} inputs share negatives.", plan.share)));
    }
    if !(plan.min_learning_rate > 0.0 && plan.min_learning_rate <= plan.learning_rate && plan.learning_rate.is_finite())
    {
        let (rate, least) = (plan.learning_rate, plan.min_learning_rate);
        return Err(Error::Invalid(format!(
            "learning_rate={rate}, min_learning_rate={least}: must be positive, the second not above the first."
        )));
    }
    if n_nodes > i32::MAX as usize || corpus.n_walks() >= u64::from(u32::MAX) {
        let n_walks = corpus.n_walks();
        return Err(Error::Invalid(format!(
            "{n_nodes} nodes, {n_walks} walks: fewer than 2**31 and 2**32 - 1 are taken."
        )));
    }
    Ok(())
}

/// How often each node is visited.
fn counts(corpus: &impl Corpus, n_nodes: usize, task: &Task) -> Result<Vec<f64>> {
    let mut counts = filled(n_nodes, 0.0, "the counts of nodes")?;
    each_fetch(
        corpus,
        1,
        |row| row,
        task,
        |walks| {
            walks.iter().filter(|&&node| node >= 0).for_each(|&node| counts[node as usize] += 1.0);
            Ok(())
        },
    )?;
    Ok(counts)
}

/// Fetches all walks in some order, a multiple of `together` at a time, and hands them on.
fn each_fetch(
    corpus: &impl Corpus,
    together: usize,
    row: impl Fn(u64) -> u64,
    task: &Task,
    mut take: impl FnMut(&[i32]) -> Result<()>,
) -> Result<()> {
    let (n, length) = (corpus.n_walks(), corpus.walk_length());
    if length == 0 {
        return Ok(());
    }
    let at_once = (FETCH / length).next_multiple_of(together).max(together);
    let mut buffer = filled(at_once.min(n as usize) * length, 0, "walks")?;
    for first in (0..n).step_by(at_once) {
        let rows: Vec<u64> = (first..n.min(first + at_once as u64)).map(&row).collect();
        let buffer = &mut buffer[..rows.len() * length];
        let share = at_once.div_ceil(8);
        let pieces = buffer.par_chunks_mut(share * length).zip(rows.par_chunks(share));
        pieces.try_for_each(|(out, rows)| corpus.fetch(rows, out, task))?;
        take(buffer)?;
    }
    Ok(())
}

/// Removes the padding of rows, in place.
fn packed(table: Vec<[f32; LANES]>, d: usize) -> Vec<f32> {
    let stride = d.div_ceil(LANES) * LANES;
    let mut flat = table.into_flattened();
    if d < stride {
        let n = flat.len() / stride;
        (1..n).for_each(|row| flat.copy_within(row * stride..row * stride + d, row * d));
        flat.truncate(n * d);
        flat.shrink_to_fit();
    }
    flat
}

struct Tables {
    vectors: Vec<[f32; LANES]>,
    contexts: Vec<[f32; LANES]>,
    /// A row has so many times sixteen numbers.
    width: usize,
}

struct Trainer<'p> {
    plan: &'p Plan,
    key: u64,
    noise: Noise,
    tables: Tables,
    /// For each row, which walks of the batch train on it.
    vector_users: Vec<AtomicU16>,
    context_users: Vec<AtomicU16>,
    locals: Vec<Local>,
}

/// What one walk of a batch needs.
#[derive(Default)]
struct Local {
    vectors: Copies,
    contexts: Copies,
    /// Slots of the nodes of the walk.
    inputs: Vec<u32>,
    /// Of each group, one after the other: the slots of the target and the negatives.
    targets: Vec<u32>,
    /// Slots of the negatives of the walk.
    pool: Vec<u32>,
    radii: Vec<usize>,
    near: Vec<u32>,
    scratch: Scratch,
    loss: f64,
    pairs: u64,
}

impl<'p> Trainer<'p> {
    fn new(plan: &'p Plan, key: u64, n_nodes: usize, noise: Noise, tables: Tables) -> Result<Self> {
        let users = || filled_with(n_nodes, AtomicU16::default, "the users of rows");
        let (vector_users, context_users) = (users()?, users()?);
        let mut locals = Vec::new();
        locals.resize_with(plan.batch, Local::default);
        Ok(Self { plan, key, noise, tables, vector_users, context_users, locals })
    }

    /// Trains on all walks; returns the mean loss of a pair.
    fn epoch(&mut self, corpus: &impl Corpus, epoch: u64, task: &Task) -> Result<f64> {
        let (n, length) = (corpus.n_walks(), corpus.walk_length());
        let order = Order::new(self.key, epoch, n as u32);
        let total = (n * self.plan.epochs) as f64;
        let (mut done, mut loss, mut pairs, mut rate) = (0u64, 0.0, 0u64, self.plan.learning_rate);
        each_fetch(
            corpus,
            self.plan.batch,
            |i| order.row(i),
            task,
            |walks| {
                for walks in walks.chunks(self.plan.batch * length) {
                    let (most, least) = (self.plan.learning_rate, self.plan.min_learning_rate);
                    rate = least.max(most - (most - least) * (epoch * n + done) as f64 / total);
                    let batch = walks.len() / length;
                    let streams: Vec<Stream> =
                        (0..batch as u64).map(|i| stream(self.key, epoch, n, order.row(done + i))).collect();
                    self.batch(walks, length, &streams, rate as f32, task)?;
                    for local in &self.locals[..batch] {
                        (loss, pairs) = (loss + local.loss, pairs + local.pairs);
                    }
                    if !loss.is_finite() {
                        return Err(Error::Diverged { epoch, rate });
                    }
                    done += batch as u64;
                    task.advance(walks.len())?;
                }
                Ok(())
            },
        )?;
        let finite = |table: &[[f32; LANES]]| table.par_iter().all(|numbers| numbers.iter().all(|x| x.is_finite()));
        if !(finite(&self.tables.vectors) && finite(&self.tables.contexts)) {
            return Err(Error::Diverged { epoch, rate });
        }
        Ok(if pairs > 0 { loss / pairs as f64 } else { 0.0 })
    }

    fn batch(&mut self, walks: &[i32], length: usize, streams: &[Stream], rate: f32, task: &Task) -> Result<()> {
        let Self { plan, noise, tables, vector_users, context_users, locals, .. } = self;
        let locals = &mut locals[..streams.len()];
        let width = tables.width;
        locals.par_iter_mut().zip(walks.par_chunks(length)).zip(streams).enumerate().try_for_each(
            |(walk, ((local, nodes), &stream))| {
                local.prepare(plan, noise, seen(nodes), stream)?;
                let mark = |users: &[AtomicU16], rows: &[u32]| {
                    rows.iter().for_each(|&row| {
                        users[row as usize].fetch_or(1 << walk, Relaxed);
                    });
                };
                mark(vector_users, &local.vectors.rows);
                mark(context_users, &local.contexts.rows);
                local.vectors.fill(&tables.vectors, width)?;
                local.contexts.fill(&tables.contexts, width)?;
                local.train(plan, rate, width, task)
            },
        )?;
        let locals = &*locals;
        rayon::join(
            || take_up(&mut tables.vectors, width, vector_users, locals, |local| &local.vectors),
            || take_up(&mut tables.contexts, width, context_users, locals, |local| &local.contexts),
        );
        Ok(())
    }
}

impl Local {
    /// Draws the windows and negatives of a walk, and finds a slot for each row it uses.
    fn prepare(&mut self, plan: &Plan, noise: &Noise, walk: &[i32], stream: Stream) -> Result<()> {
        self.vectors.clear(walk.len().min(noise.len()))?;
        self.inputs.clear();
        self.inputs.extend(walk.iter().map(|&node| self.vectors.slot(node as u32)));
        self.radii.clear();
        self.radii.extend((0..walk.len()).map(|i| radius(stream, i, plan.window, plan.shrink)));
        let groups = (2 * plan.window as usize).min(walk.len()).div_ceil(plan.share);
        let all = walk.len().saturating_mul(groups);
        let drawn = all.saturating_mul(plan.negative).min(plan.pool.max(plan.negative));
        self.contexts.clear(drawn.saturating_add(walk.len()).min(noise.len()))?;
        self.pool.clear();
        room(&mut self.pool, drawn, "the negatives of a walk")?;
        for word in 1..=drawn as u64 {
            self.pool.push(self.contexts.slot(noise.draw(stream.word(word))));
        }
        self.targets.clear();
        room(&mut self.targets, all.saturating_mul(plan.negative.saturating_add(1)), "the negatives of a walk")?;
        let mut next = 0;
        for &node in walk {
            let slot = self.contexts.slot(node as u32);
            for _ in 0..groups {
                self.targets.push(slot);
                for _ in 0..plan.negative {
                    self.targets.push(self.pool[next]);
                    next = if next + 1 == drawn { 0 } else { next + 1 };
                }
            }
        }
        Ok(())
    }

    /// Trains on the windows of the walk, one after the other.
    fn train(&mut self, plan: &Plan, rate: f32, width: usize, task: &Task) -> Result<()> {
        (self.loss, self.pairs) = (0.0, 0);
        let per_position = self.targets.len() / self.radii.len().max(1);
        for (i, &radius) in self.radii.iter().enumerate() {
            if i % POLL == POLL - 1 {
                task.check()?; // a walk may have millions of nodes
            }
            let targets = self.targets[i * per_position..][..per_position].chunks_exact(1 + plan.negative);
            self.near.clear();
            self.near.extend(&self.inputs[i.saturating_sub(radius)..i]);
            self.near.extend(&self.inputs[i + 1..self.inputs.len().min(i + radius + 1)]);
            for (inputs, targets) in self.near.chunks(plan.share).zip(targets) {
                let group = Group { inputs, targets };
                let (vectors, contexts) = (&mut self.vectors.data, &mut self.contexts.data);
                self.loss += f64::from(step(&group, rate, width, vectors, contexts, &mut self.scratch));
                self.pairs += inputs.len() as u64;
            }
        }
        Ok(())
    }
}

/// Adds to each row of the table what its copies have gained, in the order of the walks, and clears the marks.
fn take_up(
    table: &mut [[f32; LANES]],
    width: usize,
    users: &[AtomicU16],
    locals: &[Local],
    copies: impl Fn(&Local) -> &Copies + Sync,
) {
    let rows_per_piece = users.len().div_ceil(PIECES).max(1);
    table.par_chunks_mut(rows_per_piece * width).enumerate().for_each(|(piece, table)| {
        let first = (piece * rows_per_piece) as u32;
        let mine = first..first + (table.len() / width) as u32;
        let mut gained: Vec<&[[f32; LANES]]> = Vec::new();
        for (walk, local) in locals.iter().enumerate() {
            for (slot, &row) in copies(local).rows.iter().enumerate().filter(|(_, row)| mine.contains(row)) {
                let walks = users[row as usize].load(Relaxed);
                if walks.trailing_zeros() as usize != walk {
                    continue;
                }
                users[row as usize].store(0, Relaxed);
                let to = &mut table[(row - first) as usize * width..(row - first + 1) as usize * width];
                let copy = &copies(local).data[slot * width..(slot + 1) * width];
                if walks.count_ones() == 1 {
                    to.copy_from_slice(copy);
                    continue;
                }
                gained.clear();
                gained.push(copy);
                for other in (walk + 1..locals.len()).filter(|other| walks >> other & 1 != 0) {
                    gained.push(copies(&locals[other]).of(row, width));
                }
                add_gains(to, &gained);
            }
        }
    });
}
