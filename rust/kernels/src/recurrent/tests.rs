//! The kernels against their definition, word for word, and against finite differences.

use super::forward::shares_units;
use super::*;
use crate::Task;
use cases::*;

mod cases;

#[test]
fn a_run_is_the_definition_bit_for_bit() {
    fn check<T: Number>() {
        for case in all_cases::<T>() {
            let one: Function<T> = |x| sigmoids(&[x]).unwrap()[0];
            let defined = case.definition(one, |x| tanhs(&[x]).unwrap()[0]);
            let same = all_bits(&case.run()) == all_bits(&defined);
            assert!(same, "{:?} {:?} {:?} {}", case.kind, case.sizes, case.lengths, case.reverse);
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn a_run_is_close_to_the_mathematics() {
    fn check<T: Number>(tolerance: f64) {
        for case in all_cases::<T>() {
            // A relu net with such weights may grow; a few steps suffice here.
            if case.sizes[0] > 20 && case.kind != Kind::Lstm {
                continue;
            }
            let sigmoid: Function<T> = |x| T::of(1.0 / (1.0 + (-x.into()).exp()));
            let expected = case.definition(sigmoid, |x| T::of(x.into().tanh()));
            for (found, expected) in case.run().y.iter().zip(&expected.y) {
                let (found, expected): (f64, f64) = ((*found).into(), (*expected).into());
                assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} {expected}");
            }
        }
    }
    check::<f32>(1e-5);
    check::<f64>(1e-13);
}

#[test]
fn steps_are_the_sequence() {
    fn check<T: Number>() {
        for kind in kinds() {
            for sizes in SIZES {
                let case = Case::<T>::new(kind, sizes, false, false);
                let [times, batch, inputs, hidden] = sizes;
                let cell = Cell::new(kind, &case.weights()).unwrap();
                let run = case.run();
                let (mut h, mut c) = (case.h0.clone(), case.c0.clone());
                for time in 0..times {
                    let x = &case.x[time * batch * inputs..][..batch * inputs];
                    let (mut to_h, mut to_c) = (h.clone(), c.clone());
                    step(&cell, x, &h, &c, &mut to_h, &mut to_c, &Task::new()).unwrap();
                    (h, c) = (to_h, to_c);
                    assert_eq!(bits(&h), bits(&run.y[time * batch * hidden..][..batch * hidden]));
                }
                assert_eq!((bits(&h), bits(&c)), (bits(&run.h), bits(&run.c.unwrap_or_default())));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn a_row_is_that_row_alone_and_a_sequence_its_two_halves() {
    for kind in kinds() {
        let case = Case::<f32>::new(kind, [12, 9, 5, 21], false, false);
        let [times, batch, inputs, hidden] = case.sizes;
        let whole = case.run();
        for row in 0..batch {
            let mut alone = case.clone();
            alone.sizes[1] = 1;
            alone.x = (0..times).flat_map(|time| case.x[(time * batch + row) * inputs..][..inputs].to_vec()).collect();
            alone.h0 = case.h0[row * hidden..][..hidden].to_vec();
            alone.c0 = case.c0.get(row * hidden..(row + 1) * hidden).unwrap_or_default().to_vec();
            assert_eq!(bits(&alone.run().h), bits(&whole.h[row * hidden..][..hidden]));
        }
        let (mut first, mut second) = (case.clone(), case.clone());
        (first.sizes[0], second.sizes[0]) = (5, 7);
        first.x.truncate(5 * batch * inputs);
        second.x.drain(..5 * batch * inputs);
        let before = first.run();
        second.h0 = before.h;
        second.c0 = before.c.unwrap_or_default();
        let after = second.run();
        assert_eq!(bits(&[before.y, after.y].concat()), bits(&whole.y));
    }
}

#[test]
fn threads_make_no_difference() {
    for kind in [Kind::Lstm, Kind::Rnn(Nonlinearity::Tanh)] {
        // Enough work for several threads, and several stretches.
        for (sizes, ragged) in
            [([60, 13, 20, 40], true), ([40, 20, 9, 65], false), ([40, 1, 70, 200], false), ([50, 3, 33, 130], true)]
        {
            let case = Case::<f32>::new(kind, sizes, ragged, ragged);
            assert!(!Cell::new(kind, &case.weights()).unwrap().is_for_one(case.total()));
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| (all_bits(&case.run()), gradient_bits(&case.gradients())))
            };
            let one = on(1);
            assert!((2..=4).all(|threads| on(threads) == one));
        }
    }
}

/// A half of the batch, or a thread, may have nothing to do.
#[test]
fn threads_without_rows_make_no_difference() {
    let crew = std::sync::Arc::new(crate::Crew::new(2).unwrap());
    for batch in [11, 12, 13, 25] {
        for lengths in [vec![40; batch], (0..batch).map(|row| 40 * i64::from(row == 1)).collect(), vec![0; batch]] {
            let mut case = Case::<f32>::new(Kind::Lstm, [40, batch, 30, 40], false, false);
            case.lengths = Some(lengths);
            let on = |threads, task: &Task| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| gradient_bits(&case.gradients_on(threads, task)))
            };
            let one = on(1, &Task::new());
            assert!([2, 3, 12, 13, 26].iter().all(|&threads| on(threads, &Task::new()) == one));
            assert_eq!(on(2, &Task::of(crew.clone())), one);
        }
    }
}

/// More helpers than a cell has panels to share; and many rows of large weights, of which some end before others.
#[test]
fn a_large_crew_makes_no_difference() {
    for (kind, sizes, members, ragged, times) in [
        (Kind::Rnn(Nonlinearity::Tanh), [150, 1, 8, 130], 8, false, 60),
        (Kind::Lstm, [60, 1, 8, 96], 8, false, 100),
        (Kind::Lstm, [60, 2, 8, 64], 3, false, 100),
        (Kind::Rnn(Nonlinearity::Tanh), [20, 3, 8, 260], 8, false, 100),
        (Kind::Lstm, [5, 20, 8, 448], 3, true, 3),
        (Kind::Rnn(Nonlinearity::Relu), [5, 20, 40, 900], 3, true, 3),
    ] {
        let crew = std::sync::Arc::new(crate::Crew::new(members).unwrap());
        let case = Case::<f32>::new(kind, sizes, ragged, ragged);
        let cell = Cell::new(kind, &case.weights()).unwrap();
        assert!(!cell.is_for_one(case.total()) && shares_units(&cell, sizes[1], members));
        let one = run_on(1, &cell, &case.sequence(), true, &Task::new()).unwrap();
        for _ in 0..times {
            let all = run(&cell, &case.sequence(), true, &Task::of(crew.clone())).unwrap();
            assert_eq!(all_bits(&all), all_bits(&one));
        }
    }
}

/// Members wait for each other in loops, so there are no more of them than cores.
#[test]
fn a_pool_larger_than_the_cores_makes_no_difference() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let case = Case::<f32>::new(Kind::Lstm, [60, 1, 8, 96], false, false);
    let cell = Cell::new(Kind::Lstm, &case.weights()).unwrap();
    assert!(!cell.is_for_one(60) && shares_units(&cell, 1, 3));
    let one = run_on(1, &cell, &case.sequence(), true, &Task::new()).unwrap();
    for (cores, abreast) in [(1, 1), (2, 2), (8, 3)] {
        let task = Task::on_cores(cores);
        let (found, all) = pool.install(|| (task.abreast(), run(&cell, &case.sequence(), true, &task).unwrap()));
        assert_eq!(found, abreast);
        assert_eq!(all_bits(&all), all_bits(&one));
    }
}

/// Who is interrupted lets the others go.
#[test]
fn a_team_ends_when_it_is_interrupted() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for sizes in [[200, 1, 8, 96], [200, 20, 8, 448]] {
        let case = Case::<f32>::new(Kind::Lstm, sizes, false, false);
        let cell = Cell::new(Kind::Lstm, &case.weights()).unwrap();
        let task = Task::new();
        task.interrupt();
        let found = pool.install(|| run(&cell, &case.sequence(), false, &task));
        assert!(matches!(found, Err(crate::Error::Interrupted)));
    }
}

