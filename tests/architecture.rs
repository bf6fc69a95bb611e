//! The rules of the house, kept by a test.
