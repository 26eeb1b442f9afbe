//! A batch of walks that train beside each other, each on copies of the rows it uses.
//!
//! Most rows are used by one walk of their batch. That walk puts them back itself, while they are in its core's cache;
//! the others take up what their copies have gained when all walks are done, in the order of the walks.

use super::Plan;
use super::copies::{Claims, Copies, Rows};
use super::corpus::seen;
use super::draws::{Noise, around, radius};
use super::group::{Group, Scratch, step};
use crate::parallel::{filled_with, room};
use crate::rng::Stream;
use crate::simd::LANES;
use crate::{Result, Task};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Walks of a batch, at most: a bit each.
pub const MOST_WALKS: usize = 16;
/// Numbers that are multiplied, or negatives drawn, between two looks for an interrupt, about.
const POLL: usize = 1 << 24;
/// Positions of a walk that share a pool of negatives.
const SPAN: usize = 80;

/// The two tables, whose rows have `width` times sixteen numbers.
pub(super) struct Tables {
    pub vectors: Vec<[f32; LANES]>,
    pub contexts: Vec<[f32; LANES]>,
    pub width: usize,
}

/// What the walks of an epoch have in common.
pub(super) struct Epoch<'a, S> {
    pub plan: &'a Plan,
    pub noise: &'a Noise,
    /// The words of a walk, by its place in the epoch.
    pub stream: S,
    /// Nodes of a walk.
    pub length: usize,
}

/// Some walks of an epoch, one after the other, and the place of the first.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub first: u64,
    pub nodes: &'a [i32],
}

/// Walks that train together.
pub(super) struct Batch {
    locals: Vec<Local>,
    /// How many of the locals are in use.
    len: usize,
    /// For each row, which walks of the batch use it.
    vector_users: Vec<AtomicU16>,
    context_users: Vec<AtomicU16>,
}

impl Batch {
    /// Room for so many walks.
    pub fn new(most: usize, n_nodes: usize) -> Result<Self> {
        let users = || filled_with(n_nodes, AtomicU16::default, "the users of rows");
        let mut locals = Vec::new();
        locals.resize_with(most, Local::default);
        Ok(Self { locals, len: 0, vector_users: users()?, context_users: users()? })
    }

    /// Prepares some walks.
    pub fn prepare(
        &mut self,
        epoch: &Epoch<'_, impl Fn(u64) -> Stream + Sync>,
        walks: Stretch<'_>,
        task: &Task,
    ) -> Result<()> {
        let (locals, users) = self.take_in(walks.nodes.len() / epoch.length);
        locals.par_iter_mut().enumerate().try_for_each(|(at, local)| local.prepare(epoch, walks, at, users, task))
    }

    /// Trains all walks that are prepared, and prepares those of the next batch; rows that one walk uses are as they shall
    /// be then.
    ///
    /// The threads take one walk after the other from one line. Those to prepare, which take less time, come last, so that
    /// no thread waits long for the others.
    pub fn train(
        &mut self,
        tables: &mut Tables,
        rate: f32,
        next: &mut Self,
        epoch: &Epoch<'_, impl Fn(u64) -> Stream + Sync>,
        following: Stretch<'_>,
        task: &Task,
    ) -> Result<()> {
        for (local, of_last) in self.locals.iter_mut().zip(&mut next.locals) {
            local.vectors.succeed(&mut of_last.vectors);
            local.contexts.succeed(&mut of_last.contexts);
        }
        let width = tables.width;
        let vectors = Rows::new(&mut tables.vectors, &self.vector_users, width);
        let contexts = Rows::new(&mut tables.contexts, &self.context_users, width);
        let train = |walk: usize, local: &mut Local| {
            local.vectors.start(width)?;
            local.contexts.start(width)?;
            local.vectors.fill(&vectors, walk, usize::MAX);
            local.train(epoch.plan, rate, &contexts, walk, task)?;
            local.vectors.put_back(&vectors, walk);
            local.contexts.put_back(&contexts, walk);
            Ok(())
        };
        let (unready, users) = next.take_in(following.nodes.len() / epoch.length);
        let ready = self.locals[..self.len].iter_mut().enumerate().map(|(at, local)| (at, local, true));
        let unready = unready.iter_mut().enumerate().map(|(at, local)| (at, local, false));
        ready.chain(unready).par_bridge().try_for_each(|(at, local, is_ready)| {
            if is_ready { train(at, local) } else { local.prepare(epoch, following, at, users, task) }
        })
    }

