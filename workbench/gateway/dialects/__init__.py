"""What each wire protocol looks like: where a key sits, how errors and frames read, what an answer used. No I/O."""
