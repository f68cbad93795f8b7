use super::*;

const IDLE: Duration = Duration::from_secs(5);

/// What comes of `bytes` when they arrive in pieces of `size`.
async fn read(bytes: &[u8], size: usize) -> Result<Vec<String>, ProtocolError> {
    let pieces: Vec<_> = bytes
        .chunks(size)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let events = events(stream::iter(pieces), IDLE);
    events.collect::<Vec<_>>().await.into_iter().collect()
}

#[tokio::test]
async fn every_split_and_every_line_end_gives_the_same_data() {
    let lines = "\u{FEFF}: a comment\nevent: x\ndata: {\"a\":\ndata:1}\nid: 7\nunknown: y\n\n\
                 :\n\ndata\n\nevent: only\n\nretry: 10\ndata: grüß\u{2028}dich\n\ndata: cut off";
    for line_end in ["\n", "\r", "\r\n"] {
        let bytes = lines.replace('\n', line_end).into_bytes();
        for size in 1..=bytes.len() {
            let data = read(&bytes, size).await.unwrap();
            assert_eq!(data, ["{\"a\":\n1}", "grüß\u{2028}dich"], "{size}");
        }
    }
}

#[tokio::test]
async fn an_event_without_end_fails_when_it_is_too_large_whatever_it_is_made_of() {
    for (start, more) in [
        ("data: ", "x"),
        (": ", "x"),
        ("id: ", "1"),
        ("", "data: y\r\n"),
    ] {
        let bytes = start.to_owned() + &more.repeat(EVENT_BYTES);
        let error = read(bytes.as_bytes(), 1_400).await.unwrap_err();
        assert_eq!(
            error,
            ProtocolError::new(FailureKind::Malformed, "an event has no end")
        );
    }
}

#[tokio::test]
async fn an_event_of_the_largest_size_passes_and_one_byte_more_does_not() {
    let frame = "data: \r\n\r".len();
    for (size, passes) in [
        (EVENT_BYTES - frame, true),
        (EVENT_BYTES - frame + 1, false),
    ] {
        let bytes = format!("data: first\n\ndata: {}\r\n\r\n", "x".repeat(size));
        assert_eq!(
            read(bytes.as_bytes(), 1_000).await.is_ok(),
            passes,
            "{size}"
        );
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_after_four_mebibytes() {
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"data: x\n\n"))).enumerate();
    let mut taken = 0;
    let counted = endless.inspect(|(count, _)| assert!(*count <= STREAM_BYTES / 9));
    let mut events = Box::pin(events(counted.map(|(_, chunk)| chunk), IDLE));
    let error = loop {
        match events.next().await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, taken), (FailureKind::CutOff, STREAM_BYTES / 9));
}

#[tokio::test]
async fn text_that_is_not_utf8_is_malformed() {
    let error = read(b"data: \xC3\x28\n\n", 3).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn silence_is_too_slow_and_a_comment_breaks_it() {
    let comments = stream::iter(0..4).then(|_| async {
        tokio::time::sleep(IDLE / 5 * 4).await;
        Ok(Bytes::from_static(b": still here\n\n"))
    });
    let started = tokio::time::Instant::now();
    let mut events = Box::pin(events(comments.chain(stream::pending()), IDLE));
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, FailureKind::TooSlow);
    assert_eq!(started.elapsed(), IDLE / 5 * (4 * 4 + 5));
    assert!(events.next().await.is_none(), "it ends with the failure");
}

#[tokio::test]
async fn an_answer_that_is_json_is_read_as_a_whole_however_it_is_cut() {
    for (bytes, whole) in [
        ("{\"a\":\n\n\"grüß\"}\n", "{\"a\":\n\n\"grüß\"}\n"),
        (" \n\r\n[{\"a\": 1}]", " \n\r\n[{\"a\": 1}]"),
    ] {
        for size in 1..=bytes.len() {
            assert_eq!(
                read(bytes.as_bytes(), size).await.unwrap(),
                [whole],
                "{size}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_is_malformed_and_nothing_at_all_is_no_event() {
    for size in [1, 100] {
        let error = read(b"\n <!doctype html><p>data: x", size)
            .await
            .unwrap_err();
        assert_eq!(
            error,
            ProtocolError::new(FailureKind::Malformed, "the answer is a page")
        );
        assert_eq!(read(b"", size).await.unwrap(), [""; 0]);
        assert_eq!(read(b" \n\n", size).await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn a_whole_answer_that_breaks_is_truncated_and_one_without_end_is_not_read() {
    let broken = Err(ProtocolError::new(FailureKind::Truncated, "reset"));
    let body = stream::iter([Ok(Bytes::from_static(b"{\"a\":")), broken]);
    let results: Vec<_> = events(body, IDLE).collect().await;
    assert_eq!(results.len(), 1);
    assert_eq!(
        results[0].as_ref().unwrap_err().kind,
        FailureKind::Truncated
    );
    let endless = "{".repeat(EVENT_BYTES + 1);
    let error = read(endless.as_bytes(), 1_000).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
}
