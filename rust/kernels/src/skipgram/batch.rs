//! A batch of walks that train beside each other, each on copies of the rows it uses.
//!
//! Most rows are used by one walk of their batch. That walk puts them back itself, while they are in its core's cache;
//! the others take up what their copies have gained when all walks are done, in the order of the walks.

use super::Plan;
use super::copies::{Copies, Rows};
use super::corpus::seen;
use super::draws::{Noise, radius};
use super::group::{Group, Scratch, add_gains, step};
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
/// Pieces of a table that take up changes beside each other.
const PIECES: usize = 4;

/// The two tables, whose rows have `width` times sixteen numbers.
pub(super) struct Tables {
    pub vectors: Vec<[f32; LANES]>,
    pub contexts: Vec<[f32; LANES]>,
    pub width: usize,
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

    /// Draws all that the walks need, and marks the rows they use.
    pub fn prepare(
        &mut self,
        plan: &Plan,
        noise: &Noise,
        walks: &[i32],
        length: usize,
        stream: impl Fn(usize) -> Stream + Sync,
        task: &Task,
    ) -> Result<()> {
        let Self { locals, len, vector_users, context_users } = self;
        *len = walks.len() / length;
        locals.par_iter_mut().zip(walks.par_chunks_exact(length)).enumerate().try_for_each(|(walk, (local, nodes))| {
            local.prepare(plan, noise, seen(nodes), stream(walk), task)?;
            let mark = |users: &[AtomicU16], rows: &[u32]| {
                rows.iter().for_each(|&row| {
                    users[row as usize].fetch_or(1 << walk, Relaxed);
                });
            };
            mark(vector_users, &local.vectors.rows);
            mark(context_users, &local.contexts.rows);
            Ok(())
        })
    }

    /// Trains all walks that are prepared; rows that one of them uses are as they shall be then.
    pub fn train(&mut self, tables: &mut Tables, plan: &Plan, rate: f32, task: &Task) -> Result<()> {
        let Self { locals, len, vector_users, context_users } = self;
        let width = tables.width;
        let vectors = Rows::new(&mut tables.vectors, vector_users, width);
        let contexts = Rows::new(&mut tables.contexts, context_users, width);
        locals[..*len].par_iter_mut().enumerate().try_for_each(|(walk, local)| {
            local.vectors.fill(&vectors, walk)?;
            local.contexts.fill(&contexts, walk)?;
            local.train(plan, rate, width, task)?;
            local.vectors.put_back(&vectors, walk);
            local.contexts.put_back(&contexts, walk);
            Ok(())
        })
    }

    /// Puts what the copies of rows of several walks have gained into the tables, and clears the marks.
    pub fn take_up(&self, tables: &mut Tables) {
        let locals = &self.locals[..self.len];
        let Tables { vectors, contexts, width } = tables;
        rayon::join(
            || take_up(vectors, *width, &self.vector_users, locals, |local| &local.vectors),
            || take_up(contexts, *width, &self.context_users, locals, |local| &local.contexts),
        );
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

impl Local {
    /// Draws the windows and negatives of a walk, and finds a slot for each row it uses.
    fn prepare(&mut self, plan: &Plan, noise: &Noise, walk: &[i32], stream: Stream, task: &Task) -> Result<()> {
        self.vectors.clear(walk.len().min(noise.len()))?;
        self.inputs.clear();
        self.inputs.extend(walk.iter().map(|&node| self.vectors.slot(node as u32)));
        self.radii.clear();
        self.radii.extend((0..walk.len()).map(|i| radius(stream, i, plan.window, plan.shrink)));
        let groups = (2 * plan.window as usize).min(walk.len()).div_ceil(plan.share);
        let size = plan.pool.max(plan.negative);
        let drawn = walk.len().div_ceil(SPAN).saturating_mul(size);
        self.contexts.clear(drawn.saturating_add(walk.len()).min(noise.len()))?;
        self.targets.clear();
        let per_position = groups.saturating_mul(plan.negative.saturating_add(1));
        room(&mut self.targets, walk.len().saturating_mul(per_position), "the negatives of a walk")?;
        for (stretch, nodes) in walk.chunks(SPAN).enumerate() {
            let used = nodes.len().saturating_mul(groups).saturating_mul(plan.negative).min(size);
            self.pool.clear();
            room(&mut self.pool, used, "the negatives of a walk")?;
            for j in 0..used {
                if j % POLL == POLL - 1 {
                    task.check()?;
                }
                let word = 1 + (stretch * size + j) as u64;
                self.pool.push(self.contexts.slot(noise.draw(stream.word(word))));
            }
            let mut next = 0;
            for &node in nodes {
                let slot = self.contexts.slot(node as u32);
                for _ in 0..groups {
                    self.targets.push(slot);
                    for _ in 0..plan.negative {
                        self.targets.push(self.pool[next]);
                        next = if next + 1 == used { 0 } else { next + 1 };
                    }
                }
            }
        }
        Ok(())
    }

    /// Trains on the windows of the walk, one after the other.
    fn train(&mut self, plan: &Plan, rate: f32, width: usize, task: &Task) -> Result<()> {
        (self.loss, self.pairs) = (0.0, 0);
        let per_position = self.targets.len() / self.radii.len().max(1);
        let mut done = 0;
        for (i, &radius) in self.radii.iter().enumerate() {
            let targets = self.targets[i * per_position..][..per_position].chunks_exact(1 + plan.negative);
            self.near.clear();
            self.near.extend(&self.inputs[i.saturating_sub(radius)..i]);
            self.near.extend(&self.inputs[i + 1..self.inputs.len().min(i + radius + 1)]);
            for (inputs, targets) in self.near.chunks(plan.share).zip(targets) {
                let group = Group { inputs, targets };
                done += inputs.len() * targets.len() * width * LANES;
                if done >= POLL {
                    task.check()?; // a walk may have millions of nodes
                    done = 0;
                }
                let (vectors, contexts) = (&mut self.vectors.data, &mut self.contexts.data);
                self.loss += f64::from(step(&group, rate, width, vectors, contexts, &mut self.scratch));
                self.pairs += inputs.len() as u64;
            }
        }
        Ok(())
    }
}

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
        for local in locals {
            for &row in copies(local).shared.iter().filter(|&row| mine.contains(row)) {
                let walks = users[row as usize].swap(0, Relaxed);
                gained.clear();
                let users = (0..locals.len()).filter(|walk| walks >> walk & 1 != 0);
                gained.extend(users.map(|walk| copies(&locals[walk]).of(row, width)));
                add_gains(&mut table[(row - first) as usize * width..][..width], &gained);
            }
        }
    });
}
