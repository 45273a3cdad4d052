//! The way to the servers: the interface, its MTU and offloads, the kernel's limits of socket
//! buffers. Changes nothing and sends nothing; offloads are read with ethtool(8), where that is
//! installed, since Linux tells them nowhere in /sys.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

use super::files::{Files, field};
use crate::machine::{is_local, route_start};

/// The interface that leads to this machine itself.
const LOOPBACK: &str = "lo";
/// Where ethtool(8) is; an ordinary user's path may not lead there.
const ETHTOOL: [&str; 3] = ["ethtool", "/usr/sbin/ethtool", "/sbin/ethtool"];

/// Work that an interface takes off the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It collects what it sends from several places; zero-copy sends need that.
    pub scatter_gather: Option<bool>,
    /// It makes check sums; zero-copy sends need that.
    pub checksums: Option<bool>,
    /// It cuts large sends into segments.
    pub segmentation: Option<bool>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Largest packet, in bytes.
    pub mtu: Option<u64>,
    /// In Mbit/s.
    pub speed: Option<u64>,
    /// The kernel's driver.
    pub driver: Option<String>,
    /// Queues that it sends from.
    pub transmit_queues: usize,
    /// What it takes off the kernel.
    pub offloads: Option<Offloads>,
}

/// Facts of the network; each is `None` where the system does not tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// MTU of the loopback interface, in bytes.
    pub loopback_mtu: Option<u64>,
    /// The interface that leads to the servers, or out of this machine where there are none.
    pub interface: Option<Interface>,
    /// Largest send buffer that the kernel gives a connection, in bytes (`net.ipv4.tcp_wmem`).
    pub send_buffer_max: Option<u64>,
    /// Largest receive buffer, in bytes (`net.ipv4.tcp_rmem`).
    pub receive_buffer_max: Option<u64>,
    /// Whether windows may exceed 64 KiB.
    pub window_scaling: Option<bool>,
    /// Name of the congestion control.
    pub congestion_control: Option<String>,
}

impl Network {
    /// Looks; the interface is the one that leads to the first of `servers`.
    #[must_use]
    pub fn look(files: &Files, servers: &[SocketAddr]) -> Self {
        let name = match servers.first() {
            Some(server) if is_local(*server) => Some(LOOPBACK.to_owned()),
            Some(server) => route_start(*server).and_then(interface_of),
            None => files
                .text("proc/net/route")
                .and_then(|routes| default_interface(&routes)),
        };
        let tcp = |name| files.text(&format!("proc/sys/net/ipv4/tcp_{name}"));
        let largest = |name| tcp(name)?.split_ascii_whitespace().nth(2)?.parse().ok();
        Self {
            loopback_mtu: mtu(files, LOOPBACK),
            interface: name.map(|name| Interface::look(files, &name, ask_ethtool)),
            send_buffer_max: largest("wmem"),
            receive_buffer_max: largest("rmem"),
            window_scaling: tcp("window_scaling").map(|text| text != "0"),
            congestion_control: tcp("congestion_control"),
        }
    }
}

impl Interface {
    fn look(files: &Files, name: &str, ask: impl Fn(&str) -> Option<String>) -> Self {
        let mut interface = Self {
            name: name.to_owned(),
            mtu: mtu(files, name),
            offloads: ask(name).as_deref().map(Offloads::parse),
            ..Self::default()
        };
        if is_seen(files, name) {
            let of = |what: &str| format!("sys/class/net/{name}/{what}");
            // Interfaces without a speed of their own say -1, or nothing.
            interface.speed = files.number(&of("speed")).filter(|speed| *speed > 0);
            interface.driver = files.link_name(&of("device/driver"));
            let queues = files.names(&of("queues"));
            interface.transmit_queues =
                queues.iter().filter(|name| name.starts_with("tx-")).count();
        }
        interface
    }
}

