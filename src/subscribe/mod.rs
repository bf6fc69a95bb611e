//! Join, confirm, leave; import and export of subscribers.

mod columns;
mod export;
mod import;
pub mod join;
mod leave;
mod table;

pub use export::export;
pub use import::{Import, ImportError, ImportReport, InvalidRow, Progress, import, sync_file};
pub use leave::{Changed, change, resubscribe, standing, unsubscribe};
