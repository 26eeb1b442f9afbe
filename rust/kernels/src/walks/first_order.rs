//! First order: each step depends on the present node alone.

use super::graph::Graph;
use super::{Proposal, RING, Start};
use crate::Result;
use crate::parallel::Task;
use crate::rng::{Stream, pick};
use crate::simd::prefetch;

/// Walks of `length` nodes into the rows of `out`. A ring of walks goes in step, in two passes: where each row starts and
/// which edge it picks, then where those edges lead; each asks for what the other will read.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub(super) fn walk(
    graph: &Graph,
    edges: impl Proposal,
    mut starts: impl Iterator<Item = Start>,
    length: usize,
    out: &mut [i32],
    task: &Task,
) -> Result<()> {
    let (rows, abyss) = (graph.rows(), graph.abyss());
    let mut streams = [Stream::new(0, 0); RING];
    let mut nodes = [0_u32; RING];
    let mut picks = [(0_usize, 0_u64); RING];
    for out in out.chunks_mut(RING * length) {
        let n = out.len() / length;
        for (i, start) in starts.by_ref().take(n).enumerate() {
            (nodes[i], streams[i]) = (start.node, start.stream);
            out[i * length] = start.node as i32;
            prefetch(rows, start.node as usize);
        }
        for t in 1..length {
            for i in 0..n {
                let row = rows[nodes[i] as usize];
                let (slot, fraction) = pick(streams[i].word(t as u64), row.degree);
                picks[i] = (row.start.wrapping_add(slot) as usize, fraction);
                edges.prefetch(picks[i].0);
            }
            for i in 0..n {
                let (edge, fraction) = picks[i];
                nodes[i] = edges.candidate(edge, fraction);
                prefetch(rows, nodes[i] as usize);
                out[i * length + t] = if nodes[i] == abyss { -1 } else { nodes[i] as i32 };
            }
            task.check()?;
        }
    }
    Ok(())
}
