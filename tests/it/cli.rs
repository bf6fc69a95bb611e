//! Tests of the cli room, through its door.
