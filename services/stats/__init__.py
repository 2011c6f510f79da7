"""The statistics service: counts through the grants, servers and alerts."""
