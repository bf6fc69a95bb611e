//! Tests of the template room, through its door.
