//! The keys of the terminal, one by one.

use std::io::{self, Read as _, Stdin};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// The terminal in a mode where keys come at once and are not shown; as it was before when dropped.
pub struct Keyboard {
    stdin: Stdin,
    before: Termios,
    keys: mpsc::Receiver<Vec<u8>>,
}

impl Keyboard {
    /// Takes over the terminal on stdin. Ctrl-C remains a signal.
    ///
    /// # Errors
    /// If stdin is no terminal.
    pub fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut keys_at_once = before.clone();
        keys_at_once.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &keys_at_once)?;
        let (sender, keys) = mpsc::channel(16);
        // A thread of its own: a read from a terminal cannot be called off, and must not hold up the end.
        thread::Builder::new().name("keyboard".to_owned()).spawn(move || read(&sender))?;
        Ok(Self { stdin, before, keys })
    }

    /// The next bytes; `None` when the terminal is gone. Can be dropped and called again.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.keys.recv().await
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.stdin, OptionalActions::Now, &self.before);
    }
}

fn read(keys: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = io::stdin().lock().read(&mut buffer) {
        let Some(bytes) = buffer.get(..count) else { return };
        if keys.blocking_send(bytes.to_vec()).is_err() {
            return;
        }
    }
}
