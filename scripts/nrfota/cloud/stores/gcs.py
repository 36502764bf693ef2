# SPDX-License-Identifier: Apache-2.0
"""Google Cloud Storage; STORAGE_EMULATOR_HOST leads to a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nrfota.cloud.stores import CONTENT_TYPE
from nrfota.errors import OtaError, UnreachableError

TIMEOUT_S = (15.0, 60.0)
# A store that does not answer is told after this long.
PATIENCE_S = 60.0


class CloudStorage:
    """Objects are names below a prefix."""

    def __init__(self, bucket: str, prefix: str) -> None:
        import google.cloud.storage

        self._prefix = prefix
        self._name = bucket
        with _errors(f"gs://{bucket}"):
            self._bucket = google.cloud.storage.Client().bucket(bucket)

    def where(self, name: str) -> str:
        """gs://BUCKET/NAME."""
        return f"gs://{self._name}/{self._key(name)}"

    def read(self, name: str, *, limit: int) -> bytes | None:
        """The object's beginning, as it is stored."""
        from google.api_core.exceptions import (
            NotFound,
            RequestRangeNotSatisfiable,
        )

        with _errors(f"reading {self.where(name)}"):
            try:
                data: bytes = self._bucket.blob(self._key(name)).download_as_bytes(
                    end=limit - 1,
                    raw_download=True,
                    checksum=None,
                    timeout=TIMEOUT_S,
                    retry=_retry(),
                )
            except NotFound:
                return None
            except RequestRangeNotSatisfiable:
                return b""  # an empty object has no first byte
            return data[:limit]

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        """`new` by the object's generation, which the store compares."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        with _errors(f"writing {self.where(name)}"):
            try:
                self._bucket.blob(self._key(name)).upload_from_string(
                    data,
                    content_type=CONTENT_TYPE,
                    if_generation_match=0 if new else None,
                    timeout=TIMEOUT_S,
                    retry=_retry(),
                )
            except PreconditionFailed:
                raise OtaError(
                    f"{self.where(name)} appeared meanwhile; run again"
                ) from None
            except NotFound:
                raise OtaError(f"there is no bucket gs://{self._name}") from None

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(PATIENCE_S)


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """The library's errors as ours."""
    from google.api_core import exceptions
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except DefaultCredentialsError:
        raise UnreachableError(
            f"no Google credentials for {what}; set GOOGLE_APPLICATION_CREDENTIALS or "
            "run 'gcloud auth application-default login'"
        ) from None
    except (exceptions.Forbidden, exceptions.Unauthorized):
        raise OtaError(
            f"Cloud Storage does not allow {what} with these credentials"
        ) from None
    except (exceptions.RetryError, RequestException, ConnectionError) as error:
        cause = getattr(error, "cause", None) or error
        raise UnreachableError(
            f"Cloud Storage cannot be reached for {what}: {type(cause).__name__}"
        ) from None
    except GoogleAuthError as error:
        raise UnreachableError(
            f"Google refused the credentials for {what}: {type(error).__name__}"
        ) from None
    except exceptions.GoogleAPICallError as error:
        raise OtaError(f"Cloud Storage refused {what} ({error.code})") from None
