//! Everything against the definition, at sizes around every block.

use super::half::Half;
use super::tiles::Tiles;
use super::*;
use crate::rng::Stream;

/// indptr, indices, data, number of columns.
type Parts<T> = (Vec<i64>, Vec<i32>, Vec<T>, usize);

fn view<T: Number>(parts: &Parts<T>) -> Relation<'_, T> {
    Relation::new(&parts.0, &parts.1, &parts.2, parts.3).unwrap()
}

/// A matrix whose columns are the likelier the lower, and the first of which is almost full. Every third row is a copy of an
/// earlier one, every seventh is empty.
fn random(n: usize, m: usize, greatest: i64, seed: u64) -> Parts<i64> {
    let words = Stream::new(seed, 0).words(0, n * (2 * m + 1)).unwrap();
    let mut rows: Vec<Vec<(i32, i64)>> = Vec::new();
    for x in 0..n {
        let words = &words[x * (2 * m + 1)..][..2 * m + 1];
        rows.push(match x {
            _ if x % 7 == 6 => Vec::new(),
            _ if x % 3 == 2 => rows[words[0] as usize % x].clone(),
            _ => (0..m)
                .filter(|t| words[1 + t] % (t * t + 10) as u64 <= 8)
                .map(|t| (t as i32, 1 + (words[1 + m + t] % greatest as u64) as i64))
                .collect(),
        });
    }
    let mut parts = (vec![0], Vec::new(), Vec::new(), m);
    for row in rows {
        parts.1.extend(row.iter().map(|&(t, _)| t));
        parts.2.extend(row.iter().map(|&(_, v)| v));
        parts.0.push(parts.1.len() as i64);
    }
    parts
}

/// All scores of a node, by the definition. Entries are so small here that every sum is exact.
fn scores(parts: &Parts<i64>, x: usize) -> Vec<f64> {
    let dense = |x: usize| {
        let mut row = vec![0; parts.3];
        (parts.0[x] as usize..parts.0[x + 1] as usize).for_each(|at| row[parts.1[at] as usize] = parts.2[at]);
        row
    };
    let product = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
    let own = dense(x);
    (0..parts.0.len() - 1)
        .map(|y| {
            let other = dense(y);
            let (xy, both) = (product(&own, &other), product(&own, &own) + product(&other, &other));
            if xy == 0 { 0.0 } else { (2 * xy) as f64 / both as f64 }
        })
        .collect()
}

fn best(scores: &[f64], x: usize, k: usize, include_self: bool) -> (Vec<i64>, Vec<f64>) {
    let mut order: Vec<usize> = (0..scores.len()).filter(|&y| scores[y] > 0.0 && (include_self || y != x)).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(k);
    let mut found: (Vec<i64>, Vec<f64>) = order.iter().map(|&y| (y as i64, scores[y])).unzip();
    found.0.resize(k, -1);
    found.1.resize(k, 0.0);
    found
}

fn weights(parts: &Parts<i64>) -> Parts<f64> {
    (parts.0.clone(), parts.1.clone(), parts.2.iter().map(|&v| v as f64).collect(), parts.3)
}

fn narrow(parts: &Parts<i64>) -> Half<'_, u16> {
    let norms = norms::of_counts(view(parts)).unwrap().into_iter().map(|norm| norm as u32).collect();
    Half::new(view(parts), norms).unwrap()
}

/// The three kinds of half matrix, whose results are the same for numbers that all of them hold.
fn kinds<'a>(parts: &'a Parts<i64>, weights: &'a Parts<f64>) -> Vec<PathSim<'a>> {
    let wide = Kind::Wide(Half::new(view(parts), norms::of_counts(view(parts)).unwrap()).unwrap());
    vec![
        PathSim::of_counts(view(parts)).unwrap(),
        PathSim::of_counts(view(parts)).unwrap().keep(&Task::new()).unwrap(),
        PathSim { kind: wide, tiles: None },
        PathSim::of_weights(view(weights)).unwrap(),
        PathSim::of_weights(view(weights)).unwrap().keep(&Task::new()).unwrap(),
    ]
}

