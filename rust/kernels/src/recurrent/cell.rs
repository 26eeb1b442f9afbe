//! The cells: from pre-activations to states, a register at a time.

use super::Nonlinearity;
use super::activation::{gates, tanh};
use super::tile::{ACROSS, Four};
use crate::simd::numbers::{Float, Numbers};

/// What an LSTM makes of several rows: i, f, g and o in place of the pre-activations, c' = f ⊙ c + i ⊙ g in place of c; returns
/// h = o ⊙ tanh(c'). The second waits for the first, but not for that of another row.
#[inline(always)]
pub(super) fn lstm<T: Float, L: Numbers<T>, const M: usize>(
    lanes: L,
    pre: &mut [Four<L::V>; M],
    c: &mut [L::V; M],
) -> [L::V; M] {
    for m in 0..M {
        pre[m] = gates(lanes, pre[m]);
        let [i, f, g, _] = pre[m];
        c[m] = lanes.fused(f, c[m], lanes.mul(i, g));
    }
    let mut h = tanh(lanes, *c);
    for m in 0..M {
        h[m] = lanes.mul(pre[m][3], h[m]);
    }
    h
}

/// h = φ(pre)
#[inline(always)]
pub(super) fn rnn<T: Float, L: Numbers<T>>(lanes: L, nonlinearity: Nonlinearity, mut pre: Four<L::V>) -> Four<L::V> {
    for v in 0..ACROSS {
        pre[v] = match nonlinearity {
            Nonlinearity::Tanh => tanh(lanes, [pre[v]])[0],
            Nonlinearity::Relu => lanes.max(lanes.splat(T::ZERO), pre[v]),
            Nonlinearity::Identity => pre[v],
        };
    }
    pre
}

/// σ' = σ (1 − σ)
#[inline(always)]
fn sigmoid_slope<T: Float, L: Numbers<T>>(lanes: L, sigma: L::V) -> L::V {
    lanes.mul(sigma, lanes.sub(lanes.splat(T::ONE), sigma))
}

/// tanh' = 1 − tanh²
#[inline(always)]
fn tanh_slope<T: Float, L: Numbers<T>>(lanes: L, tanh: L::V) -> L::V {
    lanes.sub(lanes.splat(T::ONE), lanes.mul(tanh, tanh))
}

/// What comes back through an LSTM.
pub(super) struct Returned<V> {
    /// Derivatives by the pre-activations of i, f, g, o.
    pub gates: Four<V>,
    /// By the cell state before.
    pub c: V,
}

/// From the derivatives by h and c after the step. `gates` are i, f, g, o, `c` is the cell state after and `before` the one
/// before.
#[inline(always)]
pub(super) fn lstm_back<T: Float, L: Numbers<T>>(
    lanes: L,
    gates: Four<L::V>,
    c: L::V,
    before: L::V,
    dh: L::V,
    dc: L::V,
) -> Returned<L::V> {
    let [i, f, g, o] = gates;
    let [squashed] = tanh(lanes, [c]);
    let dc = lanes.fused(lanes.mul(dh, o), tanh_slope(lanes, squashed), dc);
    let gates = [
        lanes.mul(lanes.mul(dc, g), sigmoid_slope(lanes, i)),
        lanes.mul(lanes.mul(dc, before), sigmoid_slope(lanes, f)),
        lanes.mul(lanes.mul(dc, i), tanh_slope(lanes, g)),
        lanes.mul(lanes.mul(dh, squashed), sigmoid_slope(lanes, o)),
    ];
    Returned { gates, c: lanes.mul(dc, f) }
}

/// From the derivative by h after the step to that by the pre-activation.
#[inline(always)]
pub(super) fn rnn_back<T: Float, L: Numbers<T>>(lanes: L, nonlinearity: Nonlinearity, h: L::V, dh: L::V) -> L::V {
    let zero = lanes.splat(T::ZERO);
    match nonlinearity {
        Nonlinearity::Tanh => lanes.mul(dh, tanh_slope(lanes, h)),
        Nonlinearity::Relu => lanes.if_less(zero, h, dh, zero),
        Nonlinearity::Identity => dh,
    }
}
