//! Tests of the store room, through its door.
