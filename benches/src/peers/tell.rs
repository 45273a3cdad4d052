//! The figures in words and tables.

use super::candidates::Run;
use super::cell::{MASTERS, Mode};
use super::judged;
use super::measure::{Entry, Measured, wall_ratio};
use crate::rig::Rig;
use crate::statistics::{Ratio, Spread};
use crate::table::Table;

/// Columns of the table.
const COLUMNS: usize = 9;

/// Everything that a reader needs: rig, method, table, what was chosen, judged figures.
pub(super) fn section(
    rig: &Rig,
    measured: &[Measured],
    mib: u64,
    rounds: u64,
    machine: &str,
) -> String {
    let mut text = format!(
        "`make peers ROUNDS={rounds} MIB={mib}`: {machine}.\n\n\
         {rounds} rounds, in each everyone once in rotating order, {} fresh for each run; medians \
         (min..max). Wall is from the start of the client's process to its end: login, checks \
         before the first key, and the audit after the last one are in it; for the server by itself \
         it is what its log says of loading. Client CPU is that of the whole process, server CPU \
         that of all nodes meanwhile (by itself: of its whole life); `server` is that over wall. \
         Ratios are of medians, with the interval of the ratios pair by pair. In a cluster all {MASTERS} \
         masters share one core, and a load generator with threads looks every 250 ms whether it is \
         done.\n\n{}",
        rig.installation.server,
        figures(measured)
    );
    let settings: Vec<String> = measured.iter().filter_map(settings).collect();
    text += &format!(
        "\nBest depth and connections of each peer, found with a third of the keys, the better of two \
         trials: {}.\n",
        settings.join("; ")
    );
    let files = measured.iter().filter_map(|m| {
        let (seconds, is_in_memory) = m.file?;
        let where_to = if is_in_memory { "" } else { " on disk" };
        Some(format!("{}: {seconds:.2} s{where_to}", m.cell.sizes()))
    });
    let files: Vec<String> = files.collect();
    if !files.is_empty() {
        text += &format!(
            "\nMaking the file of SETs (in memory) that `--pipe` and the server by itself read is not \
             in their wall: {}.\n",
            files.join(", ")
        );
    }
    for measured in measured.iter().filter(|m| !m.left_out.is_empty()) {
        let (name, reasons) = (measured.cell.name(), measured.left_out.join("; "));
        text += &format!("\nLeft out of {name}: {}.\n", reasons.replace('\n', " "));
    }
    text + &format!("\n{}", judged::table(measured))
}

fn figures(measured: &[Measured]) -> Table {
    let mut table = Table::new::<COLUMNS>([
        "cell, client",
        "wall s",
        "keys stored - asked",
        "client CPU s",
        "peak RSS MiB",
        "server CPU s",
        "server",
        "wall / limit",
        "wall / best peer",
    ]);
    for measured in measured {
        let head = format!("**{}**, {} keys", measured.cell.name(), measured.cell.keys);
        let mut heading: [String; COLUMNS] = std::array::from_fn(|_| String::new());
        heading[0] = head;
        table.row(heading);
        for entry in &measured.entries {
            row(&mut table, measured, entry);
        }
    }
    table
}

fn row(table: &mut Table, measured: &Measured, entry: &Entry) {
    let asked = measured.cell.keys as f64;
    let surplus = Spread::of(&entry.figures(|run| run.keys_stored as f64 - asked));
    let surplus = if surplus.min == surplus.max {
        format!("{:+}", surplus.median)
    } else {
        format!(
            "{:+} ({:+}..{:+})",
            surplus.median, surplus.min, surplus.max
        )
    };
    let mib = |run: &Run| Some(run.client_peak_rss_bytes? as f64 / f64::from(1 << 20));
    let rss: Option<Vec<f64>> = entry.runs.iter().map(mib).collect();
    let against = |other: Option<&Entry>| match other {
        Some(other) if other.name != entry.name => ratio(&wall_ratio(entry, other)),
        Some(_) => "1".to_owned(),
        None => String::new(),
    };
    table.row([
        entry.name.clone(),
        spread(&entry.walls(), 2),
        surplus,
        entry
            .client_cpus()
            .map_or(String::new(), |cpus| spread(&cpus, 3)),
        rss.map_or(String::new(), |rss| format!("{:.1}", Spread::of(&rss).max)),
        spread(&entry.figures(|run| run.server_cpu_seconds), 2),
        format!(
            "{:.0} %",
            Spread::of(&entry.figures(Run::server_share)).median * 100.0
        ),
        against(measured.limit()),
        against(measured.best_peer()),
    ]);
}

/// What each peer of a cell ran with; nothing where none had a choice.
fn settings(measured: &Measured) -> Option<String> {
    let of = |entry: &Entry| {
        let setting = entry.setting?;
        Some(format!(
            "{} {} x {}",
            entry.name, setting.depth, setting.connections
        ))
    };
    let said: Vec<String> = measured.entries.iter().filter_map(of).collect();
    let name = match measured.cell.mode {
        Mode::Standalone => measured.cell.sizes(),
        Mode::Cluster => measured.cell.name(),
    };
    (!said.is_empty()).then(|| format!("{name}: {}", said.join(", ")))
}

fn spread(figures: &[f64], digits: usize) -> String {
    let Spread { median, min, max } = Spread::of(figures);
    format!("{median:.digits$} ({min:.digits$}..{max:.digits$})")
}

fn ratio(ratio: &Ratio) -> String {
    format!(
        "{:.2} ({:.2}..{:.2})",
        ratio.of_medians, ratio.low, ratio.high
    )
}
