//! Plain recurrent nets and the LSTM: a step, a sequence, and back through time.
//!
//! Every pre-activation is one chain of fused multiply-adds: the biases, then x in the order of the inputs, then h in the
//! order of the units. Work is cut over rows and over units, never along a chain, so a step equals a sequence, and a row of a
//! batch that row alone, bit for bit, for any number of threads and on every SIMD path.
//!
//! Weights are packed so that a register tile holds i, f, g and o of the same units; the cell is updated where the sums stand,
//! and in inference no gate goes to memory. Where the batch is small, what x gives is computed for a stretch of
//! steps at once: there rows are many. O(T · B · H · (I + H)) time.
//!
//! Threads share the rows of the batch, each for the whole sequence; where rows are few beside the threads and the weights
//! large, they share the units. Small work runs on one.
//!
//! Not best: a plain net of fewer than four registers of units computes on zeros; a machine without fused multiply-add calls
//! a function for each.

mod activation;
mod backward;
mod cell;
mod contribution;
mod forward;
mod gradients;
mod order;
mod pack;
mod phases;
mod recur;
mod rewind;
mod spectrum;
mod step;
mod team;

#[cfg(test)]
mod tests;

pub use crate::simd::numbers::Float;
use crate::simd::{product, tile};
pub use activation::{sigmoids, tanhs};
pub use backward::{Gradients, Signals, Tape, backward, is_short_back};
pub use contribution::{jacobian_norms, lstm_memory_terms, rnn_memory_terms};
pub use forward::{Run, Sequence, run, run_on};
pub use pack::Cell;
pub use step::step;

use crate::{Error, Result, Task};
use std::sync::{Mutex, PoisonError};

/// What a plain net does to its pre-activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// tanh
    Tanh,
    /// The larger of 0 and the number.
    Relu,
    /// Nothing.
    Identity,
}

impl Nonlinearity {
    /// Finds one by its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown one.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "tanh" => Ok(Self::Tanh),
            "relu" => Ok(Self::Relu),
            "identity" => Ok(Self::Identity),
            _ => Err(Error::Invalid(format!("nonlinearity={name:?}: must be 'tanh', 'relu' or 'identity'."))),
        }
    }
}

/// The cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// h = φ(x W_ihᵀ + h W_hhᵀ + b)
    Rnn(Nonlinearity),
    /// Long short-term memory, gates in the order i, f, g, o.
    Lstm,
}

impl Kind {
    /// Outputs of the weights per unit.
    pub(crate) fn gates(self) -> usize {
        match self {
            Kind::Rnn(_) => 1,
            Kind::Lstm => 4,
        }
    }

    /// Units of a panel.
    pub(crate) fn units(self, lanes: usize) -> usize {
        match self {
            Kind::Rnn(_) => tile::ACROSS * lanes,
            Kind::Lstm => lanes,
        }
    }
}

/// The weights of a cell, named and shaped as PyTorch's, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// I
    pub inputs: usize,
    /// H
    pub hidden: usize,
    /// (gates · H, I)
    pub w_ih: &'a [T],
    /// (gates · H, H)
    pub w_hh: &'a [T],
    /// (gates · H), or zeros.
    pub b_ih: Option<&'a [T]>,
    /// (gates · H), or zeros.
    pub b_hh: Option<&'a [T]>,
}

/// Does the work of two directions at once, each on half of the threads, which it is told: they have nothing to wait for from
/// each other, as the threads of one direction have. On one thread, one after the other; a crew is taken for two.
///
/// # Errors
/// Those of the work.
pub fn both<A: Send, B: Send>(
    task: &Task,
    first: impl FnOnce(usize) -> Result<A> + Send,
    second: impl FnOnce(usize) -> Result<B> + Send,
) -> Result<(A, B)> {
    let threads = task.threads();
    if threads == 1 {
        return Ok((first(1)?, second(1)?));
    }
    if !task.has_crew() {
        let (first, second) = rayon::join(|| first(threads - threads / 2), || second(threads / 2));
        return Ok((first?, second?));
    }
    let (waiting, found) = (Mutex::new(Some(second)), Mutex::new(None));
    let take = || {
        let second = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(second) = second {
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(second(1));
        }
    };
    let lead = || {
        let first = first(1);
        take();
        first
    };
    let first = task.together(2, lead, take)?;
    let second = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((first, second.unwrap_or(Err(Error::Interrupted))?))
}

/// Fails where an array has not the numbers that its shape takes.
fn expect<T>(name: &str, numbers: &[T], shape: &[usize]) -> Result<()> {
    let wanted = shape.iter().fold(1u128, |product, &n| product.saturating_mul(n as u128));
    if numbers.len() as u128 == wanted {
        return Ok(());
    }
    Err(Error::Invalid(format!("{name} holds {} numbers, not those of shape {shape:?}.", numbers.len())))
}
