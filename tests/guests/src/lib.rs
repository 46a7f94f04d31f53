//! What the guests in `examples/` share. Each of them is one plugin that misbehaves in one way, or stays well-behaved
//! while others do not; the tests of `host/sandbox` and of the agent run them. No plugin of anybody else's.

saker_sdk::settings! {
    /// The call of a collector in which a guest does what it does.
    pub enum At {
        /// `open`.
        Open = "open",
        /// `collect`.
        Collect = "collect",
        /// `close`.
        Close = "close",
    }
}

/// Takes so many bytes and never gives them back. The compiler is not to see that nobody looks at them.
pub fn leak(bytes: usize) {
    std::hint::black_box(Box::leak(vec![1u8; bytes].into_boxed_slice()));
}

/// So many bytes that nobody should have to see: an escape that clears a terminal, a line that looks like a log's, a
/// character that turns text around, then filling. Another text for each number.
#[must_use]
pub fn speech(number: u32, bytes: u32) -> String {
    let begin = format!("{number} \u{1b}[2J\r\n2026-01-01T00:00:00Z ERROR forged\u{202e}\u{2028}");
    let filling = "x".repeat((bytes as usize).saturating_sub(begin.len()));
    begin + &filling
}
