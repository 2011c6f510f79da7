"""The column copy: a derived DuckDB file a process, for counts, facets and text search (model.md).

``copy`` keeps it equal to the catalog, ``rows`` says what is in it, ``where`` compiles the search language for it.
"""

from isocenter.columns.copy import Columns
from isocenter.columns.where import View, Where, cases_in, images_in, view_of

__all__ = ["Columns", "View", "Where", "cases_in", "images_in", "view_of"]
