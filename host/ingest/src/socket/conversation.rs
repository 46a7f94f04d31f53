//! Where messages end, and what is said to their sender.

/// Finds messages in what has come over one connection.
pub trait Framer: Send {
    /// How many bytes of what was received are whole messages, to be taken together; 0 if the first is not whole yet. It is
    /// asked again with more behind the same bytes until then, and afresh afterwards.
    ///
    /// # Errors
    /// If no message of the protocol can begin so.
    fn whole(&mut self, received: &[u8]) -> Result<usize, &'static str>;

    /// Whether messages are lines: then one that is too long is passed over, and the next begins behind it.
    fn is_of_lines(&self) -> bool {
        false
    }
}

/// Messages that are lines.
pub(super) struct Lines;

impl Framer for Lines {
    fn whole(&mut self, received: &[u8]) -> Result<usize, &'static str> {
        Ok(memchr::memrchr(b'\n', received).map_or(0, |end| end + 1))
    }

    fn is_of_lines(&self) -> bool {
        true
    }
}

/// What is said to a sender.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// In bytes; mostly none.
    pub(crate) text: Vec<u8>,
    /// Whether the connection is over.
    pub(crate) is_last: bool,
}
