//! Lease Deliveries, pace, speak SMTP, record Outcomes.
