//! Tests of the pipeline room, through its door.
