//! Cron + time zone → due Runs, each claimed once.
