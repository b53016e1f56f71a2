#![doc = include_str!("../README.md")]

mod disk;
mod error;
mod file_disk;
mod guard;
mod interchange;
mod journal;
mod mutation;
mod options;
mod refusal;
mod store;

pub use disk::{Disk, DiskError};
pub use error::StoreError;
pub use file_disk::FileDisk;
pub use guard::Guard;
pub use interchange::{Interchange, InterchangeError};
pub use journal::JournalError;
pub use options::{
    EPOCHS_FILE, GUARD_FILE, Keep, LOCK_FILE, LOG_FILE, Recovery, StoreOptions, segment_file,
};
pub use refusal::GuardRefusal;
pub use store::{Opened, Store, read_log};
