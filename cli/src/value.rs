//! Reads the text behind one flag: numbers, names, amounts, hosts. Every refusal names the flag,
//! what was given and what is allowed. Knows nothing of other flags.

use std::ops::RangeInclusive;

use engine::Amount;
use engine::error::AMOUNT_SYNTAX;
use engine::plan::ReactorChoice;
use engine::plan::memory_target::MemoryTarget;
use engine::plan::options::REACTORS_MAX;
use engine::verify::Sample;

use crate::exit::Failure;
use crate::habits;

/// A name this much like a known one is taken for a slip (Jaro-Winkler, 0 to 1).
const ALIKE_MIN: f64 = 0.75;

/// A whole number of `unit` in `allowed`.
pub(crate) fn whole(
    flag: &str,
    given: &str,
    allowed: RangeInclusive<u64>,
    unit: &str,
) -> Result<u64, Failure> {
    read_whole(given, &allowed).map_err(|why| {
        let (min, max) = allowed.into_inner();
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        Failure::usage(format!(
            "{flag} {given} is {why}: {min} to {max}{unit} are allowed"
        ))
    })
}

/// The number, or what is wrong with it: `not a whole number` or `out of range`.
pub(crate) fn read_whole(given: &str, allowed: &RangeInclusive<u64>) -> Result<u64, &'static str> {
    let digits = given.strip_prefix('-').unwrap_or(given);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a whole number");
    }
    // What is left to fail is a minus sign or an overflow: both out of range. `-0` is a zero.
    let number = if digits.bytes().all(|byte| byte == b'0') {
        Ok(0)
    } else {
        given.parse()
    };
    number
        .ok()
        .filter(|number| allowed.contains(number))
        .ok_or("out of range")
}

/// The value that `given` names among `known`.
pub(crate) fn one_of<T: Clone>(flag: &str, given: &str, known: &[(&str, T)]) -> Result<T, Failure> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == given) {
        return Ok(value.clone());
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let suggestion = nearest(given, &names)
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    Err(Failure::usage(format!(
        "{flag} '{given}' is not known: it takes {}{suggestion}",
        listed(&names)
    )))
}