#[test]
fn small_matrices_agree_with_the_definition() {
    let task = Task::new();
    for (n, m, greatest) in [(1, 1, 1), (5, 3, 2), (63, 4, 3), (64, 9, 1), (65, 30, 5), (193, 12, 2)] {
        let parts = random(n, m, greatest, n as u64);
        let all: Vec<Vec<f64>> = (0..n).map(|x| scores(&parts, x)).collect();
        for path in kinds(&parts, &weights(&parts)) {
            for (k, include_self) in [(1, true), (1, false), (3, false), (10, true), (n + 5, false)] {
                let found = path.top_k(k, None, include_self, &task).unwrap();
                let expected: Vec<_> = (0..n).map(|x| best(&all[x], x, k, include_self)).collect();
                assert_eq!(found.0, expected.iter().flat_map(|row| row.0.clone()).collect::<Vec<_>>(), "{n} {k}");
                assert_eq!(found.1, expected.iter().flat_map(|row| row.1.clone()).collect::<Vec<_>>(), "{n} {k}");
            }
            let (left, right): (Vec<i64>, Vec<i64>) = (0..n * n).map(|at| ((at / n) as i64, (at % n) as i64)).unzip();
            assert_eq!(path.pairs(&left, &right, &task).unwrap(), all.concat());
            for threshold in [0.0, 0.4, 1.0] {
                let found = path.matrix(threshold, &task).unwrap();
                for x in 0..n {
                    let row = found.indptr[x] as usize..found.indptr[x + 1] as usize;
                    let row: Vec<_> = found.indices[row.clone()].iter().zip(&found.scores[row]).collect();
                    let kept = (0..n as i32).zip(&all[x]).filter(|&(_, &s)| s > 0.0 && s >= threshold);
                    assert_eq!(row, kept.collect::<Vec<_>>().iter().map(|(y, s)| (y, *s)).collect::<Vec<_>>());
                }
            }
        }
    }
}

#[test]
fn tiles_agree_with_the_definition() {
    for (n, m, k) in [(1, 1, 1), (200, 8, 10), (7000, 40, 10), (7000, 5, 3), (9500, 70, 40)] {
        let parts = random(n, m, 4, n as u64 + k as u64);
        let half = narrow(&parts);
        let tiles = Tiles::new(&half, &Task::new()).unwrap();
        let queries: Vec<i64> = (0..n as i64).rev().step_by(1 + n / 60).chain([0, 0]).collect();
        for include_self in [false, true] {
            let (mut nodes, mut found) = (vec![-1; queries.len() * k], vec![0.0; queries.len() * k]);
            tiles.top_k(k, Some(&queries), include_self, (&mut nodes, &mut found), &Task::new()).unwrap();
            for (at, &x) in queries.iter().enumerate() {
                let expected = best(&scores(&parts, x as usize), x as usize, k, include_self);
                assert_eq!(nodes[at * k..][..k], expected.0, "{n} {m} {x}");
                assert_eq!(found[at * k..][..k], expected.1, "{n} {m} {x}");
            }
        }
    }
}

fn few<V: half::Value>(half: &Half<'_, V>, k: usize, queries: &[i64], include_self: bool) -> (Vec<i64>, Vec<f64>) {
    let (mut nodes, mut found) = (vec![-1; queries.len() * k], vec![0.0; queries.len() * k]);
    let (counts, out) = (half.counts_of(queries, "counts", &Task::new()).unwrap(), (&mut nodes[..], &mut found[..]));
    few::top_k(half, &counts, k, queries, include_self, out, &Task::new()).unwrap();
    (nodes, found)
}

