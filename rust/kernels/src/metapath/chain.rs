//! The product of a chain of relations, in the cheapest order.
//!
//! Matrix chain multiplication by dynamic programming, where the cost of a product is its number of multiplications:
//! the scalar product of the left one's column counts with the right one's row counts. Those are known for the relations and
//! estimated for products of them, as if entries were scattered evenly.

use super::Relation;
use super::product::{Ones, product};
use crate::parallel::{Task, collected, filled};
use crate::{Error, Result};
use std::fmt::{Debug, Display};

/// A path count or a weight.
pub trait Number: Copy + Debug + Default + Display + PartialEq + PartialOrd + Send + Sync {
    /// What the type cannot hold, in words.
    const BEYOND: &'static str;
    /// sum + self · other, rounded twice; sets `overflow` when the result is not in range. Both are positive.
    fn add_product(self, other: Self, sum: Self, overflow: &mut bool) -> Self;
    /// Whether it is positive and finite.
    fn is_proper(self) -> bool;
    /// Its bits.
    fn bits(self) -> u64;
    /// left · right, whose inner sizes agree, by the smallest sums that hold it.
    ///
    /// # Errors
    /// [`Error::Overflow`], [`Error::OutOfMemory`], [`Error::Interrupted`].
    fn product(left: Relation<'_, Self>, right: Relation<'_, Self>, task: &Task) -> Result<Product<Self>>;
}

impl Number for i64 {
    const BEYOND: &'static str = "a path count is beyond int64";

    #[inline(always)]
    fn add_product(self, other: Self, sum: Self, overflow: &mut bool) -> Self {
        let (product, above) = self.overflowing_mul(other);
        let (sum, beyond) = sum.overflowing_add(product);
        *overflow |= above | beyond;
        sum
    }

    fn is_proper(self) -> bool {
        self > 0
    }

    fn bits(self) -> u64 {
        self as u64
    }

    fn product(left: Relation<'_, Self>, right: Relation<'_, Self>, task: &Task) -> Result<Product<Self>> {
        let [greatest, other, terms] = [left.greatest as u128, right.greatest as u128, left.longest as u128];
        if greatest == 1 && other == 1 {
            product::<_, Ones>(left, right, task)
        } else if greatest.max(other) <= u32::MAX.into() && greatest * other * terms <= u32::MAX.into() {
            product::<_, u32>(left, right, task)
        } else {
            product::<_, Self>(left, right, task)
        }
    }
}

impl Number for f64 {
    const BEYOND: &'static str = "the weight of a path is beyond float64";

    #[inline(always)]
    fn add_product(self, other: Self, sum: Self, overflow: &mut bool) -> Self {
        let sum = sum + self * other;
        *overflow |= sum == f64::INFINITY;
        sum
    }

    fn is_proper(self) -> bool {
        self > 0.0 && self.is_finite()
    }

    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn product(left: Relation<'_, Self>, right: Relation<'_, Self>, task: &Task) -> Result<Product<Self>> {
        product::<_, Self>(left, right, task)
    }
}

/// A product of relations in compressed rows, columns ascending, no zeros.
#[derive(Debug)]
pub struct Product<T> {
    /// Where rows start.
    pub indptr: Vec<i64>,
    /// Columns.
    pub indices: Vec<i32>,
    /// Counts or weights.
    pub data: Vec<T>,
    n_columns: usize,
}

impl<T: Number> Product<T> {
    pub(super) fn new(indptr: Vec<i64>, indices: Vec<i32>, data: Vec<T>, n_columns: usize) -> Self {
        Self { indptr, indices, data, n_columns }
    }

    fn view(&self) -> Result<Relation<'_, T>> {
        Relation::new(&self.indptr, &self.indices, &self.data, self.n_columns)
    }

    fn copy(relation: Relation<'_, T>) -> Result<Self> {
        const WHAT: &str = "the commuting matrix";
        let rows = 0..relation.n_rows();
        let indptr = collected((0..rows.len() + 1).map(|row| relation.start(row) as i64), WHAT)?;
        let (mut indices, mut data) = (filled(0, 0, WHAT)?, filled(0, T::default(), WHAT)?);
        for row in rows {
            let (columns, values) = relation.parts(row);
            indices.extend_from_slice(columns);
            data.extend_from_slice(values);
        }
        Ok(Self::new(indptr, indices, data, relation.n_columns()))
    }
}

/// The product of the relations, first to last.
///
/// # Errors
/// [`Error::Invalid`] for relations that do not chain, [`Error::Overflow`] where a number (of the product, or of a partial
/// one) is out of range, [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn chain<T: Number>(relations: &[Relation<'_, T>], task: &Task) -> Result<Product<T>> {
    if relations.is_empty() {
        return Err(Error::Invalid("relations is empty: a path has at least one.".into()));
    }
    for (at, &relation) in relations.iter().enumerate() {
        if at > 0 && relations[at - 1].n_columns() != relation.n_rows() {
            let (before, rows) = (relations[at - 1].n_columns(), relation.n_rows());
            let last = at - 1;
            return Err(Error::Invalid(format!(
                "relations[{last}] has {before} columns, relations[{at}] {rows} rows."
            )));
        }
    }
    match relations {
        [only] => Product::copy(*only),
        [left, right] => T::product(*left, *right, task),
        _ => multiply(relations, &Order::cheapest(relations)?, 0, relations.len() - 1, task),
    }
}