/// The name that `given` is most likely a slip of.
pub(crate) fn nearest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&given, name), *name))
        .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `a, b or c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// An amount of data.
pub(crate) fn amount(given: &str) -> Result<Amount, Failure> {
    if given
        .strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
    {
        return Err(Failure::usage(format!(
            "-d needs an amount, but '{given}' follows it; {AMOUNT_SYNTAX}"
        )));
    }
    given
        .parse::<Amount>()
        .map_err(|error| Failure::usage(format!("-d: {error}")))
}

/// `--append`: a bare number of keys, or bytes with a unit.
pub(crate) fn keys_or_bytes(given: &str) -> Result<Amount, Failure> {
    if let Ok(keys) = read_whole(given, &(1..=u64::MAX - 1)) {
        return Ok(Amount::Keys(keys));
    }
    let has_unit = given.ends_with(|c: char| c.is_ascii_alphabetic());
    match given.parse::<Amount>() {
        Ok(amount) if has_unit => Ok(amount),
        _ => Err(Failure::usage(format!(
            "--append '{given}' is neither a number of keys, 1 or more (1000000), nor an amount \
             with a unit (500mb, 1g, 2GiB)"
        ))),
    }
}

/// `--until-memory`: a size, or a part of maxmemory.
pub(crate) fn memory_target(given: &str) -> Result<MemoryTarget, Failure> {
    given.parse().map_err(|error| {
        Failure::usage(format!(
            "--until-memory: {error}; or a part of maxmemory, above 0% and up to 100%"
        ))
    })
}

/// A number of keys, or a part of all in percent.
pub(crate) fn sample(flag: &str, given: &str) -> Result<Sample, Failure> {
    let refused = |why: &str| {
        Failure::usage(format!(
            "{flag} {given} is {why}: write a number of keys (1000), or a part of them in percent, \
             above 0% and at most 100% (1%, 0.5%)"
        ))
    };
    let Some(percent) = given.strip_suffix('%') else {
        let count = read_whole(given, &(1..=u64::MAX)).map_err(refused)?;
        return Ok(Sample::Keys(count));
    };
    let digits = percent.strip_prefix('-').unwrap_or(percent);
    let is_plain = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match percent.parse::<f64>() {
        Ok(number) if is_plain && number > 0.0 && number < 100.0 => Ok(Sample::Percent(number)),
        Ok(number) if is_plain && number == 100.0 => Ok(Sample::All),
        Ok(_) if is_plain => Err(refused("out of range")),
        _ => Err(refused("not a number")),
    }
}

/// A host name or address, alone.
pub(crate) fn host(given: &str) -> Result<String, Failure> {
    if let Some(explanation) = habits::of_host(given) {
        return Err(Failure::usage(explanation));
    }
    Ok(given.to_owned())
}

/// `N`, `cores` or `cores=0,2`.
pub(crate) fn reactors(given: &str) -> Result<ReactorChoice, Failure> {
    if given == "cores" {
        return Ok(ReactorChoice::EveryCore);
    }
    let Some(list) = given.strip_prefix("cores=") else {
        let most = REACTORS_MAX as u64;
        let count = read_whole(given, &(1..=most)).map_err(|why| {
            Failure::usage(format!(
                "--reactors {given} is {why}: it takes 1 to {most}, \"cores\" (one on every core) \
                 or \"cores=0,2\" (one on each of these)"
            ))
        })?;
        return Ok(ReactorChoice::Count(
            usize::try_from(count).unwrap_or(REACTORS_MAX),
        ));
    };
    let mut cores = Vec::new();
    for core in list.split(',') {
        let core = read_whole(core, &(0..=u64::from(u16::MAX))).map_err(|why| {
            Failure::usage(format!(
                "--reactors {given}: core '{core}' is {why}; write core numbers with commas, as in cores=0,2"
            ))
        })?;
        let core = usize::try_from(core).unwrap_or(usize::MAX);
        if cores.contains(&core) {
            return Err(Failure::usage(format!(
                "--reactors {given} names core {core} twice: two reactors on one core only get in \
                 each other's way; name each core once"
            )));
        }
        cores.push(core);
    }
    Ok(ReactorChoice::Cores(cores))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connections(given: &str) -> Result<u64, String> {
        whole("-n", given, 1..=1024, "connections").map_err(|failure| failure.message)
    }

    #[test]
    fn a_sample_is_a_number_of_keys_or_a_part() {
        let sample = |given| sample("--sample", given).map_err(|failure| failure.message);
        assert_eq!(sample("7"), Ok(Sample::Keys(7)));
        assert_eq!(sample("0.5%"), Ok(Sample::Percent(0.5)));
        assert_eq!(sample("100%"), Ok(Sample::All));
        for given in [
            "", "0", "-1", "0%", "-0%", "-5%", "101%", "%", "a%", "1e1%", "inf%", "nan%", "1,5%",
            "0.5", "5 %", ".%", "1..2%", "+1%",
        ] {
            let message = sample(given).unwrap_err();
            assert!(message.contains("at most 100%"), "{given}: {message}");
        }
    }

    #[test]
    fn numbers_out_of_range_say_what_is_allowed() {
        for given in ["-1", "0", "-0", "1025", "99999999999999999999999"] {
            assert_eq!(
                connections(given).unwrap_err(),
                format!("-n {given} is out of range: 1 to 1024 connections are allowed")
            );
        }
    }

    #[test]
    fn what_is_no_number_says_what_is_allowed() {
        for given in [
            "abc",
            "",
            "-",
            "1.5",
            "+5",
            "0x10",
            "5k",
            " 5",
            "--key-size",
            "٣",
        ] {
            assert_eq!(
                connections(given).unwrap_err(),
                format!("-n {given} is not a whole number: 1 to 1024 connections are allowed")
            );
        }
    }

    #[test]
    fn a_unit_is_not_needed() {
        let message = whole("-p", "0", 1..=65535, "").unwrap_err().message;
        assert_eq!(message, "-p 0 is out of range: 1 to 65535 are allowed");
    }

    #[test]
    fn names_are_listed_and_the_nearest_is_suggested() {
        let known = [("auto", 0), ("uring", 1), ("tokio-uring", 2), ("socket", 3)];
        assert_eq!(one_of("--driver", "uring", &known).unwrap(), 1);
        let message = one_of("--driver", "Sockets", &known).unwrap_err().message;
        assert_eq!(
            message,
            "--driver 'Sockets' is not known: it takes auto, uring, tokio-uring or socket; did you mean socket?"
        );
    }

    #[test]
    fn reactors_are_a_number_or_cores() {
        assert_eq!(reactors("3").unwrap(), ReactorChoice::Count(3));
        assert_eq!(reactors("cores").unwrap(), ReactorChoice::EveryCore);
        assert_eq!(
            reactors("cores=2,0").unwrap(),
            ReactorChoice::Cores(vec![2, 0])
        );
        for (given, why) in [
            ("0", "out of range"),
            ("-1", "out of range"),
            ("257", "out of range"),
            ("many", "not a whole number"),
            ("cores=", "core '' is not a whole number"),
            ("cores=0,x", "core 'x'"),
            ("cores=1,1", "names core 1 twice"),
        ] {
            let message = reactors(given).unwrap_err().message;
            assert!(
                message.contains(why) && message.contains("--reactors"),
                "{message}"
            );
        }
    }

    #[test]
    fn amounts_are_the_engine_s_and_a_forgotten_one_is_noticed() {
        assert_eq!(amount("1").unwrap(), Amount::Bytes(1 << 30));
        assert_eq!(amount("500mb").unwrap(), Amount::Bytes(500 << 20));
        let message = amount("-1").unwrap_err().message;
        assert!(
            message.starts_with("-d: ") && message.contains("negative"),
            "{message}"
        );
        assert!(amount("-.5").unwrap_err().message.contains("negative"));
        assert!(amount("-f").unwrap_err().message.contains("'-f' follows"));
    }

    proptest! {
        #[test]
        fn every_allowed_number_is_read(number in 1_u64..=1024) {
            prop_assert_eq!(connections(&number.to_string()), Ok(number));
        }

        #[test]
        fn nothing_else_is(text in "\\PC{0,12}") {
            if let Ok(number) = connections(&text) {
                prop_assert!((1..=1024).contains(&number));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
    }
}
