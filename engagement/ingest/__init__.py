"""The one door in: everything that customers say reaches the database through `ingest`."""

from engagement.ingest.door import IngestResult, Outcome, ingest

__all__ = ["IngestResult", "Outcome", "ingest"]
