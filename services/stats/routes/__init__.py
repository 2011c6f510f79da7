"""HTTP of statistics, servers and alerts."""
