//! The indexes against the definition, on inputs that straddle their blocks.
//!
//! Parity with the reference and with outside oracles is tested from Python; these tests need no Python, so they also
//! run in debug builds, with every assertion and overflow check on.

use diptych_kernels::Task;
use diptych_kernels::clustering::{Metric, Rows, dbscan, k_distances, predict};
use diptych_kernels::rng::Stream;
use proptest::prelude::*;

const METRICS: [Metric; 4] = [Metric::Euclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Minkowski(3.0)];

fn distance(metric: Metric, x: &[f64], y: &[f64]) -> f64 {
    let t = x.iter().zip(y).map(|(a, b)| a - b);
    match metric {
        Metric::Euclidean => t.fold(0.0, |s, t| s + t * t),
        Metric::Manhattan => t.fold(0.0, |s, t| s + t.abs()),
        Metric::Chebyshev => t.fold(0.0, |s: f64, t| s.max(t.abs())),
        Metric::Minkowski(p) => t.fold(0.0, |s, t| s + t.abs().powf(p)),
        _ => unreachable!(),
    }
}

fn limit(metric: Metric, eps: f64) -> f64 {
    match metric {
        Metric::Euclidean => eps * eps,
        Metric::Minkowski(p) => eps.powf(p),
        _ => eps,
    }
}

/// DBSCAN by the definition.
fn by_definition(data: &[f64], width: usize, eps: f64, min_samples: usize, metric: Metric) -> (Vec<isize>, Vec<isize>) {
    let n = data.len() / width;
    let row = |i: usize| &data[i * width..(i + 1) * width];
    let near: Vec<Vec<usize>> =
        (0..n).map(|i| (0..n).filter(|&j| distance(metric, row(i), row(j)) <= limit(metric, eps)).collect()).collect();
    let core: Vec<usize> = (0..n).filter(|&i| near[i].len() >= min_samples).collect();
    let mut labels = vec![-1; n];
    let mut next = 0;
    for &start in &core {
        if labels[start] >= 0 {
            continue;
        }
        let mut stack = vec![start];
        while let Some(i) = stack.pop() {
            if labels[i] >= 0 {
                continue;
            }
            labels[i] = next;
            if near[i].len() >= min_samples {
                stack.extend(near[i].iter().filter(|&&j| labels[j] < 0));
            }
        }
        next += 1;
    }
    (core.iter().map(|&i| i as isize).collect(), labels)
}

/// Clumps, duplicates and ties: multiples of `step` around a few centres.
fn clumps(seed: u64, n: usize, width: usize, step: f64, offset: f64) -> Vec<f64> {
    let stream = Stream::new(seed, 1);
    let draw = |i: usize, modulus: u64| stream.word(i as u64) % modulus;
    (0..n * width)
        .map(|i| {
            let centre = draw(i / width, 4) as f64 * 9.0 * step;
            offset + centre + draw(n * width + i, 7) as f64 * step
        })
        .collect()
}

fn agree(data: &[f64], width: usize, eps: f64, min_samples: usize, metric: Metric) -> Result<(), TestCaseError> {
    let expected = by_definition(data, width, eps, min_samples, metric);
    let rows = Rows::new(data, data.len() / width, width).unwrap();
    let found = dbscan(rows, eps, min_samples, metric, None, &Task::new()).unwrap();
    prop_assert_eq!(&found, &expected);
    let core: Vec<f64> = found.0.iter().flat_map(|&i| rows.row(i as usize)).copied().collect();
    if !core.is_empty() {
        let labels: Vec<i64> = found.0.iter().map(|&i| found.1[i as usize] as i64).collect();
        let again =
            predict(rows, Rows::new(&core, core.len() / width, width).unwrap(), &labels, eps, metric, &Task::new())
                .unwrap();
        prop_assert_eq!(again, expected.1);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dbscan_is_its_definition(
        seed in any::<u64>(),
        n in prop_oneof![1usize..70, Just(127), Just(128), Just(129), Just(193), 190usize..330],
        width in prop_oneof![1usize..6, Just(12), Just(13), Just(17)],
        metric in 0..METRICS.len(),
        eps in prop_oneof![Just(0.1), Just(0.2), Just(0.1 * 2f64.sqrt()), Just(0.45), Just(3.0)],
        min_samples in 1usize..9,
        offset in prop_oneof![Just(0.0), Just(4.5e6), Just(-1e12)],
    ) {
        agree(&clumps(seed, n, width, 0.1, offset), width, eps, min_samples, METRICS[metric])?;
    }

    #[test]
    fn k_distances_are_sorted_distances(
        seed in any::<u64>(),
        n in prop_oneof![2usize..70, Just(129), Just(193)],
        width in prop_oneof![1usize..6, Just(13)],
        metric in 0..METRICS.len(),
        k in 1usize..12,
    ) {
        prop_assume!(k < n);
        let metric = METRICS[metric];
        let data = clumps(seed, n, width, 0.1, 100.0);
        let rows = Rows::new(&data, n, width).unwrap();
        let found = k_distances(rows, k, metric, &Task::new()).unwrap();
        for i in 0..n {
            let mut all: Vec<f64> =
                (0..n).filter(|&j| j != i).map(|j| distance(metric, rows.row(i), rows.row(j))).collect();
            all.sort_by(f64::total_cmp);
            let expected = match metric {
                Metric::Euclidean => all[k - 1].sqrt(),
                Metric::Minkowski(p) => all[k - 1].powf(1.0 / p),
                _ => all[k - 1],
            };
            prop_assert_eq!(found[i], expected);
        }
    }
}

#[test]
fn extremes_are_decided_by_the_contract() {
    let wild = [0.0, 1e-200, -1e-200, 1e-320, 1.0, 1.0 + f64::EPSILON, 1e154, 1e200, -1e200, f64::MAX, f64::MIN];
    for width in [1, 2, 3, 4, 13] {
        let data: Vec<f64> =
            (0..40 * width).map(|i| wild[Stream::new(9, 0).word(i as u64) as usize % wild.len()]).collect();
        for eps in [1e-320, 1e-200, 1e-160, 1e-16, 1.0, 1e160, 1e200, f64::MAX] {
            for metric in METRICS {
                agree(&data, width, eps, 3, metric).unwrap_or_else(|fault| panic!("{width} {eps} {metric:?}: {fault}"));
            }
        }
    }
}

#[test]
fn an_interrupted_task_says_so() {
    let data = clumps(1, 500, 2, 0.1, 0.0);
    let task = Task::new();
    task.interrupt();
    let outcome = dbscan(Rows::new(&data, 500, 2).unwrap(), 0.2, 3, Metric::Euclidean, None, &task);
    assert_eq!(outcome.unwrap_err().to_string(), "interrupted");
}
