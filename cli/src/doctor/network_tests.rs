//! Networks of every kind, and what is said of them.

use engine::Machine;
use engine::checkup::Host;
use engine::machine::Whereabouts;

use super::super::finding::Verdict;
use super::*;

fn interface_at(mtu: u64, speed: Option<u64>) -> Interface {
    Interface {
        name: "eth0".into(),
        mtu: Some(mtu),
        speed,
        driver: Some("virtio_net".into()),
        transmit_queues: 2,
        offloads: Some(Offloads {
            scatter_gather: Some(true),
            checksums: Some(true),
            segmentation: Some(true),
        }),
    }
}

fn verdicts(network: Network, server_is_here: bool) -> Vec<(&'static str, Verdict)> {
    let state = MachineState {
        machine: Machine {
            cores: vec![0],
            io_uring: Ok(()),
            servers: Whereabouts::Elsewhere,
        },
        abilities: None,
        host: Host::default(),
        network,
    };
    let needs = Needs {
        reactors: 1,
        open_files: 70,
        server_is_here,
    };
    let all = findings(&state, needs).into_iter();
    all.map(|finding| (finding.name, finding.verdict)).collect()
}

fn hints(network: Network, server_is_here: bool) -> Vec<&'static str> {
    let all = verdicts(network, server_is_here).into_iter();
    all.filter(|(_, verdict)| *verdict == Verdict::Hint)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn nothing_is_told_in_an_empty_container() {
    let all = verdicts(Network::default(), false);
    assert_eq!(all.len(), 7);
    assert!(
        all.iter().all(|(_, verdict)| *verdict == Verdict::Unknown),
        "{all:?}"
    );
}

#[test]
fn what_is_small_matters_where_it_is_in_the_way() {
    let small = Network {
        loopback_mtu: Some(1500),
        interface: Some(interface_at(1500, Some(25_000))),
        send_buffer_max: Some(1 << 20),
        receive_buffer_max: Some(1 << 20),
        window_scaling: Some(false),
        congestion_control: Some("cubic".into()),
    };
    assert_eq!(
        hints(small.clone(), false),
        ["interface", "tcp-send-buffer", "window-scaling"]
    );
    assert_eq!(hints(small, true), ["loopback", "tcp-receive-buffer"]);
}

#[test]
fn small_packets_do_where_the_interface_is_slow() {
    for (mtu, speed) in [(1500, None), (1500, Some(1000)), (9000, Some(25_000))] {
        let finding = interface(Some(&interface_at(mtu, speed)));
        assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}");
        assert!(finding.found.starts_with("eth0, MTU "), "{finding:?}");
    }
}

#[test]
fn offloads_that_are_off_are_named_with_their_switches() {
    let mut eth0 = interface_at(1500, None);
    assert_eq!(offloads(Some(&eth0)).verdict, Verdict::Ok);
    eth0.offloads = Some(Offloads {
        scatter_gather: Some(false),
        checksums: Some(true),
        segmentation: Some(false),
    });
    let finding = offloads(Some(&eth0));
    assert_eq!(finding.found, "scatter-gather, segmentation off");
    let advice = finding.advice.unwrap();
    assert!(
        advice.starts_with("`ethtool -K eth0 sg on tso on`"),
        "{advice}"
    );
    eth0.offloads = Some(Offloads::default());
    assert_eq!(offloads(Some(&eth0)).verdict, Verdict::Unknown);
}
