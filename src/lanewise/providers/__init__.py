"""How each provider speaks: one file each, wrap and unwrap. They never retry, log, sleep or remember."""
