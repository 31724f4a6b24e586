"""ZeroMQ from scratch on trio."""
