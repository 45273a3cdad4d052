//! redis-client
fn main() {}