#[test]
fn gradients_are_finite_differences() {
    const STEP: f64 = 1e-5;
    for kind in kinds() {
        for (ragged, reverse) in [(false, false), (true, true)] {
            let case = Case::<f64>::new(kind, [5, 3, 4, 6], ragged, reverse);
            let back = case.gradients();
            let check = |name: &str, found: &[f64], of: fn(&mut Case<f64>) -> &mut Vec<f64>| {
                for at in 0..found.len() {
                    let at_distance = |step: f64| {
                        let mut moved = case.clone();
                        of(&mut moved)[at] += step;
                        moved.loss()
                    };
                    let expected = (at_distance(STEP) - at_distance(-STEP)) / (2.0 * STEP);
                    assert!((found[at] - expected).abs() < 1e-7, "{kind:?} {name}[{at}]: {} {expected}", found[at]);
                }
                assert!(found.iter().any(|&number| number != 0.0), "{name}");
            };
            check("x", &back.x, |case| &mut case.x);
            check("h0", &back.h0, |case| &mut case.h0);
            check("w_ih", &back.w_ih, |case| &mut case.w_ih);
            check("w_hh", &back.w_hh, |case| &mut case.w_hh);
            check("b_ih", &back.b, |case| &mut case.b_ih);
            check("b_hh", &back.b, |case| &mut case.b_hh);
            if let Some(c0) = &back.c0 {
                check("c0", c0, |case| &mut case.c0);
            }
        }
    }
}

