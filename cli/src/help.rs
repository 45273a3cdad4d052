//! The texts around the list of flags in `--help`. Text only; tests hold its figures to the code.

use crate::config::Config;
use crate::preset::{self, PRESETS};
use crate::presets;

/// Usage of the program.
pub(crate) const TOP_USAGE: &str = "\
redis-client fill -h HOST [-d AMOUNT | --keys N] [OPTIONS]
       redis-client verify -h HOST [-d AMOUNT | --keys N] [OPTIONS]
       redis-client doctor [-h HOST] [OPTIONS]
       redis-client presets | man [COMMAND] | completions SHELL";

/// What is shown where no command is given.
pub(crate) const SHORT_USAGE: &str = "\
usage: redis-client fill -h HOST [-d AMOUNT | --keys N] [OPTIONS]
       redis-client verify -h HOST [-d AMOUNT | --keys N] [OPTIONS]
       redis-client doctor [-h HOST] [OPTIONS]
       redis-client presets | man [COMMAND] | completions SHELL
       redis-client fill --help    every option, presets, examples (the others likewise)
       redis-client --version";

/// Below the list of commands.
pub(crate) const TOP_AFTER: &str = "\
Example: redis-client fill -h localhost -d 1    (1 GiB of keys and values)
         redis-client verify -h localhost -d 1  (is all of it still there, byte for byte?)
         redis-client doctor -h localhost       (could a fill run, and what would slow it down?)
All options: redis-client fill --help, redis-client verify --help, redis-client doctor --help";

/// Usage of `fill`.
pub(crate) const FILL_USAGE: &str = "\
redis-client fill -h HOST -d AMOUNT [OPTIONS]      fill up to an amount of bytes
       redis-client fill -h HOST --keys N [OPTIONS]       fill an exact number of keys
       redis-client fill -h HOST -c -d AMOUNT [OPTIONS]   fill the cluster to which HOST belongs
       redis-client fill -h HOST --append N [OPTIONS]     add keys behind those that exist
       redis-client fill -h HOST --until-memory 75%       fill until so much memory is used
       redis-client fill -h HOST [-c] -f                  only empty the database(s)";

/// What `--preset` is for.
pub(crate) fn preset() -> String {
    let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
    format!(
        "Sizes (and depth and connections of a fill) for a use: {}, or a preset of the config file",
        names.join(", ")
    )
}

/// Below the list of flags of `fill`.
pub(crate) fn fill_after() -> String {
    let mut text = format!(
        "Presets:           {}\n",
        presets::COLUMNS
            .map(|(title, _, width)| format!("{title:>width$}"))
            .concat()
            .trim_start()
    );
    for preset in preset::all(&Config::default()) {
        text += &format!("  {}\n", presets::row(&preset, 16));
    }
    text + FILL_AFTER
}

/// Below the presets.
const FILL_AFTER: &str = "
Config file:
  ~/.config/redis-client/config.toml (below XDG_CONFIG_HOME, where that is set), or --config FILE.
  It holds defaults and presets, under the names of the flags:

    [defaults]
    connections = 4
    password-file = \"redis.pw\"        # next to this file; passwords themselves are refused
    [presets.sessions]                # --preset sessions; comes before a built-in one
    key-size = 64
    value-size = 256
    replies = \"each\"

  How much to fill, and -f, -y, --force, --resume, --append and the like, have to be on the
  command line. --config /dev/null does without the file; redis-client presets lists what it adds.

Precedence:
  explicit flag > --preset > REDIS_CLIENT_FILL_CHUNK_KB > config file > default. The variable sets
  the pipeline depth alone: KB * 1024 / (key size + value size + 60), at least 1, at most
  100000; it is 8192 where it is not set. --dry-run shows where each setting came from.

Passwords:
  -a, --password-file, --ask-password (one of these), else REDISCLI_AUTH.

Examples:
  redis-client fill -h localhost -d 1                        1 GiB: 1,048,576 keys of 512 + 512
  redis-client fill -h localhost -f -d 5                     empty the database, then 5 GiB
  redis-client fill -h localhost -d 1 --key-size 64 --value-size 128      5,592,406 small keys
  redis-client fill -h localhost -d 500mb --value-size 65536              large values
  redis-client fill -h localhost -d 10 --preset fast -n 16   a preset, with more connections
  redis-client fill -h localhost --keys 1000000 --db 3       exactly a million keys
  redis-client fill -h localhost --append 1000               a thousand more, behind the others
  redis-client fill -h localhost -d 5 --resume               what is missing of 5 GiB, no more
  redis-client fill -h localhost --until-memory 75%          until 75 % of maxmemory are in use
  redis-client fill -h localhost -c -d 5                     a cluster, 5 GiB over all masters
  redis-client fill -h localhost -c -d 5 --key-size 256 --value-size 4096 --pipeline-depth 3000 -n 8
  redis-client fill -h nat.example -p 7000 -c -d 1 --host-map 10.0.0.1=nat.example
  redis-client fill -h localhost -d 1 --verify               and compare all values afterwards
  redis-client fill -h localhost -d 1 --output json -q | jq .verdict      for scripts

