//! Keys as they are pressed, without a line's end. The terminal is as it was when this goes.

use std::io::Read;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// Keys that nobody has looked at yet; any more are as good as not pressed.
const WAITING_MAX: usize = 16;

/// The keyboard, while it is read.
pub(super) struct Keys {
    before: Termios,
    pressed: mpsc::Receiver<u8>,
}

impl Keys {
    /// Nothing if there is no keyboard.
    pub(super) fn read() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut now = before.clone();
        // Interrupts stay what they are.
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &now).ok()?;
        let (press, pressed) = mpsc::channel(WAITING_MAX);
        // It waits for a key for as long as the program runs, and ends with it.
        std::thread::spawn(move || {
            let mut key = [0];
            while std::io::stdin().read_exact(&mut key).is_ok() {
                if matches!(press.try_send(key[0]), Err(mpsc::error::TrySendError::Closed(_))) {
                    return;
                }
            }
        });
        Some(Self { before, pressed })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // Whoever has taken the terminal away does not miss it.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The next key; never, if there is no keyboard.
pub(super) async fn next(keys: &mut Option<Keys>) -> u8 {
    if let Some(keys) = keys
        && let Some(key) = keys.pressed.recv().await
    {
        return key;
    }
    std::future::pending().await
}
