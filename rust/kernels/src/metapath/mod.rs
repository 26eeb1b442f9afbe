//! Path counts and PathSim on typed graphs.
//!
//! A commuting matrix is a chain of sparse products, multiplied in the cheapest order ([`chain()`]). PathSim needs the
//! half path's matrix W alone: M = W Wᵀ is never built, a row of it at most ([`PathSim`]).
//!
//! The best of many queries are found in tiles of M where there are many paths per node, and row by row of M otherwise; the best
//! of few queries by the columns that they reach ([`few`]). Shapes and numbers of entries decide.

mod bands;
mod chain;
mod columns;
mod few;
mod half;
mod lists;
mod matrix;
mod norms;
mod product;
mod relation;
mod row;
mod score;
mod select;
mod tiles;
mod top_k;
mod twins;

pub use chain::{Number, Product, chain};
pub use matrix::Similarities;
pub use relation::{Numbers, Relation, Stored};

use crate::parallel::{Task, both_fit, collected, filled, runs_of_cells, zeros};
use crate::{Error, Result};
use half::Half;
use tiles::Tiles;

/// Rows that are checked or copied together.
const ROWS: usize = 1 << 12;

/// The half path's matrix, made ready.
///
/// Counts are kept as narrow as the greatest M_xx allows: with M_xy² <= M_xx · M_yy, what holds the diagonal holds all.
#[derive(Debug)]
pub struct PathSim<'a> {
    kind: Kind<'a>,
    /// Kept for many calls.
    tiles: Option<Tiles>,
}

