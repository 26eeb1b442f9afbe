//! Alias tables by Vose's algorithm, and draws from them. Walks have theirs packed (`slots.rs`).

use super::graph::sum;
use crate::parallel::{Task, collected, filled, filled_with};
use crate::rng::{Stream, pick, uniform};
use crate::{Error, Result};
use rayon::prelude::*;

/// Draws that make a block.
const BLOCK: usize = 1 << 16;

/// Threshold and alias of each slot; O(n), in one thread, and 8 bytes per slot besides the result.
///
/// # Errors
/// [`Error::Invalid`] for weights that make no distribution, [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn alias_table(weights: &[f64], task: &Task) -> Result<(Vec<f64>, Vec<i64>)> {
    if weights.is_empty() || weights.len() >= u32::MAX as usize {
        return Err(Error::Invalid(format!("weights has {} entries: 1 to {} are taken.", weights.len(), u32::MAX - 1)));
    }
    if let Some(at) = weights.iter().position(|&w| !(0.0..f64::INFINITY).contains(&w)) {
        return Err(Error::Invalid(format!("weights[{at}]={}: must be finite and not negative.", weights[at])));
    }
    if weights.iter().all(|&w| w == 0.0) {
        return Err(Error::Invalid("weights is 0 everywhere: at least one must be positive.".into()));
    }
    if !sum(weights).is_finite() {
        return Err(Error::Invalid("weights sum to more than float64 can hold: divide them by the largest.".into()));
    }
    let n = weights.len();
    let (mut threshold, mut alias) = (filled(n, 0.0, "thresholds")?, filled(n, 0_u32, "aliases")?);
    vose(weights, &mut threshold, &mut alias, &mut filled(n, 0_u32, "stacks of slots")?, task)?;
    Ok((threshold, collected(alias.iter().map(|&slot| slot.into()), "aliases")?))
}

/// Vose's algorithm. The two stacks share one array, the slots below 1 from its left end and the others from its right.
pub(super) fn vose(
    weights: &[f64],
    threshold: &mut [f64],
    alias: &mut [u32],
    stacks: &mut [u32],
    task: &Task,
) -> Result<()> {
    let n = weights.len();
    threshold.fill(1.0);
    alias.iter_mut().zip(0..).for_each(|(alias, slot)| *alias = slot);
    if weights.iter().all(|&w| w == weights[0]) {
        return Ok(());
    }
    let total = sum(weights);
    let (mut small, mut large) = (0, n);
    for i in 0..n {
        threshold[i] = weights[i] / total * n as f64;
        if threshold[i] < 1.0 {
            stacks[small] = i as u32;
            small += 1;
        } else {
            large -= 1;
            stacks[large] = i as u32;
        }
    }
    while small > 0 && large < n {
        let (i, j) = (stacks[small - 1] as usize, stacks[large] as usize);
        if small % (1 << 12) == 0 {
            task.check()?;
        }
        alias[i] = j as u32;
        threshold[j] = (threshold[j] + threshold[i]) - 1.0;
        // i is done with. Where j goes from the large to the small, it takes the place that i leaves.
        if threshold[j] < 1.0 {
            large += 1;
            stacks[small - 1] = j as u32;
        } else {
            small -= 1;
        }
    }
    for &i in stacks[..small].iter().chain(&stacks[large..]) {
        threshold[i as usize] = 1.0;
    }
    Ok(())
}

/// `size` slots drawn from a table: draw i is made of word i of stream 0.
///
/// # Errors
/// [`Error::Invalid`] for a table that is none, [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn sample_alias(threshold: &[f64], alias: &[i64], size: usize, key: u64, task: &Task) -> Result<Vec<i64>> {
    let n = u32::try_from(alias.len()).ok().filter(|&n| n > 0 && threshold.len() == alias.len());
    let Some(n) = n else {
        let lengths = format!("{} thresholds and {} aliases", threshold.len(), alias.len());
        return Err(Error::Invalid(format!("table has {lengths}: one of each for 1 to {} slots is needed.", u32::MAX)));
    };
    let mut out = filled_with(size, || 0_i64, "the draws")?;
    let stream = Stream::new(key, 0);
    task.expect(size);
    out.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, draws)| {
        for (draw, i) in draws.iter_mut().zip((block * BLOCK) as u64..) {
            let (slot, fraction) = pick(stream.word(i), n);
            let own = uniform(fraction) < threshold[slot as usize];
            *draw = if own { slot.into() } else { alias[slot as usize] };
        }
        task.advance(draws.len())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_table_reproduces_its_weights(weights in prop::collection::vec(0.0..1e3_f64, 1..60)) {
            prop_assume!(weights.iter().any(|&w| w > 0.0));
            let (threshold, alias) = alias_table(&weights, &Task::new()).unwrap();
            let mut share = threshold.clone();
            for (i, &j) in alias.iter().enumerate() {
                share[j as usize] += 1.0 - threshold[i];
            }
            let scale = weights.len() as f64 / weights.iter().sum::<f64>();
            for (share, weight) in share.iter().zip(&weights) {
                prop_assert!((share - weight * scale).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn malformed_tables_are_refused() {
        let task = Task::new();
        assert!(sample_alias(&[], &[], 1, 0, &task).is_err());
        assert!(sample_alias(&[1.0], &[0, 0], 1, 0, &task).is_err());
        assert!(alias_table(&[], &task).is_err());
        assert!(alias_table(&[0.0, 0.0], &task).is_err());
        assert!(alias_table(&[1.0, f64::NAN], &task).is_err());
        assert!(alias_table(&[1e308, 1.7e308], &task).is_err());
    }
}
