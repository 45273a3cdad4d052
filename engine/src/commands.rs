//! What the commands of other clients may do, by their names. Knows names alone, never arguments.

/// Commands that change no key, in lower case. Scripts, functions and EXEC are not among them:
/// what they run is not known.
const HARMLESS: &str = "acl asking auth bgrewriteaof bgsave bitcount bitfield_ro bitpos client \
    cluster command config dbsize discard dump echo eval_ro evalsha_ro exists expiretime fcall_ro \
    geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get getbit getrange hello \
    hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen hvals info keys lastsave \
    latency lcs lindex llen lolwut lpos lrange memory mget monitor multi object pexpiretime pfcount \
    ping psubscribe psync pttl publish pubsub punsubscribe quit randomkey readonly readwrite \
    replconf reset role save scan scard sdiff select sinter sintercard sismember slowlog smembers \
    smismember sort_ro spublish srandmember sscan ssubscribe strlen subscribe substr sunion \
    sunsubscribe sync time touch ttl type unsubscribe unwatch wait waitaof watch xinfo xlen xpending \
    xrange xread xrevrange zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange \
    zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore \
    zunion";

/// Whether a command may change keys, by its name as servers tell it (INFO commandstats, CLIENT
/// LIST): in lower case, a subcommand behind `|`. What is not known may.
pub(crate) fn may_change_keys(name: &str) -> bool {
    let command = name.split('|').next().unwrap_or(name);
    !HARMLESS
        .split_ascii_whitespace()
        .any(|harmless| harmless == command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_are_judged_by_their_command() {
        for harmless in [
            "config|set",
            "client|list",
            "client",
            "get",
            "zunion",
            "acl",
        ] {
            assert!(!may_change_keys(harmless), "{harmless}");
        }
        for other in [
            "set",
            "evalsha",
            "exec",
            "restore-asking",
            "getex",
            "ge",
            "unheard|of",
        ] {
            assert!(may_change_keys(other), "{other}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_names_each_once() {
        let names: Vec<_> = HARMLESS.split_ascii_whitespace().collect();
        assert!(names.is_sorted_by(|one, next| one < next));
    }
}
