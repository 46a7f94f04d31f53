//! The thread that writes down what a sender has delivered: the sender itself must not wait for a disk, and the thread
//! that owns the journal may be busy with a sync.
//!
//! What is written is what is true when it is written, so that many requests need one mark.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::queue::QueueShared;
use crate::queue::spool::SpoolState;

/// A handle to the thread.
pub(super) struct Marker {
    orders: Arc<MarkQueue>,
    written: watch::Receiver<u64>,
}

#[derive(Default)]
struct MarkQueue {
    state: Mutex<MarkRequest>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct MarkRequest {
    /// How often a mark was asked for.
    number: u64,
    /// Nobody asks any more.
    closed: bool,
}

impl Marker {
    /// Starts the thread, which holds `end` as long as it lives.
    pub(super) fn start(
        destination: &str,
        shared: Arc<QueueShared>,
        state: Arc<SpoolState>,
        end: SyncSender<()>,
    ) -> io::Result<Self> {
        let orders = Arc::new(MarkQueue::default());
        let (done, written) = watch::channel(0);
        let (destination, asked) = (destination.to_owned(), orders.clone());
        let run = move || {
            let mut last = 0;
            while let Some(number) = asked.wait(last) {
                state.commit(&destination, &shared);
                last = number;
                done.send_replace(number);
            }
            drop(end);
        };
        std::thread::Builder::new().name("saker-mark".into()).spawn(run)?;
        Ok(Self { orders, written })
    }

    /// Asks for a mark.
    pub(super) fn ask(&self) {
        self.orders.state.lock().number += 1;
        self.orders.changed.notify_one();
    }

    /// Waits until the last that was asked for is written, or could not be.
    pub(super) async fn written(&self) {
        let number = self.orders.state.lock().number;
        // The other side is there as long as this one.
        let _ = self.written.clone().wait_for(|written| *written >= number).await;
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.orders.state.lock().closed = true;
        self.orders.changed.notify_one();
    }
}

impl MarkQueue {
    /// Waits for a request behind that one; none if there will be none.
    fn wait(&self, written: u64) -> Option<u64> {
        let mut asked = self.state.lock();
        while asked.number == written && !asked.closed {
            self.changed.wait(&mut asked);
        }
        (asked.number > written).then_some(asked.number)
    }
}
