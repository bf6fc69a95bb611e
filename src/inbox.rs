//! A small SMTP listener for loopback that catches mail instead of delivering it: the local inbox of `dev`, and the sink of tests and benches.
