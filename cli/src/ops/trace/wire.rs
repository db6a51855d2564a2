//! Protobuf's wire format, as far as a Perfetto trace needs it (Protocol Buffers,
//! "Encoding"): numbers, fixed numbers, text, and messages inside messages.

/// A message that is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    /// A field of type `uint64`, `uint32`, an enum, or an `int64` or `int32` that is
    /// not negative.
    pub(super) fn number(mut self, field: u64, number: u64) -> Self {
        self.tag(field, VARINT);
        self.varint(number);
        self
    }

    /// A field of type `fixed64`.
    pub(super) fn fixed(mut self, field: u64, number: u64) -> Self {
        self.tag(field, FIXED64);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// A field of type `string`.
    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// A field that is a message.
    pub(super) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.tag(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// What was written.
    pub(super) fn written(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Protocol Buffers, "Encoding".
    #[test]
    fn it_is_written_as_its_documentation_shows() {
        let number = Message::default().number(1, 150);
        assert_eq!(number.clone().written(), [0x08, 0x96, 0x01]);
        let text = Message::default().text(2, "testing");
        assert_eq!(text.written(), b"\x12\x07testing");
        let inside = Message::default().message(3, &number);
        assert_eq!(inside.written(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let fixed = Message::default().fixed(1, 1);
        assert_eq!(fixed.written(), [0x09, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
