//! The writer of a results file: one task, one sync for all who wait.
//!
//! A creating call may leave only when its `sent` line is on disk, and a sync takes milliseconds: with one sync for
//! each line, sixty rows in flight would wait for each other. So callers hand in lines and wait. The writer takes
//! everything that has queued, appends and syncs it in one go, and wakes them all; meanwhile the next lot queues.
//! There is at most one sync at a time, and its cost is shared by as many rows as wait for it.
//!
//! After an error nothing is known of the file's end, so nothing more is written: every caller, those who wait and
//! those who come later, is given the error, and nothing that builds on their lines is sent.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use super::checksum::{BatchTag, seal};

/// Where lines end up. The only other implementation beside the real file is the simulation's.
pub trait AppendFile: Send + 'static {
    /// The batch that the file is of.
    fn batch(&self) -> BatchTag;

    /// Appends `bytes` and returns once they are on disk. After an error the file is not used again.
    fn append(&mut self, bytes: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;
}

/// The write that failed: from then on nothing is on disk that was not before.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the results file cannot be written: {0}")]
pub struct JournalError(pub Arc<str>);

/// A handle for writing lines; clones share one writer.
#[derive(Clone)]
pub struct Journal {
    batch: BatchTag,
    queue: mpsc::Sender<Waiting>,
    failure: Arc<OnceLock<JournalError>>,
}

struct Waiting {
    lines: Vec<u8>,
    written: oneshot::Sender<Result<(), JournalError>>,
}

/// How many callers may queue before the next one waits. Small: they all wait anyway.
const QUEUE: usize = 256;

impl Journal {
    /// Starts the writer on the current runtime. It ends when the last handle is gone.
    pub fn start<F: AppendFile>(file: F) -> Journal {
        let batch = file.batch();
        let (queue, receiver) = mpsc::channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        tokio::spawn(write_all(file, receiver, Arc::clone(&failure)));
        Journal {
            batch,
            queue,
            failure,
        }
    }

    /// Writes whole lines, each with its checksum, and returns once they are on disk.
    ///
    /// # Errors
    /// When they are not on disk, or may not be: nothing that builds on them must be sent.
    pub async fn write(&self, lines: Vec<u8>) -> Result<(), JournalError> {
        let lines = seal(&lines, self.batch);
        let (written, answer) = oneshot::channel();
        let gone = || {
            self.failure
                .get()
                .cloned()
                .unwrap_or_else(|| JournalError("its writer has stopped".into()))
        };
        self.queue
            .send(Waiting { lines, written })
            .await
            .map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The error that ended writing, once there is one.
    pub fn failure(&self) -> Option<&JournalError> {
        self.failure.get()
    }
}

async fn write_all<F: AppendFile>(
    mut file: F,
    mut queue: mpsc::Receiver<Waiting>,
    failure: Arc<OnceLock<JournalError>>,
) {
    let mut lot = Vec::new();
    while queue.recv_many(&mut lot, QUEUE).await > 0 {
        // whoever is ready to go on does so first: their lines then share this sync rather than wait for it
        tokio::task::yield_now().await;
        while lot.len() < QUEUE
            && let Ok(more) = queue.try_recv()
        {
            lot.push(more);
        }
        let mut lines = Vec::with_capacity(lot.iter().map(|w| w.lines.len()).sum());
        for waiting in &lot {
            lines.extend_from_slice(&waiting.lines);
        }
        let outcome = match failure.get() {
            Some(error) => Err(error.clone()),
            None => file.append(lines).await.map_err(|error| {
                let error = JournalError(error.to_string().into());
                // the only writer: nobody else sets it
                let _ = failure.set(error.clone());
                error
            }),
        };
        for waiting in lot.drain(..) {
            // a caller that was cancelled does not listen any more
            let _ = waiting.written.send(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Memory {
        writes: Arc<Mutex<Vec<String>>>,
        fail_from: usize,
    }

    impl AppendFile for Memory {
        fn batch(&self) -> BatchTag {
            BatchTag::new("b")
        }

        async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let mut writes = self.writes.lock().unwrap();
            if writes.len() >= self.fail_from {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
            }
            writes.push(String::from_utf8(bytes).unwrap());
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_a_sync() {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let journal = Journal::start(Memory {
            writes: Arc::clone(&writes),
            fail_from: usize::MAX,
        });
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..20 {
            let journal = journal.clone();
            tasks.spawn(async move { journal.write(format!("{n}\n").into_bytes()).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        let writes = writes.lock().unwrap();
        assert!(writes.len() <= 2, "{} syncs for 20 lines", writes.len());
        assert_eq!(writes.concat().lines().count(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_error_nothing_more_is_written() {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let journal = Journal::start(Memory {
            writes: Arc::clone(&writes),
            fail_from: 1,
        });
        journal.write(b"a\n".to_vec()).await.unwrap();
        for _ in 0..2 {
            let error = journal.write(b"b\n".to_vec()).await.unwrap_err();
            assert!(error.to_string().contains("no space left"));
        }
        assert!(journal.failure().is_some());
        assert_eq!(writes.lock().unwrap().len(), 1);
    }
}