fn check_few<V: half::Value>(half: &Half<'_, V>, parts: &Parts<i64>, k: usize, what: &str) {
    let n = parts.0.len() - 1;
    let queries: Vec<i64> = (0..n as i64).rev().step_by(1 + n / 25).chain([0, 0]).collect();
    let all: Vec<Vec<f64>> = queries.iter().map(|&x| scores(parts, x as usize)).collect();
    for include_self in [true, false] {
        let (nodes, found) = few(half, k, &queries, include_self);
        for (at, &x) in queries.iter().enumerate() {
            let expected = best(&all[at], x as usize, k, include_self);
            assert_eq!(nodes[at * k..][..k], expected.0, "{what} {n} {k} {x}");
            assert_eq!(found[at * k..][..k], expected.1, "{what} {n} {k} {x}");
        }
    }
}

#[test]
fn lists_of_what_few_queries_reach_agree_with_the_definition() {
    for (n, m, greatest, k) in [
        (1, 1, 1, 1),
        (5, 3, 2, 9),
        (63, 64, 1, 3),
        (65, 65, 3, 2),
        (900, 40, 1, 10),
        (7000, 40, 4, 10),
        (8193, 200, 1, 5),
        (17_000, 70, 2, 40),
        (9000, 12, 90, 3),
    ] {
        let parts = random(n, m, greatest, 3 + n as u64);
        let norms = norms::of_counts(view(&parts)).unwrap();
        let small = norms.iter().map(|&norm| norm as u32).collect();
        check_few(&Half::<u16>::new(view(&parts), small).unwrap(), &parts, k, "narrow");
        check_few(&Half::<u32>::new(view(&parts), norms).unwrap(), &parts, k, "wide");
        let weights = weights(&parts);
        let norms = norms::of_weights(view(&weights)).unwrap();
        check_few(&Half::<f64>::new(view(&weights), norms).unwrap(), &parts, k, "real");
    }
}

/// Sparse rows, a few of the columns of which most have: one entry in so many is not 1.
fn sparse(n: i64, m: i64, rare: i64) -> Parts<i64> {
    let mut parts: Parts<i64> = (vec![0], Vec::new(), Vec::new(), m as usize);
    for x in 0..n {
        let own = [x % 7, (x * x) % m, (x * 31 + 5) % m, (x * 3) % 200, (x * x + 3 * x) % 11];
        let mut columns = own[..1 + (x / 3 % 5) as usize].iter().map(|&column| column as i32).collect::<Vec<_>>();
        columns.sort_unstable();
        columns.dedup();
        parts.2.extend(columns.iter().map(|&column| if (x + i64::from(column)) % rare == 0 { 3 } else { 1 }));
        parts.1.extend(columns);
        parts.0.push(parts.1.len() as i64);
    }
    parts
}

#[test]
fn few_queries_agree_with_another_kernel() {
    // More rows than a block and more columns than a shelf holds, with lists that are closed: of ones but for a few rows, and of
    // all sorts of entries.
    for (n, rare) in [(40_000, 501), (40_000, 2), (3000, 3)] {
        let parts = sparse(n, 2503, rare);
        let half = Half::<u32>::new(view(&parts), norms::of_counts(view(&parts)).unwrap()).unwrap();
        let queries: Vec<i64> = (0..1537).map(|at| n - 1 - at * 7919 % n).collect();
        let expected = PathSim::of_counts(view(&parts)).unwrap().top_k(4, Some(&queries), false, &Task::new()).unwrap();
        assert_eq!(few(&half, 4, &queries, false), expected, "{n} {rare}");
        let weights = weights(&parts);
        let half = Half::<f64>::new(view(&weights), norms::of_weights(view(&weights)).unwrap()).unwrap();
        assert_eq!(few(&half, 4, &queries, false), expected, "{n} {rare} real");
    }
}

#[test]
fn rows_without_paths_are_nobodys_best() {
    // Their M_yy underflows, and their products with the others need not.
    let weights: Parts<f64> = (vec![0, 1, 2, 3, 5], vec![0, 0, 0, 0, 1], vec![1.0, 1e-200, 1.0, 2.0, 1.0], 2);
    let half = Half::<f64>::new(view(&weights), norms::of_weights(view(&weights)).unwrap()).unwrap();
    let expected = PathSim::of_weights(view(&weights)).unwrap().top_k(3, Some(&[0, 1]), false, &Task::new()).unwrap();
    assert_eq!(expected.0, [2, 3, -1, -1, -1, -1]);
    assert_eq!(few(&half, 3, &[0, 1], false), expected);
}

