//! Receives the messages of Redis channels, on one connection for the whole process.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bb8_redis::redis::{
    ProtocolVersion, PushInfo, PushKind, RedisResult, Value,
    aio::{PubSubSink, SendError},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::{
    errors::problem_of,
    servers::{Primary, RedisLogin, RedisServers, Topology},
};
use crate::telemetry::{Failing, FailureLog};

/// How many messages wait for one receiver; more are lost, which it must tolerate.
const QUEUE: usize = 256;
/// A channel that is always subscribed to.
const HEALTH_CHECK_CHANNEL: &str = "tip:try";
/// A connection that breaks is made again after this.
const PAUSE: Duration = Duration::from_millis(250);
/// An idle connection is checked this often.
const CHECK: Duration = Duration::from_secs(5);

/// Messages of Redis, on one connection for the whole process, sharded in a cluster.
///
/// Messages are lost when a connection breaks or a receiver is slow, without any error. So a receiver must also poll
/// the data itself now and then.
pub struct Listener {
    servers: RedisServers,
    timeout: Duration,
    channels: Arc<Channels>,
    outage: FailureLog,
}

#[derive(Default)]
struct Channels {
    open: Mutex<HashMap<String, mpsc::Sender<Bytes>>>,
    changed: Notify,
}

/// One channel that is listened to, until this is dropped.
pub struct Channel {
    name: String,
    messages: mpsc::Receiver<Bytes>,
    channels: Weak<Channels>,
}

impl Listener {
    /// Nothing is connected before [`Listener::run`].
    #[must_use]
    pub fn new(servers: RedisServers, timeout: Duration) -> Self {
        let channels = Channels::default();
        // No message comes there; it shows that Redis answers to a subscription, also while there is no other one.
        channels
            .lock()
            .insert(HEALTH_CHECK_CHANNEL.to_owned(), mpsc::channel(1).0);
        Self {
            servers,
            timeout,
            channels: Arc::new(channels),
            outage: FailureLog::default(),
        }
    }

    /// Listens to a channel. One that is listened to already changes its listener.
    #[must_use]
    pub fn open(&self, name: &str) -> Channel {
        let (sender, messages) = mpsc::channel(QUEUE);
        self.channels.lock().insert(name.to_owned(), sender);
        self.channels.changed.notify_one();
        Channel {
            name: name.to_owned(),
            messages,
            channels: Arc::downgrade(&self.channels),
        }
    }

