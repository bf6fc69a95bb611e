//! Log lines: text on a terminal, JSON otherwise, always on standard error, never an address or a secret.