Recommended settings:
  - The defaults keep a server busy that does not use I/O threads: start with these.
  - Take key and value sizes from what you want to imitate; both change the speed.
  - Depth: 500 to 1000 for servers nearby, 2000 and more over a long distance; 100 where
    others use the server meanwhile, since a batch occupies it while it lasts.
  - Connections: 1 or 2; 8 to 16 for a server with I/O threads, or over a long distance.
  - Many small keys: --command mset:16 takes a tenth to a fifth off the time.
  - Clusters: connections are per master; one or two each are enough. Every hash slot gets the
    same number of keys, whoever owns it, so masters are filled in proportion to their slots.
  - Do not use -n, -s, -u as in redis-cli: here these are connections, serial and user; a
    database is --db, sockets and URIs are not supported.

Exit status:
  0    complete: every planned key was seen on the server; or all that --allow-partial or
       --allow-eviction asks for
  1    incomplete: the report says why, and standard error the command that goes on; or
       --verify found keys that are missing or hold something else
  2    wrong usage, or a plan that cannot work; nothing was changed
  3    the server cannot be reached, or refuses the login; nothing was changed
  130  interrupted by SIGINT (Ctrl-C), 143 by SIGTERM; the report is printed all the same";

/// Usage of `verify`.
pub(crate) const VERIFY_USAGE: &str = "\
redis-client verify -h HOST -d AMOUNT [OPTIONS]      compare with what fill -d AMOUNT writes
       redis-client verify -h HOST --keys N [OPTIONS]       the same, of an exact number of keys
       redis-client verify -h HOST -c -d AMOUNT [OPTIONS]   in the cluster to which HOST belongs";

/// Below the list of flags of `verify`.
pub(crate) const VERIFY_AFTER: &str = "\
Recomputes keys and values from the flags that the fill was given (amount, sizes, prefix, first
key, seed, layout, preset), reads them from the nodes that own them, and compares them byte for
byte. Writes nothing. Tells how many keys are missing or hold something else and names the first
few, and how many keys the databases hold beside the planned ones.

Passwords:
  -a, --password-file, --ask-password (one of these), else REDISCLI_AUTH.

Examples:
  redis-client verify -h localhost -d 1                      everything that fill -d 1 has written
  redis-client verify -h localhost -d 10 --preset fast       with the sizes of a preset
  redis-client verify -h localhost -d 1 --seed 7 --db 3      other values, another database
  redis-client verify -h localhost -d 10 --sample 1%         every hundredth key or so
  redis-client verify -h localhost -c -d 5 --sample 10000    ten thousand keys of a cluster
  redis-client verify -h localhost -d 1 --output json -q | jq .wrong      for scripts

Exit status:
  0    verified: every key that was looked at holds its value; keys beyond the plan are told of
  1    keys are missing or hold something else, or not all could be looked at
  2    wrong usage, or a plan that cannot be
  3    the server cannot be reached, or refuses the login
  130  interrupted by SIGINT (Ctrl-C), 143 by SIGTERM; the report is printed all the same";

/// Usage of `presets`.
pub(crate) const PRESETS_USAGE: &str = "redis-client presets [--output json] [--config FILE]";

/// Below the list of flags of `presets`.
pub(crate) const PRESETS_AFTER: &str = "\
A preset of the config file comes before a built-in one of the same name. Flags change single
settings: redis-client fill -h localhost -d 10 --preset fast -n 16";

/// Usage of `man`.
pub(crate) const MAN_USAGE: &str = "\
redis-client man [COMMAND] | man -l -
       redis-client man --into FOLDER";

/// Usage of `completions`.
pub(crate) const COMPLETIONS_USAGE: &str = "redis-client completions SHELL";

/// Below the list of what `completions` takes.
pub(crate) const COMPLETIONS_AFTER: &str = "\
Examples:
  source <(redis-client completions bash)
  redis-client completions zsh > ~/.zfunc/_redis-client      a folder of $fpath
  redis-client completions fish > ~/.config/fish/completions/redis-client.fish
make install puts them where the shells look.";