    /// Keeps a connection, and the subscriptions on it, as long as it is polled.
    pub async fn run(&self) {
        loop {
            let login = self.servers.login();
            let ended = match login.topology() {
                Ok(Topology::Primary(primary)) => self.on_server(&login, &primary).await,
                Ok(Topology::Cluster(cluster)) => self.on_cluster(&login, *cluster).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &ended {
                self.servers.renew_after(error);
            }
            if let Some(Failing { failures, lasted }) = self.outage.failed() {
                let address = login.address();
                let problem = match ended {
                    Ok(()) => "the connection was closed".to_owned(),
                    Err(error) => problem_of(&error),
                };
                tracing::warn!(
                    component = "redis",
                    address,
                    problem,
                    failures,
                    ?lasted,
                    "subscriptions of Redis fail: what other replicas write is seen later, by polling"
                );
            }
            sleep(PAUSE).await;
        }
    }

    fn log_recovery(&self) {
        if let Some(Failing { failures, lasted }) = self.outage.worked() {
            tracing::info!(
                component = "redis",
                failures,
                ?lasted,
                "subscriptions of Redis work again"
            );
        }
    }

    async fn on_server(&self, login: &RedisLogin, primary: &Primary) -> RedisResult<()> {
        let client = primary.client().await?;
        let connect = login.connect_timeout(self.timeout);
        let connection = within(connect, client.get_async_pubsub()).await?;
        let (mut sink, mut stream) = connection.split();
        let mut subscribed = Vec::new();
        loop {
            let (more, less) = self.channels.difference(&subscribed);
            for name in more {
                within(self.timeout, sink.subscribe(&name)).await?;
                subscribed.push(name);
            }
            for name in less {
                within(self.timeout, sink.unsubscribe(&name)).await?;
                subscribed.retain(|subscribed| *subscribed != name);
            }
            self.log_recovery();
            tokio::select! {
                () = self.channels.changed.notified() => {}
                message = stream.next() => match message {
                    Some(message) => {
                        let payload = Bytes::copy_from_slice(message.get_payload_bytes());
                        self.channels.deliver(message.get_channel_name(), payload);
                    }
                    None => return Ok(()),
                },
                () = sleep(CHECK) => {
                    // A connection may break without an error.
                    self.is_alive(&mut sink).await?;
                }
            }
        }
    }

    /// Fails unless the server answers.
    async fn is_alive(&self, sink: &mut PubSubSink) -> RedisResult<()> {
        match within(self.timeout, sink.ping::<Value>()).await {
            // What the server refuses, it answers.
            Err(error) if error.code().is_none() => Err(error),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    /// The cluster's connection finds the shard of each channel, and subscribes again when it
    /// had to reconnect.
    async fn on_cluster(
        &self,
        login: &Arc<RedisLogin>,
        cluster: ClusterClientBuilder,
    ) -> RedisResult<()> {
        let channels = Arc::clone(&self.channels);
        let deliver = move |push: PushInfo| {
            channels.deliver_push(push);
            Ok::<(), SendError>(())
        };
        let client = cluster
            .connection_timeout(login.connect_timeout(self.timeout))
            .response_timeout(self.timeout)
            .use_protocol(ProtocolVersion::RESP3)
            .push_sender(deliver)
            .retries(1)
            .build()?;
        let mut connection: ClusterConnection = client.get_async_connection().await?;
        let mut subscribed: Vec<String> = Vec::new();
        // It connects to its nodes again by itself, with the log-in that it began with.
        while Arc::ptr_eq(login, &self.servers.login()) {
            let (more, less) = self.channels.difference(&subscribed);
            for name in more {
                connection.ssubscribe(&name).await?;
                subscribed.push(name);
            }
            for name in less {
                connection.sunsubscribe(&name).await?;
                subscribed.retain(|subscribed| *subscribed != name);
            }
            self.log_recovery();
            let _ = timeout(CHECK, self.channels.changed.notified()).await;
        }
        Ok(())
    }
}

impl Channels {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Bytes>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be subscribed, and what is to be left.
    fn difference(&self, subscribed: &[String]) -> (Vec<String>, Vec<String>) {
        let open = self.lock();
        let more = open.keys().filter(|name| !subscribed.contains(name));
        let less = subscribed.iter().filter(|name| !open.contains_key(*name));
        (more.cloned().collect(), less.cloned().collect())
    }

    fn deliver(&self, name: &str, payload: Bytes) {
        if let Some(listener) = self.lock().get(name) {
            // A full queue loses it; see `Listener`.
            let _ = listener.try_send(payload);
        }
    }

    fn deliver_push(&self, push: PushInfo) {
        if push.kind != PushKind::SMessage {
            return;
        }
        let mut data = push.data.into_iter();
        if let (Some(Value::BulkString(name)), Some(Value::BulkString(payload))) =
            (data.next(), data.next())
            && let Ok(name) = std::str::from_utf8(&name)
        {
            self.deliver(name, payload.into());
        }
    }
}

impl Channel {
    /// The next message. Pending for ever when there is none.
    pub async fn next(&mut self) -> Bytes {
        match self.messages.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let Some(channels) = self.channels.upgrade() else {
            return;
        };
        self.messages.close();
        let mut open = channels.lock();
        // A later listener may have taken the name over.
        if open.get(&self.name).is_some_and(mpsc::Sender::is_closed) {
            open.remove(&self.name);
        }
        drop(open);
        channels.changed.notify_one();
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let too_slow = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    timeout(limit, work).await.map_err(too_slow)?
}
