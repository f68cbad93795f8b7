use std::ops::Range;

use bb8_redis::redis;

use super::Redis;
use crate::support::{
    process::{self, PATIENCE},
    wait,
};

/// The hash slots of each node: all 16 384.
const SHARES: [Range<u16>; 3] = [0..5_461, 5_461..10_922, 10_922..16_384];

/// A cluster of three nodes that share the slots, without replicas.
pub fn cluster() -> Cluster {
    let nodes = [(); 3].map(|()| process::on_free_port("Redis Cluster", start_node));
    let first = nodes.first().unwrap();
    for ((node, slots), epoch) in nodes.iter().zip(SHARES).zip(1_u16..) {
        let slots: Vec<u16> = slots.collect();
        node.ask::<()>(redis::cmd("CLUSTER").arg("ADDSLOTS").arg(slots));
        node.ask::<()>(redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(epoch));
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET").arg("127.0.0.1").arg(first.port());
        node.ask::<()>(&meet);
    }
    let cluster = Cluster { nodes };
    assert!(
        wait::until(PATIENCE, || cluster.nodes.iter().all(knows_all)),
        "the nodes of the cluster find each other"
    );
    cluster
}

fn start_node(port: u16) -> Result<Redis, String> {
    // The bus listens on port + 10000.
    Redis::start(
        port,
        &["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"],
    )
}

fn knows_all(node: &Redis) -> bool {
    let state: String = node.ask(redis::cmd("CLUSTER").arg("INFO"));
    [
        "cluster_state:ok",
        "cluster_slots_ok:16384",
        "cluster_known_nodes:3",
    ]
    .iter()
    .all(|fact| state.contains(fact))
}

/// A running cluster.
pub struct Cluster {
    /// Its servers, in the order of their slots.
    pub nodes: [Redis; 3],
}

impl Cluster {
    /// Its address, as the product's settings spell it.
    pub fn url(&self) -> String {
        let nodes = self.nodes.each_ref();
        let [a, b, c] = nodes.map(|node| format!("127.0.0.1:{}", node.port()));
        format!("redis-cluster://{a},{b},{c}")
    }
}
