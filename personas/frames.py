"""Big results of a query as a DataFrame, by COPY and typed columns: far less memory than rows of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, cast

from django.db import connection

if TYPE_CHECKING:
    import pandas as pd

IN_MEMORY = 32 * 1024 * 1024
"""Bytes of a result beyond which it waits on disk until it is parsed."""


def read_frame(
    sql: str,
    params: Mapping[str, Any] | Sequence[Any] = (),
    *,
    dtypes: Mapping[str, str],
    index: str = "",
    dates: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of a SELECT, with the columns of `dtypes` in their order (numpy or pandas types by name).

    NULL and the empty text become NaN. Columns named in `dates` are read as timestamps in UTC, whatever
    their dtype says.
    """
    import pandas as pd

    with connection.cursor() as cursor, SpooledTemporaryFile(max_size=IN_MEMORY) as out:
        text = cursor.mogrify(sql, params)
        query = text.decode() if isinstance(text, bytes) else text
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", out)
        out.seek(0)
        frame = pd.read_csv(
            cast("BytesIO", out),
            header=None,
            names=list(dtypes),
            dtype={name: dtype for name, dtype in dtypes.items() if name not in dates},
            keep_default_na=False,
            na_values=[""],
        )
    for name in dates:
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame.set_index(index) if index else frame
