//! Requests that come compressed.
use std::{io::Write, pin::pin};

use flate2::{Compression, write::GzEncoder};

use super::*;

fn request(message: &[u8]) -> Bytes {
    let mut zip = GzEncoder::new(vec![1, 0, 0, 0, 0], Compression::default());
    zip.write_all(message).unwrap();
    zip.finish().unwrap().into()
}

#[tokio::test]
async fn a_compressed_request_is_read_within_its_limit_and_a_bomb_is_not_unpacked() {
    let mut share = Share::default();
    let (small, large) = (RequestBodies::new(7), RequestBodies::new(1 << 20));
    let plain = small.inflated(&request(b"message"), &mut share).await;
    assert_eq!(&plain.unwrap()[..], b"\0\0\0\0\x07message");
    let bomb = request(&vec![0; 100 << 20]);
    let refused = large.inflated(&bomb, &mut share).await.unwrap_err();
    assert!(refused.message().contains("is larger than 1048576 bytes"));
}

/// Blocks that unpack to nothing are the most work that a compressed byte can make.
#[tokio::test]
async fn a_compressed_request_that_is_much_work_gives_way_to_other_calls() {
    let bodies = RequestBodies::new(1 << 20);
    let mut bomb = vec![1, 0, 0, 0, 0];
    bomb.extend_from_slice(&request(b"")[PREFIX_LEN..PREFIX_LEN + 10]);
    // Four empty blocks with fixed codes.
    bomb.extend([2, 8, 32, 128, 0].repeat(60_000));
    bomb.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (bomb, mut share) = (Bytes::from(bomb), Share::default());
    let mut inflating = pin!(bodies.inflated(&bomb, &mut share));
    let mut turns = 0;
    let plain = poll_fn(|cx| {
        turns += 1;
        inflating.as_mut().poll(cx)
    });
    assert_eq!(&plain.await.unwrap()[..], [0; PREFIX_LEN]);
    assert!(turns > 300_000 / UNPACKED_AT_ONCE, "{turns}");
}

#[tokio::test]
async fn damaged_streams_and_other_encodings_are_refused() {
    let (bodies, whole) = (RequestBodies::new(100), request(b"message"));
    for cut in [PREFIX_LEN, PREFIX_LEN + 5, whole.len() - 1] {
        let (cut_short, mut share) = (whole.slice(..cut), Share::default());
        let refused = bodies.inflated(&cut_short, &mut share).await;
        let refused = refused.unwrap_err();
        assert!(refused.message().contains("damaged"), "{cut}: {refused}");
    }
    let mut headers = HeaderMap::new();
    assert!(bodies.length_of([1, 0, 0, 0, 1], &headers).is_err());
    headers.insert(ENCODING, GZIP);
    assert_eq!(
        bodies.length_of([1, 0, 0, 0, 1], &headers).unwrap(),
        (true, 1)
    );
    headers.insert(ENCODING, HeaderValue::from_static("zstd"));
    let refused = bodies.length_of([1, 0, 0, 0, 1], &headers).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    let accepted = refused.metadata().get("grpc-accept-encoding").unwrap();
    assert_eq!(accepted, "identity,gzip");
}
