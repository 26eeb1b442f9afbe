//! Nodes with equal rows of W, which are equally similar to everything.

use super::Number;
use super::half::{Half, Value};
use crate::parallel::{Watch, filled, reserve, zeros};
use crate::{Result, Task};
use rayon::prelude::*;
use std::cmp::Ordering;

/// The class of a node without paths.
pub(super) const NONE: u32 = u32::MAX;

/// Classes of nodes with equal rows, ascending in M_xx; nodes without paths are in none.
#[derive(Debug)]
pub(super) struct Twins {
    /// The class of each node.
    pub class_of: Vec<u32>,
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Twins {
    /// Finds them by hashing: O(entries).
    pub fn new<V: Value>(half: &Half<'_, V>, task: &Task) -> Result<Self> {
        const WHAT: &str = "the classes of equal nodes";
        const EMPTY: u32 = u32::MAX;
        const SOME: usize = 1 << 8; // rows that are hashed together
        let n = half.len();
        let mut hashes = zeros(n, WHAT)?;
        hashes.par_chunks_mut(SOME).enumerate().try_for_each(|(block, hashes)| {
            hashes.iter_mut().zip(block * SOME..).for_each(|(hash, row)| *hash = hash_of(half, row));
            task.check()
        })?;
        // An open table of the first node of each class.
        let mask = (2 * n).next_power_of_two() - 1;
        let mut table = filled(mask + 1, EMPTY, WHAT)?;
        let mut first_of = filled(n, NONE, WHAT)?;
        let mut firsts = reserve(n, WHAT)?;
        let mut watch = Watch::new(task);
        for row in 0..n {
            let columns = half.row(row).0;
            watch.took(1 + columns.len())?;
            if columns.is_empty() {
                continue;
            }
            let mut slot = hashes[row] as usize & mask;
            while table[slot] != EMPTY && !same(half, &hashes, table[slot] as usize, row) {
                slot = (slot + 1) & mask;
            }
            if table[slot] == EMPTY {
                table[slot] = row as u32;
                firsts.push(row as u32);
            }
            first_of[row] = table[slot];
        }
        drop(table);
        // Stable, and the firsts ascend: classes of one norm are in the order of their first nodes.
        firsts.sort_by(|&a, &b| half.norms[a as usize].partial_cmp(&half.norms[b as usize]).unwrap_or(Ordering::Equal));
        let mut class_of = filled(n, NONE, WHAT)?;
        for (class, &first) in firsts.iter().enumerate() {
            class_of[first as usize] = class as u32;
        }
        let mut starts = filled(firsts.len() + 2, 0, WHAT)?;
        for row in 0..n {
            if first_of[row] != NONE {
                class_of[row] = class_of[first_of[row] as usize];
                starts[class_of[row] as usize + 2] += 1;
            }
        }
        for class in 2..starts.len() {
            starts[class] += starts[class - 1];
        }
        let mut members = filled(starts[starts.len() - 1] as usize, 0, WHAT)?;
        for (row, &class) in class_of.iter().enumerate().filter(|&(_, &class)| class != NONE) {
            let at = &mut starts[class as usize + 1];
            members[*at as usize] = row as u32;
            *at += 1;
        }
        starts.pop();
        Ok(Self { class_of, starts, members })
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The nodes of a class, ascending.
    pub fn members(&self, class: usize) -> &[u32] {
        &self.members[self.starts[class] as usize..self.starts[class + 1] as usize]
    }
}

fn hash_of<V: Value>(half: &Half<'_, V>, row: usize) -> u64 {
    let (columns, values) = half.row(row);
    columns.iter().zip(values).fold(0, |hash: u64, (&column, &value)| {
        let mixed = (hash ^ column as u64 ^ value.bits().rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    })
}

fn same<V: Value>(half: &Half<'_, V>, hashes: &[u64], a: usize, b: usize) -> bool {
    hashes[a] == hashes[b] && half.row(a) == half.row(b)
}
