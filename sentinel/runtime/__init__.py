"""Everything with a thread or a clock: the daemon, its engine, scheduler, inbox, outbox, health and logging."""
