"""What is remembered: a small set of named operations, bodies in segment files, rows in a database."""
