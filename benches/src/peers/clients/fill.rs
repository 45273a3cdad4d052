//! This program.

use serde_json::Value;

use super::{Client, Place, Role};
use crate::Result;
use crate::peers::cell::{Mode, Setting};
use crate::peers::job::Job;

/// `redis-client fill`, with its defaults or with other flags.
#[derive(Debug, Default)]
pub(in crate::peers) struct Fill {
    flags: Option<String>,
}

impl Fill {
    pub(super) fn with(flags: &str) -> Self {
        Self {
            flags: Some(flags.to_owned()),
        }
    }
}

impl Client for Fill {
    fn name(&self) -> String {
        match &self.flags {
            None => "redis-client fill".to_owned(),
            Some(flags) => format!("redis-client fill {flags}"),
        }
    }

    fn role(&self) -> Role {
        match self.flags {
            None => Role::Ours,
            Some(_) => Role::OursToo,
        }
    }

    fn job(&self, place: &Place, _setting: Option<Setting>) -> Result<Job> {
        let cell = place.cell;
        let cluster = match cell.mode {
            Mode::Standalone => "",
            Mode::Cluster => "-c",
        };
        let flags = format!(
            "{cluster} --keys {} --key-size {} --value-size {} {}",
            cell.keys,
            cell.key_size,
            cell.value_size,
            self.flags.as_deref().unwrap_or_default()
        );
        Ok(place.rig.fill(place.port, &flags).into())
    }

    fn server_share(&self, output: &str) -> Option<f64> {
        let report: Value = serde_json::from_str(output).ok()?;
        let nodes = report.get("nodes")?.as_array()?;
        let percent = |node: &Value| node.get("server_cpu_percent")?.as_f64();
        let percents: Option<Vec<f64>> = nodes.iter().map(percent).collect();
        Some(percents?.iter().sum::<f64>() / 100.0)
    }

    fn stores_a_fill(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_nodes_on_one_core_add_up() {
        let report = r#"{"nodes":[{"server_cpu_percent":30.0},{"server_cpu_percent":60.0}]}"#;
        assert_eq!(Fill::default().server_share(report), Some(0.9));
        let silent = r#"{"nodes":[{"server_cpu_percent":30.0},{"server_cpu_percent":null}]}"#;
        assert_eq!(Fill::default().server_share(silent), None);
    }
}
