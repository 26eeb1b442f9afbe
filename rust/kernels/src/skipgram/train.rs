//! Training: batches of walks on copies of their rows, and tables that take up the changes.

use super::Plan;
use super::batch::{Batch, Epoch, MOST_WALKS, Stretch, Tables};
use super::corpus::{Corpus, counts, each_fetch};
use super::draws::{Noise, Order, initial, stream, training_key};
use super::group::MOST_PAIRS;
use crate::parallel::{filled, zeros};
use crate::simd::LANES;
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// Times the loss of vectors that know nothing, or of the first batch: no descent gets there.
const ABSURD: f64 = 10.0;

/// One node may have one visit in so many times the pairs of a group; where it has more, groups are smaller.
const UNCROWDED: u64 = 8;

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
    let mut vectors = zeros::<[f32; LANES]>(size, "the vectors")?;
    let mut contexts = zeros::<[f32; LANES]>(size, "the contexts")?;
    let rows = |table: &mut [[f32; LANES]], value: &(dyn Fn(usize, usize) -> f32 + Sync)| {
        table.par_chunks_mut(width).enumerate().try_for_each(|(node, row)| {
            let row = row.as_flattened_mut()[..d].iter_mut().enumerate();
            row.for_each(|(axis, x)| *x = value(node, axis));
            task.check()
        })
    };
    match start {
        None => rows(&mut vectors, &|node, axis| initial(key, d, node, axis))?,
        Some((from_vectors, from_contexts)) => {
            for (name, from) in [("vectors", from_vectors), ("contexts", from_contexts)] {
                if Some(from.len()) != n_nodes.checked_mul(d) {
                    let n = from.len();
                    return Err(Error::Invalid(format!("initial {name} hold {n} numbers, not {n_nodes} times {d}.")));
                }
            }
            rows(&mut vectors, &|node, axis| from_vectors[node * d + axis])?;
            rows(&mut contexts, &|node, axis| from_contexts[node * d + axis])?;
        }
    }
    let mut losses = filled(usize::try_from(plan.epochs).unwrap_or(usize::MAX), 0.0, "the losses")?;
    let counts = counts(corpus, n_nodes, task)?;
    if counts.iter().any(|&count| count > 0.0) && plan.epochs > 0 {
        let noise = Noise::new(&counts, plan.exponent, task)?;
        let most = counts.iter().fold(0.0, |most: f64, &count| most.max(count)) as u64;
        let visits = counts.iter().sum::<f64>() as u64;
        let at_most = |n: u64, most: usize| usize::try_from(n).unwrap_or(usize::MAX).clamp(1, most);
        let batch = at_most(plan.visits.saturating_mul(corpus.n_walks()) / most, plan.batch);
        let plan = &Plan { batch, share: at_most(visits / (UNCROWDED * most), plan.share), ..*plan };
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
    if plan.share > MOST_PAIRS {
        return Err(Error::Invalid(format!("share={}: at most {MOST_PAIRS} pairs share negatives.", plan.share)));
    }
    if !(plan.min_learning_rate as f32 > 0.0
        && plan.min_learning_rate <= plan.learning_rate
        && plan.learning_rate.is_finite())
    {
        let (rate, least) = (plan.learning_rate, plan.min_learning_rate);
        return Err(Error::Invalid(format!(
            "learning_rate={rate}, min_learning_rate={least}: must be positive also as float32, the second not above the \
             first."
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

struct Trainer<'p> {
    plan: &'p Plan,
    key: u64,
    noise: Noise,
    tables: Tables,
    /// The one that trains, and the one that is prepared beside it.
    batches: [Batch; 2],
    /// Mean loss of a pair beyond which training has diverged; known after the first batch.
    limit: Option<f64>,
}

impl<'p> Trainer<'p> {
    fn new(plan: &'p Plan, key: u64, n_nodes: usize, noise: Noise, tables: Tables) -> Result<Self> {
        let batches = [Batch::new(plan.batch, n_nodes)?, Batch::new(plan.batch, n_nodes)?];
        Ok(Self { plan, key, noise, tables, batches, limit: None })
    }

    /// Trains on all walks; returns the mean loss of a pair.
    fn epoch(&mut self, corpus: &impl Corpus, epoch: u64, task: &Task) -> Result<f64> {
        let Self { plan, key, noise, tables, batches: [now, next], limit } = self;
        let (plan, key, noise): (&Plan, u64, &Noise) = (plan, *key, noise);
        let (n, length) = (corpus.n_walks(), corpus.walk_length());
        let order = Order::new(key, epoch, n as u32);
        let total = (n * plan.epochs) as f64;
        let (mut done, mut loss, mut pairs, mut rate) = (0u64, 0.0, 0u64, plan.learning_rate);
        let of_epoch = Epoch { plan, noise, stream: |place| stream(key, epoch, n, order.row(place)), length };
        each_fetch(
            corpus,
            plan.batch,
            |i| order.row(i),
            task,
            |walks| {
                let mut batches = walks.chunks(plan.batch * length).peekable();
                now.prepare(
                    &of_epoch,
                    Stretch { first: done, nodes: batches.peek().copied().unwrap_or_default() },
                    task,
                )?;
                while let Some(walks) = batches.next() {
                    let (most, least) = (plan.learning_rate, plan.min_learning_rate);
                    rate = least.max(most - (most - least) * (epoch * n + done) as f64 / total);
                    done += (walks.len() / length) as u64;
                    let following = Stretch { first: done, nodes: batches.peek().copied().unwrap_or_default() };
                    now.train(tables, rate as f32, next, &of_epoch, following, task)?;
                    now.take_up(tables);
                    for (of_walk, its_pairs) in now.losses() {
                        (loss, pairs) = (loss + of_walk, pairs + its_pairs);
                    }
                    let mean = if pairs > 0 { loss / pairs as f64 } else { 0.0 };
                    let blind = (1 + plan.negative) as f64 * std::f64::consts::LN_2;
                    let limit = *limit.get_or_insert(ABSURD * mean.max(blind));
                    if !mean.is_finite() || mean > limit {
                        return Err(Error::Diverged { epoch, rate });
                    }
                    std::mem::swap(now, next);
                    task.advance(walks.len())?;
                }
                Ok(())
            },
        )?;
        let finite = |table: &[[f32; LANES]]| table.par_iter().all(|numbers| numbers.iter().all(|x| x.is_finite()));
        if !(finite(&tables.vectors) && finite(&tables.contexts)) {
            return Err(Error::Diverged { epoch, rate });
        }
        Ok(if pairs > 0 { loss / pairs as f64 } else { 0.0 })
    }
}
