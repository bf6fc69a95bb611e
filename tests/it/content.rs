//! Tests of the content room, through its door.
