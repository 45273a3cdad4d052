//! Numbers as people read them. Pure; never used in JSON.

use std::time::Duration;

/// `1048576` as `1,048,576`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things with their name in singular or plural (an `s` at the end).
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// Bytes in the largest unit of 1024 that leaves at least one.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10) as usize;
    let scaled = bytes as f64 / (1_u64 << (10 * exponent)) as f64;
    format!("{scaled:.2} {}", UNITS[exponent - 1])
}

/// A number per second, rounded to whole ones.
pub(crate) fn per_second(rate: f64) -> String {
    // `as` saturates, and a rate is far below 2^53.
    count(rate.max(0.0).round() as u64)
}

/// Bytes per second in MB (10^6) per second.
pub(crate) fn megabytes_per_second(bytes_per_second: f64) -> String {
    format!("{:.1} MB/s", bytes_per_second / 1e6)
}

/// A time span, as coarse as its length allows: `4.2 ms`, `1.23 s`, `12.3 s`, `3 min 05 s`,
/// `2 h 10 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let whole = seconds.round() as u64;
    match whole {
        0 if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        0..10 => format!("{seconds:.2} s"),
        10..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Time left, in whole seconds at the small end.
pub(crate) fn eta(left: Duration) -> String {
    let whole = left.as_secs_f64().ceil();
    if whole < 60.0 {
        format!("{whole:.0} s")
    } else {
        seconds(whole)
    }
}

/// Microseconds, in milliseconds where that reads better.
pub(crate) fn microseconds(microseconds: f64) -> String {
    if microseconds < 1_000.0 {
        format!("{microseconds:.0} µs")
    } else {
        format!("{:.2} ms", microseconds / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_048_576, "1,048,576"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn things_have_a_singular() {
        assert_eq!(counted(1, "key"), "1 key");
        assert_eq!(counted(0, "key"), "0 keys");
        assert_eq!(counted(2000, "reactor"), "2,000 reactors");
    }

    #[test]
    fn bytes_use_powers_of_1024() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (1 << 30, "1.00 GiB"),
            ((1 << 40) - 1, "1024.00 GiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn time_is_as_coarse_as_it_is_long() {
        for (span, text) in [
            (0.0, "0.0 ms"),
            (0.0042, "4.2 ms"),
            (0.1, "0.10 s"),
            (1.234, "1.23 s"),
            (12.34, "12.3 s"),
            (185.0, "3 min 05 s"),
            (7800.0, "2 h 10 min"),
        ] {
            assert_eq!(seconds(span), text);
        }
        assert_eq!(eta(Duration::from_millis(1200)), "2 s");
        assert_eq!(eta(Duration::from_secs(60)), "1 min 00 s");
        assert_eq!(microseconds(812.4), "812 µs");
        assert_eq!(microseconds(1812.4), "1.81 ms");
    }

    #[test]
    fn rates_do_not_lie_about_their_unit() {
        assert_eq!(megabytes_per_second(1_048_576.0), "1.0 MB/s");
        assert_eq!(per_second(852_500.6), "852,501");
        assert_eq!(per_second(f64::NAN), "0");
    }
}
