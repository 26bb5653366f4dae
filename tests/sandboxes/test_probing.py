"""A backend works only if the probes ran and every wall held."""

from __future__ import annotations

import json

from ml_intern.core.sandbox import Availability, JobResult
from ml_intern.sandboxes.probing import judge


def result(*reports: str, exit_code: int | None = 0, reason: str | None = None, output: str = "") -> JobResult:
    return JobResult(exit_code=exit_code, reason=reason, output=output, reports=reports, seconds=0.1)


def test_a_wall_that_falls_is_named_and_the_backend_does_not_work() -> None:
    verdict = judge("docker", result(json.dumps({"the network": False, "being root": True})))

    assert verdict == Availability(
        works=False,
        detail="docker does not protect from: the network",
        protects_from=("being root",),
        lacks=("the network",),
    )


def test_probes_that_did_not_report_prove_nothing() -> None:
    verdicts = [judge("docker", given) for given in (result(), result("{}", "{}"), result(exit_code=1, output="boom"))]

    assert [verdict.works for verdict in verdicts] == [False] * 3
    assert verdicts[2].detail == "docker: the probes failed (status 1): boom"
