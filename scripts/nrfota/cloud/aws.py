# SPDX-License-Identifier: Apache-2.0
"""boto3: clients, and its errors as sentences.

Credentials and region come from where the AWS tools look for them (environment,
profile, instance role); `AWS_ENDPOINT_URL` leads to a stand-in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nrfota.errors import OtaError, UnreachableError

# xxx-ats.iot.eu-central-1.amazonaws.com
IOT_HOST = re.compile(r"[^.]+\.iot\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?\Z")
DENIED = ("AccessDenied", "AccessDeniedException", "Forbidden", "403")


def client(service: str, *, iot_host: str = "") -> Any:
    """A client; `iot_host` is the cloud file's broker, which tells the region."""
    import boto3
    from botocore.config import Config

    region = IOT_HOST.match(iot_host)
    own = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    stands_in = any(
        os.environ.get(name)
        for name in ("AWS_ENDPOINT_URL", own, "AWS_ENDPOINT_URL_IOT_DATA_PLANE")
    )
    endpoint = None
    if service == "iot-data" and iot_host and not stands_in:
        endpoint = f"https://{iot_host}"
    with aws_errors(service):
        return boto3.session.Session().client(
            service,
            region_name=region[1] if region else None,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=15,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 5},
            ),
        )


def error_code(error: Any) -> str:
    """The code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """boto3's errors as ours; `what` is what was asked, with its object."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        code = error_code(error)
        message = str(error.response.get("Error", {}).get("Message", "")).strip()
        if code in DENIED:
            raise OtaError(
                f"AWS does not allow {what} with these credentials"
            ) from None
        said = f"{code}: {message}" if message else code
        raise OtaError(f"AWS refused {what} ({said[:200]})") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise UnreachableError(
            f"no AWS credentials for {what}; set AWS_PROFILE or run 'aws configure'"
        ) from None
    except exceptions.NoRegionError:
        raise UnreachableError(
            f"no AWS region for {what}; set AWS_REGION or AWS_DEFAULT_REGION"
        ) from None
    except (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
    ) as error:
        raise UnreachableError(f"AWS cannot be reached for {what}: {error}") from None
    except exceptions.BotoCoreError as error:
        raise OtaError(f"AWS refused {what} ({error})") from None
