//! The command that goes on where a fill ended: the same flags, without what has been done already
//! and without any password.

use engine::Plan;

use crate::flags::FillFlags;

/// The command that sends what is missing of `plan`. A fill that was to end by the memory it takes
/// goes on once the keys that it did send are all there; in a cluster, where those are no range of
/// indices, it goes on at once.
pub(crate) fn command(flags: &FillFlags, plan: &Plan) -> String {
    let is_range = !flags.server.cluster && plan.keys() > 0;
    match flags.existing.until_memory {
        Some(_) if is_range => {
            format!(
                "{} && {}",
                line(flags, plan, false),
                line(flags, plan, true)
            )
        }
        _ => line(flags, plan, flags.existing.until_memory.is_some()),
    }
}

/// The command line, with the memory target or with the keys in its place.
fn line(flags: &FillFlags, plan: &Plan, with_target: bool) -> String {
    let FillFlags {
        server,
        data,
        existing,
        engine,
        verify,
        guards,
        switches,
    } = flags;
    let mut line = Line::default();
    line.value("-h", &server.host);
    line.value("-p", &server.port);
    line.switch("-c", server.cluster);
    for entry in &server.host_map {
        line.add("--host-map", entry);
    }
    line.switch("--allow-partial", server.allow_partial);
    line.value("-u", &server.username);
    let file = server.password_file.as_ref();
    line.value("--password-file", &file.map(|file| file.to_string_lossy()));
    line.switch(
        "--ask-password",
        server.ask_password || server.password.is_some(),
    );
    line.value("--db", &server.db);
    let has_place = existing.append.is_some() || existing.until_memory.is_some() && !with_target;
    if has_place {
        // The keys it was to add have a place by now.
        line.add("--start-key", plan.start_key);
        line.add("--keys", plan.keys());
    } else {
        line.value("-d", &data.data);
        line.value("--start-key", &data.start_key);
        line.value("--keys", &data.keys);
    }
    if with_target {
        line.value("--until-memory", &existing.until_memory);
    }
    line.value("--key-size", &data.key_size);
    line.value("--value-size", &data.value_size);
    line.value("--key-prefix", &data.key_prefix);
    line.value("--seed", &data.seed);
    line.value("--key-layout", &data.key_layout);
    line.value("--preset", &data.preset);
    let config = switches.config.as_ref();
    line.value("--config", &config.map(|file| file.to_string_lossy()));
    line.value("-n", &engine.connections);
    line.switch("-s", engine.serial);
    line.value("--command", &engine.command);
    line.value("--pipeline-depth", &engine.pipeline_depth);
    line.value("--replies", &engine.replies);
    line.value("--driver", &engine.driver);
    line.value("--send", &engine.send);
    line.value("--reactors", &engine.reactors);
    line.value("--stall-timeout", &switches.stall_timeout);
    line.switch("--no-pin", engine.no_pin);
    line.switch("--tune", engine.tune);
    line.value("--output", &switches.output);
    line.switch("-q", switches.quiet);
    line.switch("--no-progress", switches.no_progress);
    line.switch("--force", guards.force);
    line.switch("--allow-eviction", guards.allow_eviction);
    line.switch("-v", switches.verbose);
    if let Some(sample) = verify {
        line.0 += &format!(" --verify={sample}");
    }
    line.switch("--only-missing", existing.only_missing);
    // With a memory target it goes on behind the keys that exist by itself.
    line.switch("--resume", !with_target);
    line.0
}

/// A command line under way.
struct Line(String);

impl Default for Line {
    fn default() -> Self {
        Self("redis-client fill".into())
    }
}

impl Line {
    fn switch(&mut self, flag: &str, is_given: bool) {
        if is_given {
            self.0 += &format!(" {flag}");
        }
    }

    fn value(&mut self, flag: &str, value: &Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(flag, value.as_ref());
        }
    }

    fn add(&mut self, flag: &str, value: impl std::fmt::Display) {
        let value = value.to_string();
        // No text from a command line can hold the one character that cannot be quoted.
        let quoted = shlex::try_quote(&value).unwrap_or_default();
        self.0 += &format!(" {flag} {quoted}");
    }
}

#[cfg(test)]
mod tests {
    use engine::machine::{Machine, Whereabouts};

    use super::*;
    use crate::environment::Environment;
    use crate::flags::tests::fill;
    use crate::settings::Settings;

    fn again(line: &str) -> String {
        let flags = fill(line).unwrap();
        let settings = Settings::resolve(&flags, &Environment::default()).unwrap();
        let machine = Machine {
            cores: vec![0, 1],
            io_uring: Ok(()),
            servers: Whereabouts::Here,
        };
        let plan = Plan::new(&settings.fill.unwrap(), &machine).unwrap();
        command(&flags, &plan)
    }

    #[test]
    fn the_same_flags_go_on() {
        assert_eq!(
            again("-h db -p 7000 -d 1gb --key-size 64 -n 4"),
            "redis-client fill -h db -p 7000 -d 1gb --key-size 64 -n 4 --resume"
        );
        assert_eq!(
            again("-h db -c --host-map a=b --host-map c=d --keys 9 -s --seed 3 --resume"),
            "redis-client fill -h db -c --host-map 'a=b' --host-map 'c=d' --keys 9 --seed 3 -s --resume"
        );
    }

    #[test]
    fn the_config_file_that_was_named_is_named_again() {
        assert_eq!(
            again("-h db --keys 9 --config /dev/null"),
            "redis-client fill -h db --keys 9 --config /dev/null --resume"
        );
    }

    #[test]
    fn what_was_done_is_not_done_again() {
        assert_eq!(
            again("-h db -f -y --keys 9"),
            "redis-client fill -h db --keys 9 --resume"
        );
        assert_eq!(
            again("-h db --append 9 --start-key 5"),
            "redis-client fill -h db --start-key 5 --keys 9 --resume"
        );
        assert_eq!(
            again("-h db -f --until-memory 2gb"),
            "redis-client fill -h db --start-key 0 --keys 1000000000000 --resume && \
             redis-client fill -h db --until-memory 2gb"
        );
        assert_eq!(
            again("-h db -c --until-memory 2gb"),
            "redis-client fill -h db -c --until-memory 2gb"
        );
    }

    #[test]
    fn a_password_is_asked_for_and_text_is_quoted() {
        let command = again("-h db -u me -a hunter2 --keys 9 --key-prefix it's");
        assert_eq!(
            command,
            "redis-client fill -h db -u me --ask-password --keys 9 --key-prefix \"it's\" --resume"
        );
    }

    /// Every flag of a fill is either repeated or left out on purpose.
    #[test]
    fn no_flag_is_forgotten() {
        use clap::Args;
        let all = FillFlags::augment_args(clap::Command::new("fill"));
        let left_out = ["flush", "yes", "dry-run", "help", "resume", "verify"];
        let own = include_str!("again.rs");
        for argument in all.get_arguments() {
            let long = argument.get_long().unwrap_or_default();
            let field = format!(".{}", long.replace('-', "_"));
            assert!(
                left_out.contains(&long) || own.contains(&field),
                "--{long} is neither repeated nor left out on purpose"
            );
        }
    }
}
