"""The database: tables, migrations, the queue of jobs, the log. The same code on SQLite and PostgreSQL."""
