//! The disk: bytes are safe once an append has said so, and not a moment before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tray_import::results::checksum::BatchTag;
use tray_import::results::journal::AppendFile;
use tray_import::results::line::{RowLine, read_line};

use crate::sim::{Sim, World};

/// The results file as it is on the platter.
#[derive(Default)]
pub(crate) struct Disk {
    /// What survives a crash.
    pub(crate) durable: Vec<u8>,
    /// What is being written: at a crash, any prefix of it may have made it.
    pub(crate) under_way: Vec<u8>,
    /// Every byte that was ever handed in, for the search for secrets.
    pub(crate) ever: Vec<u8>,
    /// Bytes until the disk is full, where it is going to be.
    pub(crate) room: Option<usize>,
    /// Writes until one fails, where one is going to.
    pub(crate) fails_in: Option<u64>,
    /// Writes so far.
    pub(crate) writes: u64,
}

/// The results file as the tool sees it.
pub(crate) struct SimFile {
    sim: Arc<Sim>,
    /// A fault put in on purpose: says that all is safe, and has only begun to write.
    unsynced: bool,
}

impl SimFile {
    pub(crate) fn new(sim: Arc<Sim>, unsynced: bool) -> SimFile {
        SimFile { sim, unsynced }
    }
}

/// The id of every simulated batch.
pub(crate) const BATCH: &str = "simulated";

impl AppendFile for SimFile {
    fn batch(&self) -> BatchTag {
        BatchTag::new(BATCH)
    }

    async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.sim
            .event(|| format!("write {}", summary(&bytes)))
            .await;
        let takes = {
            let mut world = self.sim.world();
            world.disk.ever.extend_from_slice(&bytes);
            world.disk.under_way.extend_from_slice(&bytes);
            if self.unsynced {
                return Ok(());
            }
            Duration::from_millis(world.rng.u64(0..12))
        };
        self.sim
            .event(|| "    bytes are on their way".to_owned())
            .await;
        tokio::time::sleep(takes).await;
        {
            let mut world = self.sim.world();
            world.disk.writes += 1;
            if world.disk.is_full(bytes.len()) {
                let kept = world.disk.room.unwrap_or(bytes.len());
                let kept = world.rng.usize(0..=kept);
                world.disk.keep(kept);
                world.disk.room = Some(0);
                world.write_failed = Some(world.now());
                world.stats.disks_full += 1;
                world.note(|| "the disk is full".to_owned());
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
            }
            if let Some(room) = &mut world.disk.room {
                *room -= bytes.len();
            }
            let all = world.disk.under_way.len();
            world.disk.keep(all);
        }
        self.sim.event(|| "written".to_owned()).await;
        Ok(())
    }
}

impl Disk {
    fn is_full(&mut self, bytes: usize) -> bool {
        let fails = self.fails_in == Some(0);
        self.fails_in = self.fails_in.map(|left| left.saturating_sub(1));
        fails || self.room.is_some_and(|room| bytes > room)
    }

    /// So many of the bytes under way are safe; the others are gone.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.durable.extend(self.under_way.drain(..bytes));
        self.under_way.clear();
    }
}

impl World {
    /// The power is gone: of what was being written, a drawn prefix stays.
    pub(crate) fn disk_crashes(&mut self) {
        let under_way = self.disk.under_way.len();
        if under_way > 0 {
            self.stats.crashes_in_write += 1;
        }
        let kept = match self.rng.u8(0..3) {
            0 => 0,
            1 => under_way,
            _ => self.rng.usize(0..=under_way),
        };
        self.disk.keep(kept);
        self.note(|| format!("{kept} of {under_way} bytes under way stay on the disk"));
    }
}

/// The lines in short: `2 sent user, 3 partial authentication`.
fn summary(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| read_line(line).ok());
    let words: Vec<String> = lines
        .map(|RowLine { row, progress, .. }| {
            let step = progress.step.map(|step| step.to_string());
            let code = progress.error.map(|error| format!(" ({})", error.code));
            format!(
                "row {row} {} {}{}",
                progress.state,
                step.unwrap_or_default(),
                code.unwrap_or_default()
            )
        })
        .collect();
    words.join(", ")
}
