//! Tests of the send room, through its door.

mod driver;
mod leaves;
mod ledger;
mod paces;
mod relays;
