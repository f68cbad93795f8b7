//! A proxy that hands on what a server says a while later: a database that is slow, and not busy.
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::sleep_until,
};

use crate::Result;

/// So much of a connection is under way at most.
const PIECES_MAX: usize = 64;

/// Serves until the process is ended, in front of `target`, whose every word comes `later`.
pub async fn serve(listener: TcpListener, target: &str, later: Duration) -> Result<()> {
    loop {
        let (caller, _) = listener.accept().await?;
        let server = TcpStream::connect(target).await?;
        for stream in [&caller, &server] {
            stream.set_nodelay(true)?;
        }
        let ((asks, hears), (answers, mut told)) = (caller.into_split(), server.into_split());
        // How a connection ends is the business of its ends.
        tokio::spawn(async move {
            let mut asks = asks;
            let _ = copy(&mut asks, &mut told).await;
            told.shutdown().await
        });
        tokio::spawn(hand_on(answers, hears, later));
    }
}

async fn hand_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, later: Duration) -> Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Bytes)>(PIECES_MAX);
    tokio::spawn(async move {
        while let Some((due, piece)) = receiver.recv().await {
            sleep_until(due.into()).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    });
    loop {
        let mut piece = BytesMut::with_capacity(16 << 10);
        if from.read_buf(&mut piece).await? == 0 {
            return Ok(());
        }
        sender
            .send((Instant::now() + later, piece.freeze()))
            .await?;
    }
}
