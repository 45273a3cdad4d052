//! This program beside redis-benchmark, redis-cli --pipe and other peers that are installed, and
//! beside the server loading the same commands by itself: `benches::peers`.

use std::process::ExitCode;

use benches::arguments::Arguments;
use benches::peers::plain::PlainRole;
use benches::peers::{self, Scope};
use clap::Parser;

#[derive(Debug, Parser)]
struct Peers {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    plain: PlainRole,
}

fn main() -> ExitCode {
    let Peers {
        arguments,
        scope,
        plain,
    } = Peers::parse();
    let outcome = match plain.play() {
        Some(written) => written.map(|()| true),
        None => peers::peers(&arguments, &scope),
    };
    arguments.exit_code(outcome)
}
