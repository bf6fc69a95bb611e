//! Tests of the config room, through its door.
