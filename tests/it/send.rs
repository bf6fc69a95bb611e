//! Tests of the send room, through its door.

mod awkward;
pub mod driver;
mod leaves;
pub mod ledger;
mod paces;
mod relays;
mod rules;
mod window;
