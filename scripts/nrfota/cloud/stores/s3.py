# SPDX-License-Identifier: Apache-2.0
"""Amazon S3, and stores that speak its protocol (AWS_ENDPOINT_URL_S3).

Needs s3:PutObject, s3:GetObject, and s3:ListBucket: without the last one S3 says
"denied" where it means "not there".
"""

from __future__ import annotations

from nrfota.cloud.aws import aws_errors, client, error_code
from nrfota.cloud.stores import CONTENT_TYPE
from nrfota.errors import OtaError

ABSENT = ("NoSuchKey", "404", "NotFound")
EXISTS = ("PreconditionFailed", "ConditionalRequestConflict", "412")
# What stores answer that do not know conditional writes.
UNKNOWN_CONDITION = ("NotImplemented", "501")


class S3Store:
    """Objects are keys below a prefix."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._client = client("s3")

    def where(self, name: str) -> str:
        """s3://BUCKET/KEY."""
        return f"s3://{self._bucket}/{self._key(name)}"

    def read(self, name: str, *, limit: int) -> bytes | None:
        """The object's beginning."""
        from botocore.exceptions import ClientError

        with aws_errors(f"reading {self.where(name)}"):
            try:
                found = self._client.get_object(
                    Bucket=self._bucket, Key=self._key(name)
                )
            except ClientError as error:
                if error_code(error) in ABSENT:
                    return None
                raise
            with found["Body"] as body:
                data: bytes = body.read(limit)
                return data

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        """By PutObject, conditional when nothing is there."""
        from botocore.exceptions import ClientError

        with aws_errors(f"writing {self.where(name)}"):
            try:
                self._put(name, data, **({"IfNoneMatch": "*"} if new else {}))
            except ClientError as error:
                code = error_code(error)
                if new and code in EXISTS:
                    raise OtaError(
                        f"{self.where(name)} appeared meanwhile; run again"
                    ) from None
                if not new or code not in UNKNOWN_CONDITION:
                    raise
                self._put(name, data)

    def _put(self, name: str, data: bytes, **condition: str) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._key(name),
            Body=data,
            ContentType=CONTENT_TYPE,
            **condition,
        )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name
