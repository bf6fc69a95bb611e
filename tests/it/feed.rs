//! Tests of the feed room, through its door.
