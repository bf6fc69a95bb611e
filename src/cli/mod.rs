//! Arguments, output, exit codes: one file a command.

pub mod report;
