//! Temporary
use super::metric::*; use super::weights::*; use crate::*; use super::union_find::*; use super::labels::*;
pub(super) fn dbscan<T: Real>(rows: Rows<'_, T>, eps: f64, metric: Metric, mass: Mass<'_>, _task: &Task) -> Result<(Vec<isize>, Vec<isize>)> {
    let n = rows.len(); let thr = metric.threshold(eps);
    let nb = |i: usize, j: usize| i == j || metric.reduced(rows.row(i), rows.row(j)) <= thr;
    let core: Vec<bool> = (0..n).map(|i| { let s: f64 = (0..n).filter(|&j| nb(i,j)).map(|j| mass.of(j)).sum(); match mass.verdict(s) { Verdict::Core=>true, Verdict::NotCore=>false, Verdict::Unsure => mass.decide((0..n).filter(|&j| nb(i,j)))}}).collect();
    let uf = UnionFind::new(n)?;
    for i in 0..n { for j in 0..i { if core[i] && core[j] && nb(i,j) { uf.join(i as u32,j as u32) } } }
    let small: Vec<u32> = (0..n).map(|i| if core[i] {i as u32} else {Numbering::NOISE}).collect();
    let lab = Numbering::of(&small, &uf)?;
    let out = Outcome::new(n)?;
    for i in 0..n { let l = if core[i] {lab[i]} else {(0..n).filter(|&j| core[j] && nb(i,j)).map(|j| lab[j]).min().unwrap_or(Numbering::NOISE)}; out.set(i, core[i], l) }
    out.finish()
}
