//! Tests of the send room, through its door.
