//! What was found of the network, judged and worded: hints only.

use engine::checkup::{Interface, MachineState, Network, Offloads};

use super::finding::Finding;
use super::machine::Needs;
use crate::figures::{bytes, counted};

/// MTU of loopback by default.
const LOOPBACK_MTU: u64 = 65_536;
/// From this speed on, in Mbit/s, large packets are worth the trouble.
const FAST_MBITS: u64 = 10_000;
const LARGE_MTU: u64 = 9_000;
/// What a connection over a distance may need.
const BUFFER_BYTES: u64 = 4 << 20;

/// Every finding.
pub(super) fn findings(state: &MachineState, needs: Needs) -> Vec<Finding> {
    let network = &state.network;
    let mut all = vec![loopback(network, needs)];
    if !needs.server_is_here {
        all.push(interface(network.interface.as_ref()));
        all.push(offloads(network.interface.as_ref()));
    }
    all.extend([
        send_buffer(network, needs),
        receive_buffer(network, needs),
        window_scaling(network, needs),
        match &network.congestion_control {
            Some(name) => Finding::ok("congestion-control", name).with(name.as_str()),
            None => Finding::unknown("congestion-control", "the system does not tell"),
        },
    ]);
    all
}

fn loopback(network: &Network, needs: Needs) -> Finding {
    let Some(mtu) = network.loopback_mtu else {
        return Finding::unknown("loopback", "there is no interface lo to be seen");
    };
    let found = format!("MTU {mtu}");
    let finding = match needs.server_is_here && mtu < LOOPBACK_MTU {
        true => Finding::hint(
            "loopback",
            found,
            format!("`ip link set dev lo mtu {LOOPBACK_MTU}`"),
        ),
        false => Finding::ok("loopback", found),
    };
    finding.with(mtu)
}

fn interface(interface: Option<&Interface>) -> Finding {
    const NAME: &str = "interface";
    let Some(interface) = interface else {
        return Finding::unknown(NAME, "no route leads out of this machine");
    };
    let mut found = interface.name.clone();
    let mut add = |fact: Option<String>| found.extend(fact.map(|fact| format!(", {fact}")));
    add(interface.mtu.map(|mtu| format!("MTU {mtu}")));
    add(interface.speed.map(|speed| format!("{speed} Mbit/s")));
    add(interface
        .driver
        .as_ref()
        .map(|name| format!("driver {name}")));
    let queues = interface.transmit_queues;
    add((queues > 0).then(|| counted(queues as u64, "send queue")));
    let is_small = interface.mtu.is_some_and(|mtu| mtu < LARGE_MTU);
    let finding = match is_small && interface.speed.is_some_and(|speed| speed >= FAST_MBITS) {
        true => Finding::hint(
            NAME,
            found,
            format!(
                "an MTU of {LARGE_MTU} saves work, where every machine and switch on the way takes it"
            ),
        ),
        false => Finding::ok(NAME, found),
    };
    finding.with(interface.name.as_str())
}

fn offloads(interface: Option<&Interface>) -> Finding {
    const NAME: &str = "offloads";
    let Some(interface) = interface else {
        return Finding::unknown(NAME, "no route leads out of this machine");
    };
    let Some(Offloads {
        scatter_gather,
        checksums,
        segmentation,
    }) = interface.offloads
    else {
        return Finding::unknown(
            NAME,
            "ethtool, which could tell, is not here or says nothing",
        );
    };
    let known = [
        ("scatter-gather", "sg", scatter_gather),
        ("check sums", "tx", checksums),
        ("segmentation", "tso", segmentation),
    ];
    let list =
        |wanted: bool, part: fn(&(&'static str, &'static str, Option<bool>)) -> &'static str| {
            let some = known.iter().filter(|(_, _, is_on)| *is_on == Some(wanted));
            some.map(part).collect::<Vec<_>>()
        };
    let (on, off) = (list(true, |it| it.0), list(false, |it| it.0));
    if off.is_empty() {
        return match on.is_empty() {
            true => Finding::unknown(NAME, "ethtool does not tell"),
            false => Finding::ok(NAME, format!("{} on", on.join(", "))),
        };
    }
    let switches = list(false, |it| it.1)
        .iter()
        .map(|name| format!(" {name} on"))
        .collect::<String>();
    Finding::hint(
        NAME,
        format!("{} off", off.join(", ")),
        format!(
            "`ethtool -K {}{switches}`, where the interface takes it: the kernel does that work \
             otherwise, and copies what is sent without a copy",
            interface.name
        ),
    )
}

fn send_buffer(network: &Network, needs: Needs) -> Finding {
    let advice = format!(
        "`sysctl net.ipv4.tcp_wmem='4096 16384 {BUFFER_BYTES}'` or more: no more is under way at a time"
    );
    buffer(
        "tcp-send-buffer",
        network.send_buffer_max,
        !needs.server_is_here,
        advice,
    )
}

fn receive_buffer(network: &Network, needs: Needs) -> Finding {
    let advice = format!(
        "`sysctl net.ipv4.tcp_rmem='4096 131072 {BUFFER_BYTES}'` or more, for the server on this machine"
    );
    buffer(
        "tcp-receive-buffer",
        network.receive_buffer_max,
        needs.server_is_here,
        advice,
    )
}

/// The most that the kernel gives a connection, which is a hint where it matters and is small.
fn buffer(name: &'static str, most: Option<u64>, matters: bool, advice: String) -> Finding {
    let Some(most) = most else {
        return Finding::unknown(name, "the system does not tell");
    };
    let found = format!("up to {}", bytes(most));
    let finding = match matters && most < BUFFER_BYTES {
        true => Finding::hint(name, found, advice),
        false => Finding::ok(name, found),
    };
    finding.with(most)
}

fn window_scaling(network: &Network, needs: Needs) -> Finding {
    const NAME: &str = "window-scaling";
    match network.window_scaling {
        None => Finding::unknown(NAME, "the system does not tell"),
        Some(false) if !needs.server_is_here => Finding::hint(
            NAME,
            "off: no more than 64 KiB are under way at a time",
            "`sysctl net.ipv4.tcp_window_scaling=1`",
        )
        .with(false),
        Some(is_on) => Finding::ok(NAME, if is_on { "on" } else { "off" }).with(is_on),
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