    /// Makes this a batch of so many walks: their locals, and who uses the rows of both tables.
    fn take_in(&mut self, len: usize) -> (&mut [Local], [&[AtomicU16]; 2]) {
        self.len = len;
        (&mut self.locals[..len], [&self.vector_users, &self.context_users])
    }

    /// Puts what the copies of rows of several walks have gained into the tables, and clears the marks.
    pub fn take_up(&self, tables: &mut Tables) {
        let width = tables.width;
        let vectors = Claims::new(&mut tables.vectors, &self.vector_users, width);
        let contexts = Claims::new(&mut tables.contexts, &self.context_users, width);
        let locals = &self.locals[..self.len];
        let of_vectors: Vec<&Copies> = locals.iter().map(|local| &local.vectors).collect();
        let of_contexts: Vec<&Copies> = locals.iter().map(|local| &local.contexts).collect();
        let line = locals.iter().flat_map(|local| [(local, true), (local, false)]).par_bridge();
        line.for_each(|(local, is_context)| {
            let (table, copies) = if is_context { (&contexts, &of_contexts) } else { (&vectors, &of_vectors) };
            table.take_up(if is_context { &local.contexts.shared } else { &local.vectors.shared }, copies);
        });
    }

    /// The sum of the losses of each walk, and how many pairs it has.
    pub fn losses(&self) -> impl Iterator<Item = (f64, u64)> {
        self.locals[..self.len].iter().map(|local| (local.loss, local.pairs))
    }
}

/// What one walk of a batch needs.
#[derive(Default)]
struct Local {
    vectors: Copies,
    contexts: Copies,
    /// Slots of the nodes of the walk, in both.
    inputs: Vec<u32>,
    targets: Vec<u32>,
    radii: Vec<usize>,
    /// Of each group, one after the other: the slots of its negatives.
    negatives: Vec<u32>,
    /// How many rows of the contexts are wanted up to each group.
    known: Vec<usize>,
    /// The negatives of a stretch of the walk; their slots, when they have some.
    pool: Vec<u32>,
    /// Of each pair of a stretch: input and target.
    stretch: Vec<[u32; 2]>,
    /// Of the pairs of a group: the inputs; the targets.
    group: [Vec<u32>; 2],
    scratch: Scratch,
    loss: f64,
    pairs: u64,
}

