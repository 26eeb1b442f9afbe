//! Rows in bands, the lightest (in M_yy) first; rows with uncommonly great entries in one of their own.

use super::half::{Half, Value};
use crate::Result;
use crate::parallel::reserve;
use std::cmp::Ordering;

/// Bands end at these shares of the rows, in sixteenths.
const SHARES: [usize; 4] = [1, 2, 6, 10];
/// Bands by M_yy, and the one of rows with an entry above the cut.
pub(super) const BANDS: usize = SHARES.len() + 2;
/// The band of rows without paths, which nobody reads.
pub(super) const NONE: u8 = BANDS as u8;
/// Rows that are looked at.
const SAMPLE: usize = 1 << 10;
const WHAT: &str = "a sample of the rows";

/// Which band a row is in.
#[derive(Debug)]
pub(super) struct Bands<V: Value> {
    /// The least M_yy of each band by M_yy but the first. Where two are the same, the band before is empty.
    froms: [V::Sum; SHARES.len()],
    /// The greatest entry of most rows.
    pub cut: V,
}

impl<V: Value> Bands<V> {
    /// By a sample of the rows, which is the same for any number of threads.
    pub fn new(half: &Half<'_, V>) -> Result<Self> {
        let mut sample: Vec<(V::Sum, V)> = reserve(SAMPLE + 1, WHAT)?;
        for row in (0..half.len()).step_by(half.len().div_ceil(SAMPLE).max(1)) {
            let values = half.row(row).1.iter().map(|&value| V::of(value));
            if let Some(greatest) = values.reduce(|a, b| if b > a { b } else { a }) {
                sample.push((half.norms[row], greatest));
            }
        }
        let mut bands = Self { froms: Default::default(), cut: V::default() };
        let Some(last) = sample.len().checked_sub(1) else { return Ok(bands) };
        sample.sort_unstable_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal));
        bands.cut = sample[last - last / 16].1;
        sample.sort_unstable_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        bands.froms = SHARES.map(|share| sample[last * share / 16].0);
        Ok(bands)
    }

    /// The band of a row with this M_yy and these entries.
    #[inline(always)]
    pub fn of(&self, norm: V::Sum, values: &[V::Given]) -> u8 {
        let band = self.froms.iter().map(|&from| u8::from(norm >= from)).sum();
        if norm == V::Sum::default() {
            NONE
        } else if !V::all_ones(norm, values.len()) && values.iter().any(|&value| V::of(value) > self.cut) {
            BANDS as u8 - 1
        } else {
            band
        }
    }

    /// The least M_yy of a band, or less.
    pub fn from(&self, band: usize) -> V::Sum {
        if band == 0 || band == BANDS - 1 { V::Sum::default() } else { self.froms[band - 1] }
    }
}
