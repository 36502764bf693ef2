# SPDX-License-Identifier: Apache-2.0
"""`west ota-cost --json`: names that stay; money and quantities are decimal texts."""

from __future__ import annotations

from typing import Any

from nrfota.cloud.cost import Cost, Sum, plain


def as_json(cost: Cost) -> dict[str, Any]:
    """The object of `--json`; money and quantities are decimal texts."""
    plan, prices = cost.plan, cost.prices
    broker = prices.profile(plan.profile).broker
    return {
        "prices": {
            "name": prices.name,
            "date": prices.date,
            "currency": prices.currency,
            "sources": list(prices.sources),
        },
        "profile": plan.profile,
        "broker": broker.name if broker else None,
        "storage": prices.profile(plan.profile).storage.name,
        "devices": plan.devices,
        "image_size": plan.image_size,
        "billed_size": cost.billed_size,
        "days": plan.days,
        "request_size": cost.request_size,
        "publishes": cost.publishes,
        "gets_per_device": cost.gets,
        "reports_per_device": plan.reports,
        "groups": [
            {
                "name": group.name,
                "in_total": group.in_total,
                "items": [
                    {
                        "name": item.name,
                        "quantity": plain(item.quantity),
                        "unit": item.unit,
                        "unit_price": plain(item.unit_price),
                        "per": item.per,
                        "formula": item.formula,
                        "amount": plain(item.amount),
                        "rounded": str(item.rounded),
                    }
                    for item in group.items
                ],
                **_sum(group.total),
            }
            for group in cost.groups
        ],
        "total": _sum(cost.total),
        "cellular": _cellular_json(cost),
    }


def _cellular_json(cost: Cost) -> dict[str, Any]:
    plan = cost.plan
    price = plan.cellular_price

    def amounts(devices: int) -> dict[str, Any]:
        money = cost.cellular_cost(devices)
        return {
            "received": cost.received * devices,
            "sent": cost.sent * devices,
            "total": (cost.received + cost.sent) * devices,
            "cost": _sum(money) if money else None,
        }

    return {
        "items": [
            {
                "name": item.name,
                "received": item.received,
                "sent": item.sent,
                "note": item.note,
            }
            for item in cost.cellular
        ],
        "price_per_mb": None if price is None else plain(price),
        "device": amounts(1),
        "fleet": amounts(plan.devices),
    }


def _sum(total: Sum) -> dict[str, str]:
    return {"amount": plain(total.amount), "rounded": str(total.rounded)}
