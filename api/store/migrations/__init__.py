"""Every change of the tables since the first, in order; `schema.upgrade` runs those that a database lacks."""
