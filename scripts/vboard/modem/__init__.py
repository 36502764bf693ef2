# SPDX-License-Identifier: Apache-2.0
"""A SIM7600E: AT commands, file storage, HTTP and MQTT, and its faults."""

from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage

__all__ = ["FaultPlan", "ModemProfile", "Sim7600", "Storage"]
