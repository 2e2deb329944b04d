"""Static files under names that carry a hash, so that browsers keep them for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed and compressed; imports between our ES modules are rewritten too."""

    support_js_module_import_aggregation = True
    manifest_strict = False
