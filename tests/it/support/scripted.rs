//! A server that answers requests with scripts of bytes: just enough HTTP/1.1 to say
//! whatever a provider of tips might, and what none should.
use std::{
    io, net,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinSet,
    time,
};

/// One step of a script. After the last, the connection is closed in good order.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends each of these bytes in a segment of its own.
    Drip(Vec<u8>),
    /// Sends these bytes again and again, as long as somebody reads.
    Flood(Vec<u8>),
    /// Sends these bytes again and again with a pause in between.
    Repeat(Vec<u8>, Duration),
    /// Waits for so long.
    Pause(Duration),
    /// Waits until the test opens one gate more.
    Gate,
    /// Sends nothing more, and waits until the client goes away.
    Hold,
    /// Breaks the connection.
    Reset,
}

/// One request, and how its client behaved.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
    /// True when the client closed the connection before the script was over.
    pub client_left: bool,
}

/// A server that runs as long as the value lives, on the test's runtime.
pub struct Scripted {
    port: u16,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    gates: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Starts to play `script` to everybody.
    pub async fn playing(script: Vec<Act>) -> Self {
        Self::answering(move |_| script.clone()).await
    }

    /// Starts to play to everybody what `author` has for the request.
    pub async fn answering(author: impl Fn(&Exchange) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::on(listener.into_std().unwrap(), author)
    }

    /// As [`Scripted::answering`], where `listener` listens. It needs the test's runtime.
    pub fn on(
        listener: net::TcpListener,
        author: impl Fn(&Exchange) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let port = listener.local_addr().unwrap().port();
        let exchanges = Arc::default();
        let gates = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        let stage = (Arc::clone(&exchanges), Arc::clone(&gates));
        tasks.spawn(accept(listener, Arc::new(author), stage));
        Self {
            port,
            exchanges,
            gates,
            _tasks: tasks,
        }
    }

    /// Where it listens, as a base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    /// Lets so many gates be passed.
    pub fn open(&self, gates: usize) {
        self.gates.add_permits(gates);
    }

    /// Whether the one client left before the script was over.
    pub fn client_left(&self) -> bool {
        matches!(&*self.exchanges(), [exchange] if exchange.client_left)
    }
}

/// What all connections share.
type Stage = (Arc<Mutex<Vec<Exchange>>>, Arc<Semaphore>);

/// What is played to whom.
type Author = dyn Fn(&Exchange) -> Vec<Act> + Send + Sync;

async fn accept(listener: TcpListener, author: Arc<Author>, stage: Stage) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (author, stage) = (Arc::clone(&author), stage.clone());
        connections.spawn(async move {
            // A client that goes away is noted; it is no error of the server.
            serve(stream, &*author, &stage).await.ok();
        });
    }
}

async fn serve(stream: TcpStream, author: &Author, (exchanges, gates): &Stage) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let exchange = request(&mut reader).await?;
    let script = author(&exchange);
    let number = {
        let mut exchanges = exchanges.lock().unwrap();
        exchanges.push(exchange);
        exchanges.len() - 1
    };
    let played = tokio::select! {
        played = play(&mut writer, script, gates) => played,
        () = gone(&mut reader) => Err(io::ErrorKind::BrokenPipe.into()),
    };
    exchanges.lock().unwrap()[number].client_left = played.is_err();
    match played {
        Ok(End::Reset) => {
            // Dropped as usual, it would say goodbye first.
            writer.forget();
            Ok(())
        }
        Ok(End::InOrder) | Err(_) => writer.shutdown().await,
    }
}

/// How a connection ends.
enum End {
    InOrder,
    Reset,
}

async fn request(reader: &mut OwnedReadHalf) -> io::Result<Exchange> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = reader.read(&mut chunk).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let mut body = bytes.split_off(end + 4);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let read = body.len();
        body.resize(read.max(content_length(&head)), 0);
        reader.read_exact(&mut body[read..]).await?;
        return Ok(Exchange {
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
            client_left: false,
        });
    }
}

fn content_length(head: &str) -> usize {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, length)| length.parse().unwrap())
}

/// Waits for the end of what the client sends.
async fn gone(reader: &mut OwnedReadHalf) {
    let mut chunk = [0; 64];
    while matches!(reader.read(&mut chunk).await, Ok(1..)) {}
}

async fn play(writer: &mut OwnedWriteHalf, script: Vec<Act>, gates: &Semaphore) -> io::Result<End> {
    for act in script {
        match act {
            Act::Send(bytes) => writer.write_all(&bytes).await?,
            Act::Drip(bytes) => {
                for byte in bytes {
                    writer.write_all(&[byte]).await?;
                    // Or the kernel may put it into one segment with the next.
                    writer.flush().await?;
                    tokio::task::yield_now().await;
                }
            }
            Act::Flood(bytes) => loop {
                writer.write_all(&bytes).await?;
            },
            Act::Repeat(bytes, pause) => loop {
                writer.write_all(&bytes).await?;
                time::sleep(pause).await;
            },
            Act::Pause(pause) => time::sleep(pause).await,
            Act::Gate => gates.acquire().await.unwrap().forget(),
            Act::Hold => std::future::pending().await,
            Act::Reset => {
                writer.as_ref().set_zero_linger()?;
                return Ok(End::Reset);
            }
        }
    }
    Ok(End::InOrder)
}
