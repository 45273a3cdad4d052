//! uring
use crate::machine::Unavailable;
/// av
pub fn availability() -> Result<(), Unavailable> { Ok(()) }