impl Local {
    /// Draws the windows and negatives of a walk of a batch, finds a slot for each row it uses, and marks those.
    fn prepare(
        &mut self,
        epoch: &Epoch<'_, impl Fn(u64) -> Stream>,
        walks: Stretch<'_>,
        at: usize,
        users: [&[AtomicU16]; 2],
        task: &Task,
    ) -> Result<()> {
        let walk = seen(&walks.nodes[at * epoch.length..][..epoch.length]);
        let walk = if walk.len() < 2 { &[] } else { walk }; // no pairs
        let (plan, noise, stream) = (epoch.plan, epoch.noise, (epoch.stream)(walks.first + at as u64));
        self.vectors.clear(walk.len().min(noise.len()))?;
        self.inputs.clear();
        self.inputs.extend(walk.iter().map(|&node| self.vectors.slot(node as u32)));
        self.radii.clear();
        self.radii.extend((0..walk.len()).map(|i| radius(stream, i, plan.window, plan.shrink)));
        let size = plan.pool.max(plan.negative);
        let drawn = walk.len().div_ceil(SPAN).saturating_mul(size);
        self.contexts.clear(drawn.saturating_add(walk.len()).min(noise.len()))?;
        self.targets.clear();
        self.negatives.clear();
        self.known.clear();
        for (stretch, nodes) in walk.chunks(SPAN).enumerate() {
            task.check()?;
            self.targets.extend(nodes.iter().map(|&node| self.contexts.slot(node as u32)));
            let pairs: usize =
                (stretch * SPAN..).take(nodes.len()).map(|i| around(i, self.radii[i], walk.len()).len() - 1).sum();
            let groups = pairs.div_ceil(plan.share);
            let wanted = groups.saturating_mul(plan.negative);
            room(&mut self.negatives, wanted, "the negatives of a walk")?;
            room(&mut self.known, groups, "the negatives of a walk")?;
            let used = wanted.min(size);
            self.pool.clear();
            room(&mut self.pool, used, "the negatives of a walk")?;
            for j in 0..used {
                if j % POLL == POLL - 1 {
                    task.check()?;
                }
                let word = 1 + (stretch * size + j) as u64;
                self.pool.push(noise.draw(stream.word(word)));
            }
            // Slots in the order in which rows are wanted.
            let (mut next, mut first_round) = (0, true);
            for _ in 0..groups {
                for _ in 0..plan.negative {
                    if first_round {
                        self.pool[next] = self.contexts.slot(self.pool[next]);
                    }
                    self.negatives.push(self.pool[next]);
                    next += 1;
                    if next == used {
                        (next, first_round) = (0, false);
                    }
                }
                self.known.push(self.contexts.rows.len());
            }
        }
        for (users, rows) in users.into_iter().zip([&self.vectors.rows, &self.contexts.rows]) {
            for &row in rows {
                users[row as usize].fetch_or(1 << at, Relaxed);
            }
        }
        Ok(())
    }

    /// Trains on the groups of the walk, one after the other. Copies the rows of the contexts just before they are wanted,
    /// so that the next come near while there is work on the last.
    fn train(&mut self, plan: &Plan, rate: f32, contexts: &Rows<'_>, walk: usize, task: &Task) -> Result<()> {
        let width = contexts.width();
        (self.loss, self.pairs) = (0.0, 0);
        let (mut number, mut done, length) = (0, 0, self.radii.len());
        for first in (0..length).step_by(SPAN) {
            self.stretch.clear();
            for i in first..length.min(first + SPAN) {
                let (near, target) = (around(i, self.radii[i], length), self.targets[i]);
                room(&mut self.stretch, near.len(), "the pairs of a walk")?;
                self.stretch.extend(self.inputs[near.start..i].iter().map(|&input| [input, target]));
                self.stretch.extend(self.inputs[i + 1..near.end].iter().map(|&input| [input, target]));
            }
            let groups = self.stretch.len().div_ceil(plan.share);
            for g in 0..groups {
                self.contexts.fill(contexts, walk, self.known[number]);
                let [inputs, targets] = &mut self.group;
                inputs.clear();
                targets.clear();
                for &[input, target] in self.stretch[g..].iter().step_by(groups) {
                    inputs.push(input);
                    targets.push(target);
                }
                let negatives = &self.negatives[number * plan.negative..][..plan.negative];
                let group = Group { inputs, targets, negatives };
                done += inputs.len() * (1 + plan.negative) * width * LANES;
                if done >= POLL {
                    task.check()?; // a walk may have millions of nodes
                    done = 0;
                }
                let (vectors, contexts) = (&mut self.vectors.data, &mut self.contexts.data);
                self.loss += f64::from(step(&group, rate, width, vectors, contexts, &mut self.scratch));
                self.pairs += group.inputs.len() as u64;
                number += 1;
            }
        }
        Ok(())
    }
}
