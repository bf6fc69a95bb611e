//! The only outgoing HTTP: size, time and redirect caps, a private-address guard.
