"""What the watch tells when a process ends: settings, the state of the saved weights, the end of each optimizer."""

from __future__ import annotations

import ml_intern_courses as courses
import ml_intern_saved as saved


def tell(watch):
    """Say what was saved, which settings were used, and the end of each optimizer."""
    if watch.settings is not None:
        watch.channel.write(kind="settings", unread=watch.settings.unread()[:64])
    look_last(watch)
    tell_saved(watch)
    counted = {"calls": watch.batches.calls, "distinct": watch.batches.marks.distinct()}
    for course in watch.ended:
        latest = course.last_reading(watch.batches.samples)
        watch.catch_up(course, course.take())
        if latest is not None:
            watch.channel.write(kind="step", optimizer=course.number, **courses.told(latest))
        watch.channel.write(
            kind="end",
            optimizer=course.number,
            name=course.name,
            steps=course.step,
            device=course.device,
            watch_seconds=round(watch.cost, 4),
            **counted,
        )


def look_last(watch):
    """See the parameters as they are in the end; no later loss would show that the last update broke them."""
    for course in watch.ended:
        bad = course.path.look(course.step) if course.path is not None else []
        if bad and not course.is_stopped:
            # the script itself may have written them since its last step, so no update is accused
            reason = f"in the end parameters hold NaN or infinity ({', '.join(bad[:3])})"
            facts = {"step": course.step, "reason": reason, "where": "", "trail": list(course.trail)}
            kept = watch.states.save_latest()
            watch.channel.write(kind="diverged", optimizer=course.number, kept=kept, **facts)


def tell_saved(watch):
    """Say which of the states seen the saved weights are."""
    paths = [course.path for course in watch.ended if course.path is not None]
    found = saved.read(watch.weights) if paths and watch.weights.exists() else None
    if found is None:
        return
    tensors, digest = found
    order = ("last", "step", "average", "other")
    state, step = min((path.explain(tensors) for path in paths), key=lambda told: order.index(told[0]))
    watch.channel.write(kind="saved", digest=digest, state=state, step=step)
