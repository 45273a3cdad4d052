//! What goes with `-c` and what does not. Owns the flags that mean something for clusters alone;
//! what a cluster is like is found out by the engine.

use engine::cluster::topology::HostMap;
use engine::nodes::ClusterOptions;
use engine::plan::keyspace::KeyLayout;

use crate::exit::Failure;
use crate::flags::{DataFlags, ServerFlags};
use crate::ledger::Ledger;

/// Layouts of keys, the default first.
pub(crate) fn key_layouts(is_cluster: bool) -> [(&'static str, KeyLayout); 2] {
    let (plain, slotted) = (("plain", KeyLayout::Plain), ("slotted", KeyLayout::Slotted));
    if is_cluster {
        [slotted, plain]
    } else {
        [plain, slotted]
    }
}

/// `-c`, `--host-map` and `--allow-partial`, and what contradicts them.
pub(crate) fn resolve(
    server: &ServerFlags,
    data: &DataFlags,
    db: u32,
    ledger: &mut Ledger,
) -> Result<Option<ClusterOptions>, Failure> {
    ledger.switch("cluster", server.cluster);
    if !server.cluster {
        let idle = [
            ("--host-map", !server.host_map.is_empty()),
            ("--allow-partial", server.allow_partial),
        ];
        return match idle.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::usage(format!(
                "{flag} means something for clusters only: give -c too, or drop {flag}"
            ))),
            None => Ok(None),
        };
    }
    if db != 0 {
        return Err(Failure::usage(format!(
            "--db {db} does not go with -c: clusters have database 0 alone; drop --db, or give --db 0"
        )));
    }
    if data.key_layout.as_deref() == Some("plain") {
        return Err(Failure::usage(
            "--key-layout plain does not go with -c: its keys would fall into slots by chance; \
             leave it out or give --key-layout slotted, or fill a standalone server",
        ));
    }
    let options = ClusterOptions {
        allow_partial: server.allow_partial,
        host_map: host_map(server.host_map.iter().map(String::as_str))?,
    };
    if !server.host_map.is_empty() {
        ledger.given("host-map", server.host_map.join(" "));
    }
    ledger.switch("allow-partial", server.allow_partial);
    Ok(Some(options))
}

/// The entries of `--host-map`.
pub(crate) fn host_map<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<HostMap, Failure> {
    let mut host_map = HostMap::default();
    for entry in entries {
        host_map.add(entry).map_err(|why| {
            Failure::usage(format!(
                "--host-map '{entry}': {why}; write ANNOUNCED=REACHABLE, both HOST or HOST:PORT \
                 (IPv6 with a port: [ADDRESS]:PORT)"
            ))
        })?;
    }
    Ok(host_map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::tests::fill;

    fn refused(line: &str, db: u32) -> String {
        let flags = fill(line).unwrap();
        let failure = resolve(&flags.server, &flags.data, db, &mut Ledger::default()).unwrap_err();
        assert_eq!(failure.status.code(), 2);
        failure.message
    }

    #[test]
    fn what_contradicts_a_cluster_is_refused() {
        for (line, db, words) in [
            ("-h x -c", 3, "--db 3 does not go with -c"),
            (
                "-h x -c --key-layout plain",
                0,
                "--key-layout plain does not go with -c",
            ),
            ("-h x --host-map a=b", 0, "give -c too"),
            ("-h x --allow-partial", 0, "give -c too"),
            ("-h x -c --host-map a", 0, "ANNOUNCED=REACHABLE"),
            ("-h x -c --host-map a=b --host-map a=c", 0, "mapped twice"),
        ] {
            let message = refused(line, db);
            assert!(message.contains(words), "{line}: {message}");
        }
    }

    #[test]
    fn a_cluster_is_asked_for_by_flag_alone() {
        let options_of = |line: &str| {
            let mut ledger = Ledger::default();
            {
                let flags = fill(line).unwrap();
                resolve(&flags.server, &flags.data, 0, &mut ledger).unwrap()
            }
        };
        assert!(options_of("-h x -d 1").is_none());
        let options = options_of("-h x -c --host-map 10.0.0.1=nat --allow-partial").unwrap();
        assert!(options.allow_partial && !options.host_map.is_empty());
        assert_eq!(key_layouts(true)[0].0, "slotted");
        assert_eq!(key_layouts(false)[0].0, "plain");
    }
}
