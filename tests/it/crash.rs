//! Tests of the crash room, through its door.
