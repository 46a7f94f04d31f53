//! The few bytes that outlive an instance.

use std::sync::Arc;

use parking_lot::Mutex;

/// The saved state of one instance name, shared by whoever runs under that name next.
#[derive(Clone, Debug, Default)]
pub struct StateCell(Arc<Mutex<StateCellInner>>);

#[derive(Debug, Default)]
struct StateCellInner {
    bytes: Option<Arc<[u8]>>,
    changed: bool,
}

impl StateCell {
    /// A cell that holds what an earlier run of the agent has kept.
    #[must_use]
    pub fn with(bytes: Option<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(StateCellInner { bytes: bytes.map(Into::into), changed: false })))
    }

    /// A cell of its own that starts with the same bytes: for a canary that must leave nothing behind.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(StateCellInner { bytes: self.load(), changed: false })))
    }

    /// What is kept.
    #[must_use]
    pub fn load(&self) -> Option<Arc<[u8]>> {
        self.0.lock().bytes.clone()
    }

    /// Keeps something else.
    pub fn save(&self, bytes: Vec<u8>) {
        *self.0.lock() = StateCellInner { bytes: Some(bytes.into()), changed: true };
    }

    /// What is kept, if it has changed since the last time this was asked: for whoever writes it to disk.
    #[must_use]
    pub fn take_changed(&self) -> Option<Arc<[u8]>> {
        let mut cell = self.0.lock();
        std::mem::take(&mut cell.changed).then(|| cell.bytes.clone()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_nothing_behind() {
        let cell = StateCell::with(Some(vec![1]));
        let fork = cell.fork();
        fork.save(vec![2]);
        assert_eq!(cell.load().as_deref(), Some(&[1][..]));
        assert_eq!(cell.take_changed(), None);
        cell.save(vec![3]);
        assert_eq!(cell.take_changed().as_deref(), Some(&[3][..]));
        assert_eq!(cell.take_changed(), None);
    }
}
