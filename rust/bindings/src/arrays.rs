//! Arrays in: C-contiguous or refused. (`as_slice` also takes Fortran order, and would read it transposed.) Arrays out: of the
//! numbers as they are, without a copy.

use diptych_kernels::clustering::{Real, Rows};
use diptych_kernels::csr::Csr;
use numpy::ndarray::{Array, Dimension, IntoDimension};
use numpy::{
    Element, IntoPyArray, PyArray, PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The numbers of an array, in C order.
///
/// # Errors
/// ValueError for any other layout.
pub(crate) fn contiguous<'a, T: Element, D: Dimension>(
    array: &'a PyReadonlyArray<'_, T, D>,
    name: &str,
) -> PyResult<&'a [T]> {
    let refuse =
        || PyValueError::new_err(format!("{name} must be C-contiguous and aligned; use np.ascontiguousarray."));
    if !array.is_c_contiguous() {
        return Err(refuse());
    }
    array.as_slice().map_err(|_| refuse())
}

/// The array of numbers in C order that has a shape: one object, and not a view of another.
///
/// # Errors
/// ValueError if it has not as many numbers.
pub(crate) fn shaped<T: Element, S: IntoDimension>(
    py: Python<'_>,
    numbers: Vec<T>,
    shape: S,
) -> PyResult<Bound<'_, PyArray<T, S::Dim>>> {
    let array = Array::from_shape_vec(shape.into_dimension(), numbers);
    Ok(array.map_err(|why| PyValueError::new_err(why.to_string()))?.into_pyarray(py))
}

/// The same, its dtype and number of axes forgotten.
///
/// # Errors
/// As there.
pub(crate) fn shaped_any<T: Element, S: IntoDimension>(
    py: Python<'_>,
    numbers: Vec<T>,
    shape: S,
) -> PyResult<Bound<'_, PyAny>> {
    Ok(shaped(py, numbers, shape)?.into_any())
}

/// The rows of a two-dimensional array.
///
/// # Errors
/// ValueError for another layout, or what [`Rows::new`] refuses.
pub(crate) fn rows<'a, T: Element + Real>(array: &'a PyReadonlyArray2<'_, T>, name: &str) -> PyResult<Rows<'a, T>> {
    let shape = array.shape();
    Rows::new(contiguous(array, name)?, shape[0], shape[1]).map_err(crate::error::exception)
}

/// A matrix in compressed rows.
///
/// # Errors
/// ValueError for another layout, or what [`Csr::new`] refuses.
pub(crate) fn csr<'a, I: Element + Copy + Ord + Into<i64>>(
    indptr: &'a PyReadonlyArray1<'_, I>,
    indices: &'a PyReadonlyArray1<'_, I>,
    data: &'a PyReadonlyArray1<'_, f64>,
    n_columns: usize,
) -> PyResult<Csr<'a, I>> {
    Csr::new(contiguous(indptr, "indptr")?, contiguous(indices, "indices")?, contiguous(data, "data")?, n_columns)
        .map_err(crate::error::exception)
}

/// A table of single or double precision.
#[derive(FromPyObject)]
pub(crate) enum Table<'py> {
    /// float64
    Double(PyReadonlyArray2<'py, f64>),
    /// float32
    Single(PyReadonlyArray2<'py, f32>),
}

/// Calls a generic function with the rows of a [`Table`].
macro_rules! with_rows {
    ($table:expr, $name:literal, |$rows:ident| $body:expr) => {
        match &$table {
            $crate::arrays::Table::Double(array) => {
                let $rows = $crate::arrays::rows(array, $name)?;
                $body
            }
            $crate::arrays::Table::Single(array) => {
                let $rows = $crate::arrays::rows(array, $name)?;
                $body
            }
        }
    };
}
pub(crate) use with_rows;

/// Calls a generic function with the rows of two [`Table`]s of one precision.
macro_rules! with_both {
    ($one:expr, $two:expr, $name:literal, $other:literal, |$rows:ident, $others:ident| $body:expr) => {
        match (&$one, &$two) {
            ($crate::arrays::Table::Double(one), $crate::arrays::Table::Double(two)) => {
                let ($rows, $others) = ($crate::arrays::rows(one, $name)?, $crate::arrays::rows(two, $other)?);
                $body
            }
            ($crate::arrays::Table::Single(one), $crate::arrays::Table::Single(two)) => {
                let ($rows, $others) = ($crate::arrays::rows(one, $name)?, $crate::arrays::rows(two, $other)?);
                $body
            }
            _ => return Err(PyTypeError::new_err(concat!($name, " and ", $other, " must have one dtype."))),
        }
    };
}
pub(crate) use with_both;

/// Index arrays of one width.
#[derive(FromPyObject)]
pub(crate) enum Indices<'py> {
    /// int64
    Long(PyReadonlyArray1<'py, i64>),
    /// int32
    Short(PyReadonlyArray1<'py, i32>),
}

/// Calls a generic function with a matrix of either width.
macro_rules! with_csr {
    ($indptr:expr, $indices:expr, $data:expr, $n_columns:expr, |$csr:ident| $body:expr) => {
        match (&$indptr, &$indices) {
            ($crate::arrays::Indices::Long(indptr), $crate::arrays::Indices::Long(indices)) => {
                let $csr = csr(indptr, indices, &$data, $n_columns)?;
                $body
            }
            ($crate::arrays::Indices::Short(indptr), $crate::arrays::Indices::Short(indices)) => {
                let $csr = csr(indptr, indices, &$data, $n_columns)?;
                $body
            }
            _ => Err(PyTypeError::new_err("indptr and indices must have one dtype, int32 or int64.")),
        }
    };
}
pub(crate) use with_csr;

/// Calls a generic function in the precision of an array.
macro_rules! in_precision {
    ($array:expr, $name:literal, |$T:ident| $body:expr) => {{
        use ::numpy::PyArrayDescrMethods as _;
        let array: &::pyo3::Bound<'_, ::pyo3::PyAny> = $array;
        let dtype = array.cast::<::numpy::PyUntypedArray>().map(|array| array.dtype());
        if dtype.as_ref().is_ok_and(|dtype| dtype.is_equiv_to(&numpy::dtype::<f32>(array.py()))) {
            type $T = f32;
            $body
        } else if dtype.is_ok_and(|dtype| dtype.is_equiv_to(&numpy::dtype::<f64>(array.py()))) {
            type $T = f64;
            $body
        } else {
            Err(::pyo3::exceptions::PyTypeError::new_err(concat!($name, " must be a float32 or float64 array.")))
        }
    }};
}
pub(crate) use in_precision;
