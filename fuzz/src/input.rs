//! The bytes of one input, taken apart.
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

/// What is left of an input. Numbers are taken from its end, so that its beginning stays the text that the corpus shows.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// One number; 0 when nothing is left.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((last, rest)) = self.0.split_last() else {
            return 0;
        };
        self.0 = rest;
        *last
    }

    /// A number of two bytes.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number of eight bytes.
    pub(crate) fn long(&mut self) -> u64 {
        u64::from_be_bytes([(); 8].map(|()| self.byte()))
    }

    /// All that is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// All that is left, as text: what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }
}

/// `data` in pieces of lengths that `seed` decides: one byte each for 0, all at once for 1.
pub(crate) fn pieces(data: &[u8], seed: u8) -> Vec<Bytes> {
    let mut state = u64::from(seed);
    let (mut rest, mut pieces) = (data, Vec::new());
    while !rest.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let length = match seed {
            0 => 1,
            1 => rest.len(),
            // Mostly short ones, so that small inputs are cut often.
            _ => 1 + (state >> 33) as usize % (1 << (state >> 61)),
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces
}

/// The same for text, between characters.
pub(crate) fn text_pieces(text: &str, seed: u8) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    for piece in self::pieces(text.as_bytes(), seed) {
        let end = rest.ceil_char_boundary(piece.len().min(rest.len()));
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// `bytes` with the one at `at` replaced; `None` where that changes nothing.
pub(crate) fn with_byte(bytes: &[u8], at: usize, byte: u8) -> Option<Vec<u8>> {
    let mut changed = bytes.to_vec();
    let index = at.checked_rem(bytes.len())?;
    if changed[index] == byte {
        return None;
    }
    changed[index] = byte;
    Some(changed)
}

/// Does what needs no waiting but may ask for the time, of which none passes.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}
