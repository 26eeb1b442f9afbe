//! What can go wrong in a kernel.

/// Everything a kernel can refuse or fail with; the message is meant for the person who called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument breaks the contract; the text names it, its value and the next step.
    #[error("{0}")]
    Invalid(String),
    /// A buffer could not be reserved.
    #[error("no memory for {what}: {}", human(*bytes))]
    OutOfMemory {
        /// What the buffer was for, and in brackets what needs less, if something does.
        what: &'static str,
        /// Its size.
        bytes: u128,
    },
    /// A count is beyond what its type can hold; the text names it.
    #[error("{0}")]
    Overflow(String),
    /// Training left the range of numbers.
    #[error("training diverged in epoch {epoch}, at a learning rate of {rate}: lower learning_rate.")]
    Diverged {
        /// Counted from 0.
        epoch: u64,
        /// The learning rate at the time.
        rate: f64,
    },
    /// The task was interrupted from outside.
    #[error("interrupted")]
    Interrupted,
}

/// The result of a kernel.
pub type Result<T> = std::result::Result<T, Error>;

fn human(bytes: u128) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
