//! Choices from figures: as measured where they say so, else made up to show a rule.

use super::*;

/// Lets a chooser see `copied` of its probes copied, and rounds at these CPU seconds per GiB and
/// GB/s by kind, each round a little different.
fn found(mut chooser: Chooser, copied: u32, figures: &[(Send, f64, f64)]) -> Found {
    let mut probes = 0;
    let mut rounds = 0_u32;
    loop {
        match chooser.step() {
            Step::Probe => {
                chooser.probed(probes < copied);
                probes += 1;
            }
            Step::Round(send) => {
                let (_, cpu, rate) = figures.iter().find(|(kind, ..)| *kind == send).unwrap();
                let wobble = 1.0 + f64::from(rounds % 3) / 200.0;
                rounds += 1;
                chooser.took(Round {
                    send,
                    bytes: ROUND_BYTES,
                    cpu: Duration::from_secs_f64(cpu * wobble * ROUND_BYTES as f64 / GIB),
                    elapsed: Duration::from_secs_f64(ROUND_BYTES as f64 / 1e9 / rate / wobble),
                });
            }
            Step::Found(found) => return found,
        }
    }
}

fn any() -> Chooser {
    Chooser::new(None, false)
}

/// 64 KiB per send on one core and a fast NIC: SEND 0.51 cycles per byte and 7.2 GB/s, SEND_ZC 0.22
/// and 16.7 GB/s (arXiv 2512.04859), in seconds at an assumed 3 GHz. WRITE_FIXED was not measured
/// there: made up, a little dearer than SEND.
const NIC: [(Send, f64, f64); 3] = [
    (Send::Zc, 0.079, 16.7),
    (Send::Fixed, 0.21, 6.2),
    (Send::Copy, 0.183, 7.2),
];
/// As a run across a veth pair reported it (two lanes, Redis 7.0, 512-byte keys and values). Zero-copy
/// was ruled out there before its first round: made up, so good that it would win if it were asked.
const VETH: [(Send, f64, f64); 3] = [
    (Send::Zc, 0.01, 50.0),
    (Send::Fixed, 0.22, 0.24),
    (Send::Copy, 0.17, 0.33),
];

#[test]
fn a_nic_that_does_not_copy_gets_zero_copy() {
    let found = found(any(), 0, &NIC);
    assert_eq!(found.send, Send::Zc);
    assert!(found.reason.starts_with("the kernel copied none of 4"));
    assert!(
        found
            .reason
            .contains("zc took 0.08 CPU seconds per GiB at 16.")
    );
}

#[test]
fn a_veth_pair_that_copies_never_does() {
    let found = found(any(), PROBES, &VETH);
    assert_eq!(found.send, Send::Copy);
    assert!(found.reason.starts_with("the kernel copied 4 of 4"));
    assert!(!found.reason.contains("zc took"), "{}", found.reason);
}

#[test]
fn one_copy_among_the_probes_is_enough() {
    let found = found(any(), 1, &NIC);
    assert_eq!(found.send, Send::Copy);
    assert!(found.reason.starts_with("the kernel copied 1 of 4"));
}

#[test]
fn registered_writes_are_taken_where_they_cost_nearly_as_little() {
    let near = [(Send::Fixed, 0.126, 1.1), (Send::Copy, 0.124, 1.1)];
    assert_eq!(found(any(), PROBES, &near).send, Send::Fixed);
    let far = [(Send::Fixed, 0.130, 1.1), (Send::Copy, 0.124, 1.1)];
    assert_eq!(found(any(), PROBES, &far).send, Send::Copy);
}

#[test]
fn what_is_slower_in_every_round_is_not_taken_however_cheap() {
    let figures = [(Send::Fixed, 0.1, 1.0), (Send::Copy, 0.2, 2.0)];
    assert_eq!(found(any(), PROBES, &figures).send, Send::Copy);
}

#[test]
fn zero_copy_that_costs_more_is_not_taken_although_nothing_was_copied() {
    let figures = [(Send::Zc, 0.3, 0.33), VETH[1], VETH[2]];
    assert_eq!(found(any(), 0, &figures).send, Send::Copy);
}

#[test]
fn without_zero_copy_the_others_are_compared() {
    let chooser = Chooser::new(Some("this kernel has no zero-copy send".into()), false);
    assert_eq!(chooser.step(), Step::Round(Send::Fixed));
    let found = found(chooser, 0, &VETH);
    assert_eq!(found.send, Send::Copy);
    assert!(
        found
            .reason
            .starts_with("this kernel has no zero-copy send; fixed took")
    );
}

#[test]
fn without_registered_memory_there_is_nothing_to_compare() {
    let chooser = Chooser::new(Some("no memory may be registered".into()), true);
    let Step::Found(found) = chooser.step() else {
        panic!("{:?}", chooser.step());
    };
    assert_eq!(found.send, Send::Copy);
    assert!(found.reason.starts_with("no memory may be registered; "));
}

#[test]
fn a_kind_that_the_kernel_refuses_is_out() {
    let mut chooser = any();
    chooser.refused(Send::Zc);
    assert_eq!(chooser.step(), Step::Round(Send::Fixed));
    chooser.refused(Send::Fixed);
    assert!(matches!(chooser.step(), Step::Found(found) if found.send == Send::Copy));
}

#[test]
fn too_few_bytes_find_nothing() {
    let mut chooser = any();
    chooser.probed(false);
    assert_eq!(chooser.step(), Step::Probe);
    let trial = Trial::default();
    assert!(trial.take() && !trial.take());
    assert_eq!(trial.found(), None);
    trial.leave();
    assert!(trial.take());
}
