//! Messages between the two sides, as gRPC frames them: a byte that says whether it is compressed, four that say how
//! long it is, and the message.
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};

pub(super) const PREFIX_LEN: usize = 5;

/// The body of a call with this one message.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX_LEN + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// An answer of this process that this process cannot read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnreadableAnswer {
    /// Nobody asked for compression.
    #[error("a message is compressed")]
    Compressed,
    /// The bytes are no message of this kind.
    #[error("a message is not what its method answers")]
    NotTheMessage,
    /// The body ended within a message.
    #[error("the last message is not whole")]
    CutOff,
}

/// Reads the messages of an answer as their bytes come, however they are cut.
pub(crate) struct MessageReader {
    kind: MessageDescriptor,
    buffer: BytesMut,
}

impl MessageReader {
    /// Reads messages of `kind`, such as the output of a method.
    pub(crate) fn new(kind: MessageDescriptor) -> Self {
        Self {
            kind,
            buffer: BytesMut::new(),
        }
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole; nothing if more bytes must come first.
    ///
    /// # Errors
    ///
    /// When it cannot be read: a fault of this service.
    pub(crate) fn next(&mut self) -> Result<Option<DynamicMessage>, UnreadableAnswer> {
        let Some(([flag, length @ ..], _)) = self.buffer.split_first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        if *flag != 0 {
            return Err(UnreadableAnswer::Compressed);
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if self.buffer.len() - PREFIX_LEN < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_LEN);
        let message = self.buffer.split_to(length).freeze();
        let message = DynamicMessage::decode(self.kind.clone(), message);
        message
            .map(Some)
            .map_err(|_| UnreadableAnswer::NotTheMessage)
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// When it ended within a message.
    pub(crate) fn end(&self) -> Result<(), UnreadableAnswer> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(UnreadableAnswer::CutOff)
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::Value;

    use super::*;
    use crate::http::fixtures;

    fn kind() -> MessageDescriptor {
        fixtures::kind("admin.v1.ChallengeIds")
    }

    fn ids(count: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind());
        let ids = vec![Value::String("id".to_owned()); count];
        if count > 0 {
            message.set_field_by_name("ids", Value::List(ids));
        }
        message
    }

    #[test]
    fn messages_are_read_however_their_bytes_are_cut() {
        let sent = [ids(0), ids(3), ids(1)];
        let body: Vec<u8> = sent.iter().flat_map(framed).collect();
        for size in 1..=body.len() {
            let mut reader = MessageReader::new(kind());
            let mut read = Vec::new();
            for part in body.chunks(size) {
                reader.push(part);
                while let Some(message) = reader.next().unwrap() {
                    read.push(message);
                }
            }
            assert_eq!(reader.end(), Ok(()));
            let shown = |messages: &[DynamicMessage]| {
                let texts = messages.iter().map(ToString::to_string);
                texts.collect::<Vec<_>>()
            };
            assert_eq!(shown(&read), shown(&sent), "in parts of {size}");
        }
    }

    #[test]
    fn what_is_no_message_is_told_from_one_that_is_not_whole() {
        let next = |bytes: &[u8]| {
            let mut reader = MessageReader::new(kind());
            reader.push(bytes);
            let next = reader.next().map(|message| message.is_some());
            (next, reader.end())
        };
        let cut_off = Err(UnreadableAnswer::CutOff);
        assert_eq!(next(&[0, 0, 0, 0]), (Ok(false), cut_off));
        assert_eq!(next(&[0, 255, 255, 255, 255, 1]).0, Ok(false));
        assert_eq!(next(&[1, 0, 0, 0, 0]).0, Err(UnreadableAnswer::Compressed));
        let no_message = next(&[0, 0, 0, 0, 1, 255]).0;
        assert_eq!(no_message, Err(UnreadableAnswer::NotTheMessage));
    }
}
