"""All SQL of ingest, by noun."""
