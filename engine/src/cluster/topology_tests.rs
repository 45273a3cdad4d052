//! Topologies as servers announce them, and what is not one.

use proptest::prelude::*;

use super::*;

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn range(first: i64, last: i64, node: Vec<Value>) -> Value {
    Value::Array(vec![
        Value::Int(first),
        Value::Int(last),
        Value::Array(node),
    ])
}

fn node(host: &str, port: i64) -> Vec<Value> {
    vec![bulk(host), Value::Int(port), bulk("id")]
}

fn read(ranges: Vec<Value>) -> Topology {
    Topology::of_slots_reply(&Value::Array(ranges), "seed").unwrap()
}

fn masters(topology: &Topology) -> Vec<String> {
    topology
        .masters()
        .map(|(endpoint, _)| endpoint.to_string())
        .collect()
}

fn map(entries: &[&str]) -> HostMap {
    let mut map = HostMap::default();
    entries.iter().for_each(|entry| map.add(entry).unwrap());
    map
}

#[test]
fn a_fragmented_cluster_is_read() {
    let topology = read(vec![
        range(0, 99, node("10.0.0.1", 7000)),
        range(100, 16_000, node("10.0.0.2", 7000)),
        range(16_002, 16_383, node("10.0.0.1", 7000)),
    ]);
    assert_eq!(masters(&topology), ["10.0.0.1:7000", "10.0.0.2:7000"]);
    assert_eq!(topology.uncovered().in_words(9), "16001");
    let first = Endpoint {
        host: "10.0.0.1".into(),
        port: 7000,
    };
    assert_eq!(topology.slots_of(&first).in_words(9), "0-99, 16002-16383");
    let nobody = Endpoint {
        host: "x".into(),
        port: 1,
    };
    assert!(topology.slots_of(&nobody).is_empty());
}

#[test]
fn a_node_without_an_address_is_where_the_question_went() {
    let named = |details| vec![bulk("?"), Value::Int(2), bulk("id"), details];
    let pairs = Value::Array(vec![bulk("ip"), bulk("10.0.0.3")]);
    let fields = Value::Map(vec![(bulk("ip"), bulk("10.0.0.4"))]);
    let topology = read(vec![
        range(0, 1, node("", 1)),
        range(2, 3, vec![Value::Nil, Value::Int(1)]),
        range(4, 5, named(pairs)),
        range(6, 7, named(fields)),
        range(8, 9, vec![bulk("?"), Value::Int(9)]),
        range(10, 11, node("fe80::1", 7)),
        range(12, 13, node("db.example", 7)),
    ]);
    assert_eq!(
        masters(&topology),
        [
            "10.0.0.3:2",
            "10.0.0.4:2",
            "db.example:7",
            "[fe80::1]:7",
            "seed:1",
            "seed:9"
        ]
    );
    let seed = Endpoint {
        host: "seed".into(),
        port: 1,
    };
    assert_eq!(topology.slots_of(&seed).in_words(9), "0-3");
}

#[test]
fn addresses_are_mapped_the_more_exact_entry_first() {
    let topology = read(vec![
        range(0, 1, node("10.0.0.1", 7000)),
        range(2, 3, node("10.0.0.1", 7001)),
        range(4, 5, node("10.0.0.2", 7000)),
        range(6, 7, node("::1", 7002)),
        range(8, 9, node("a", 1)),
    ]);
    let map = map(&["10.0.0.1=nat", "10.0.0.1:7001=nat:9", "::1=[::2]", "A=nat"]);
    assert_eq!(
        masters(&topology.mapped(&map)),
        ["10.0.0.2:7000", "[::2]:7002", "nat:1", "nat:9", "nat:7000"]
    );
}

#[test]
fn entries_of_the_map_that_cannot_be_meant_are_explained() {
    for (entry, words) in [
        ("10.0.0.1", "no '='"),
        ("=a", "names no host"),
        ("a=", "names no host"),
        ("a:x=b", "no port"),
        ("a:0=b:1", "no port"),
        ("a=b:1", "every port of a to the one port"),
    ] {
        let error = HostMap::default().add(entry).unwrap_err();
        assert!(error.contains(words), "{entry}: {error}");
    }
    assert!(map(&["a=b"]).add("a=c").unwrap_err().contains("twice"));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (0_i64..17_000).prop_map(Value::Int),
        "[a-z?]{0,4}".prop_map(|text| bulk(&text)),
        Just(Value::Nil),
        Just(Value::Okay),
    ];
    leaf.prop_recursive(3, 40, 6, |inner| {
        proptest::collection::vec(inner, 0..6).prop_map(Value::Array)
    })
}

proptest! {
    #[test]
    fn whatever_is_answered_is_read_or_refused(reply in values()) {
        if let Ok(topology) = Topology::of_slots_reply(&reply, "seed") {
            prop_assert_eq!(topology.covered().len() + topology.uncovered().len(), usize::from(SLOTS));
        }
    }
}
