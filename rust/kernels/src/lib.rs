//! The kernels of diptych: each algorithm once more, fast.
//!
//! Views in, owned arrays out. This crate has never heard of Python: the contract of each function (shapes,
//! dtypes, units, errors) is the docstring of the Python module of the same name, the mathematics is in
//! `diptych.reference`; the comments here say how it is fast.
//!
//! Every kernel gives the same answer for any number of threads and on every SIMD path. Work runs on the rayon
//! pool the caller has installed or on the [`Crew`] of its [`Task`], and polls that between blocks.

pub mod attention;
pub mod clustering;
pub mod cores;
mod crew;
pub mod csr;
mod error;
pub mod metapath;
mod parallel;
pub mod recurrent;
pub mod rng;
pub mod simd;
pub mod skipgram;
pub mod walks;

pub use crew::Crew;
pub use error::{Error, Result};
pub use parallel::Task;
