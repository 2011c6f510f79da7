"""All SQL of statistics: ``counts`` through the grants, ``hosts`` samples, ``alerts`` and silences, ``work`` (site-wide gauges)."""
