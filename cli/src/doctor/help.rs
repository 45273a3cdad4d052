//! The texts around the list of flags in `redis-client doctor --help`.

/// Usage.
pub(super) const USAGE: &str = "\
redis-client doctor [OPTIONS]                        look at this machine
       redis-client doctor -h HOST [OPTIONS]                and at a server, as this user sees it
       redis-client doctor -h HOST -c [OPTIONS]             and at all masters of a cluster";

/// What is said of -h.
pub(super) const HOST: &str = "\
Server, or any node of the cluster; every address that the name has is tried; without it this \
machine alone is looked at";

/// Below the list of flags.
pub(super) const AFTER: &str = "\
Says whether a fill could run, and what would make it faster or safer. Looks at the kernel,
io_uring, limits, cores and control groups, the network, and which driver and kind of send a fill
would use; with -h also at the server: version, role, memory, persistence, replicas, threads, and
what the user may do there. Changes nothing, neither here nor there: commands are tried in forms
that are refused before anything happens. docs/DOCTOR.md explains each finding.

Each finding is ok, a hint (a fill can run, but...), a problem (it cannot), or unknown where the
system does not tell; below a hint or a problem stands what to do.

JSON (--output json):
  schema    1
  verdict   \"ready\", \"not-ready\" or \"unreachable\"
  reason    why a fill could not run, else null
  target    the server as host:port, null without -h
  machine, network, engine, fill            lists of findings
  servers   list of {address, findings}, one for each master
  finding   {name, verdict, found, value, advice}: verdict \"ok\", \"hint\", \"problem\" or
            \"unknown\"; found and advice (null if none) are words for people, value is a number,
            string, boolean or null for programs

Passwords:
  -a, --password-file, --ask-password (one of these), else REDISCLI_AUTH.

Examples:
  redis-client doctor                                        this machine alone
  redis-client doctor -h localhost                           and the server on it
  redis-client doctor -h db1 -u filler --password-file pw    may this user fill it?
  redis-client doctor -h db1 -c -d 100                       would 100 GiB fit into the cluster?
  redis-client doctor -h localhost --output json | jq .verdict            for scripts

Exit status:
  0    ready: a fill could run (there may be hints)
  1    not ready: a fill would be refused, and the report says why
  2    wrong usage, or a plan that cannot work
  3    the server cannot be reached, or refuses the login; this machine is reported all the same";