#[test]
fn many_nodes_agree_with_the_definition() {
    // More than a stretch of rows, of very different norms.
    let parts = random(70_000, 12, 90, 5);
    let queries = [0, 1, 69_998, 40_000, 2, 6];
    for path in kinds(&parts, &weights(&parts)) {
        let found = path.top_k(7, Some(&queries), false, &Task::new()).unwrap();
        for (at, &x) in queries.iter().enumerate() {
            let expected = best(&scores(&parts, x as usize), x as usize, 7, false);
            assert_eq!((&found.0[at * 7..][..7], &found.1[at * 7..][..7]), (&expected.0[..], &expected.1[..]));
        }
    }
}

#[test]
fn products_agree_with_the_definition() {
    let (a, b, c) = (random(70, 40, 3, 1), random(40, 1100, 2, 2), random(1100, 600, 5, 3));
    let dense = |parts: &Parts<i64>| {
        let mut rows = vec![vec![0; parts.3]; parts.0.len() - 1];
        for (x, row) in rows.iter_mut().enumerate() {
            (parts.0[x] as usize..parts.0[x + 1] as usize).for_each(|at| row[parts.1[at] as usize] = parts.2[at]);
        }
        rows
    };
    let product = |a: &[Vec<i64>], b: &[Vec<i64>]| -> Vec<Vec<i64>> {
        let row = |row: &Vec<i64>| (0..b[0].len()).map(|j| row.iter().zip(b).map(|(v, b)| v * b[j]).sum()).collect();
        a.iter().map(row).collect()
    };
    let expected = product(&product(&dense(&a), &dense(&b)), &dense(&c));
    let found = chain(&[view(&a), view(&b), view(&c)], &Task::new()).unwrap();
    assert_eq!(dense(&(found.indptr.clone(), found.indices.clone(), found.data.clone(), 600)), expected);
    // Canonical: no zeros, columns ascend.
    Relation::new(&found.indptr, &found.indices, &found.data, 600).unwrap();
}

#[test]
fn what_is_out_of_range_is_refused() {
    let one = |v: i64| (vec![0, 1], vec![0], vec![v], 1);
    let (huge, two) = (one(i64::MAX), one(2));
    assert!(matches!(chain(&[view(&huge), view(&two)], &Task::new()), Err(Error::Overflow(_))));
    assert_eq!(chain(&[view(&huge), view(&one(1))], &Task::new()).unwrap().data, [i64::MAX]);
    // Two products that fit, and a sum that does not.
    let (row, column) = ((vec![0, 2], vec![0, 1], vec![i64::MAX, 1], 2), (vec![0, 1, 2], vec![0, 0], vec![1, 1], 1));
    assert!(matches!(chain(&[view(&row), view(&column)], &Task::new()), Err(Error::Overflow(_))));
    let weight = |v: f64| (vec![0, 1], vec![0], vec![v], 1);
    assert!(matches!(chain(&[view(&weight(1e200)), view(&weight(1e200))], &Task::new()), Err(Error::Overflow(_))));
    // Too small is no path.
    let found = chain(&[view(&weight(1e-200)), view(&weight(1e-200))], &Task::new()).unwrap();
    assert_eq!((found.indptr, found.data), (vec![0, 0], vec![]));
    assert!(matches!(PathSim::of_counts(view(&one(1 << 31))), Err(Error::Overflow(_))));
    assert!(matches!(PathSim::of_weights(view(&weight(1e154))), Err(Error::Overflow(_))));
    let (tiny, large) = (weight(1e-200), one((1 << 31) - 1));
    let tiny = PathSim::of_weights(view(&tiny)).unwrap();
    assert_eq!(tiny.pairs(&[0], &[0], &Task::new()).unwrap(), [0.0]);
    assert_eq!(tiny.top_k(1, None, true, &Task::new()).unwrap(), (vec![-1], vec![0.0]));
    let large = PathSim::of_counts(view(&large)).unwrap();
    assert_eq!(large.top_k(1, None, true, &Task::new()).unwrap(), (vec![0], vec![1.0]));
}

