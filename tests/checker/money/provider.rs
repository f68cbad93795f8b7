//! A provider of tips that counts by itself what it was asked and what it sold.
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::Rng;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{Instant, sleep},
};

/// What a million tokens cost, in millionths of a US dollar.
pub const INPUT_PRICE: u64 = 1_000;
/// The same of those that are written.
pub const OUTPUT_PRICE: u64 = 200_000;
/// No request may write more tokens.
pub const MOST_TOKENS: u64 = 100;
/// No request costs more: no prompt here has as many bytes as this counts tokens.
pub const MOST: u64 = cost(LAST, MOST_TOKENS);

/// A request is told as many tokens read as its number is, by which the ledger tells it apart. A guess of what was read is
/// less than the first number.
pub const FIRST: u64 = 600;
/// The last number that is less than the bytes of a prompt, each of which may be a token.
const LAST: u64 = 1_500;
/// A word of four bytes is a token to those who guess, and so it is here.
const WORD: &str = "now ";

/// A request, as the provider sees it.
#[derive(Clone, Debug)]
pub struct Sale {
    pub number: u64,
    /// The replica whose request it was.
    pub buyer: usize,
    /// When it was over here, be it whole or because the buyer left.
    pub ended: Option<Instant>,
    /// Tokens written so far.
    pub output: u64,
    pub is_whole: bool,
}

impl Sale {
    /// What it costs by now.
    pub fn cost(&self) -> u64 {
        cost(self.number, self.output)
    }
}

const fn cost(input: u64, output: u64) -> u64 {
    (input * INPUT_PRICE + output * OUTPUT_PRICE).div_ceil(1_000_000)
}

/// Runs as long as the value lives.
pub struct Provider {
    port: u16,
    sales: Arc<Sales>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Sales(Mutex<(Vec<Sale>, Option<Instant>)>);

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sales, mut tasks) = (Arc::<Sales>::default(), JoinSet::new());
        tasks.spawn(accept(listener, Arc::clone(&sales)));
        Self {
            port,
            sales,
            _tasks: tasks,
        }
    }

    /// Where one replica calls.
    pub fn url_for(&self, buyer: usize) -> String {
        format!("http://127.0.0.1:{}/{buyer}", self.port)
    }

    /// Every request so far.
    pub fn sales(&self) -> Vec<Sale> {
        self.sales.0.lock().unwrap().0.clone()
    }

    /// What all of them cost by now.
    pub fn sold(&self) -> u64 {
        self.sales().iter().map(Sale::cost).sum()
    }

    /// How many are under way, of one buyer or of all.
    pub fn open(&self, buyer: Option<usize>) -> usize {
        let sales = self.sales();
        let open = sales.iter().filter(|sale| sale.ended.is_none());
        let open = open.filter(|sale| buyer.is_none_or(|buyer| buyer == sale.buyer));
        open.count()
    }

    /// For how long nothing was sold; for ever before the first request.
    pub fn silent_for(&self) -> Duration {
        let last = self.sales.0.lock().unwrap().1;
        last.map_or(Duration::MAX, |last| last.elapsed())
    }
}

impl Sales {
    fn begin(&self, buyer: usize) -> u64 {
        let mut sales = self.0.lock().unwrap();
        let number = FIRST + sales.0.len() as u64;
        assert!(number <= LAST, "more requests than can be told apart");
        sales.0.push(Sale {
            number,
            buyer,
            ended: None,
            output: 0,
            is_whole: false,
        });
        sales.1 = Some(Instant::now());
        number
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Sale)) {
        let mut sales = self.0.lock().unwrap();
        change(&mut sales.0[usize::try_from(number - FIRST).unwrap()]);
        sales.1 = Some(Instant::now());
    }
}

async fn accept(listener: TcpListener, sales: Arc<Sales>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let sales = Arc::clone(&sales);
        connections.spawn(async move {
            // A buyer who leaves is noted; that is no fault here.
            serve(stream, &sales).await.ok();
        });
    }
}

async fn serve(stream: TcpStream, sales: &Sales) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let buyer = request(&mut reader).await?;
    let number = sales.begin(buyer);
    let written = tokio::select! {
        written = write(&mut writer, number, sales) => written,
        () = gone(&mut reader) => Err(io::ErrorKind::BrokenPipe.into()),
    };
    sales.change(number, |sale| {
        sale.ended = Some(Instant::now());
        sale.is_whole = written.is_ok();
    });
    written?;
    writer.shutdown().await
}

/// Reads one request, and tells whose it is.
async fn request(reader: &mut OwnedReadHalf) -> io::Result<usize> {
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
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let body: usize = value(&head, "content-length: ", "\r");
        let missing = (end + 4 + body).saturating_sub(bytes.len());
        reader.read_exact(&mut vec![0; missing]).await?;
        return Ok(value(&head, "post /", "/"));
    }
}

fn value(head: &str, before: &str, after: &str) -> usize {
    let (_, rest) = head.split_once(before).expect("a request of ours");
    let text = rest.split(after).next().unwrap_or(rest);
    text.trim().parse().expect("a number")
}

/// Waits for the end of what the buyer sends.
async fn gone(reader: &mut OwnedReadHalf) {
    let mut chunk = [0; 64];
    while matches!(reader.read(&mut chunk).await, Ok(1..)) {}
}

async fn write(writer: &mut OwnedWriteHalf, number: u64, sales: &Sales) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let start = json!({"type": "message_start", "message": {"id": format!("msg_{number}"), "model": "model",
        "usage": {"input_tokens": number, "output_tokens": 1}}});
    writer
        .write_all(format!("{head}{}", event(&start)).as_bytes())
        .await?;
    let pieces = rand::rng().random_range(3..=6);
    let mut output = 0;
    for piece in 1..=pieces {
        let pause = rand::rng().random_range(50..400);
        sleep(Duration::from_millis(pause)).await;
        let words = rand::rng().random_range(4..=12);
        let mut text = WORD.repeat(words);
        if piece == pieces {
            text.replace_range(text.len() - 1.., ".");
        }
        // What was written is paid for, whether it is read or not.
        output += words as u64;
        sales.change(number, |sale| sale.output = output);
        let delta = json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}});
        writer.write_all(event(&delta).as_bytes()).await?;
    }
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": output}});
    let end = event(&end) + &event(&json!({"type": "message_stop"}));
    writer.write_all(end.as_bytes()).await
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
