"""Why not: what removed an entry's sessions, what took the rest, and the smallest change that would place it."""
