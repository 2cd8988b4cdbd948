"""moto's server with what Glue does and moto leaves out.

python moto_server.py PORT

UpdateTable compares VersionId with the table's, under a lock, and answers
ConcurrentModificationException: without it commits of Iceberg tables get lost
unseen. The column statistics actions, which moto lacks, have no statistics.
"""

import sys
import threading

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.server import main

lock = threading.RLock()


def locked(action):
    def run(self):
        with lock:
            return action(self)

    return run


plain_update = GlueResponse.update_table


@locked
def update_table(self):
    expected = self.parameters.get("VersionId")
    name = self.parameters["TableInput"]["Name"]
    table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
    if expected is not None and str(expected) != str(table._current_version):
        raise GlueClientError(
            "ConcurrentModificationException",
            f"Update table failed due to concurrent modifications: version {expected} of {name} is not its current one, {table._current_version}.",
        )
    return plain_update(self)


GlueResponse.update_table = update_table
GlueResponse.create_table = locked(GlueResponse.create_table)
GlueResponse.delete_table = locked(GlueResponse.delete_table)

for kind in ("table", "partition"):
    for action, answer in (
        ("get", {"ColumnStatisticsList": [], "Errors": []}),
        ("update", {"Errors": []}),
        ("delete", None),
    ):
        setattr(
            GlueResponse,
            f"{action}_column_statistics_for_{kind}",
            lambda self, answer=answer: EmptyResult() if answer is None else ActionResult(answer),
        )

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