fn multiply<T: Number>(
    relations: &[Relation<'_, T>],
    order: &Order,
    first: usize,
    last: usize,
    task: &Task,
) -> Result<Product<T>> {
    let split = order.split[first][last];
    let made = |first: usize, last: usize| match first == last {
        true => Ok(None),
        false => multiply(relations, order, first, last, task).map(Some),
    };
    let (left, right) = (made(first, split)?, made(split + 1, last)?);
    T::product(view(&left, relations[first])?, view(&right, relations[last])?, task)
}

fn view<'a, T: Number>(made: &'a Option<Product<T>>, given: Relation<'a, T>) -> Result<Relation<'a, T>> {
    made.as_ref().map_or(Ok(given), Product::view)
}

/// Entries per row and per column of a matrix, known or estimated.
#[derive(Clone, Debug)]
struct Sketch {
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Sketch {
    fn of<T: Number>(relation: Relation<'_, T>) -> Result<Self> {
        const WHAT: &str = "the counts of entries per row and column";
        let mut columns = filled(relation.n_columns(), 0.0, WHAT)?;
        let rows = collected((0..relation.n_rows()).map(|row| relation.parts(row).0.len() as f64), WHAT)?;
        for row in 0..relation.n_rows() {
            for &column in relation.parts(row).0 {
                columns[column as usize] += 1.0;
            }
        }
        Ok(Self { rows, columns })
    }

    /// How many multiplications the product takes.
    fn multiplications(&self, right: &Self) -> f64 {
        self.columns.iter().zip(&right.rows).map(|(a, b)| a * b).sum()
    }

    /// The product's, when its multiplications fall on random places.
    fn product(&self, right: &Self) -> Result<Self> {
        const WHAT: &str = "the counts of entries per row and column";
        let places = self.rows.len() as f64 * right.columns.len() as f64;
        let entries = places * -(-self.multiplications(right) / places).exp_m1();
        let scaled = |counts: &[f64]| {
            let sum: f64 = counts.iter().sum();
            let factor = if sum > 0.0 { entries / sum } else { 0.0 };
            collected(counts.iter().map(|count| count * factor), WHAT)
        };
        Ok(Self { rows: scaled(&self.rows)?, columns: scaled(&right.columns)? })
    }
}

/// Where to split each part of a chain.
#[derive(Debug)]
struct Order {
    split: Vec<Vec<usize>>,
}

impl Order {
    fn cheapest<T: Number>(relations: &[Relation<'_, T>]) -> Result<Self> {
        let n = relations.len();
        let mut split = vec![vec![0; n]; n];
        let mut cost = vec![vec![0.0; n]; n];
        let mut sketches: Vec<Vec<Option<Sketch>>> = vec![vec![None; n]; n];
        for (at, &relation) in relations.iter().enumerate() {
            sketches[at][at] = Some(Sketch::of(relation)?);
        }
        for length in 2..=n {
            for first in 0..=n - length {
                let last = first + length - 1;
                let mut best: Option<(f64, usize)> = None;
                for middle in first..last {
                    let (Some(left), Some(right)) = (&sketches[first][middle], &sketches[middle + 1][last]) else {
                        unreachable!("shorter chains came first")
                    };
                    let total = cost[first][middle] + cost[middle + 1][last] + left.multiplications(right);
                    if best.is_none_or(|(least, _)| total < least) {
                        best = Some((total, middle));
                    }
                }
                let Some((least, middle)) = best else { unreachable!("a chain of two or more has a split") };
                (cost[first][last], split[first][last]) = (least, middle);
                let (Some(left), Some(right)) = (&sketches[first][middle], &sketches[middle + 1][last]) else {
                    unreachable!("shorter chains came first")
                };
                sketches[first][last] = Some(left.product(right)?);
            }
        }
        Ok(Self { split })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_order_is_taken() {
        // A column, a row and a column: left to right makes 9 + 9 multiplications, right to left 3 + 3.
        let (column, row) = ((vec![0i64, 1, 2, 3], vec![0, 0, 0]), (vec![0i64, 3], vec![0, 1, 2]));
        let column = Relation::new(&column.0, &column.1, &[1i64, 2, 3], 1).unwrap();
        let row = Relation::new(&row.0, &row.1, &[1i64, 1, 1], 3).unwrap();
        assert_eq!(Order::cheapest(&[column, row, column]).unwrap().split[0][2], 0);
        assert_eq!(Order::cheapest(&[row, column, row]).unwrap().split[0][2], 1);
        let found = chain(&[column, row, column], &Task::new()).unwrap();
        assert_eq!((found.indices, found.data), (vec![0, 0, 0], vec![6, 12, 18]));
    }
}
