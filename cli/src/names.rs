//! The names that flags take, each with what it means. `--help` explains them.

use engine::plan::{DriverChoice, RepliesChoice, SendChoice};

/// How the result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Names of `--output`, the default first.
pub(crate) const FORMATS: &[(&str, Format)] = &[("text", Format::Text), ("json", Format::Json)];

/// Names of `--replies`, the default first.
pub(crate) const REPLIES: &[(&str, RepliesChoice)] = &[
    ("auto", RepliesChoice::Auto),
    ("fenced", RepliesChoice::Fenced),
    ("each", RepliesChoice::Each),
];
/// Names of `--driver`, the default first.
pub(crate) const DRIVERS: &[(&str, DriverChoice)] = &[
    ("auto", DriverChoice::Auto),
    ("uring", DriverChoice::Uring),
    ("tokio-uring", DriverChoice::TokioUring),
    ("socket", DriverChoice::Socket),
];
/// Names of `--send`, the default first.
pub(crate) const SENDS: &[(&str, SendChoice)] = &[
    ("auto", SendChoice::Auto),
    ("zc", SendChoice::Zc),
    ("fixed", SendChoice::Fixed),
    ("copy", SendChoice::Copy),
];
