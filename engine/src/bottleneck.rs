//! What limited the speed of a fill: from what was measured to a verdict, and a sentence that says
//! why. Measures nothing itself.

use serde::Serialize;

/// From here on, in percent, a core counts as busy.
const BUSY_PERCENT: f64 = 80.0;
/// From here on, in percent of the time, connections count as held up.
const HELD_UP_PERCENT: f64 = 50.0;
/// Shorter fills, in seconds, say too little about what limited them.
const TELLING_SECONDS_MIN: f64 = 0.2;
/// From here on, in percent of the time, waiting for a core is worth a word.
const WAITED_PERCENT_MIN: f64 = 10.0;

/// What limited the speed of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bottleneck {
    /// The main thread of a server was busy.
    Server,
    /// A reactor was busy.
    Client,
    /// Neither was, while bytes or acknowledgements were on their way.
    Network,
    /// A server had no more memory, or as much as was asked for.
    Memory,
    /// Server and client were both busy.
    Balanced,
    /// Too short or too little known to tell.
    Unknown,
}

/// What a verdict rests on, in percent of the time of the fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// CPU of the main thread of the busiest server (of its whole process before Redis 7.0); `null`
    /// where it does not tell.
    pub server_cpu_percent: Option<f64>,
    /// How long that thread waited for a core; `null` where it runs on another machine.
    pub server_wait_percent: Option<f64>,
    /// CPU of the busiest reactor.
    pub client_cpu_percent: Option<f64>,
    /// How long that reactor waited for a core.
    pub client_wait_percent: Option<f64>,
    /// How full the send queues of the connections were on average; `null` where nobody looked.
    pub send_queue_percent: Option<f64>,
    /// How long connections could send nothing more before an acknowledgement arrived.
    pub window_percent: Option<f64>,
}

/// One thread's part of the time, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Effort {
    pub(crate) cpu: f64,
    /// In line for a core, as far as that is known.
    pub(crate) wait: Option<f64>,
}

impl Effort {
    /// Of two durations out of a third one, all in seconds.
    pub(crate) fn of(cpu: f64, wait: Option<f64>, seconds: f64) -> Self {
        let percent = |part: f64| {
            if seconds > 0.0 {
                (part / seconds * 100.0).max(0.0)
            } else {
                0.0
            }
        };
        Self {
            cpu: percent(cpu),
            wait: wait.map(percent),
        }
    }

    /// The part of the time in which it had something to do. A thread that waits for a core is no
    /// less the one that others wait for.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu + self.wait.unwrap_or(0.0)
    }

    fn is_busy(&self) -> bool {
        self.busy() >= BUSY_PERCENT
    }

    fn in_words(&self, who: &str) -> String {
        let mut text = format!("{who} used {:.0} % of a core", self.cpu);
        if let Some(wait) = self.wait.filter(|wait| *wait >= WAITED_PERCENT_MIN) {
            text += &format!(" and waited {wait:.0} % of the time for one");
        }
        text
    }
}

/// What was measured of a fill.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// How long it took.
    pub(crate) seconds: f64,
    /// What a server ran out of memory with, as the end of a sentence.
    pub(crate) memory: Option<String>,
    /// By server; `None` where it does not tell.
    pub(crate) servers: Vec<Option<Effort>>,
    /// By reactor.
    pub(crate) reactors: Vec<Effort>,
    /// Percent, as in [`Evidence`].
    pub(crate) send_queue: Option<f64>,
    /// Percent, as in [`Evidence`].
    pub(crate) window: Option<f64>,
}

/// What limited a fill, what that rests on, and both in words.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) bottleneck: Bottleneck,
    pub(crate) evidence: Evidence,
    pub(crate) words: String,
}

impl Measured {
    /// The verdict. In a cluster the busiest server counts, and of the client the busiest reactor:
    /// the others wait for them.
    pub(crate) fn judge(&self) -> Judgement {
        let busiest = |efforts: &mut dyn Iterator<Item = Effort>| {
            efforts.reduce(|one, other| match one.busy() >= other.busy() {
                true => one,
                false => other,
            })
        };
        let server = busiest(&mut self.servers.iter().copied().flatten());
        let client = busiest(&mut self.reactors.iter().copied());
        let evidence = Evidence {
            server_cpu_percent: server.map(|server| server.cpu),
            server_wait_percent: server.and_then(|server| server.wait),
            client_cpu_percent: client.map(|client| client.cpu),
            client_wait_percent: client.and_then(|client| client.wait),
            send_queue_percent: self.send_queue,
            window_percent: self.window,
        };
        let (bottleneck, words) = self.verdict(server, client);
        Judgement {
            bottleneck,
            evidence,
            words,
        }
    }

    fn verdict(&self, server: Option<Effort>, client: Option<Effort>) -> (Bottleneck, String) {
        if let Some(memory) = &self.memory {
            return (Bottleneck::Memory, format!("memory: {memory}"));
        }
        if self.seconds < TELLING_SECONDS_MIN {
            let words = format!(
                "unknown: the fill took less than {:.0} ms",
                TELLING_SECONDS_MIN * 1e3
            );
            return (Bottleneck::Unknown, words);
        }
        let Some(client) = client else {
            return (Bottleneck::Unknown, "unknown: nothing was sent".into());
        };
        let of_server = match self.servers.len() {
            0 | 1 => "its main thread",
            _ => "the main thread of the busiest one",
        };
        let of_client = match self.reactors.len() {
            0 | 1 => "its reactor",
            _ => "its busiest reactor",
        };
        let client_words = client.in_words(of_client);
        let is_any_silent = self.servers.iter().any(Option::is_none);
        match server {
            Some(server) if server.is_busy() && client.is_busy() => {
                let words = format!(
                    "balanced: {}, {}",
                    server.in_words("the server's main thread"),
                    client.in_words("the client's reactor")
                );
                (Bottleneck::Balanced, words)
            }
            Some(server) if server.is_busy() => (
                Bottleneck::Server,
                format!("server: {}", server.in_words(of_server)),
            ),
            None => (
                Bottleneck::Unknown,
                format!(
                    "unknown: the server does not tell its CPU (INFO); of the client, {client_words}"
                ),
            ),
            Some(_) if is_any_silent => (
                Bottleneck::Unknown,
                format!(
                    "unknown: not every server tells its CPU (INFO); of the client, {client_words}"
                ),
            ),
            Some(_) if client.is_busy() => (Bottleneck::Client, format!("client: {client_words}")),
            Some(server) => self.between(&server, &client),
        }
    }

