"""One widget a file. A widget draws records and posts upward; it changes nothing itself."""
