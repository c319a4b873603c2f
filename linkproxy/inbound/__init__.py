"""What providers tell by webhook of mail that they delivered: one file for each, and no I/O."""
