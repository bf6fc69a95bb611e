//! Tests of the peers room, through its door.
