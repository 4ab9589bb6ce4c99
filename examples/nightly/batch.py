"""A nightly batch on a table that is changed in place: ingest, then each night update (reads and writes `customers`) → score, region by region.

python batch.py [--nights 10] [--faulty 3]     prints the reports that are wrong, a name a line
"""

from __future__ import annotations

import argparse

import watchglass as wg

REGIONS = ("north", "south", "east", "west")
CUSTOMERS = 40


@wg.component("ingest", owner="ana", outputs=["orders"])
def ingest(nights):
    """Bring the orders of all nights: (night, customer, amount)."""
    return [
        (night, customer, (customer * 7 + night * 13) % 50) for night in range(nights) for customer in range(CUSTOMERS)
    ]


@wg.component("update", owner="bo", inputs=["customers", "orders"], outputs=["customers"])
def update(customers, orders, night, *, faulty=False):
    """Add a night's orders to what each customer spent; the faulty one takes them off."""
    changed = dict(customers)
    for _, customer, amount in (order for order in orders if order[0] == night):
        changed[customer] = changed.get(customer, 0) + (-amount if faulty else amount)
    return changed


def score(night, region, customers):
    """Report what a region's customers spent, as an artifact of its own."""
    place = REGIONS.index(region)
    with wg.run("score", params={"night": night, "region": region}) as run:
        run.read(customers, "customers")
        report = {"region": region, "spent": sum(v for k, v in customers.items() if int(k) % len(REGIONS) == place)}
        run.write(report, f"report-{night}-{region}")
    return report


def main():
    """Run the nights one after the other; a faulty night starts from the table of the night before and is mended by the next."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--nights", type=int, default=10)
    asked.add_argument("--faulty", type=int, default=3)
    told = asked.parse_args()
    customers = {}
    orders = ingest(told.nights)
    for night in range(told.nights):
        with wg.run("nightly", params={"night": night}):
            after = update(customers, orders, night, faulty=night == told.faulty)
            for region in REGIONS:
                score(night, region, after)
                if night == told.faulty:
                    print(f"report-{night}-{region}")
        customers = customers if night == told.faulty else after
    wg.flush()


if __name__ == "__main__":
    main()
