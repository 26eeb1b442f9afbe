//! `diptych._rust`: converts, runs, translates errors. No arithmetic and no loop over data lives here.

mod arrays;
mod attention;
mod clustering;
mod error;
mod metapath;
mod recurrent;
mod rng;
mod run;
mod skipgram;
mod walks;

use pyo3::prelude::*;

/// The extension module; its contract is `_rust.pyi`.
#[pymodule(gil_used = false)]
mod _rust {
    use super::*;

    #[pymodule_export]
    use super::attention::{attention_backward, attention_forward};
    #[pymodule_export]
    use super::clustering::{
        dbscan, dbscan_csr, dbscan_dense, dbscan_predict, dbscan_predict_csr, dbscan_predict_dense, k_distances,
        k_distances_csr, k_distances_dense,
    };
    #[pymodule_export]
    use super::error::InternalError;
    #[pymodule_export]
    use super::metapath::{
        MetapathIndex, metapath_chain, metapath_index, metapath_pairs, metapath_pathsim, metapath_top_k,
    };
    #[pymodule_export]
    use super::recurrent::{
        RecurrentCell, recurrent_backward_both, recurrent_lstm, recurrent_lstm_backward, recurrent_lstm_jacobian_norms,
        recurrent_lstm_memory_terms, recurrent_lstm_step, recurrent_rnn, recurrent_rnn_backward,
        recurrent_rnn_jacobian_norms, recurrent_rnn_memory_terms, recurrent_rnn_step, recurrent_run_both,
        recurrent_sigmoid, recurrent_tanh,
    };
    #[pymodule_export]
    use super::rng::splitmix64;
    #[pymodule_export]
    use super::skipgram::{
        skipgram_embed, skipgram_noise, skipgram_sgns_gradients, skipgram_sgns_loss, skipgram_train,
        skipgram_window_pairs,
    };
    #[pymodule_export]
    use super::walks::{alias_table, random_walks, sample_alias};

    /// The version of the extension.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const version: &str = env!("CARGO_PKG_VERSION");

    /// Whether the extension was built without optimisation.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const debug_build: bool = cfg!(debug_assertions);

    /// The instruction set in use.
    #[pyfunction]
    fn simd_path() -> &'static str {
        diptych_kernels::simd::path().name()
    }
}
