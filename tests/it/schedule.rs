//! Tests of the schedule room, through its door.
