//! The k most similar nodes of each query, one row of M at a time.

use super::columns::Columns;
use super::half::{Half, Scratches, Value};
use super::row::Row;
use super::select::{Best, Match};
use crate::parallel::{each, split_runs};
use crate::{Result, Task};
use std::ops::Range;

/// About how many multiplications make a block, the unit of parallel work.
pub(super) const BLOCK: usize = 1 << 18;

/// Fills the answers to the queries, k numbers each, in blocks of queries.
pub(super) fn top_k<V: Value>(
    half: &Half<'_, V>,
    k: usize,
    queries: Option<&[i64]>,
    include_self: bool,
    blocks: Vec<Range<usize>>,
    (nodes, scores): (&mut [i64], &mut [f64]),
    task: &Task,
) -> Result<()> {
    let query = |at: usize| queries.map_or(at, |queries| queries[at] as usize);
    let n_queries = blocks.last().map_or(0, |block| block.end);
    half.with_columns((0..n_queries).map(query), task, |columns| {
        let ends = || blocks.iter().map(|block| block.end * k);
        let (nodes, scores) = (split_runs(nodes, ends()), split_runs(scores, ends()));
        let scratches = Scratches::new();
        each(blocks.into_iter().zip(nodes).zip(scores).collect(), |((block, nodes), scores)| {
            scratches.with(
                || Ok((Row::new(half.len())?, Best::default())),
                |(row, best)| {
                    let slots = nodes.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
                    for (at, (nodes, scores)) in block.clone().zip(slots) {
                        if at + 1 < block.end {
                            columns.prefetch(half.row(query(at + 1)).0);
                        }
                        search(half, columns, query(at), k, include_self, row, best);
                        for (at, found) in best.finish().iter().enumerate() {
                            (nodes[at], scores[at]) = (found.node.into(), found.score);
                        }
                    }
                    task.advance(block.len())
                },
            )
        })
    })
}

fn search<V: Value>(
    half: &Half<'_, V>,
    columns: &Columns<V>,
    x: usize,
    k: usize,
    include_self: bool,
    row: &mut Row<V>,
    best: &mut Best,
) {
    best.start(k);
    let xx = half.norms[x];
    let least = |best: &Best, lightest| V::least(best.threshold(), xx, lightest);
    row.sum(half.row(x), columns, best, least, |best, y, yy, xy| {
        let score = V::score(xy, xx, yy);
        if score > 0.0 && (include_self || y as usize != x) {
            best.offer(Match { score, node: y });
        }
    });
}