impl Offloads {
    /// From what `ethtool -k` prints: `tcp-segmentation-offload: on`, `... off [fixed]`.
    fn parse(text: &str) -> Self {
        let is_on = |name| match field(text, name)?.split(' ').next()? {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        Self {
            scatter_gather: is_on("scatter-gather"),
            checksums: is_on("tx-checksumming"),
            segmentation: is_on("tcp-segmentation-offload"),
        }
    }
}

/// Whether /sys shows this interface. It may have been mounted in another network namespace, where
/// another one has the name, or none.
fn is_seen(files: &Files, name: &str) -> bool {
    let seen = files.number::<u32>(&format!("sys/class/net/{name}/ifindex"));
    match (seen, nix::net::if_::if_nametoindex(name)) {
        (Some(seen), Ok(own)) => seen == own,
        (seen, _) => seen.is_some(),
    }
}

/// Its largest packet, in bytes. Where /sys shows another namespace, that of IPv6 is told, which is
/// the same unless somebody has changed it.
fn mtu(files: &Files, name: &str) -> Option<u64> {
    let path = match is_seen(files, name) {
        true => format!("sys/class/net/{name}/mtu"),
        false => format!("proc/sys/net/ipv6/conf/{name}/mtu"),
    };
    files.number(&path)
}

/// The interface that has this address.
fn interface_of(address: IpAddr) -> Option<String> {
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let has_it = |interface: &nix::ifaddrs::InterfaceAddress| {
        let Some(own) = &interface.address else {
            return false;
        };
        match address {
            IpAddr::V4(address) => own.as_sockaddr_in().is_some_and(|own| own.ip() == address),
            IpAddr::V6(address) => own.as_sockaddr_in6().is_some_and(|own| own.ip() == address),
        }
    };
    interfaces
        .find(has_it)
        .map(|interface| interface.interface_name)
}

/// The interface of the default route, from /proc/net/route.
fn default_interface(routes: &str) -> Option<String> {
    routes.lines().skip(1).find_map(|route| {
        let mut words = route.split_ascii_whitespace();
        let (name, destination) = (words.next()?, words.next()?);
        let mask = words.nth(5)?;
        (destination == "00000000" && mask == "00000000").then(|| name.to_owned())
    })
}

/// What `ethtool -k` says of an interface.
fn ask_ethtool(interface: &str) -> Option<String> {
    let ask = |program: &&str| {
        let mut command = Command::new(program);
        command.args(["-k", interface]).env("LC_ALL", "C");
        command.stdin(Stdio::null()).output().ok()
    };
    let output = ETHTOOL.iter().find_map(ask)?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::files::recorded;
    use super::*;

    #[test]
    fn an_interface_that_tells_everything() {
        let (folder, files) = recorded(&[
            ("sys/class/net/some0/ifindex", "2\n"),
            ("sys/class/net/some0/mtu", "9000\n"),
            ("sys/class/net/some0/speed", "25000\n"),
            ("sys/class/net/some0/queues/rx-0/x", ""),
            ("sys/class/net/some0/queues/tx-0/x", ""),
            ("sys/class/net/some0/queues/tx-1/x", ""),
            ("sys/class/net/some0/device/x", ""),
        ]);
        let driver = folder.path().join("sys/class/net/some0/device/driver");
        std::os::unix::fs::symlink("../../../bus/pci/drivers/ixgbe", driver).unwrap();
        let says = "Features for eth0:\nrx-checksumming: on [fixed]\ntx-checksumming: on\n\
            \ttx-checksum-ipv4: off [fixed]\nscatter-gather: on\n\ttx-scatter-gather: on\n\
            tcp-segmentation-offload: off\n\ttx-tcp-segmentation: off [requested on]\n";
        let expected = Interface {
            name: "some0".into(),
            mtu: Some(9000),
            speed: Some(25_000),
            driver: Some("ixgbe".into()),
            transmit_queues: 2,
            offloads: Some(Offloads {
                scatter_gather: Some(true),
                checksums: Some(true),
                segmentation: Some(false),
            }),
        };
        let found = Interface::look(&files, "some0", |_| Some(says.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_interface_without_a_speed_in_a_container_without_ethtool() {
        let (_folder, files) = recorded(&[
            ("sys/class/net/some0/ifindex", "2\n"),
            ("sys/class/net/some0/speed", "-1\n"),
        ]);
        let expected = Interface {
            name: "some0".into(),
            ..Interface::default()
        };
        assert_eq!(Interface::look(&files, "some0", |_| None), expected);
    }

    #[test]
    fn what_belongs_to_another_namespace_is_not_told() {
        let (_folder, files) = recorded(&[
            ("sys/class/net/lo/ifindex", "4711\n"),
            ("sys/class/net/lo/mtu", "9000\n"),
            ("sys/class/net/lo/speed", "25000\n"),
            ("proc/sys/net/ipv6/conf/lo/mtu", "65536\n"),
        ]);
        let expected = Interface {
            name: "lo".into(),
            mtu: Some(65_536),
            ..Interface::default()
        };
        assert_eq!(Interface::look(&files, "lo", |_| None), expected);
    }

    #[test]
    fn the_way_out_is_the_default_route() {
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
            eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n";
        assert_eq!(default_interface(routes).as_deref(), Some("eth0"));
        assert_eq!(default_interface("Iface\n"), None);
    }

    #[test]
    fn limits_of_buffers_are_the_third_number() {
        let (_folder, files) = recorded(&[
            ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
            ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\n"),
            ("proc/sys/net/ipv4/tcp_window_scaling", "0\n"),
            ("proc/sys/net/ipv4/tcp_congestion_control", "cubic\n"),
            ("sys/class/net/lo/ifindex", "1\n"),
            ("sys/class/net/lo/mtu", "65536\n"),
        ]);
        let expected = Network {
            loopback_mtu: Some(65_536),
            interface: None,
            send_buffer_max: Some(4 << 20),
            receive_buffer_max: None,
            window_scaling: Some(false),
            congestion_control: Some("cubic".into()),
        };
        assert_eq!(Network::look(&files, &[]), expected);
    }

    #[test]
    fn loopback_leads_to_a_server_on_this_machine() {
        let local = SocketAddr::from(([127, 0, 0, 1], 6379));
        let found = Network::look(&Files::of_system(), &[local]).interface;
        assert_eq!(found.map(|interface| interface.name).as_deref(), Some("lo"));
    }
}