    /// Neither side was busy.
    fn between(&self, server: &Effort, client: &Effort) -> (Bottleneck, String) {
        let sides = format!(
            "the server {:.0} % of a core and the client {:.0} %",
            server.cpu, client.cpu
        );
        let (queue, window) = (
            self.send_queue.unwrap_or(0.0),
            self.window.unwrap_or_default(),
        );
        if queue >= HELD_UP_PERCENT {
            let words = format!(
                "network: send queues were {queue:.0} % full while {sides} used (or the server waited for something other than its CPU)"
            );
            return (Bottleneck::Network, words);
        }
        if window >= HELD_UP_PERCENT {
            let words = format!(
                "network: acknowledgements were awaited for {window:.0} % of the time while {sides} used; a larger --pipeline-depth or more connections (-n) may help"
            );
            return (Bottleneck::Network, words);
        }
        let words = format!(
            "unknown: neither side was busy ({sides}), nor were connections held up (send queues {queue:.0} % full, acknowledgements awaited {window:.0} % of the time)"
        );
        (Bottleneck::Unknown, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effort(cpu: f64, wait: f64) -> Effort {
        Effort {
            cpu,
            wait: Some(wait),
        }
    }

    /// A fill of two seconds with these servers, reactors, send queue and window.
    fn measured(servers: &[f64], reactors: &[f64], queue: f64, window: f64) -> Measured {
        let efforts = |cpus: &[f64]| cpus.iter().map(|cpu| effort(*cpu, 0.0)).collect::<Vec<_>>();
        Measured {
            seconds: 2.0,
            memory: None,
            servers: efforts(servers).into_iter().map(Some).collect(),
            reactors: efforts(reactors),
            send_queue: Some(queue),
            window: Some(window),
        }
    }

    #[track_caller]
    fn is(measured: &Measured, expected: Bottleneck) {
        let judgement = measured.judge();
        assert_eq!(judgement.bottleneck, expected, "{measured:?}");
        let name = format!("{expected:?}").to_lowercase();
        assert!(
            judgement.words.starts_with(&format!("{name}: ")),
            "{}",
            judgement.words
        );
    }

    #[test]
    fn the_side_that_is_busy_is_the_limit() {
        use Bottleneck::*;
        for (server, client, queue, window, expected) in [
            (99.0, 20.0, 90.0, 90.0, Server),
            (80.0, 79.0, 0.0, 0.0, Server),
            (20.0, 99.0, 90.0, 90.0, Client),
            (85.0, 95.0, 90.0, 90.0, Balanced),
            (20.0, 5.0, 90.0, 10.0, Network),
            (20.0, 5.0, 10.0, 90.0, Network),
            (20.0, 5.0, 10.0, 10.0, Unknown),
        ] {
            is(&measured(&[server], &[client], queue, window), expected);
        }
    }

    #[test]
    fn the_busiest_node_and_the_busiest_reactor_decide() {
        is(
            &measured(&[10.0, 95.0, 30.0], &[5.0, 40.0], 90.0, 90.0),
            Bottleneck::Server,
        );
        let client = measured(&[10.0, 25.0], &[5.0, 90.0], 0.0, 0.0);
        is(&client, Bottleneck::Client);
        let evidence = client.judge().evidence;
        assert_eq!(evidence.server_cpu_percent, Some(25.0));
        assert_eq!(evidence.client_cpu_percent, Some(90.0));
    }

    #[test]
    fn who_waits_for_a_core_is_the_limit_too() {
        let mut starved = measured(&[10.0], &[5.0], 0.0, 90.0);
        starved.reactors = vec![effort(5.0, 90.0)];
        is(&starved, Bottleneck::Client);
        assert!(starved.judge().words.contains("waited 90 % of the time"));
        starved.servers = vec![Some(effort(30.0, 60.0))];
        is(&starved, Bottleneck::Balanced);
        starved.reactors = vec![effort(5.0, 1.0)];
        is(&starved, Bottleneck::Server);
    }

    #[test]
    fn memory_comes_first() {
        let mut full = measured(&[99.0], &[10.0], 0.0, 0.0);
        full.memory = Some("the server refused writes (OOM)".into());
        full.seconds = 0.01;
        is(&full, Bottleneck::Memory);
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let mut short = measured(&[99.0], &[10.0], 0.0, 0.0);
        short.seconds = 0.199;
        is(&short, Bottleneck::Unknown);
        let mut silent = measured(&[], &[99.0], 90.0, 90.0);
        silent.servers = vec![None];
        is(&silent, Bottleneck::Unknown);
        // One that does not tell may be the busy one, unless another one is.
        silent.servers = vec![None, Some(effort(20.0, 0.0))];
        is(&silent, Bottleneck::Unknown);
        silent.servers = vec![None, Some(effort(99.0, 0.0))];
        is(&silent, Bottleneck::Balanced);
        is(&measured(&[10.0], &[], 0.0, 0.0), Bottleneck::Unknown);
    }
}
