//! A TCP proxy on a connection that a test slows down, blackholes or cuts.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{self, Instant},
};

use super::process;

/// What the proxy does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Carries every byte.
    Pass,
    /// Nobody listens: new connections are refused; those that are open pass.
    Refuse,
    /// Accepts, carries nothing, closes nothing; what came meanwhile follows later.
    Blackhole,
    /// Carries each chunk, of up to 16 KiB, after this long.
    Delay(Duration),
}

/// A proxy that runs as long as the value lives, on the test's runtime.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

struct State {
    target: watch::Sender<SocketAddr>,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    losses: watch::Sender<u64>,
    accepted: watch::Sender<u64>,
}

impl Proxy {
    /// Starts to pass to a port of 127.0.0.1.
    pub async fn to(port: u16) -> Self {
        let state = State {
            target: watch::Sender::new(([127, 0, 0, 1], port).into()),
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
            losses: watch::Sender::new(0),
            accepted: watch::Sender::new(0),
        };
        let mut proxy = Self {
            port: process::free_port(),
            state: Arc::new(state),
            acceptor: None,
        };
        proxy.listen().await;
        proxy
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> u64 {
        *self.state.accepted.borrow()
    }

    /// Sets what it does from here on, with open connections too.
    pub async fn set(&mut self, mode: Mode) {
        self.state.mode.send_replace(mode);
        match mode {
            Mode::Refuse => self.close().await,
            Mode::Pass | Mode::Blackhole | Mode::Delay(_) => self.listen().await,
        }
    }

    /// Breaks the connections that are open.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Kills the connections that are open without a word, as a firewall that forgot them does: they stay
    /// open on both sides, and what is sent into them is lost for good.
    pub fn lose(&self) {
        self.state.losses.send_modify(|losses| *losses += 1);
    }

    /// Leads to another port of 127.0.0.1 from here on: connections that are open break.
    pub fn switch_to(&self, port: u16) {
        self.lead_to(port);
        self.cut();
    }

    /// Leads new connections to another port of 127.0.0.1, as a name does that was moved: those that are
    /// open stay where they are.
    pub fn lead_to(&self, port: u16) {
        self.state
            .target
            .send_replace(([127, 0, 0, 1], port).into());
    }

    async fn listen(&mut self) {
        if self.acceptor.is_some() {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        let listener = listener.expect("the proxy's port is free");
        let accepting = accept(listener, Arc::clone(&self.state));
        self.acceptor = Some(spawn(accepting));
    }

    async fn close(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.abort();
            acceptor.await.ok();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(acceptor) = &self.acceptor {
            acceptor.abort();
        }
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (near, _) = listener.accept().await.unwrap();
        state.accepted.send_modify(|accepted| *accepted += 1);
        let (state, mut cuts) = (Arc::clone(&state), state.cuts.subscribe());
        spawn(async move {
            tokio::select! {
                _ = cuts.changed() => {}
                _ = carry(near, &state) => {}
            }
        });
    }
}

async fn carry(near: TcpStream, state: &State) -> io::Result<()> {
    let losses = state.losses.subscribe();
    passable(state, &losses).await;
    let target = *state.target.borrow();
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    tokio::try_join!(
        pump(&mut near_in, &mut far_out, state, &losses),
        pump(&mut far_in, &mut near_out, state, &losses),
    )?;
    Ok(())
}

async fn pump<R, W>(
    from: &mut R,
    to: &mut W,
    state: &State,
    losses: &watch::Receiver<u64>,
) -> io::Result<()>
where
    R: AsyncReadExt + Unpin,
    W: AsyncWriteExt + Unpin,
{
    let (put, mut under_way) = mpsc::unbounded_channel();
    let take_in = async {
        loop {
            let mut chunk = vec![0; 16 * 1024];
            let read = from.read(&mut chunk).await;
            let is_over = !read.as_ref().is_ok_and(|length| *length > 0);
            let read = read.map(|length| {
                chunk.truncate(length);
                chunk
            });
            if put.send((Instant::now(), read)).is_err() || is_over {
                return;
            }
        }
    };
    let hand_out = async {
        while let Some((came, read)) = under_way.recv().await {
            if let Mode::Delay(delay) = passable(state, losses).await {
                time::sleep_until(came + delay).await;
            }
            let chunk = read?;
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
        }
        Ok(())
    };
    tokio::join!(take_in, hand_out).1
}

/// Waits for the end of a black hole; for ever on a connection that was lost since `losses` was made.
async fn passable(state: &State, losses: &watch::Receiver<u64>) -> Mode {
    let mut mode = state.mode.subscribe();
    let passable = mode.wait_for(|mode| *mode != Mode::Blackhole).await;
    let passable = *passable.expect("the proxy is there");
    if losses.has_changed().unwrap_or(true) {
        std::future::pending::<()>().await;
    }
    passable
}

fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime ends with the test, and so do its tasks"
    )]
    tokio::spawn(task)
}
