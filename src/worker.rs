//! Which stage runs when; role by role.
