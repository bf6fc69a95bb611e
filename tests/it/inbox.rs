//! Tests of the inbox room, through its door.
