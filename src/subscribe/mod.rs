//! Join, confirm, leave; import and export of subscribers.
