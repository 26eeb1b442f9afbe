//! The k most similar nodes of each query.

use super::half::{Half, Matrix, Row, Scratches, Value, flops_before};
use super::select::{Best, Match};
use crate::parallel::{filled, runs_of_cells, split_runs, zeros};
use crate::{Error, Result, Task};
use rayon::prelude::*;

/// About how many multiplications make a block, the unit of parallel work.
const BLOCK: usize = 1 << 18;

/// See [`super::PathSim::top_k`]; the queries are nodes.
pub(super) fn top_k<V: Value>(
    half: &Half<V>,
    k: usize,
    queries: Option<&[i64]>,
    include_self: bool,
    task: &Task,
) -> Result<(Vec<i64>, Vec<f64>)> {
    if k == 0 {
        return Err(Error::Invalid("k=0: must be at least 1.".into()));
    }
    let q = queries.map_or(half.len(), <[i64]>::len);
    let size = q as u128 * k as u128;
    let what = "the arrays of similar nodes";
    let size = usize::try_from(size).map_err(|_| Error::OutOfMemory { what, bytes: size.saturating_mul(16) })?;
    let mut scores = zeros(size, what)?;
    let mut nodes = filled(size, -1, what)?;
    task.expect(q);
    let query = |at: usize| queries.map_or(at, |queries| queries[at] as usize);
    half.with_columns(|columns| {
        let blocks = runs_of_cells(&flops_before(&half.rows, columns, (0..q).map(query))?, BLOCK);
        let ends = || blocks.iter().map(|block| block.end * k);
        let (nodes, scores) = (split_runs(&mut nodes, ends()), split_runs(&mut scores, ends()));
        let scratches = Scratches::new();
        blocks.par_iter().zip(nodes).zip(scores).try_for_each(|((block, nodes), scores)| {
            scratches.with(
                || Ok((Row::new(half.len())?, Best::default())),
                |(row, best)| {
                    let slots = nodes.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
                    for (at, (nodes, scores)) in block.clone().zip(slots) {
                        search(half, columns, query(at), k, include_self, row, best);
                        for (at, found) in best.finish().iter().enumerate() {
                            (nodes[at], scores[at]) = (found.node.into(), found.score);
                        }
                    }
                    task.advance(block.len())
                },
            )
        })
    })?;
    Ok((nodes, scores))
}

fn search<V: Value>(
    half: &Half<V>,
    columns: &Matrix<V>,
    x: usize,
    k: usize,
    include_self: bool,
    row: &mut Row<V>,
    best: &mut Best,
) {
    best.start(k);
    let xx = half.norms[x];
    row.sum(half.rows.row(x), columns, |y, xy| {
        let score = V::score(xy, xx, half.norms[y as usize]);
        if score > 0.0 && (include_self || y as usize != x) {
            best.offer(Match { score, node: y });
        }
    });
}
