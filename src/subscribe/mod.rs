//! Join, confirm, leave; import and export of subscribers.

mod columns;
mod errors;
mod export;
mod format;
mod import;
pub mod join;
mod leave;
mod look;
mod parts;
pub mod preferences;
mod proof;
mod suppress;
mod table;
mod values;

pub use columns::Standing;
pub use errors::Errors;
pub use export::export;
pub use format::{Field, Format};
pub use import::{Import, ImportError, ImportReport, InvalidRow, Onto, Origin, Progress, Remark, import, import_parts, sync_file};
pub use leave::{Changed, resubscribe, standing, unsubscribe, unsubscribe_by_mail};
pub use look::{Look, Sample, look, look_ahead};
pub use parts::{Part, parts};
pub use suppress::{SuppressReport, suppress_file};
