//! The kernel against the definition, one query at a time; parts on every path.

use super::block::{is_strange, pack_rows, pack_transposed, padded};
use super::few::{FEW, blend_few, scores_of_few};
use super::rows::{Strides, blend, blend_seen};
use super::*;
use crate::Task;
use crate::simd::numbers::Numbers;
use crate::simd::over_paths;
use crate::simd::product::{To, multiply};
use crate::simd::tile::ACROSS;
use ndarray::{ArrayD, IxDyn};

/// Numbers between −1 and 1.
fn draw(n: usize, seed: u64) -> Vec<f64> {
    let words = crate::rng::Stream::new(seed, 0).words(0, n).unwrap();
    words.into_iter().map(|word| (word >> 11) as f64 / (1u64 << 52) as f64 - 1.0).collect()
}

struct Case {
    heads: usize,
    group: usize,
    queries: usize,
    keys: usize,
    features: usize,
    width: usize,
    causal: bool,
    query: Vec<f64>,
    key: Vec<f64>,
    value: Vec<f64>,
    seen: Option<ArrayD<u8>>,
}

impl Case {
    fn new(heads: usize, group: usize, queries: usize, keys: usize, features: usize, width: usize) -> Self {
        Self {
            heads,
            group,
            queries,
            keys,
            features,
            width,
            causal: false,
            query: draw(heads * queries * features, 1),
            key: draw(heads / group * keys * features, 2),
            value: draw(heads / group * keys * width, 3),
            seen: None,
        }
    }

    fn masked(mut self) -> Self {
        let shape = IxDyn(&[self.heads, self.queries, self.keys]);
        let bits = draw(self.heads * self.queries * self.keys, 4);
        // Any byte but 0 is true.
        let byte = |&x: &f64| if x > 0.4 { 254 } else { u8::from(x > -0.4) * (1 + u8::from(x > 0.0)) };
        let seen = ArrayD::from_shape_vec(shape, bits.iter().map(byte).collect());
        self.seen = Some(seen.unwrap());
        self
    }

    fn view(&self) -> Attention<'_, f64> {
        Attention {
            heads: self.heads,
            group: self.group,
            queries: self.queries,
            keys: self.keys,
            features: self.features,
            width: self.width,
            query: &self.query,
            key: &self.key,
            value: &self.value,
            mask: self.seen.as_ref().map(|seen| Mask::Seen(seen.view())),
            is_causal: self.causal,
            scale: 0.7,
        }
    }

    /// One query at a time.
    fn definition(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.heads * self.queries * self.width];
        for head in 0..self.heads {
            for i in 0..self.queries {
                let of = (head * self.queries + i) * self.features;
                let mut sum = 0.0;
                let to = &mut out[(head * self.queries + i) * self.width..][..self.width];
                for j in 0..self.keys {
                    let hidden = self.seen.as_ref().is_some_and(|seen| seen[[head, i, j].as_slice()] == 0);
                    if hidden || (self.causal && j > i) {
                        continue;
                    }
                    let place = head / self.group * self.keys + j;
                    let z: f64 =
                        (0..self.features).map(|k| self.query[of + k] * self.key[place * self.features + k]).sum();
                    let e = (0.7 * z).exp();
                    sum += e;
                    for c in 0..self.width {
                        to[c] += e * self.value[place * self.width + c];
                    }
                }
                to.iter_mut().for_each(|x| *x /= if sum == 0.0 { 1.0 } else { sum });
            }
        }
        out
    }
}

fn pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(1, 1, 1, 1, 1, 1),
        Case::new(2, 1, 70, 130, 9, 17),
        Case::new(6, 3, 5, 1100, 8, 3).masked(),
        Case::new(4, 2, 40, 200, 33, 20).masked(),
        Case::new(1, 1, 129, 1025, 5, 5),
        Case::new(3, 1, 1, 2100, 64, 64),
        Case::new(4, 2, 3, 1030, 37, 70).masked(),
        Case::new(8, 2, 130, 140, 5, 32).masked(),
        Case::new(1, 1, 70, 300, 3, 16),
        Case::new(9, 1, 66, 140, 7, 40).masked(),
    ];
    cases.push(Case { causal: true, ..Case::new(2, 1, 130, 140, 5, 6).masked() });
    cases.push(Case { causal: true, ..Case::new(2, 1, 200, 60, 5, 6) });
    cases.push(Case { causal: true, ..Case::new(2, 1, FEW, 60, 16, 9) });
    cases
}

