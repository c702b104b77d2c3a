"""The lanes in virtual time: discrete events, deterministic, calling the same policy as the live lanes."""
