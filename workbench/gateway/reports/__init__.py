"""Questions to the whole ledger, lake and spool together: DuckDB answers them in a child process."""
