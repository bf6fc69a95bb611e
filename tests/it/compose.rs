//! Tests of the compose room, through its door.
