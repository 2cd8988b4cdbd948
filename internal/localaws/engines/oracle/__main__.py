"""python -m oracle PROMPT_ENDPOINT TROUBLED_ENDPOINT KEY SECRET

Prints a line for each operation and one for each deviation from AWS's models;
the exit code is 1 if there was one.
"""

import sys
import traceback
from xml.etree.ElementTree import ParseError

from botocore.exceptions import BotoCoreError, ClientError

from . import evidence, fleet, offers, platform, search, sql, ways
from .session import Clients
from .watch import Watch


def main(prompt, troubled, key, secret):
    watch = Watch()
    clients = Clients(prompt, key, secret, watch, attempts=1)
    steady = Clients(troubled, key, secret, watch, attempts=20)
    for phase in (
        lambda: fleet.run(clients, watch),
        lambda: platform.run(clients, watch),
        lambda: evidence.run(clients, watch),
        lambda: search.run(clients, watch),
        lambda: ways.run(clients, watch),
        lambda: sql.run(clients, watch),
        lambda: evidence.collect(steady, watch),
        lambda: watch.flaws.extend(offers.uncalled(clients, watch)),
    ):
        try:
            phase()
        except (BotoCoreError, ClientError, ParseError, KeyError, IndexError, TypeError, ValueError):
            watch.flaws.append("the client gave up: " + traceback.format_exc())

    for action in sorted(set(watch.answers) | set(watch.errors)):
        errors = ", ".join(f"{n} {code}" for code, n in sorted(watch.errors[action].items()))
        print(f"{action}: {watch.answers[action]} answers" + (f"; errors: {errors}" if errors else ""))
    for flaw in dict.fromkeys(watch.flaws):
        print(f"DEVIATION {flaw}")
    return 1 if watch.flaws else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