#[test]
fn gradients_in_single_precision_are_those_in_double() {
    for kind in kinds() {
        for (sizes, ragged) in [([30, 23, 20, 70], true), ([7, 5, 65, 17], false), ([900, 1, 3, 5], false)] {
            let scale = if kind == Kind::Lstm { 1.0 } else { 0.5 };
            let mut single = Case::<f32>::new(kind, sizes, ragged, ragged);
            single.w_hh.iter_mut().for_each(|w| *w *= scale);
            let mut double = Case::<f64>::new(kind, sizes, ragged, ragged);
            double.w_hh.iter_mut().for_each(|w| *w *= f64::from(scale));
            let (found, expected) = (single.gradients(), double.gradients());
            for (name, found, expected) in [
                ("x", &found.x, &expected.x),
                ("h0", &found.h0, &expected.h0),
                ("w_ih", &found.w_ih, &expected.w_ih),
                ("w_hh", &found.w_hh, &expected.w_hh),
                ("b", &found.b, &expected.b),
            ] {
                let largest = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
                let both = found.iter().zip(expected);
                let far = both.filter(|&(&a, b)| (f64::from(a) - b).abs() > 2e-5 * largest).count();
                // A relu in doubt takes the other side, and with it what is before it in time.
                let most = if kind == Kind::Rnn(Nonlinearity::Relu) { expected.len() / 10 } else { 0 };
                assert!(far <= most, "{kind:?} {name}: {far} of {}", expected.len());
            }
        }
    }
}

#[test]
fn what_is_beyond_the_end_is_zero_and_not_read() {
    let mut case = Case::<f32>::new(Kind::Lstm, [8, 6, 3, 5], true, false);
    let clean = (all_bits(&case.run()), gradient_bits(&case.gradients()));
    let [times, batch, inputs, hidden] = case.sizes;
    let lengths = case.lengths.clone().unwrap();
    let run = case.run();
    let (gates, cells) = run.tape.as_ref().unwrap();
    for time in 0..times {
        for row in (0..batch).filter(|&row| time as i64 >= lengths[row]) {
            let place = time * batch + row;
            case.x[place * inputs..][..inputs].fill(f32::NAN);
            assert!(run.y[place * hidden..][..hidden].iter().all(|&y| y == 0.0));
            assert!(gates[place * 4 * hidden..][..4 * hidden].iter().all(|&gate| gate == 0.0));
            assert!(cells[place * hidden..][..hidden].iter().all(|&cell| cell == 0.0));
        }
    }
    assert!(clean == (all_bits(&case.run()), gradient_bits(&case.gradients())));
}

