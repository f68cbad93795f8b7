use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tracing::{debug, info, info_span, subscriber::with_default};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: LineFormat, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    with_default(
        subscriber(parsed("info").unwrap(), format, move || writer.clone()),
        log,
    );
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

fn nested_call() {
    let call = info_span!("rpc", request_id = "abc", level = "no field of ours");
    let _call = call.enter();
    let _query = info_span!("db.challenges.list", rows = 1).entered();
    info!(rows = 2, "done\nhere");
    debug!("filtered out");
}

#[test]
fn json_is_one_flat_object_a_line_with_the_fields_of_all_spans() {
    let text = written(LineFormat::Json, nested_call);
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["request_id"], "abc");
    assert_eq!(
        (&line["level"], &line["message"]),
        (&"INFO".into(), &"done\nhere".into())
    );
    assert_eq!(
        (&line["span"], &line["rows"]),
        (&"db.challenges.list".into(), &2.into())
    );
    assert!(text.starts_with("{\"timestamp\":\"20"), "{text}");
}

#[test]
fn text_shows_the_fields_of_all_spans_and_no_colour_unless_asked() {
    let text = written(LineFormat::Text { color: false }, nested_call);
    assert!(
        text.contains("request_id=\"abc\"") && !text.contains('\u{1b}'),
        "{text}"
    );
    let text = written(LineFormat::Text { color: true }, nested_call);
    assert!(text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_second_start_is_an_error_and_no_panic() {
    let results = [(); 2].map(|()| init("off", LineFormat::Json, io::stderr));
    assert!(results[1].is_err());
    assert!(matches!(
        init("a=b=c", LineFormat::Json, io::stderr),
        Err(InitError::Filter(_))
    ));
}

#[test]
fn a_panic_is_a_line_of_the_log() {
    let text = written(LineFormat::Json, || {
        let before = panic::take_hook();
        log_panics();
        let caught = panic::catch_unwind(|| panic!("for a test"));
        panic::set_hook(before);
        assert!(caught.is_err());
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["message"], &line["panic"]),
        (&"a thread panicked".into(), &"for a test".into())
    );
    let location = line["location"].as_str().unwrap();
    assert!(location.contains("logging_tests.rs:"), "{location}");
}
