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
