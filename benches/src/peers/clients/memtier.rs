//! `memtier_benchmark`, writing each key of a range once. It appends the number to the prefix as
//! it is, so the range begins where all numbers have twelve digits.

use super::{Client, Place, Role, padding};
use crate::Result;
use crate::peers::cell::{Cell, Mode, Setting};
use crate::peers::job::Job;
use crate::process::pinned;

const FIRST_NUMBER: u64 = 100_000_000_000;
const NUMBER_BYTES: usize = 12;

/// One thread of it, since the client has one core.
#[derive(Debug)]
pub(in crate::peers) struct Memtier;

impl Memtier {
    /// What it is called.
    pub(super) const PROGRAM: &str = "memtier_benchmark";

    /// Its flags. Each of its clients has connections to all nodes of a cluster.
    fn flags(cell: &Cell, port: u16, setting: Setting) -> Vec<String> {
        let clients = setting.connections / cell.mode.nodes();
        let mut flags = vec![
            "--server=127.0.0.1".to_owned(),
            format!("--port={port}"),
            "--hide-histogram".to_owned(),
            "--threads=1".to_owned(),
            format!("--clients={clients}"),
            // Per client; P gives each of them a part of the range.
            format!("--requests={}", cell.keys.div_ceil(clients)),
            format!("--pipeline={}", setting.depth),
            "--ratio=1:0".to_owned(),
            "--key-pattern=P:P".to_owned(),
            format!("--key-prefix={}", padding(cell.key_size - NUMBER_BYTES)),
            format!("--key-minimum={FIRST_NUMBER}"),
            format!("--key-maximum={}", FIRST_NUMBER + cell.keys - 1),
            format!("--data-size={}", cell.value_size),
        ];
        if cell.mode == Mode::Cluster {
            flags.push("--cluster-mode".to_owned());
        }
        flags
    }
}

impl Client for Memtier {
    fn name(&self) -> String {
        Self::PROGRAM.to_owned()
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn settings(&self, cell: &Cell) -> Vec<Setting> {
        let one = cell.settings_of_one().into_iter().take(2);
        one.chain(cell.settings_of_several().into_iter().take(1))
            .collect()
    }

    fn job(&self, place: &Place, setting: Option<Setting>) -> Result<Job> {
        let setting = setting.ok_or("it has settings")?;
        let mut command = pinned(place.rig.cores.client, Self::PROGRAM);
        command.args(Self::flags(place.cell, place.port, setting));
        Ok(command.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_clients_share_the_keys_of_the_cell() {
        let cell = Cell::all(512)[1];
        for setting in Memtier.settings(&cell) {
            let flags = Memtier::flags(&cell, 7000, setting);
            let number = |name: &str| -> u64 {
                let flag = flags.iter().find_map(|flag| flag.strip_prefix(name));
                flag.and_then(|number| number.parse().ok()).unwrap()
            };
            assert_eq!(number("--clients=") * number("--requests="), cell.keys);
            let (first, last) = (number("--key-minimum="), number("--key-maximum="));
            assert_eq!(last - first + 1, cell.keys);
            assert_eq!(first.to_string().len(), last.to_string().len());
            let prefix = flags
                .iter()
                .find_map(|flag| flag.strip_prefix("--key-prefix="));
            assert_eq!(prefix.unwrap().len() + NUMBER_BYTES, cell.key_size);
        }
    }
}