#[test]
fn faults_are_named() {
    let says = |parts: Parts<i64>, text: &str| {
        let error = Relation::new(&parts.0, &parts.1, &parts.2, parts.3).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    says((vec![0, 2], vec![1, 0], vec![1, 1], 2), "column 0 follows 1 in row 0");
    says((vec![0, 2], vec![1, 1], vec![1, 1], 2), "column 1 follows 1 in row 0");
    says((vec![0, 1, 2], vec![0, 1], vec![1, -3], 2), "[1, 1]=-3");
    says((vec![0, 1], vec![0], vec![0], 1), "[0, 0]=0");
    let parts = (vec![0, 1], vec![0], vec![1], 1);
    let path = PathSim::of_counts(view(&parts)).unwrap();
    let text = |result: Result<(Vec<i64>, Vec<f64>)>| result.unwrap_err().to_string();
    assert!(text(path.top_k(0, None, false, &Task::new())).contains("k=0"));
    assert!(text(path.top_k(1, Some(&[0, 1]), false, &Task::new())).contains("queries[1]=1"));
    assert!(text(path.top_k(1, Some(&[-1]), false, &Task::new())).contains("queries[0]=-1"));
    assert!(path.pairs(&[0], &[], &Task::new()).unwrap_err().to_string().contains("left has 1"));
    assert!(matches!(path.top_k(usize::MAX, None, false, &Task::new()), Err(Error::OutOfMemory { .. })));
    let stopped = Task::new();
    stopped.interrupt();
    assert!(matches!(path.top_k(1, None, false, &stopped), Err(Error::Interrupted)));
    assert!(matches!(path.matrix(0.0, &stopped), Err(Error::Interrupted)));
    assert!(matches!(chain(&[view(&parts), view(&parts)], &stopped), Err(Error::Interrupted)));
    assert!(chain::<i64>(&[], &stopped).unwrap_err().to_string().contains("empty"));
    let wide = (vec![0, 1], vec![0], vec![1], 3);
    let error = chain(&[view(&wide), view(&parts)], &stopped).unwrap_err().to_string();
    assert!(error.contains("relations[0] has 3 columns, relations[1] 1 rows"), "{error}");
}

#[test]
fn nothing_is_similar_in_an_empty_graph() {
    let none: Parts<i64> = (vec![0], vec![], vec![], 0);
    let path = PathSim::of_counts(view(&none)).unwrap().keep(&Task::new()).unwrap();
    assert!(path.is_empty());
    assert_eq!(path.top_k(3, None, false, &Task::new()).unwrap(), (vec![], vec![]));
    assert_eq!(path.matrix(0.0, &Task::new()).unwrap().indptr, [0]);
    let lonely: Parts<i64> = (vec![0, 0, 0], vec![], vec![], 4);
    let path = PathSim::of_counts(view(&lonely)).unwrap();
    assert_eq!(path.top_k(1, None, true, &Task::new()).unwrap(), (vec![-1, -1], vec![0.0, 0.0]));
    let no_columns: Parts<i64> = (vec![0, 0], vec![], vec![], 0);
    assert_eq!(chain(&[view(&no_columns), view(&none)], &Task::new()).unwrap().indptr, [0, 0]);
}

#[test]
fn progress_knows_its_total() {
    let parts = random(65, 5, 1, 1);
    let half = Half::<u32>::new(view(&parts), norms::of_counts(view(&parts)).unwrap()).unwrap();
    let (task, queries) = (Task::new(), vec![3; 65]);
    let (mut nodes, mut found) = (vec![-1; 65], vec![0.0; 65]);
    let counts = half.counts_of(&queries, "counts", &Task::new()).unwrap();
    few::top_k(&half, &counts, 1, &queries, false, (&mut nodes, &mut found), &task).unwrap();
    assert_eq!(task.progress(), (65, 65));
}

/// Rows of a few ones, in columns of which the first are the likeliest; the last row has one in every column.
fn many(n: usize, m: usize, entries: usize, hub: bool) -> Parts<i64> {
    let words = Stream::new(7, 0).words(0, 2 * entries).unwrap();
    let part = |word: u64| (word >> 11) as f64 / (1u64 << 53) as f64;
    let mut rows = vec![Vec::new(); n];
    for pair in words.chunks(2) {
        rows[(part(pair[0]) * n as f64) as usize].push((m as f64 * part(pair[1]).powi(2)) as i32);
    }
    if hub {
        rows[n - 1] = (0..m as i32).collect();
    }
    let mut parts = (vec![0], Vec::new(), Vec::new(), m);
    for mut row in rows {
        row.sort_unstable();
        row.dedup();
        parts.2.extend(row.iter().map(|_| 1));
        parts.1.extend(row);
        parts.0.push(parts.1.len() as i64);
    }
    parts
}

#[test]
fn queries_are_taken_for_few_as_the_tests_of_both_panels_suppose() {
    // As in tests/kernels/test_metapath_parity.py.
    let parts = many(200_000, 30_000, 1_100_000, false);
    let path = PathSim::of_counts(view(&parts)).unwrap();
    for (share, taken) in [(4, false), (9, true), (40, true)] {
        let queries: Vec<i64> = (0..200_000 / share).map(|at| at * share).collect();
        assert_eq!(path.counts_if_few(&queries, &Task::new()).unwrap().is_some(), taken, "{share}");
    }
    let parts = many(200_000, 20_000, 1_200_000, false);
    let weights = weights(&parts);
    let path = PathSim::of_weights(view(&weights)).unwrap();
    assert!(path.counts_if_few(&(0..500).map(|at| 7 * at).collect::<Vec<_>>(), &Task::new()).unwrap().is_some());
}

#[test]
fn a_query_with_a_long_row_is_not_one_of_few() {
    let (n, m) = (200_000, 100_000);
    let parts = many(n, m, 1_000_000, true);
    let path = PathSim::of_counts(view(&parts)).unwrap();
    let (hub, others) = (n as i64 - 1, [3, 77_777]);
    let all = [others[0], hub, others[1]];
    assert!(path.counts_if_few(&others, &Task::new()).unwrap().is_some());
    assert!(path.counts_if_few(&all, &Task::new()).unwrap().is_none());
    let (nodes, found) = path.top_k(5, Some(&all), false, &Task::new()).unwrap();
    // Every entry of another row is met: M_xy is its number of entries, as M_yy is.
    let score = |y: usize| (2 * (parts.0[y + 1] - parts.0[y])) as f64 / (parts.0[y + 1] - parts.0[y] + m as i64) as f64;
    let mut order: Vec<usize> = (0..n - 1).collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    assert_eq!(nodes[5..10], order[..5].iter().map(|&y| y as i64).collect::<Vec<_>>());
    assert_eq!(found[5..10], order[..5].iter().map(|&y| score(y)).collect::<Vec<_>>());
    let few = path.top_k(5, Some(&others), false, &Task::new()).unwrap();
    assert_eq!((&few.0[..5], &few.0[5..]), (&nodes[..5], &nodes[10..]));
}

#[test]
fn whatever_is_kept_can_be_interrupted() {
    let stopped = Task::new();
    stopped.interrupt();
    let parts = random(200, 8, 4, 1);
    for path in kinds(&parts, &weights(&parts)) {
        assert!(matches!(path.keep(&stopped), Err(Error::Interrupted)));
    }
    let half = Half::<u32>::new(view(&parts), norms::of_counts(view(&parts)).unwrap()).unwrap();
    let counts = half.counts_of(&[0, 1], "counts", &Task::new()).unwrap();
    let (mut nodes, mut found) = ([-1; 2], [0.0; 2]);
    let out = (&mut nodes[..], &mut found[..]);
    assert!(matches!(few::top_k(&half, &counts, 1, &[0, 1], false, out, &stopped), Err(Error::Interrupted)));
    assert!(matches!(Tiles::new(&narrow(&parts), &stopped), Err(Error::Interrupted)));
}

#[test]
fn blocks_make_no_difference() {
    const BLOCKS: [usize; 4] = [1, 50, 1000, usize::MAX >> 1];
    let (parts, k) = (random(501, 30, 3, 11), 6);
    let weights = weights(&parts);
    let half = Half::<f64>::new(view(&weights), norms::of_weights(view(&weights)).unwrap()).unwrap();
    let before = half.flops_before(0..501, &Task::new()).unwrap();
    let best = |block: usize| {
        let (mut nodes, mut found) = (vec![-1; 501 * k], vec![0.0; 501 * k]);
        let (blocks, out) = (runs_of_cells(&before, block), (&mut nodes[..], &mut found[..]));
        top_k::top_k(&half, k, None, false, blocks, out, &Task::new()).unwrap();
        (nodes, found)
    };
    let all = |block: usize| {
        let found = matrix::matrix(&half, 0.3, block, &Task::new()).unwrap();
        (found.indptr, found.indices, found.scores)
    };
    // Two products: of a few entries, and of more than four times as many as were given.
    let (dense, column) = (random(150, 40, 3, 2), random(40, 150, 2, 3));
    let product = |left: &Parts<i64>, right: &Parts<i64>, block: usize| {
        let found = product::product_in_blocks::<i64, i64>(view(left), view(right), block, &Task::new()).unwrap();
        (found.indptr, found.indices, found.data)
    };
    let narrow = random(30, 5, 4, 4);
    for block in BLOCKS {
        assert_eq!(best(block), best(top_k::BLOCK), "{block}");
        assert_eq!(all(block), all(matrix::BLOCK), "{block}");
        for (left, right) in [(&dense, &column), (&parts, &narrow)] {
            assert_eq!(product(left, right, block), product(left, right, 1 << 15), "{block}");
        }
    }
}

#[test]
fn what_is_passed_over_is_not_among_the_best() {
    let parts = sparse(20_000, 1009, 3);
    let norms = || norms::of_counts(view(&parts)).unwrap();
    let half = Half::<u32>::new(view(&parts), norms()).unwrap();
    let queries: Vec<i64> = (0..400).map(|at| at * 49).collect();
    let before = half.flops_before(queries.iter().map(|&x| x as usize), &Task::new()).unwrap();
    let all = random(3000, 40, 4, 9);
    let tiles = Tiles::new(&narrow(&all), &Task::new()).unwrap();
    let by_rows = || {
        let (mut nodes, mut found) = (vec![-1; 400 * 5], vec![0.0; 400 * 5]);
        let (blocks, out) = (runs_of_cells(&before, top_k::BLOCK), (&mut nodes[..], &mut found[..]));
        top_k::top_k(&half, 5, Some(&queries), false, blocks, out, &Task::new()).unwrap();
        (nodes, found)
    };
    let by_tiles = || {
        let (mut nodes, mut found) = (vec![-1; 3000 * 5], vec![0.0; 3000 * 5]);
        tiles.top_k(5, None, false, (&mut nodes, &mut found), &Task::new()).unwrap();
        (nodes, found)
    };
    let answers = || (by_rows(), few(&half, 5, &queries, false), by_tiles());
    let pruned = answers();
    select::UNPRUNED.store(true, std::sync::atomic::Ordering::Relaxed);
    let unpruned = answers();
    select::UNPRUNED.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(pruned, unpruned);
    assert_eq!(pruned.0, pruned.1);
}
