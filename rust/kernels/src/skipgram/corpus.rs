//! Walks to train on: those of an array, or such as are taken when they are wanted.

use crate::parallel::filled;
use crate::walks::Walks;
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// Nodes of the walks that are fetched at a time, about.
const FETCH: usize = 1 << 15;

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

/// How often each node is visited.
pub(super) fn counts(corpus: &impl Corpus, n_nodes: usize, task: &Task) -> Result<Vec<f64>> {
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
pub(super) fn each_fetch(
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
        task.check()?;
        let share = at_once.div_ceil(8);
        let pieces = buffer.par_chunks_mut(share * length).zip(rows.par_chunks(share));
        pieces.try_for_each(|(out, rows)| corpus.fetch(rows, out, task))?;
        take(buffer)?;
    }
    Ok(())
}
