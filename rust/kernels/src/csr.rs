//! Sparse matrices in compressed rows, checked once so that everything behind may index freely.

use crate::error::{Error, Result};
use crate::simd::prefetch;

/// A checked view of a CSR matrix: `indptr` rises from 0 to the number of entries, every column is in range.
/// Its index arrays are of 64 or 32 bits, `indptr` (of type P) as `indices` where nothing else is said.
#[derive(Clone, Copy, Debug)]
pub struct Csr<'a, I = i64, T = f64, P = I> {
    indptr: &'a [P],
    indices: &'a [I],
    data: &'a [T],
    n_columns: usize,
}

impl<'a, I: Copy + Ord + Into<i64>, T: Copy, P: Copy + Ord + Into<i64>> Csr<'a, I, T, P> {
    /// Checks the structure in O(rows + entries).
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first entry that is wrong.
    pub fn new(indptr: &'a [P], indices: &'a [I], data: &'a [T], n_columns: usize) -> Result<Self> {
        let fail = |message: String| {
            Err(Error::Invalid(format!("{message}; scipy does not check this, A.check_format() may.")))
        };
        if indices.len() != data.len() {
            return fail(format!("indices has {} entries, data has {}", indices.len(), data.len()));
        }
        match indptr.first().map(|&first| -> i64 { first.into() }) {
            Some(0) => {}
            Some(first) => return fail(format!("indptr[0]={first} must be 0")),
            None => return fail("indptr is empty".into()),
        }
        if let Some(row) = indptr.windows(2).position(|pair| pair[0] > pair[1]) {
            let (a, b): (i64, i64) = (indptr[row].into(), indptr[row + 1].into());
            return fail(format!("indptr must not fall: indptr[{row}]={a}, indptr[{}]={b}", row + 1));
        }
        let last: i64 = indptr[indptr.len() - 1].into();
        if last != indices.len() as i64 {
            return fail(format!("indptr[-1]={last} must be the number of entries, {}", indices.len()));
        }
        let outside = |&j: &I| {
            let j: i64 = j.into();
            j < 0 || j as u64 >= n_columns as u64
        };
        // All of them, because a loop that may end early is not compiled into wide instructions.
        if indices.iter().fold(false, |any, j| any | outside(j))
            && let Some(at) = indices.iter().position(outside)
        {
            let row = indptr.partition_point(|&start| start.into() <= at as i64) - 1;
            let column: i64 = indices[at].into();
            return fail(format!("indices[{at}]={column} is out of range for {n_columns} columns (row {row})"));
        }
        Ok(Self { indptr, indices, data, n_columns })
    }

    /// A matrix of which somebody else found what [`Csr::new`] looks for.
    pub(crate) fn of_checked(indptr: &'a [P], indices: &'a [I], data: &'a [T], n_columns: usize) -> Self {
        Self { indptr, indices, data, n_columns }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// The stored entries of a row, as (column, value).
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, T)> + 'a {
        let (columns, values) = self.parts(row);
        columns.iter().zip(values).map(|(&j, &value)| (j.into() as usize, value))
    }

    /// The columns and the values of a row.
    pub fn parts(&self, row: usize) -> (&'a [I], &'a [T]) {
        let range = self.start(row)..self.start(row + 1);
        (&self.indices[range.clone()], &self.data[range])
    }

    /// The columns of all rows, one row after the other.
    pub fn indices(&self) -> &'a [I] {
        self.indices
    }

    /// Where rows start, and the columns and values of all of them.
    pub fn arrays(&self) -> (&'a [P], &'a [I], &'a [T]) {
        (self.indptr, self.indices, self.data)
    }

    /// Asks the memory for where a row starts.
    #[inline(always)]
    pub(crate) fn prefetch_start(&self, row: usize) {
        prefetch(self.indptr, row);
    }

    /// Asks the memory for the first entries of a row.
    #[inline(always)]
    pub(crate) fn prefetch_row(&self, row: usize) {
        let start = self.start(row);
        prefetch(self.indices, start);
        prefetch(self.data, start);
        prefetch(self.data, start + 64 / size_of::<T>().max(1));
    }

    /// Number of stored entries.
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }

    /// Where the entries of a row start; for the number of rows, how many there are.
    pub fn start(&self, row: usize) -> usize {
        self.indptr[row].into() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(indptr: &[i64], indices: &[i64], n_columns: usize) -> String {
        let data = vec![1.0; indices.len()];
        Csr::new(indptr, indices, &data, n_columns).unwrap_err().to_string()
    }

    #[test]
    fn faults_are_named() {
        assert!(
            message(&[0, 1, 2], &[0, 1001], 1000)
                .starts_with("indices[1]=1001 is out of range for 1000 columns (row 1)")
        );
        assert!(message(&[0, 0, 0, 1], &[-1], 4).contains("indices[0]=-1 is out of range for 4 columns (row 2)"));
        assert!(message(&[0, 2, 1], &[0], 4).contains("indptr[1]=2, indptr[2]=1"));
        assert!(message(&[1, 1], &[0], 4).contains("indptr[0]=1 must be 0"));
        assert!(message(&[0, 3], &[0], 4).contains("indptr[-1]=3"));
        assert!(message(&[], &[], 4).contains("empty"));
    }

    #[test]
    fn rows_are_read_back() {
        let csr = Csr::new(&[0, 2, 2], &[3, 0], &[0.5, 0.25], 4).unwrap();
        assert_eq!(csr.row(0).collect::<Vec<_>>(), [(3, 0.5), (0, 0.25)]);
        assert_eq!(csr.row(1).count(), 0);
    }
}
