//! The graph in rows, for steps: in order, merged, in 32 bits, checked.

use super::lines::Lines;
use super::second_order::Bias;
use crate::csr::Csr;
use crate::parallel::{advise_large_pages, reserve};
use crate::{Error, Result};
use std::ops::Range;

/// Where a node's row of edges starts, and how many there are: one load of eight bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) start: u32,
    pub(super) degree: u32,
}

/// Rows of neighbours, ascending and distinct. There is one node and one edge more than the matrix has, the abyss, where
/// dead ends lead: so every node has an edge.
#[derive(Debug)]
pub(super) struct Graph {
    rows: Vec<Row>,
    neighbours: Lines,
}

impl Graph {
    /// Copies a matrix. The weights by edge come with it where they differ within some row, with room for the abyss's; a row
    /// of equal weights then is a row of ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not square, too large for 32 bits, a weight is negative or not finite, or the sum of
    /// a row times the greatest bias is infinite, or times the least so small that digits are lost;
    /// [`Error::OutOfMemory`].
    pub(super) fn new<I: Copy + Ord + Into<i64>>(
        csr: Csr<'_, I>,
        bias: Option<Bias>,
    ) -> Result<(Self, Option<Vec<f64>>)> {
        let (least, greatest) = bias.map_or((f64::INFINITY, 1.0), |bias| (bias.least(), bias.greatest()));
        let (n, n_entries) = (csr.n_rows(), csr.start(csr.n_rows()));
        check_size(n, csr.n_columns(), n_entries)?;
        let survey = Survey::of(csr)?;
        let plain = survey.in_order && survey.alike;
        let mut neighbours = Lines::with_room(n_entries + 1, "edges of the graph")?;
        let mut weights = reserve(if plain { 0 } else { n_entries + 1 }, "weights of the graph")?;
        advise_large_pages(&mut weights);
        let mut row = reserve(if plain { 0 } else { survey.longest }, "a row of the graph")?;
        let mut rows = reserve(n + 1, "rows of the graph")?;
        advise_large_pages(&mut rows);
        let mut alike = true;
        for v in 0..n {
            let start = neighbours.numbers().len();
            let sum = if plain {
                neighbours.extend(csr.row(v).map(|(x, _)| x as u32));
                (neighbours.numbers().len() - start) as f64
            } else {
                row.clear();
                row.extend(csr.row(v));
                alike &= tidy(&mut row, survey.in_order);
                neighbours.extend(row.iter().map(|&(x, _)| x as u32));
                weights.extend(row.iter().map(|&(_, w)| w));
                sum(&weights[start..])
            };
            if !(sum * greatest).is_finite() {
                return Err(Error::Invalid(format!(
                    "graph: the weights of row {v} sum to {sum:e}, times a bias of up to {greatest:e}, more than float64 \
                     can hold; divide all weights by the largest, or take p and q nearer to 1."
                )));
            }
            if sum > 0.0 && sum * least < f64::MIN_POSITIVE {
                return Err(Error::Invalid(format!(
                    "graph: the weights of row {v} sum to {sum:e}, times a bias of down to {least:e}, less than float64 \
                     can tell apart; divide all weights by the largest, or take p and q nearer to 1."
                )));
            }
            rows.push(Row { start: start as u32, degree: (neighbours.numbers().len() - start) as u32 });
        }
        let abyss = Row { start: neighbours.numbers().len() as u32, degree: 1 };
        rows.iter_mut().filter(|row| row.degree == 0).for_each(|row| *row = abyss);
        rows.push(abyss);
        neighbours.extend(std::iter::once(n as u32));
        neighbours.finish();
        Ok((Self { rows, neighbours }, (!alike).then_some(weights)))
    }

    /// One per node, the abyss last.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// One per edge, row by row; the abyss's last. Whole [`super::Slots`] leave something else there.
    pub(super) fn neighbours(&self) -> &[u32] {
        self.neighbours.numbers()
    }

    /// Both, the neighbours without the abyss's, to be changed.
    pub(super) fn rows_and_neighbours(&mut self) -> (&[Row], &mut [u32]) {
        let n_edges = self.neighbours.numbers().len() - 1;
        (&self.rows, &mut self.neighbours.numbers_mut()[..n_edges])
    }

    /// The same, to be searched.
    pub(super) fn lines(&self) -> &Lines {
        &self.neighbours
    }

    /// Runs of rows with about `target` edges each; the abyss's is in none.
    pub(super) fn runs(&self, target: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut run = Run { nodes: 0..0, edges: 0..0 };
        let n_edges = self.neighbours().len() - 1;
        for (v, row) in self.rows[..self.rows.len() - 1].iter().enumerate() {
            run.nodes.end = v + 1;
            if row.start as usize == run.edges.end && run.edges.end < n_edges {
                run.edges.end += row.degree as usize;
            }
            if run.edges.len() >= target {
                let next = Run { nodes: v + 1..v + 1, edges: run.edges.end..run.edges.end };
                runs.push(std::mem::replace(&mut run, next));
            }
        }
        runs.push(run);
        runs
    }