#[derive(Debug)]
enum Kind<'a> {
    /// M_xx < 2³¹, so entries are below 2¹⁶ and doubled counts fit 32 bits.
    Narrow(Half<'a, u16>),
    /// M_xx < 2⁶².
    Wide(Half<'a, u32>),
    /// Weights.
    Real(Half<'a, f64>),
}

/// Calls a generic method of the half matrix.
macro_rules! with_half {
    ($path:expr, |$half:ident| $body:expr) => {
        match &$path.kind {
            Kind::Narrow($half) => $body,
            Kind::Wide($half) => $body,
            Kind::Real($half) => $body,
        }
    };
}

impl<'a> PathSim<'a> {
    /// From path counts: O(entries).
    ///
    /// # Errors
    /// [`Error::Overflow`] where a doubled M_xx is beyond 64 bits, [`Error::OutOfMemory`].
    pub fn of_counts(half: Relation<'a, i64>) -> Result<Self> {
        let most = (half.greatest as u128).saturating_pow(2).saturating_mul(half.longest as u128);
        let kind = if most < 1 << 31 {
            Kind::Narrow(Half::new(half, norms::of_small_counts(half)?)?)
        } else {
            let norms = norms::of_counts(half)?;
            if norms.iter().all(|&norm| norm < 1 << 31) {
                Kind::Narrow(Half::new(half, collected(norms.into_iter().map(|norm| norm as u32), "the diagonal")?)?)
            } else {
                Kind::Wide(Half::new(half, norms)?)
            }
        };
        Ok(Self { kind, tiles: None })
    }

    /// From weights: O(entries).
    ///
    /// # Errors
    /// As [`PathSim::of_counts`]; here [`Error::Overflow`] is a doubled M_xx that is not finite.
    pub fn of_weights(half: Relation<'a, f64>) -> Result<Self> {
        Ok(Self { kind: Kind::Real(Half::new(half, norms::of_weights(half)?)?), tiles: None })
    }

    /// Keeps a copy of the matrix and what [`PathSim::top_k`] prepares, for many calls that ask little each: O(entries).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn keep(mut self, task: &Task) -> Result<PathSim<'static>> {
        let n = self.len();
        let before = with_half!(self, |half| half.flops_before(0..n, task))?;
        match &mut self.kind {
            Kind::Narrow(half) if Tiles::fit(half, before[n], n) => self.tiles = Some(Tiles::new(half, task)?),
            Kind::Narrow(half) => half.keep_columns(task)?,
            Kind::Wide(half) => half.keep_columns(task)?,
            Kind::Real(half) => half.keep_columns(task)?,
        }
        let kind = match self.kind {
            Kind::Narrow(half) => Kind::Narrow(half.into_owned(task)?),
            Kind::Wide(half) => Kind::Wide(half.into_owned(task)?),
            Kind::Real(half) => Kind::Real(half.into_owned(task)?),
        };
        Ok(PathSim { kind, tiles: self.tiles })
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        with_half!(self, |half| half.len())
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The k most similar nodes of each query (of all nodes where there are none given), and how similar they are;
    /// k numbers per query, −1 and 0 after the last similar one. See `diptych.kernels.metapath.pathsim_top_k`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a query that is no node, [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn top_k(
        &self,
        k: usize,
        queries: Option<&[i64]>,
        include_self: bool,
        task: &Task,
    ) -> Result<(Vec<i64>, Vec<f64>)> {
        if let Some(queries) = queries {
            self.check(queries, "queries")?;
        }
        if k == 0 {
            return Err(Error::Invalid("k=0: must be at least 1.".into()));
        }
        let q = queries.map_or(self.len(), <[i64]>::len);
        let (what, size) = ("the arrays of similar nodes", q as u128 * k as u128);
        both_fit::<i64, f64>(size, what)?;
        let size = size as usize;
        let (mut nodes, mut scores) = (filled(size, -1, what)?, zeros(size, what)?);
        let out = (&mut nodes[..], &mut scores[..]);
        if let Some(tiles) = &self.tiles {
            task.expect(q);
            tiles.top_k(k, queries, include_self, out, task)?;
            return Ok((nodes, scores));
        }
        // Kept columns answer a query in microseconds, on the thread that asks.
        let kept = with_half!(self, |half| half.has_columns());
        if let Some(queries) = queries.filter(|_| !kept)
            && let Some(counts) = self.counts_if_few(queries, task)?
        {
            with_half!(self, |half| few::top_k(half, &counts, k, queries, include_self, out, task))?;
            return Ok((nodes, scores));
        }
        task.expect(q);
        let query = |at: usize| queries.map_or(at, |queries| queries[at] as usize);
        let before = with_half!(self, |half| half.flops_before((0..q).map(query), task))?;
        match &self.kind {
            Kind::Narrow(half) if Tiles::fit(half, before[q], q) => {
                Tiles::new(half, task)?.top_k(k, queries, include_self, out, task)?;
            }
            _ => {
                let blocks = runs_of_cells(&before, top_k::BLOCK);
                with_half!(self, |half| top_k::top_k(half, k, queries, include_self, blocks, out, task))?;
            }
        }
        Ok((nodes, scores))
    }

    /// What [`few`] wants to know, if these queries are for it.
    fn counts_if_few(&self, queries: &[i64], task: &Task) -> Result<Option<Vec<u32>>> {
        let Some(counts) = with_half!(self, |half| few::reached(half, queries, task))? else { return Ok(None) };
        let products = with_half!(self, |half| few::multiplications(half, &counts));
        let in_tiles = matches!(&self.kind, Kind::Narrow(half) if Tiles::fit(half, products, queries.len()));
        Ok((!in_tiles && few::pays(self.len(), products, queries.len())).then_some(counts))
    }

    /// All similarities of at least `threshold` that are not 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn matrix(&self, threshold: f64, task: &Task) -> Result<Similarities> {
        with_half!(self, |half| matrix::matrix(half, threshold, matrix::BLOCK, task))
    }

    /// The similarity of each pair: O(entries of the two rows).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a node that does not exist or arrays of two lengths, [`Error::OutOfMemory`],
    /// [`Error::Interrupted`].
    pub fn pairs(&self, left: &[i64], right: &[i64], task: &Task) -> Result<Vec<f64>> {
        if left.len() != right.len() {
            return Err(Error::Invalid(format!("left has {} nodes, right has {}.", left.len(), right.len())));
        }
        self.check(left, "left")?;
        self.check(right, "right")?;
        with_half!(self, |half| half.pairs(left, right, task))
    }

    fn check(&self, nodes: &[i64], name: &str) -> Result<()> {
        let n = self.len();
        match nodes.iter().position(|&node| node < 0 || node as u64 >= n as u64) {
            Some(at) => Err(Error::Invalid(format!("{name}[{at}]={}: there are {n} nodes.", nodes[at]))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
