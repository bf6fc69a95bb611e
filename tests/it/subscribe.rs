//! Tests of the subscribe room, through its door.
