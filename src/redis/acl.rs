//! The rights that a user of Redis needs for us, and no more.

/// The commands that cache and tips send themselves and in scripts, and those of health checks and status.
const COMMANDS: &str = "+del +eval +evalsha +expire +get +getrange +hdel +hgetall +hlen +hset +incr \
                        +info +pexpire +ping +pttl +set +time +type +xadd +xrange +xrevrange \
                        +zadd +zcount +zrem +zremrangebyscore";
const KEYS: &str = "~catalog:* ~tip:* &tip:*";

/// The rules for `ACL SETUSER`, which come after the name and the password.
#[must_use]
pub fn acl_rules(is_cluster: bool, has_sentinels: bool, names_database: bool) -> String {
    let messages = if is_cluster {
        // Messages stay in the shard of their channel.
        "+cluster|slots +spublish +ssubscribe +sunsubscribe"
    } else {
        "+publish +subscribe +unsubscribe"
    };
    // A primary that sentinels name is asked whether it is one.
    let role = if has_sentinels { " +role" } else { "" };
    let select = if names_database { " +select" } else { "" };
    format!("resetkeys resetchannels -@all {KEYS} {COMMANDS} {messages}{role}{select}")
}
