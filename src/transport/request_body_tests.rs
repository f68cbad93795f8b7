//! Requests that come compressed.
use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn request(message: &[u8]) -> Bytes {
    let mut zip = GzEncoder::new(vec![1, 0, 0, 0, 0], Compression::default());
    zip.write_all(message).unwrap();
    zip.finish().unwrap().into()
}

#[test]
fn a_compressed_request_is_read_within_its_limit_and_a_bomb_is_not_unpacked() {
    let mut share = Share::default();
    let plain = RequestBodies::new(7).inflated(&request(b"message"), &mut share);
    assert_eq!(&plain.unwrap()[..], b"\0\0\0\0\x07message");
    let bomb = request(&vec![0; 100 << 20]);
    let refused = RequestBodies::new(1 << 20).inflated(&bomb, &mut share);
    let refused = refused.unwrap_err();
    assert!(refused.message().contains("is larger than 1048576 bytes"));
}

#[test]
fn damaged_streams_and_other_encodings_are_refused() {
    let (bodies, whole) = (RequestBodies::new(100), request(b"message"));
    for cut in [PREFIX_LEN, PREFIX_LEN + 5, whole.len() - 1] {
        let refused = bodies.inflated(&whole.slice(..cut), &mut Share::default());
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
