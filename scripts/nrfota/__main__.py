# SPDX-License-Identifier: Apache-2.0
"""`python -m nrfota COMMAND`: the commands without west."""

from nrfota.cli import main

raise SystemExit(main())
