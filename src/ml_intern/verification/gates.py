"""Gates that hold training and evaluation to what was proven: the forward pass of this source, a finished training."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.errors import ToolError
from ml_intern.core.events import Record
from ml_intern.core.facts import NetworkVerified, SuiteJudged, Trained
from ml_intern.core.folds import all_facts, facts
from ml_intern.core.gated import NetworkChecked
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ToolContext, Verdict
from ml_intern.verification.novel import LEAST_SCORE, novel_layers
from ml_intern.verification.source import source_digest, source_files


def verified_digests(records: Sequence[Record]) -> frozenset[str]:
    """Give the digests of all sources that passed, and were not found wrong later, when they claimed more."""
    passed: set[str] = set()
    for fact in all_facts(records):
        match fact:
            case NetworkVerified(source_digest=digest):
                passed.add(digest)
            case NetworkChecked(source_digest=digest, failed=failed) if failed:
                passed.discard(digest)
            case _:
                pass
    return frozenset(passed)


class DummyForwardGate:
    """Passes when exactly the source of the call's `network` passed the forward pass."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "dummy_forward"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Digest `network` and what it imports as they are now, and look for that digest in the journal."""
        network = call.arguments.get("network")
        if not isinstance(network, str):
            return Verdict(passed=False, reason=f"{call.name} needs `network`, the file that defines the network")
        try:
            files = source_files(context.paths.workspace, network)
        except ToolError as error:
            return Verdict(passed=False, reason=str(error))
        digest = source_digest(files)
        if digest in verified_digests(context.records):
            return Verdict(passed=True, reason=f"the source {digest[:12]} of {network} passed the forward pass")
        return Verdict(passed=False, reason=_refusal(next(iter(files)), tuple(files), context.records))


def _refusal(network: str, files: Sequence[str], records: Sequence[Record]) -> str:
    earlier = [fact for fact in facts(records, NetworkVerified) if fact.file == network]
    if not earlier:
        return f"{network} has not passed the forward pass; call check_network on it first"
    last = earlier[-1]
    imported = f" or what it imports ({', '.join(files[1:])})" if len(files) > 1 else ""
    return (
        f"{network}{imported} changed since {last.class_name} passed the forward pass "
        f"(source {last.source_digest[:12]}); call check_network on it again, then repeat this call"
    )


class UnitTestsGate:
    """Passes when tests known for the call's `network` passed on exactly this source, and are good where they must be.

    Tests are needed for layers that are declared new; tests that were written for other networks are kept to as well.
    """

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "unit_tests"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Look in the journal for tests that passed on the source as it is now."""
        network = call.arguments.get("network")
        try:
            files = source_files(context.paths.workspace, str(network))
        except ToolError as error:
            return Verdict(passed=False, reason=str(error))
        file = next(iter(files))
        known = [fact for fact in facts(context.records, SuiteJudged) if fact.file == file]
        passed = [fact for fact in known if fact.source_digest == source_digest(files)]
        novel = novel_layers(files, context.records)
        if not novel and not known:
            return Verdict(passed=True, reason="no layer is declared new, and no tests were written")
        if not passed:
            why = f"{', '.join(novel)} declared new" if not known else f"tests of {known[-1].tests_file} exist"
            way = "check_network runs them" if known else "write tests and call test_network"
            return Verdict(passed=False, reason=f"no tests have passed on this source of {file} ({why}); {way}")
        return _strong_enough(passed[-1], novel)


def _strong_enough(judged: SuiteJudged, novel: Sequence[str]) -> Verdict:
    score = judged.killed / max(judged.mutants, 1)
    told = f"the tests of {judged.tests_file} notice {judged.killed} of {judged.mutants} wrong versions"
    if not novel:
        return Verdict(passed=True, reason=told)
    if judged.layers and not set(novel) <= set(judged.layers):
        return Verdict(passed=False, reason=f"the tests were not judged on {', '.join(novel)}; call test_network")
    if score < LEAST_SCORE:
        needed = f"layers declared new ({', '.join(novel)}) need {LEAST_SCORE:.0%}"
        return Verdict(passed=False, reason=f"{told}; {needed}. Assert more, then call test_network")
    return Verdict(passed=True, reason=told)


class TrainedGate:
    """Passes when the training that the call names, or any, ended well."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        return "trained"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Look for the training in the journal."""
        done = [fact.call_id for fact in facts(context.records, Trained)]
        wanted = call.arguments.get("training")
        if not done:
            return Verdict(passed=False, reason="no training has ended well yet; call train first")
        if wanted and wanted not in done:
            known = ", ".join(done)
            return Verdict(passed=False, reason=f"no training {wanted!r} ended well; those that did are {known}")
        return Verdict(passed=True, reason=f"training {wanted or done[-1]} ended well")
