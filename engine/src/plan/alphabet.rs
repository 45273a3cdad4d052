//! The characters that counters in keys are written with.

/// The URL-safe alphabet of RFC 4648, section 5.
pub(crate) static URL_SAFE: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How a counter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `0` to `9`.
    Decimal,
    /// [`URL_SAFE`].
    UrlSafe,
    /// All 256 byte values.
    Bytes,
}

impl Alphabet {
    /// How many characters there are.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::Decimal => 10,
            Self::UrlSafe => 64,
            Self::Bytes => 256,
        }
    }
}