    /// The node that dead ends lead to, and that leads to itself.
    pub(super) fn abyss(&self) -> u32 {
        (self.rows.len() - 1) as u32
    }
}

/// Some rows that follow each other, and their edges.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) nodes: Range<usize>,
    pub(super) edges: Range<usize>,
}

/// The sum in order.
pub(super) fn sum(weights: &[f64]) -> f64 {
    weights.iter().fold(0.0, |sum, w| sum + w)
}

fn check_size(n: usize, n_columns: usize, n_entries: usize) -> Result<()> {
    if n_columns != n {
        return Err(Error::Invalid(format!("graph has {n} rows and {n_columns} columns: it must be square.")));
    }
    if n > i32::MAX as usize || n_entries >= u32::MAX as usize {
        return Err(Error::Invalid(format!(
            "graph has {n} nodes and {n_entries} entries: at most {} and {} can be numbered.",
            i32::MAX,
            u32::MAX - 1
        )));
    }
    Ok(())
}

/// What a first look at a matrix tells.
struct Survey {
    /// No row needs sorting or merging, or holds a zero.
    in_order: bool,
    /// The entries of each row are equal.
    alike: bool,
    /// Entries of the longest row.
    longest: usize,
}

impl Survey {
    fn of<I: Copy + Ord + Into<i64>>(csr: Csr<'_, I>) -> Result<Self> {
        let mut found = Self { in_order: true, alike: true, longest: 0 };
        for v in 0..csr.n_rows() {
            let (mut least, mut first) = (0, None);
            for (place, (x, w)) in csr.row(v).enumerate() {
                if !(0.0..f64::INFINITY).contains(&w) {
                    let at = csr.start(v) + place;
                    return Err(Error::Invalid(format!(
                        "graph.data[{at}]={w} (row {v}): a weight must be finite and not negative."
                    )));
                }
                found.in_order &= x >= least && w > 0.0;
                found.alike &= w == *first.get_or_insert(w);
                least = x + 1;
            }
            found.longest = found.longest.max(csr.start(v + 1) - csr.start(v));
        }
        Ok(found)
    }
}

/// Puts a row in order, merges what it repeats in the order stored, drops zeros, and writes ones where all weights are
/// equal; tells whether they are.
fn tidy(row: &mut Vec<(usize, f64)>, in_order: bool) -> bool {
    if !in_order {
        row.sort_by_key(|&(x, _)| x); // a stable sort
        row.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        row.retain(|&(_, w)| w > 0.0);
    }
    let alike = row.iter().all(|&(_, w)| w == row[0].1 && w < f64::INFINITY);
    if alike {
        row.iter_mut().for_each(|(_, w)| *w = 1.0);
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_in_order_merged_and_rid_of_zeros() {
        let (indptr, indices) = ([0_i32, 4, 4, 7], [2, 0, 2, 1, 0, 1, 2]);
        let data = [1.0, 2.0, 0.5, 0.0, 3.0, 3.0, 3.0];
        let csr = Csr::new(&indptr, &indices, &data, 3).unwrap();
        let (graph, weights) = Graph::new(csr, None).unwrap();
        assert_eq!(graph.neighbours(), [0, 2, 0, 1, 2, 3]);
        assert_eq!(weights.unwrap(), [2.0, 1.5, 1.0, 1.0, 1.0]);
        let rows: Vec<_> = graph.rows().iter().map(|row| (row.start, row.degree)).collect();
        assert_eq!(rows, [(0, 2), (5, 1), (2, 3), (5, 1)]);
    }

    #[test]
    fn weights_are_dropped_where_rows_are_alike() {
        let csr = Csr::new(&[0, 2, 3], &[0, 1, 0], &[2.0, 2.0, 5.0], 2).unwrap();
        assert!(Graph::new(csr, None).unwrap().1.is_none());
    }

    #[test]
    fn faults_are_named() {
        let fault = |data: [f64; 2], n_columns| {
            let (indptr, indices) = ([0_i64, 2, 2], [0_i64, 1]);
            let csr = Csr::new(&indptr, &indices, &data, n_columns).unwrap();
            Graph::new(csr, Bias::new(0.25, 1.0).unwrap()).unwrap_err().to_string()
        };
        assert!(fault([1.0, f64::NAN], 2).starts_with("graph.data[1]=NaN (row 0)"));
        assert!(fault([-1.0, 1.0], 2).starts_with("graph.data[0]=-1 (row 0)"));
        assert!(fault([1e308, 1.0], 2).contains("row 0 sum to 1e308"));
        assert!(fault([1e-320, 2e-320], 2).contains("down to 1e0, less than float64"));
        assert!(fault([1.0, 1.0], 3).contains("2 rows and 3 columns"));
    }
}