#[test]
fn a_hand_sized_net() {
    // h_t = 0.3 x_t + 0.5 h_{t−1}, x = 1, 1, 1.
    let (w, w_h, x) = ([0.3f64], [0.5], [1.0; 3]);
    let weights = Weights { inputs: 1, hidden: 1, w_ih: &w, w_hh: &w_h, b_ih: None, b_hh: None };
    let sequence = Sequence { times: 3, batch: 1, x: &x, h0: &[0.0], c0: None, lengths: None, reverse: false };
    let kind = Kind::Rnn(Nonlinearity::Identity);
    let run = run(&Cell::new(kind, &weights).unwrap(), &sequence, true, &Task::new()).unwrap();
    let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15);
    assert!(close(&run.y, &[0.3, 0.45, 0.525]));
    let signals = Signals { dy: &[0.0; 3], dh: Some(&[1.0]), dc: None };
    let tape = Tape { y: &run.y, lstm: None };
    let back = backward(1, kind, &weights, &sequence, &tape, &signals, &Task::new()).unwrap();
    assert!(close(&back.w_ih, &[1.75]) && close(&back.w_hh, &[0.6]));
    assert!(close(&back.x, &[0.075, 0.15, 0.3]));
}

#[test]
fn faults_are_named() {
    let case = Case::<f32>::new(Kind::Lstm, [3, 2, 4, 5], true, false);
    let cell = Cell::new(case.kind, &case.weights()).unwrap();
    let says = |sequence: Sequence<'_, f32>, text: &str| {
        let error = run(&cell, &sequence, false, &Task::new()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    let good = case.sequence();
    says(Sequence { x: &case.x[1..], ..good }, "x holds 23 numbers");
    says(Sequence { h0: &case.h0[1..], ..good }, "h0 holds 9 numbers");
    says(Sequence { c0: None, ..good }, "takes a cell state");
    says(Sequence { lengths: Some(&[3, 4]), ..good }, "lengths[1]=4");
    says(Sequence { lengths: Some(&[-1, 2]), ..good }, "lengths[0]=-1");
    says(Sequence { lengths: Some(&[1]), ..good }, "lengths has 1");
    let weights = Weights { w_hh: &case.w_hh[1..], ..case.weights() };
    assert!(Cell::new(case.kind, &weights).unwrap_err().to_string().contains("w_hh holds 99"));
    let none = Weights { hidden: 0, w_ih: &[], w_hh: &[], b_ih: None, b_hh: None, ..case.weights() };
    assert!(Cell::new(case.kind, &none).unwrap_err().to_string().contains("at least one unit"));
    let stopped = Task::new();
    stopped.interrupt();
    assert!(matches!(run(&cell, &good, false, &stopped), Err(Error::Interrupted)));
    let (mut h, mut c) = ([0.0; 5], [0.0; 5]);
    assert!(step(&cell, &[0.0; 3], &[0.0; 5], &[0.0; 5], &mut h, &mut c, &Task::new()).is_err());
    let heard = step(&cell, &[0.0; 4], &[0.0; 5], &[0.0; 5], &mut h, &mut c, &stopped);
    assert!(matches!(heard, Err(Error::Interrupted)) && h == [0.0; 5]);
    // Looked at every so many units, not before the first.
    let heard = |times| {
        let gates = vec![0.5; times * 8 * 5];
        lstm_memory_terms(times, 2, 5, &gates, &[0.5; 10], None, false, &stopped)
    };
    assert!(heard(10).is_ok());
    assert!(matches!(heard(2000), Err(Error::Interrupted)));
    assert!(Nonlinearity::from_name("swish").unwrap_err().to_string().contains("\"swish\""));
}

#[test]
fn nothing_is_a_run_too() {
    let case = Case::<f32>::new(Kind::Lstm, [1, 1, 0, 3], false, false);
    assert_eq!(case.run().y.len(), 3);
    assert_eq!(case.gradients().w_ih.len(), 0);
    let empty = Sequence { times: 0, x: &[], ..case.sequence() };
    let cell = Cell::new(case.kind, &case.weights()).unwrap();
    let ran = run(&cell, &empty, true, &Task::new()).unwrap();
    assert_eq!((ran.h, ran.c.unwrap()), (case.h0.clone(), case.c0.clone()));
    let none = Sequence { batch: 0, x: &[], h0: &[], c0: Some(&[]), times: 4, ..case.sequence() };
    assert_eq!(run(&cell, &none, true, &Task::new()).unwrap().y.len(), 0);
    let short = Sequence { lengths: Some(&[0]), ..case.sequence() };
    assert_eq!(run(&cell, &short, true, &Task::new()).unwrap().h, case.h0);
}

#[test]
fn a_long_sequence_ends() {
    let case = Case::<f32>::new(Kind::Lstm, [100_000, 1, 2, 3], false, true);
    assert!(case.run().h.iter().chain(&case.gradients().w_hh).all(|x| x.is_finite()));
}

#[test]
fn infinite_and_huge_activations_saturate() {
    let mut case = Case::<f32>::new(Kind::Lstm, [4, 2, 3, 18], false, false);
    case.x.iter_mut().for_each(|x| *x *= 1e30);
    assert!(case.run().y.iter().all(|y| y.abs() <= 1.0));
    case.x[0] = f32::NAN;
    let y = case.run().y;
    assert!(y[..18].iter().all(|y| y.is_nan()) && y[18..36].iter().all(|y| y.is_finite()));
}

#[test]
fn terms_sum_to_the_state() {
    fn sums<T: Number>(terms: &[T], n: usize) -> Vec<f64> {
        (0..n).map(|at| terms.iter().skip(at).step_by(n).map(|&term| term.into()).sum()).collect()
    }
    for (ragged, reverse) in [(false, false), (true, true)] {
        let case = Case::<f64>::new(Kind::Lstm, [9, 5, 3, 19], ragged, reverse);
        let ([times, batch, _, hidden], run) = (case.sizes, case.run());
        let (gates, lengths) = (run.tape.unwrap().0, case.lengths.as_deref());
        let terms = lstm_memory_terms(times, batch, hidden, &gates, &case.c0, lengths, reverse, &Task::new()).unwrap();
        let c = run.c.unwrap();
        assert!(sums(&terms, batch * hidden).iter().zip(&c).all(|(sum, c)| (sum - c).abs() < 1e-14));
        let case = Case::<f64>::new(Kind::Rnn(Nonlinearity::Identity), [9, 5, 3, 35], ragged, reverse);
        let [_, batch, _, hidden] = case.sizes;
        let terms = rnn_memory_terms(&case.weights(), &case.sequence(), &Task::new()).unwrap();
        let found = sums(&terms, batch * hidden);
        assert!(found.iter().zip(&case.run().h).all(|(sum, h)| (sum - h).abs() < 1e-13 * h.abs().max(1.0)));
        if let Some(lengths) = &case.lengths {
            let beyond = |time: usize, row: usize| time as i64 >= lengths[row];
            for (time, row) in (0..9).flat_map(|time| (0..5).map(move |row| (time, row))) {
                let term = &terms[((time + 1) * batch + row) * hidden..][..hidden];
                assert_eq!(term.iter().all(|&x| x == 0.0), beyond(time, row));
            }
        }
    }
}

#[test]
fn terms_of_a_hand_sized_net() {
    let weights = Weights { inputs: 1, hidden: 1, w_ih: &[0.3], w_hh: &[0.5], b_ih: None, b_hh: None };
    let sequence = Sequence { times: 3, batch: 1, x: &[1.0; 3], h0: &[8.0], c0: None, lengths: None, reverse: false };
    let terms = rnn_memory_terms(&weights, &sequence, &Task::new()).unwrap();
    assert!(terms.iter().zip([1.0f64, 0.075, 0.15, 0.3]).all(|(a, b)| (a - b).abs() < 1e-15));
}

#[test]
fn jacobians_are_what_goes_back() {
    let of = |hidden, rows: &[f64]| {
        spectrum::norm(rows, hidden, hidden, 4 * pack::lanes_of(std::marker::PhantomData::<f64>), &Task::new()).unwrap()
    };
    for kind in kinds() {
        for (hidden, reverse) in [(6, false), (37, true)] {
            let case = Case::<f64>::new(kind, [6, 3, 4, hidden], true, reverse);
            let ([times, batch, inputs, _], run, lengths) = (case.sizes, case.run(), case.lengths.clone().unwrap());
            let tape = Tape { y: &run.y, lstm: run.tape.as_ref().map(|(gates, cells)| (&gates[..], &cells[..])) };
            let norms =
                jacobian_norms(kind, times, batch, &tape, &case.w_hh, case.lengths.as_deref(), reverse, &Task::new())
                    .unwrap();
            for row in 0..batch {
                let length = lengths[row] as usize;
                for step in 0..length {
                    let time = |step: usize| if reverse { length - 1 - step } else { step };
                    // The rest of the row from its state after the step, with each last unit as the loss in turn.
                    let mut rest = case.clone();
                    rest.sizes = [length - 1 - step, 1, inputs, hidden];
                    (rest.lengths, rest.reverse) = (None, false);
                    rest.x = (step + 1..length)
                        .flat_map(|step| case.x[(time(step) * batch + row) * inputs..][..inputs].to_vec())
                        .collect();
                    let at = (time(step) * batch + row) * hidden;
                    rest.h0 = run.y[at..][..hidden].to_vec();
                    if let Some((_, cells)) = &run.tape {
                        rest.c0 = cells[at..][..hidden].to_vec();
                    }
                    let after = rest.run();
                    let tape = Tape { y: &after.y, lstm: after.tape.as_ref().map(|(g, c)| (&g[..], &c[..])) };
                    let mut rows = Vec::new();
                    for unit in 0..hidden {
                        let mut dh = vec![0.0; hidden];
                        dh[unit] = 1.0;
                        let dy = vec![0.0; after.y.len()];
                        let signals = Signals { dy: &dy, dh: Some(&dh), dc: None };
                        let (weights, sequence) = (rest.weights(), rest.sequence());
                        rows.extend(backward(1, kind, &weights, &sequence, &tape, &signals, &Task::new()).unwrap().h0);
                    }
                    let (found, expected) = (norms[time(step) * batch + row], of(hidden, &rows));
                    assert!((found - expected).abs() <= 1e-12 * expected, "{kind:?} {step}: {found} {expected}");
                }
                assert!((length..times).all(|time| norms[time * batch + row] == 0.0));
            }
        }
    }
}

/// Prints what [`paths_agree`] compares.
#[test]
#[ignore = "run by paths_agree, once for each path"]
fn digest() {
    let mut digest = 0u64;
    let mut add =
        |bits: Vec<u64>| bits.into_iter().for_each(|bits| digest = (digest ^ bits).wrapping_mul(0x100_0000_01b3));
    for case in all_cases::<f32>() {
        add(all_bits(&case.run()));
        add(gradient_bits(&case.gradients()));
    }
    for case in all_cases::<f64>() {
        add(all_bits(&case.run()));
        add(gradient_bits(&case.gradients()));
    }
    println!("digest on {}: {digest:x}", crate::simd::path().name());
}

#[test]
fn paths_agree() {
    let exe = std::env::current_exe().unwrap();
    let on = |path: &str| {
        let arguments = ["--exact", "recurrent::tests::digest", "--ignored", "--nocapture"];
        let out = std::process::Command::new(&exe).args(arguments).env("DIPTYCH_SIMD", path).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("digest on")).unwrap_or_else(|| panic!("{path}: {text}"));
        let (ran_on, digest) = line.split_once(": ").unwrap();
        (ran_on.to_owned(), digest.to_owned())
    };
    let paths = ["portable", "avx2", "avx512"];
    let found = paths.map(on);
    // A path is a limit: a processor that has less takes the widest it has.
    let widest = paths.iter().position(|&path| found[2].0.ends_with(path)).unwrap();
    for (at, (ran_on, digest)) in found.iter().enumerate() {
        assert!(ran_on.ends_with(paths[at.min(widest)]), "{ran_on}");
        assert_eq!(digest, &found[0].1, "{ran_on}");
    }
}
