//! What limits a fill is named rightly: a server, a client or a network that is slow on purpose.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::fixtures::jail::on_core;
use crate::fixtures::network::Network;
use crate::fixtures::program::fill_port;
use crate::fixtures::report::Report;
use crate::fixtures::{Cluster, Server, fill};

/// Somebody who never leaves a core to others by himself, until dropped.
struct Hog(Child);

impl Hog {
    fn on_core(core: usize) -> Self {
        let [taskset, flag, core] = on_core(core);
        let mut command = Command::new(taskset);
        command.args([&flag, &core, "sh", "-c", "while :; do :; done"]);
        let process = command.stdin(Stdio::null()).spawn();
        Self(process.expect("a shell can be run"))
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who comes last on core 0.
fn last_on_core_0() -> impl Iterator<Item = String> {
    let niced = ["nice", "-n", "19"].map(str::to_owned);
    niced.into_iter().chain(on_core(0))
}

fn percent(report: &Report, name: &str) -> f64 {
    let at = report.at(&format!("bottleneck_evidence.{name}"));
    at.as_f64().unwrap_or_else(|| panic!("{name} is {at}"))
}

#[test]
fn a_server_that_gets_many_small_keys_is_the_limit() {
    let server = Server::start();
    let report = fill(&server)
        .with("--keys 1500000 --key-size 16 --value-size 16")
        .completes(1_500_000);
    report.has([("bottleneck", "server".into())]);
    let busy = percent(&report, "server_cpu_percent") + percent(&report, "server_wait_percent");
    assert!((80.0..110.0).contains(&busy), "{busy}");
    let outcome = fill(&server)
        .with("--keys 500000 --key-size 16 --value-size 16")
        .run();
    outcome.succeeds().prints(["server: its main thread used"]);
}

#[test]
fn a_server_that_waits_for_its_core_is_the_limit_although_its_cpu_is_idle() {
    let server = Server::start();
    let _hog = Hog::on_core(0);
    let mut renice = Command::new("sh");
    let pid = server.info("server", "process_id");
    let script = format!("taskset -apc 0 {pid} && renice -n 19 -p {pid}");
    let done = renice
        .args(["-c", &script])
        .stdout(Stdio::null())
        .status()
        .expect("a shell can be run");
    assert!(done.success());
    let report = fill(&server)
        .with("--keys 10000 --reactors cores=1")
        .completes(10_000);
    report.has([("bottleneck", "server".into())]);
    assert!(percent(&report, "server_wait_percent") > 50.0);
}

#[test]
fn a_client_that_waits_for_its_core_is_the_limit() {
    let server = Server::start();
    let _hog = Hog::on_core(0);
    let report = fill(&server)
        .under(last_on_core_0())
        .with("--keys 30000 --value-size 4096 --driver socket")
        .completes(30_000);
    report.has([("bottleneck", "client".into())]);
    assert!(percent(&report, "client_wait_percent") > 50.0);
}

#[test]
fn a_narrow_network_is_the_limit() {
    let server = Server::start();
    let network = Network::before([server.port()]);
    network.throttle(4_000_000);
    let report = fill_port(network.port_to(server.port()))
        .with("-d 8mb")
        .report();
    report.is_complete(8_192);
    report.has([("bottleneck", "network".into())]);
    assert!(percent(&report, "server_cpu_percent") < 80.0);
}

#[test]
fn a_long_way_is_the_limit_where_little_is_under_way() {
    let server = Server::start();
    let network = Network::before([server.port()]);
    network.delay(Duration::from_millis(20));
    for depth in ["--pipeline-depth 8", "--pipeline-depth 64"] {
        server.clear();
        let report = fill_port(network.port_to(server.port()))
            .with(&format!(
                "--keys 1000 --key-size 16 --value-size 16 {depth}"
            ))
            .report();
        report.is_complete(1_000);
        report.has([("bottleneck", "network".into())]);
        assert!(percent(&report, "window_percent") > 50.0);
    }
}

#[test]
fn of_a_cluster_the_busiest_node_counts() {
    let cluster = Cluster::start(3);
    let report = cluster
        .fill()
        .with("--keys 1500000 --key-size 16 --value-size 16")
        .report();
    report.has([("bottleneck", "server".into())]);
}

#[test]
fn what_is_too_short_or_not_told_is_not_guessed() {
    let server = Server::start();
    let report = fill(&server).with("--keys 10").completes(10);
    report.has([("bottleneck", "unknown".into())]);
    server.clear();
    server.run("ACL SETUSER me on >pw ~* +@all -info");
    let report = fill(&server).with("-u me -a pw --keys 300000").report();
    report.has([
        ("bottleneck", "unknown".into()),
        (
            "bottleneck_evidence.server_cpu_percent",
            serde_json::Value::Null,
        ),
    ]);
}