#[test]
fn every_way_is_the_definition() {
    for case in cases() {
        let expected = case.definition();
        let runs: Vec<_> = [1, 2, 3]
            .map(|threads| pool(threads, || forward(&case.view(), threads == 3, &Task::new()).unwrap()))
            .into_iter()
            .collect();
        for run in &runs {
            assert_eq!(run.output, runs[0].output);
            assert_eq!(run.total, runs[0].total);
            for (a, b) in run.output.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
    }
}

#[test]
fn the_way_back_is_a_difference() {
    for case in [Case::new(2, 2, 3, 5, 2, 3), Case { causal: true, ..Case::new(1, 1, 4, 3, 2, 2).masked() }] {
        let there = forward(&case.view(), false, &Task::new()).unwrap();
        let asked = draw(there.output.len(), 9);
        let tape = Tape { output: &there.output, maximum: &there.maximum, total: &there.total };
        let by = backward(&case.view(), &tape, &asked, &Task::new()).unwrap();
        let loss = |case: &Case| case.definition().iter().zip(&asked).map(|(a, b)| a * b).sum::<f64>();
        let mut moved = Case {
            seen: case.seen.clone(),
            query: case.query.clone(),
            key: case.key.clone(),
            value: case.value.clone(),
            ..case
        };
        for (which, found) in [&by.query, &by.key, &by.value].into_iter().enumerate() {
            for (place, found) in found.iter().enumerate() {
                let mut at = |shift: f64| {
                    let numbers = [&mut moved.query, &mut moved.key, &mut moved.value];
                    numbers.into_iter().nth(which).unwrap()[place] += shift;
                    let loss = loss(&moved);
                    let numbers = [&mut moved.query, &mut moved.key, &mut moved.value];
                    numbers.into_iter().nth(which).unwrap()[place] -= shift;
                    loss
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((slope - found).abs() < 1e-8, "{which} {place}: {slope} {found}");
            }
        }
    }
}

#[test]
fn the_way_back_does_not_depend_on_threads() {
    for case in cases() {
        let there = forward(&case.view(), false, &Task::new()).unwrap();
        let asked = draw(there.output.len(), 9);
        let tape = Tape { output: &there.output, maximum: &there.maximum, total: &there.total };
        let runs =
            [1, 2, 3, 16].map(|threads| pool(threads, || backward(&case.view(), &tape, &asked, &Task::new()).unwrap()));
        for run in &runs {
            assert!(run.query == runs[0].query && run.key == runs[0].key && run.value == runs[0].value);
        }
    }
}

#[test]
fn blocks_hold_what_was_packed() {
    over_paths!(|lanes| {
        let wide = ACROSS * <_ as Numbers<f64>>::n(lanes);
        for (rows, width) in [(1, 1), (3, 17), (128, 64), (70, 33), (17, 5)] {
            let x = draw(rows * width, 5);
            let mut across = vec![9.0; KEYS * width];
            pack_transposed(lanes, &x, width, &mut across);
            let mut along = vec![9.0; KEYS * padded(width, wide)];
            assert!(!pack_rows(lanes, &x, width, KEYS, &mut along));
            for row in 0..padded(rows, wide) {
                for column in 0..width {
                    let expected = if row < rows { x[row * width + column] } else { 0.0 };
                    assert_eq!(across[row / wide * width * wide + column * wide + row % wide], expected);
                }
            }
            for row in 0..rows {
                for column in 0..padded(width, wide) {
                    let expected = if column < width { x[row * width + column] } else { 0.0 };
                    assert_eq!(along[(column / wide * KEYS + row) * wide + column % wide], expected);
                }
            }
        }
    });
}

#[test]
fn what_is_not_finite_is_found_anywhere() {
    over_paths!(|lanes| {
        for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in 0..70 {
                let mut x = draw(70, 6);
                assert!(!is_strange(lanes, &x));
                x[at] = strange;
                assert!(is_strange(lanes, &x), "{at}");
            }
        }
    });
}

#[test]
fn what_is_not_packed_gives_the_bits_of_what_is() {
    over_paths!(|lanes| {
        let wide = ACROSS * <_ as Numbers<f64>>::n(lanes);
        for (rows, n, d, v) in [(1, 128, 64, 64), (FEW, 100, 37, 70), (3, 9, 5, 33), (2, 17, 8, 3), (7, 128, 1, 1)] {
            let (query, keys) = (draw(rows * d, 1), draw(n * d, 2));
            let (weights, values, factors) = (draw(rows * KEYS, 3), draw(n * v, 4), draw(rows, 5));
            let (mut across, mut along) = (vec![0.0; KEYS * d], vec![0.0; KEYS * padded(v, wide)]);
            pack_transposed(lanes, &keys, d, &mut across);
            pack_rows(lanes, &values, v, KEYS, &mut along);
            let (mut one, mut two) = (vec![9.0; rows * KEYS], vec![9.0; rows * KEYS]);
            multiply(lanes, &query, d, rows, d, &across, n.div_ceil(wide), To::Padded(&mut one, KEYS));
            scores_of_few(lanes, &query, rows, &keys, d, &mut two);
            for row in 0..rows {
                assert_eq!(one[row * KEYS..][..n], two[row * KEYS..][..n], "{rows} {n} {d}");
            }
            for factors in [None, Some(&factors[..])] {
                let apart = padded(v, wide);
                let (mut one, mut two) = (draw(rows * apart, 6), draw(rows * apart, 6));
                blend(lanes, &weights, KEYS, rows, n, &along, KEYS, factors, &mut one, apart, apart);
                blend_few(lanes, &weights, rows, &values, v, factors, &mut two, apart);
                for row in 0..rows {
                    assert_eq!(one[row * apart..][..v], two[row * apart..][..v], "{rows} {n} {v}");
                }
            }
        }
    });
}

#[test]
fn a_query_gives_the_same_alone_and_among_others() {
    for masked in [false, true] {
        let all = Case::new(2, 1, 70, 1100, 20, 32);
        let mut all = if masked { all.masked() } else { all };
        // Keys that nobody sees hold what would spoil everything.
        if let Some(seen) = &mut all.seen {
            seen.indexed_iter_mut().filter(|(place, _)| place[2] % 9 == 4).for_each(|(_, seen)| *seen = 0);
            all.value.iter_mut().enumerate().filter(|(at, _)| at / 32 % 1100 % 9 == 4).for_each(|(_, x)| *x = f64::NAN);
        }
        let expected = forward(&all.view(), false, &Task::new()).unwrap().output;
        for (first, n) in [(0, 1), (13, FEW), (40, FEW + 1)] {
            let part = |x: &[f64], width: usize| -> Vec<f64> {
                x.chunks(70 * width).flat_map(|head| head[first * width..][..n * width].to_vec()).collect()
            };
            let few = Case {
                queries: n,
                query: part(&all.query, 20),
                key: all.key.clone(),
                value: all.value.clone(),
                seen: all
                    .seen
                    .as_ref()
                    .map(|seen| seen.slice_axis(ndarray::Axis(1), ndarray::Slice::from(first..first + n)).to_owned()),
                ..Case::new(2, 1, 1, 1100, 20, 32)
            };
            assert!(expected.iter().all(|x| x.is_finite()));
            assert_eq!(forward(&few.view(), false, &Task::new()).unwrap().output, part(&expected, 32));
        }
    }
}

#[test]
fn leaving_out_what_is_not_seen_is_multiplying_by_zero() {
    over_paths!(|lanes| {
        let wide = ACROSS * <_ as Numbers<f64>>::n(lanes);
        let (rows, terms, columns) = (7, 19, 21);
        let mut a = draw(rows * KEYS, 7);
        let seen: Vec<bool> = a.iter().map(|&a| a > 0.0).collect();
        a.iter_mut().filter(|a| **a <= 0.0).for_each(|a| *a = 0.0);
        let x = draw(terms * columns, 8);
        let factors = draw(rows, 9);
        let mut packed = vec![0.0; KEYS * padded(columns, wide)];
        pack_rows(lanes, &x, columns, KEYS, &mut packed);
        let (mut one, mut two) = (draw(rows * columns, 10), draw(rows * columns, 10));
        blend(lanes, &a, KEYS, rows, terms, &packed, KEYS, Some(&factors), &mut one, columns, columns);
        let at = Strides { row: KEYS, term: 1 };
        blend_seen(lanes, &a, &seen, at, rows, terms, &x, Some(&factors), &mut two, columns, columns);
        assert_eq!(one, two);
    });
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let case = Case::new(2, 1, 3, 4, 5, 6);
    let there = forward(&case.view(), false, &Task::new()).unwrap();
    let changes: [fn(&mut Attention<'_, f64>); 8] = [
        |of| of.query = &of.query[1..],
        |of| of.key = &of.key[1..],
        |of| of.value = &of.value[1..],
        |of| of.group = 3,
        |of| of.group = 0,
        |of| of.keys = 0,
        |of| of.mask = Some(Mask::Added(ndarray::ArrayViewD::from_shape(IxDyn(&[3, 4]), &of.query[..12]).unwrap())),
        |of| of.queries = usize::MAX,
    ];
    for change in changes {
        let mut of = case.view();
        change(&mut of);
        assert!(forward(&of, false, &Task::new()).is_err());
    }
    let (output, maximum, total) = (&there.output[..], &there.maximum[..], &there.total[..]);
    for (output, maximum, total, asked) in [
        (&output[1..], maximum, total, output),
        (output, &maximum[1..], total, output),
        (output, maximum, &total[1..], output),
        (output, maximum, total, &output[1..]),
    ] {
        let tape = Tape { output, maximum, total };
        assert!(backward(&case.view(), &tape, asked, &Task::new()).is_err());
    }
}

#[test]
fn whoever_interrupts_is_heard() {
    for case in cases() {
        let task = Task::new();
        task.interrupt();
        assert!(matches!(forward(&case.view(), false, &task), Err(Error::Interrupted)));
    }
}
